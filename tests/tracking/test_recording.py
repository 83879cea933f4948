"""What the stages leave in journals and in the store, whatever happens to them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from mlflow.entities import ViewType

from ferflow import paths
from ferflow.errors import ModelError
from ferflow.files import sha256_of
from ferflow.params import Params, load_params
from ferflow.stages import evaluate, train
from ferflow.tracking import names, store
from ferflow.tracking.outbox import sync
from ferflow.tracking.outbox.journal import JOURNALS, all_journals
from ferflow.tracking.outbox.recording import recorded_training
from ferflow.tracking.outbox.scoring import record_evaluation, send_reports
from ferflow.tracking.outbox.sent import is_complete
from ferflow.tracking.outbox.system import Sampler, cpu_times, cpu_use
from tests.full_disk import file_size_limit
from tests.tracking.conftest import SETTINGS, copy_store
from tests.tracking.small_repository import write_repository

pytestmark = pytest.mark.usefixtures("coarse_figures")


def _row(epoch: int) -> dict[str, float]:
    return {"epoch": epoch, **dict.fromkeys(names.EPOCH_METRICS, epoch / 10)}


@pytest.fixture
def params(embedded: Path) -> Params:
    """Of the small repository at `embedded`, two epochs long."""
    write_repository(embedded, "train.epochs=2")
    return load_params(embedded / paths.PARAMS)


def runs_of(root: Path) -> list[Any]:
    client = store.client(root)
    return list(client.search_runs([store.experiment_id(client)], run_view_type=ViewType.ALL))


def test_a_training_that_fails_is_a_failed_run_with_its_epochs(embedded: Path, params: Params, capsys):
    with pytest.raises(ModelError), recorded_training(embedded, params) as on_epoch:
        on_epoch(_row(1))
        raise ModelError("the loss became nan")
    (run,) = runs_of(embedded)
    assert run.info.status == "FAILED"
    assert run.data.metrics["loss"] == 0.1
    assert "tracked as run sample resnet_v2 48px sgd 0.05" in capsys.readouterr().err


def test_an_interrupted_training_is_a_killed_run(embedded: Path, params: Params):
    with pytest.raises(KeyboardInterrupt), recorded_training(embedded, params) as on_epoch:
        on_epoch(_row(1))
        raise KeyboardInterrupt
    assert [run.info.status for run in runs_of(embedded)] == ["KILLED"]


def test_a_training_that_could_not_begin_is_no_run(embedded: Path, params: Params):
    with pytest.raises(ModelError), recorded_training(embedded, params):
        raise ModelError("no weights")
    assert all_journals(embedded) == []


def test_epochs_arrive_while_training_goes_on(embedded: Path, params: Params):
    with pytest.raises(KeyboardInterrupt), recorded_training(embedded, params) as on_epoch:
        on_epoch(_row(1))
        deadline = time.monotonic() + 60
        while not (found := runs_of(embedded)) or "loss" not in found[0].data.metrics:
            assert time.monotonic() < deadline, "nothing arrived"
            time.sleep(0.1)
        assert found[0].info.status == "RUNNING"
        raise KeyboardInterrupt


def test_off_records_nothing(embedded: Path, params: Params, monkeypatch):
    monkeypatch.setenv("FERFLOW_TRACKING", "off")
    with recorded_training(embedded, params) as on_epoch:
        on_epoch(_row(1))
    record_evaluation(embedded, params)
    assert not (embedded / JOURNALS).exists()


def test_a_full_disk_under_the_journal_costs_one_line_and_no_training(embedded: Path, params: Params, capsys):
    with pytest.raises(ModelError), recorded_training(embedded, params) as on_epoch:
        on_epoch(_row(1))
        with file_size_limit(0):
            on_epoch(_row(2))
            on_epoch(_row(3))
        raise ModelError("the end")
    printed = capsys.readouterr().err
    assert printed.count("the run is no longer recorded") == 1


def test_a_read_only_folder_costs_one_line_and_no_training(embedded: Path, params: Params, capsys):
    (embedded / ".ferflow").write_text("a file in the place of the folder")
    with recorded_training(embedded, params) as on_epoch:
        on_epoch(_row(1))
    assert "the run will not be tracked" in capsys.readouterr().err


class _Trained:
    """The folder of a network that was trained and evaluated with records, by the real stages."""

    def __init__(self, root: Path, params: Params) -> None:
        self.root = root
        self.params = params

    def train(self) -> None:
        reports, checkpoints = self.root / paths.REPORTS, self.root / paths.CHECKPOINTS
        with recorded_training(self.root, self.params) as on_epoch:
            train.run(
                self.params,
                split_dir=self.root / paths.SPLIT,
                model_path=self.root / paths.MODEL,
                reports_dir=reports,
                checkpoint_dir=checkpoints,
                on_epoch=on_epoch,
            )

    def evaluate(self, **changes: object) -> Params:
        evaluated = self.params.evaluate.model_copy(update=changes)
        params = self.params.model_copy(update={"evaluate": evaluated})
        evaluate.run(
            params.evaluate,
            split_dir=self.root / paths.SPLIT,
            model_path=self.root / paths.MODEL,
            reports_dir=self.root / paths.REPORTS,
        )
        record_evaluation(self.root, params)
        return params


@pytest.fixture(scope="module")
def trained_once(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a network that was trained with records; not to be changed."""
    root = tmp_path_factory.mktemp("trained") / "repository"
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        copy_store(migrated_database, root)
        write_repository(root, "train.epochs=2")
        _Trained(root, load_params(root / paths.PARAMS)).train()
    return root


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> _Trained:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    root = shutil.copytree(trained_once, tmp_path / "repository")
    return _Trained(root, load_params(root / paths.PARAMS))


