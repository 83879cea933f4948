"""What surrounds a stage in a step: sections, workspace, shown figures, ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from ferflow import paths
from ferflow.cluster import exits, figures, steps, sweep_steps
from ferflow.cluster.sections import check_section, parse_params
from ferflow.cluster.workspace import PipelineRun, hand_on, workspace
from ferflow.data.store import write_csv
from ferflow.errors import DataError, ParamsError, TrackingError, TuningError
from ferflow.labels import EMOTIONS
from ferflow.params import DownloadParams, load_params
from ferflow.tuning.sweep import Summary, Tally
from ferflow.workflows import tune
from ferflow.workflows.tune import TuneReport
from tests.conftest import REPOSITORY
from tests.local_server import listening

pytestmark = pytest.mark.usefixtures("coarse_figures")

_PROFILE = REPOSITORY / "params.yaml"


@pytest.fixture
def inputs(tmp_path, monkeypatch) -> dict[str, str]:
    """Inputs of a step as paths of artifacts."""
    for name in ("KFP_RUN_ID", "KFP_RUN_URL"):
        monkeypatch.setenv(name, "")
    folders = {name: tmp_path / "artifacts" / name for name in ("split", "reports", "journals")}
    for name, folder in folders.items():
        folder.mkdir(parents=True)
        (folder / f"{name}.txt").write_text(name)
    (folders["journals"] / "alive.lock").write_text("")
    model = tmp_path / "artifacts" / "model"
    model.write_text("network")
    paths = {"params": _PROFILE, "model": model, **folders}
    return {name: str(path) for name, path in paths.items()}


def test_cluster_imports_without_kfp():
    code = "import sys; sys.modules['kfp'] = None; from ferflow.cluster import exits, steps, sweep_steps"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_sections_come_out_as_they_went_in(tmp_path):
    text = _PROFILE.read_text(encoding="utf-8")
    found = steps.check_parameters(text, params=str(tmp_path / "params"))
    params = load_params(_PROFILE)
    assert found.seed == params.seed
    assert check_section(DownloadParams, "download", found.download) == params.download
    assert (tmp_path / "params").read_text(encoding="utf-8") == text


def test_a_wrong_key_ends_the_step_with_one_line(tmp_path, capsys):
    text = _PROFILE.read_text(encoding="utf-8").replace("batch_size: 32", "batch_size: many")
    with pytest.raises(SystemExit) as caught:
        steps.check_parameters(text, params=str(tmp_path / "params"))
    assert caught.value.code == 1
    assert capsys.readouterr().err.startswith("error: pipeline input params: train.batch_size: 'many' found")


@pytest.mark.parametrize(("text", "message"), [("a: [", "not YAML"), ("- 1", "holds list")])
def test_a_text_that_is_no_parameter_file_is_refused(text, message):
    with pytest.raises(ParamsError, match=f"pipeline input params: {message}"):
        parse_params(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "step input download: not JSON"), ('{"source": "ftp"}', "download.source: 'ftp' found")],
)
def test_a_section_that_is_wrong_names_the_input(text, message):
    with pytest.raises(ParamsError, match=message):
        check_section(DownloadParams, "download", text)


def test_a_workspace_is_laid_out_as_the_repository(inputs):
    before = Path.cwd()
    with workspace(PipelineRun("7", "http://kubeflow/", ""), "evaluate", **inputs) as root:
        assert Path.cwd() == root
        assert load_params(paths.PARAMS).profile == "sample"
        assert (paths.SPLIT / "split.txt").read_text() == "split"
        assert paths.MODEL.read_text() == "network"
        assert (paths.REPORTS / "reports.txt").is_file()
        assert [path.name for path in Path(".ferflow/tracking").iterdir()] == ["journals.txt"]
        assert os.environ["KFP_RUN_ID"] == "7"
        assert os.environ["KFP_RUN_URL"] == "http://kubeflow/#/runs/details/7"
    assert Path.cwd() == before
    assert not root.exists()
    assert Path(inputs["split"], "split.txt").is_file()


def test_a_step_that_is_tried_again_finds_its_checkpoints(inputs, tmp_path):
    run = PipelineRun("7", "", str(tmp_path / "volume"))
    with pytest.raises(KeyError), workspace(run, "train", **inputs) as root:
        paths.CHECKPOINTS.mkdir(parents=True)
        (paths.CHECKPOINTS / "epoch").write_text("3")
        raise KeyError("evicted")
    with workspace(run, "train", **inputs):
        assert (paths.CHECKPOINTS / "epoch").read_text() == "3"
    with workspace(run, "tune-0", **inputs) as other:
        assert other != root
        assert not paths.CHECKPOINTS.exists()


def test_an_absent_folder_is_handed_on_as_an_empty_one(tmp_path):
    hand_on(tmp_path / "absent", tmp_path / "target")
    assert list((tmp_path / "target").iterdir()) == []


def test_registering_without_a_store_that_lasts_is_refused(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    names = ("params", "split", "model", "earlier", "scored_journals", "summary")
    with pytest.raises(TrackingError, match=r"secrets.mlflow in pipelines/config.yaml"):
        steps.register.__wrapped__(PipelineRun("7", "", ""), **dict.fromkeys(names, ""))


def test_workers_share_the_storage_of_the_environment_or_of_the_volume(monkeypatch):
    monkeypatch.delenv("FERFLOW_STUDY_STORAGE", raising=False)
    assert sweep_steps._storage(PipelineRun("7", "", "/volume")) == "/volume/7/studies.journal"
    with pytest.raises(TuningError, match=r"secrets.postgresql or volumes.work"):
        sweep_steps._storage(PipelineRun("7", "", ""))
    monkeypatch.setenv("FERFLOW_STUDY_STORAGE", "postgresql://host/studies")
    assert sweep_steps._storage(PipelineRun("7", "", "/volume")) == "postgresql://host/studies"


class _Classes:
    def log_confusion_matrix(self, categories, matrix):
        self.categories, self.matrix = categories, matrix

    def log_roc_curve(self, fpr, tpr, threshold):
        self.curve = list(zip(threshold, fpr, tpr, strict=True))


def test_confusions_and_the_curve_follow_from_the_predictions(tmp_path):
    labels, predicted = ["happy", "happy", "sad"], ["happy", "sad", "sad"]
    columns = {"label": labels, "predicted": predicted}
    for emotion in EMOTIONS:
        columns[f"p_{emotion}"] = ["0.9" if emotion == name else "0.01" for name in predicted]
    write_csv(tmp_path / "predictions.csv", columns)
    shown = _Classes()
    figures.log_classes(shown, tmp_path / "predictions.csv")
    happy, sad = EMOTIONS.index("happy"), EMOTIONS.index("sad")
    assert shown.matrix[happy][happy] == shown.matrix[happy][sad] == shown.matrix[sad][sad] == 1
    assert sum(map(sum, shown.matrix)) == 3
    points = {threshold: (fpr, tpr) for threshold, fpr, tpr in shown.curve}
    assert points[1.0] == (0, 0)
    assert points[0.5] == pytest.approx((1 / 18, 2 / 3))
    assert points[0.0] == (1, 1)


def test_a_page_without_pictures_says_so(tmp_path):
    figures.write_pictures(tmp_path / "page.html", title="a < b", pictures=[tmp_path / "absent.png"])
    page = (tmp_path / "page.html").read_text()
    assert "<h1>a &lt; b</h1>" in page
    assert "Nothing to show." in page


def test_a_report_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"absent.json: not found"):
        figures.read_report(tmp_path / "absent.json")


@pytest.fixture
def webhook(monkeypatch):
    """What a webhook on this machine is told."""
    told = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            pass

    with listening(HTTPServer(("127.0.0.1", 0), Handler)) as address:
        monkeypatch.setenv("FERFLOW_WEBHOOK", f"http://{address}/hook")
        yield told


@pytest.mark.parametrize(
    ("state", "result", "is_told"),
    [
        ("SUCCEEDED", "succeeded", False),
        ("COMPLETE", "succeeded", False),  # Of 2.17, from its metadata store.
        ("CACHED", "succeeded", False),
        ("FAILED", "failed", True),
        ("CANCELED", "canceled", True),
        ("RUNNING", "unclear: Kubeflow says RUNNING", True),  # Of a good sweep, before 2.17.
        ("UNKNOWN", "unclear: Kubeflow says UNKNOWN", True),
        ("", "unclear", True),  # Before 2.14.
    ],
)
def test_the_webhook_is_told_of_runs_that_do_not_end_well(webhook, capsys, state, result, is_told):
    exits.report_end(PipelineRun("7", "http://kubeflow", ""), state=state, message="")
    link = "http://kubeflow/#/runs/details/7"
    assert capsys.readouterr().err == f"ferflow run 7: {result} {link}\n"
    wanted = {"text": f"ferflow run 7: {result}\n{link}", "result": result, "state": state, "link": link}
    assert webhook == ([{"run_id": "7", **wanted}] if is_told else [])


def test_the_webhook_is_told_of_success_where_that_is_wanted(webhook):
    exits.report_end(PipelineRun("7", "", ""), state="COMPLETE", message="", tells_success=True)
    assert [entry["result"] for entry in webhook] == ["succeeded"]


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:9/hidden",
        "http://127.0.0.1:port/hidden",
        "http://[::1/hidden",
        "ftp://hidden",
        "http://a b/hidden",
    ],
)
def test_a_webhook_that_is_away_or_wrong_does_not_fail_the_handler_and_is_not_shown(
    monkeypatch, capsys, address
):
    monkeypatch.setenv("FERFLOW_WEBHOOK", address)
    exits.report_end(PipelineRun("7", "", ""), state="FAILED", message="")
    printed = capsys.readouterr().err
    assert "the webhook could not be told" in printed
    assert "hidden" not in printed


def _stopped(*_, **__) -> TuneReport:
    """A search that a signal ends."""
    summary = Summary(
        study="kfp-7",
        storage="studies.journal",
        tally=Tally(),
        best_trial=None,
        best_value=None,
        best_params={},
        ended_by="SIGTERM",
        seconds=1.0,
    )
    return TuneReport(summary, jobs=1, report=None, applied_to=None)


@pytest.mark.parametrize(("index", "ends_well"), [("", False), ("0", False), ("2", True), ("3", True)])
def test_a_stopped_worker_is_tried_again_and_ends_well_on_its_last_try(
    inputs, monkeypatch, capsys, index, ends_well
):
    monkeypatch.setattr(tune, "tune", _stopped)
    monkeypatch.setenv("FERFLOW_STUDY_STORAGE", "postgresql://host/studies")
    monkeypatch.setenv("FERFLOW_TRACKING", "off")
    monkeypatch.setenv("KFP_RETRY_INDEX", index)
    step = {"last_try": 2, "params": inputs["params"], "split": inputs["split"]}
    if ends_well:
        assert sweep_steps.tune_worker(PipelineRun("7", "", ""), 1, **step) == {}
    else:
        with pytest.raises(SystemExit) as caught:
            sweep_steps.tune_worker(PipelineRun("7", "", ""), 1, **step)
        assert caught.value.code == 1
    printed = capsys.readouterr().err
    assert "(exit code 143), and its trial is handed back" in printed
    assert ("the study goes on with the other workers" in printed) is ends_well
