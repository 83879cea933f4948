"""The steps of a sweep: workers that share a study, and what takes its best values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from ferflow import paths, workflows
from ferflow.cluster import figures
from ferflow.cluster.exits import readable
from ferflow.cluster.workspace import PipelineRun, hand_on, workspace
from ferflow.errors import TuningError
from ferflow.params import load_params
from ferflow.progress import say


@readable
def tune_worker(run: PipelineRun, worker: int, *, last_try: int, params: str, split: str) -> dict[str, Any]:
    """Run `ferflow tune`, one trial after the other, on the storage that all workers of the run share.

    A worker that is stopped hands its trial back and fails, so that it is tried again. On its last try it
    ends well instead: the study goes on with the others, and a step that fails would end the whole sweep.

    Args:
        run: The pipeline's run.
        worker: Number of the worker.
        last_try: Number of the last try, from 0.
        params: Path of the parameter file.
        split: Path of the folder of the split.

    Returns:
        How the study stood when this worker had nothing left to do; without figures where it gave up.
    """
    os.environ["FERFLOW_TRACKING"] = "off"  # The study is brought to MLflow once, when all have ended.
    with workspace(run, f"tune-{worker}", params=params, split=split):
        try:
            return _tune(run, is_applied=False, trials=None)
        except TuningError as error:
            # Kubeflow 2.17 and newer number the tries; without a number every failure is tried again.
            tried = os.environ.get("KFP_RETRY_INDEX", "")
            if not tried.isdigit() or int(tried) < last_try:
                raise
            say(f"worker {worker} gives up: {error}; the study goes on with the other workers")
            return {}


@readable
def tune_best(
    run: PipelineRun, *, params: str, split: str, best: str, summary: str, page: str
) -> dict[str, Any]:
    """Write the best values of the study into the parameter file, and bring the study to MLflow.

    Returns:
        The state of the study.
    """
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        os.environ["FERFLOW_TRACKING"] = "off"  # A store in the pod would be lost with it.
    with workspace(run, "tune-best", params=params, split=split):
        # One trial is what the study has long had: no further one is begun.
        found = _tune(run, is_applied=True, trials=1)
        hand_on(paths.PARAMS, Path(best))
        hand_on(workflows.tune.PAGE, Path(page))
    rows = "\n".join(f"| {key} | {value} |" for key, value in found["best_params"].items())
    figures.write_text(
        Path(summary),
        f"## Best of {sum(found['trials'].values())} trials\n\nTrial {found['best_trial']}: validation "
        f"accuracy {found['best_value']:.4f}\n\n| key | value |\n|---|---|\n{rows}\n",
    )
    return found


def _tune(run: PipelineRun, *, is_applied: bool, trials: int | None) -> dict[str, Any]:
    report = workflows.tune.tune(
        load_params(paths.PARAMS),
        origin=paths.PARAMS,
        trials=trials,
        jobs=1,
        study=f"kfp-{run.run_id}",
        storage=_storage(run),
        apply_to=paths.PARAMS if is_applied else None,
    )
    if report.summary.is_stopped:
        raise TuningError(
            f"the pod was told to stop (exit code {report.exit_code}), and its trial is handed back; another "
            "try or worker goes on with it"
        )
    say("\n".join(workflows.tune.in_words(report)))
    return report.as_json()


def _storage(run: PipelineRun) -> str:
    """Where the study is kept: `FERFLOW_STUDY_STORAGE`, or a journal on the volume."""
    if chosen := os.environ.get("FERFLOW_STUDY_STORAGE"):
        return chosen
    if not run.work_dir:
        raise TuningError(
            "FERFLOW_STUDY_STORAGE is not set in this step and there is no work volume, so the workers share "
            "no storage; name secrets.postgresql or volumes.work in pipelines/config.yaml"
        )
    return str(Path(run.work_dir) / run.run_id / "studies.journal")
