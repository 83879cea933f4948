"""The steps of a pipeline: each runs one stage, or one command, on the artifacts of the steps before.

The names are those of the stages in `dvc.yaml`; `check_parameters` comes before them. Data steps take the
sections that `dvc.yaml` names, so that Kubeflow's cache knows what they depend on. The others run the use
case of the same name in a workspace. The command line calls the same functions of `ferflow.workflows`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, NamedTuple

from ferflow import paths, workflows
from ferflow.cluster import figures
from ferflow.cluster.exits import readable
from ferflow.cluster.sections import check_section, parse_params
from ferflow.cluster.workspace import PipelineRun, hand_on, workspace
from ferflow.errors import TrackingError
from ferflow.files import atomic_directory
from ferflow.params import DownloadParams, FaceFilterParams, SplitParams, load_params
from ferflow.progress import say


class DataSections(NamedTuple):
    """What the data steps take of a parameter file: the seed, and sections as JSON."""

    seed: int
    download: str
    face_filter: str
    split: str


@readable
def check_parameters(text: str, *, params: str) -> DataSections:
    """Check a parameter file before anything costs time, and take the sections of the data steps from it.

    Args:
        text: The parameter file.
        params: Where it is kept for the steps that need all of it.
    """
    values = parse_params(text)
    figures.write_text(Path(params), text)
    return DataSections(
        seed=values.seed,
        download=values.download.model_dump_json(),
        face_filter=values.face_filter.model_dump_json(),
        split=values.split.model_dump_json(),
    )


@readable
def download(seed: int, download: str, *, raw: str, reports: str, summary: str) -> None:
    """Run stage download."""
    section = check_section(DownloadParams, "download", download)
    with atomic_directory(Path(reports)) as folder:
        report = workflows.stage.run_at(
            "download", section, seed=seed, output_dir=Path(raw), report_path=folder / "download.json"
        )
        _note(folder, "download", {paths.RAW: raw})
    figures.write_text(
        Path(summary), figures.count_table(f"{report.num_images:,} images of {report.source}", report.images)
    )


@readable
def face_filter(face_filter: str, *, raw: str, earlier: str, filtered: str, reports: str, page: str) -> None:
    """Run stage face-filter."""
    hand_on(Path(earlier), Path(reports))
    workflows.stage.run_at(
        "face-filter",
        check_section(FaceFilterParams, "face_filter", face_filter),
        raw_dir=Path(raw),
        output_dir=Path(filtered),
        reports_dir=Path(reports),
    )
    _note(Path(reports), "face-filter", {paths.FILTERED: filtered})
    figures.write_pictures(
        Path(page), title="Images without a face", pictures=[Path(reports) / "dropped.png"]
    )


@readable
def split(
    seed: int,
    split: str,
    *,
    raw: str,
    filtered: str,
    earlier: str,
    output: str,
    reports: str,
    summary: str,
) -> None:
    """Run stage split."""
    hand_on(Path(earlier), Path(reports))
    report = workflows.stage.run_at(
        "split",
        check_section(SplitParams, "split", split),
        seed=seed,
        raw_dir=Path(raw),
        filtered_dir=Path(filtered),
        output_dir=Path(output),
        reports_dir=Path(reports),
    )
    _note(Path(reports), "split", {paths.SPLIT: output})
    figures.write_text(Path(summary), figures.count_table(f"Split by scheme {report.scheme}", report.subsets))


@readable
def train(
    run: PipelineRun,
    *,
    params: str,
    split: str,
    earlier: str,
    model: str,
    reports: str,
    journals: str,
    page: str,
) -> dict[str, Any]:
    """Run `ferflow train`; a pod that is tried again goes on from the last epoch.

    Returns:
        What `train.json` holds.
    """
    with workspace(run, "train", params=params, split=split, reports=earlier):
        workflows.train.train(load_params(paths.PARAMS), origin=paths.PARAMS)
        _note(paths.REPORTS, "train", {paths.MODEL: str(paths.MODEL)})
        hand_on(paths.MODEL, Path(model))
        _hand_reports_on(reports, journals)
    figures.write_pictures(Path(page), title="Training", pictures=[Path(reports) / "history.png"])
    return figures.read_report(Path(reports) / "train.json")


@readable
def evaluate(
    run: PipelineRun,
    *,
    params: str,
    split: str,
    model: str,
    earlier: str,
    trained_journals: str,
    reports: str,
    journals: str,
    page: str,
) -> dict[str, Any]:
    """Run `ferflow evaluate`.

    Returns:
        What `metrics.json` holds.
    """
    inputs = {"params": params, "split": split, "model": model, "reports": earlier}
    with workspace(run, "evaluate", journals=trained_journals, **inputs):
        workflows.evaluate.evaluate(load_params(paths.PARAMS), origin=paths.PARAMS)
        _hand_reports_on(reports, journals)
    hand_on(Path(reports) / "report.html", Path(page))
    return figures.read_report(Path(reports) / "metrics.json")


@readable
def register(
    run: PipelineRun,
    *,
    params: str,
    split: str,
    model: str,
    earlier: str,
    scored_journals: str,
    summary: str,
) -> dict[str, str]:
    """Run `ferflow register`.

    Returns:
        The ids under which MLflow knows the run, and the address of its store.

    Raises:
        TrackingError: There is no store that outlives the step.
    """
    store = os.environ.get("MLFLOW_TRACKING_URI")
    if not store:
        raise TrackingError(
            "MLFLOW_TRACKING_URI is not set in this step, and a store in the pod would be lost with it; name "
            "a secret with it under secrets.mlflow in pipelines/config.yaml"
        )
    inputs = {"params": params, "split": split, "model": model, "reports": earlier}
    with workspace(run, "register", journals=scored_journals, **inputs) as root:
        lines = workflows.register.in_words(workflows.register.register(load_params(paths.PARAMS)))
        found = workflows.runs.newest_sent(root)
    say("\n".join(lines))
    kfp = f"\n\n[This run in Kubeflow]({run.link})" if run.link else ""
    text = "\n\n".join(lines)
    link = f"\n\nMLflow run: {found.get('mlflow_link') or found.get('mlflow_run_id', 'unknown')}"
    figures.write_text(Path(summary), f"## Registration\n\n{text}{link}{kfp}\n")
    return found


def _note(reports: Path, stage: str, artifacts: dict[Path, str]) -> None:
    """Write down what a stage wrote: its artifacts, and its reports."""
    workflows.stage.note(reports, stage, {output: Path(path) for output, path in artifacts.items()})


def _hand_reports_on(reports: str, journals: str) -> None:
    hand_on(paths.REPORTS, Path(reports))
    hand_on(paths.JOURNALS, Path(journals))