def _losses(root: Path, run: Any) -> list[tuple[int, float]]:
    history = store.client(root).get_metric_history(run.info.run_id, "loss")
    return [(entry.step, entry.value) for entry in history]


@pytest.mark.slow
def test_evaluations_of_a_training(trained: _Trained, capsys):
    """The first goes on in the run of the training, the same again changes nothing, another is a run."""
    root = trained.root
    (run,) = runs_of(root)
    assert run.info.status == "FINISHED"
    assert names.TEST_ACCURACY not in run.data.metrics

    trained.evaluate()
    (first,) = runs_of(root)
    assert first.info.run_id == run.info.run_id
    assert names.TEST_ACCURACY in first.data.metrics

    params = trained.evaluate()
    assert send_reports(root, params) == first.info.run_id
    assert len(runs_of(root)) == 1

    trained.evaluate(test_time_augmentation="flip")
    second, again = runs_of(root)
    assert again.data.to_dictionary() == first.data.to_dictionary()
    assert second.data.tags[names.TAG_DERIVED] == first.data.tags[names.TAG_JOURNAL]
    assert second.data.params["evaluate.test_time_augmentation"] == "flip"
    assert _losses(root, second) == _losses(root, first)
    assert [step for step, _ in _losses(root, first)] == [1, 2]
    assert all(is_complete(journal) for journal in all_journals(root))


def test_a_training_that_left_no_journal_is_a_run_all_the_same(trained: _Trained):
    shutil.rmtree(trained.root / JOURNALS)
    trained.evaluate()
    runs = [run for run in runs_of(trained.root) if names.TEST_ACCURACY in run.data.metrics]
    assert len(runs) == 1
    assert [step for step, _ in _losses(trained.root, runs[0])] == [1, 2]
    assert runs[0].data.params["train.epochs"] == "2"


def test_a_run_that_went_on_from_a_killed_one_has_all_epochs(trained: _Trained):
    """Training goes on after its last epoch: the recording gets none, the run has them all."""
    trained.train()
    newest, _ = runs_of(trained.root)
    assert [step for step, _ in _losses(trained.root, newest)] == [1, 2]


def test_a_network_that_the_reports_are_not_about_is_one_line(trained: _Trained, capsys):
    trained.evaluate()
    (trained.root / paths.MODEL).write_bytes(b"another")
    record_evaluation(trained.root, trained.params)
    assert "the evaluation is not tracked" in capsys.readouterr().err
    assert len(runs_of(trained.root)) == 1


@pytest.mark.slow
def test_without_mlflow_the_stages_work_and_the_run_waits(
    embedded: Path, params: Params, monkeypatch, capsys
):
    trained = _Trained(embedded, params)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "mlflow", None)
        trained.train()
        trained.evaluate()
    lines = [line for line in capsys.readouterr().err.splitlines() if "not tracked yet" in line]
    assert len(lines) == 2
    assert all("MLflow is not installed" in line and "ferflow track sync" in line for line in lines)
    (journal,) = all_journals(embedded)
    kept = journal.files / names.REPORTS / "report.html"
    assert sha256_of(kept) == sha256_of(embedded / paths.REPORTS / "report.html")
    assert sync.sync(embedded) == ([journal.key], {})
    assert [run.info.status for run in runs_of(embedded)] == ["FINISHED"]


@pytest.mark.slow
def test_later_reports_do_not_replace_those_that_wait(embedded: Path, params: Params, monkeypatch):
    """The reports of a run that is not sent yet stay those of that run."""
    trained = _Trained(embedded, params)
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "mlflow", None)
        trained.train()
        trained.evaluate()
        first = sha256_of(embedded / paths.REPORTS / "predictions.csv")
        trained.evaluate(test_time_augmentation="flip")
    sync.sync(embedded)
    runs = runs_of(embedded)
    client = store.client(embedded)
    digests = {sha256_of(Path(client.download_artifacts(run.info.run_id, names.PREDICTIONS))) for run in runs}
    assert digests == {first, sha256_of(embedded / paths.REPORTS / "predictions.csv")}
    assert len(digests) == 2


# Records an epoch, waits until a store has it, and then for its end.
_TRAINING = """
import sys, time
from pathlib import Path
from ferflow.params import load_params
from ferflow.tracking import names
from ferflow.tracking.outbox.journal import all_journals
from ferflow.tracking.outbox.recording import recorded_training
from ferflow.tracking.outbox.sent import Sent

root = Path(sys.argv[1])
with recorded_training(root, load_params(root / "params.yaml")) as on_epoch:
    on_epoch({"epoch": 1, **dict.fromkeys(names.EPOCH_METRICS, 0.5)})
    while not any((Sent.load(journal) or Sent("")).num_values for journal in all_journals(root)):
        time.sleep(0.05)
    print("sent", flush=True)
    time.sleep(60)
"""


def _wait_for_status(root: Path, status: str) -> None:
    deadline = time.monotonic() + 60
    while status not in [run.info.status for run in runs_of(root)]:
        assert time.monotonic() < deadline, f"no run became {status}"
        time.sleep(0.1)


@pytest.mark.slow
def test_a_training_killed_by_a_signal_is_closed_while_the_next_one_goes_on(embedded: Path, params: Params):
    command = [sys.executable, "-c", _TRAINING, str(embedded)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "sent\n"
        process.kill()
    assert [run.info.status for run in runs_of(embedded)] == ["RUNNING"]
    with pytest.raises(ModelError), recorded_training(embedded, params) as on_epoch:
        on_epoch(_row(1))
        _wait_for_status(embedded, "KILLED")
        raise ModelError("the end")
    assert sorted(run.info.status for run in runs_of(embedded)) == ["FAILED", "KILLED"]


def test_the_machine_is_sampled():
    samples: list[tuple[int, dict[str, float]]] = []
    sampler = Sampler(lambda number, values: samples.append((number, values)))
    sampler.start()
    deadline = time.monotonic() + 30
    while not samples:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    sampler.end()
    number, values = samples[0]
    assert number == 1
    assert 0 <= values["system/cpu_utilization_percentage"] <= 100
    assert 10 < values["system/process_memory_megabytes"] < values["system/system_memory_usage_megabytes"]


def test_a_busy_process_shows_in_its_share():
    before = cpu_times()
    while time.process_time() < before[1] + 0.2:
        pass
    assert cpu_use(before, cpu_times())["system/process_cpu_percentage"] > 5


def test_gpus_are_sampled_where_nvidia_has_a_tool(tmp_path: Path, monkeypatch):
    from ferflow.tracking.outbox.system import gpu_use

    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '87, 1024, 250.5'\necho '3, 12, [N/A]'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert gpu_use() == {
        "system/gpu_0_utilization_percentage": 87,
        "system/gpu_0_memory_usage_megabytes": 1024,
        "system/gpu_0_power_usage_watts": 250.5,
        "system/gpu_1_utilization_percentage": 3,
        "system/gpu_1_memory_usage_megabytes": 12,
    }
