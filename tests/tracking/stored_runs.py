"""Runs in a real store, with the predictions of real networks (see predictions/README.md)."""

from __future__ import annotations

import shutil
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import LoggedModelOutput, Metric, Param
from sklearn.metrics import f1_score

from ferflow.data.store import read_csv
from ferflow.tracking import names
from ferflow.tracking.comparison.paired import Predictions, read_predictions
from ferflow.tracking.store import experiment_id
from ferflow.tracking.tracked_run import TrackedRun, get_run

PREDICTIONS = Path(__file__).parent / "predictions"
DIGEST = "5" * 64

# What the networks were trained with, and some of what else profile sample holds.
PARAMS = {
    "seed": "20131",
    "model.backbone": "resnet_v2",
    "model.image_size": "48",
    "model.widths": "[16, 32, 64]",
    "train.epochs": "20",
    "train.optimizer": "sgd",
    "train.learning_rate": "0.05",
    "evaluate.test_time_augmentation": "none",
}
# Multiply-adds of one answer, by `ferflow.model.cost` of the trained networks.
COSTS = dict.fromkeys(("full", "medium", "short", "other"), 7_382_464) | {
    "wide": 11_393_840,
    "narrow": 4_237_392,
}
CHANGES: dict[str, dict[str, str]] = {
    "full": {},
    "wide": {"model.widths": "[20, 40, 80]"},
    "narrow": {"model.widths": "[12, 24, 48]"},
    "medium": {"train.epochs": "8"},
    "short": {"train.epochs": "4"},
    "other": {"seed": "7", "train.epochs": "8"},
}


def predictions(name: str) -> Predictions:
    """What a network of this name said of its test images."""
    return read_predictions(PREDICTIONS / f"{name}.csv")


def store_run(
    client: MlflowClient,
    folder: Path,
    name: str,
    *,
    digest: str = DIGEST,
    cost: int | None = None,
    params: dict[str, str] | None = None,
    with_model: bool = True,
    status: str = "FINISHED",
) -> TrackedRun:
    """Store a finished run with the predictions of the network `name`, and a model that is a mere folder."""
    tags = {
        names.TAG_TEST: digest,
        names.TAG_DESCRIPTION: f"The network {name}.",
        names.TAG_RUN: f"fingerprint-{name}",
    }
    run_id = client.create_run(experiment_id(client), run_name=name, tags=tags).info.run_id
    values = PARAMS | CHANGES[name] | (params or {})
    scored = predictions(name)
    right, kept = scored.right(), ~scored.leaked
    metrics = {
        names.MULTIPLY_ADDS: cost or COSTS[name],
        names.TEST_ACCURACY: right.mean(),
        names.LEAK_FREE_ACCURACY: right[kept].mean(),
        names.TEST_MACRO_F1: f1_score(scored.labels, scored.predicted, average="macro", zero_division=0),
        names.BEST_VAL_ACCURACY: max(row["val_accuracy"] for _, row in history(name)),
    }
    points = [Metric(key, float(value), 0, 0) for key, value in metrics.items()]
    for epoch, row in history(name):
        points += [Metric(key, value, epoch, epoch) for key, value in row.items()]
    client.log_batch(run_id, points, [Param(key, value) for key, value in values.items()])
    reports = folder / run_id / "reports"
    reports.mkdir(parents=True)
    shutil.copy(PREDICTIONS / f"{name}.csv", reports / "predictions.csv")
    client.log_artifacts(run_id, str(reports), names.REPORTS)
    if with_model:
        _store_model(client, run_id, folder / run_id / "model")
    client.set_terminated(run_id, status)
    return get_run(client, run_id)


def history(name: str) -> list[tuple[int, dict[str, float]]]:
    """(epoch, metrics of it) as the training of this name went."""
    columns = read_csv(PREDICTIONS / f"{name}.history.csv", ("epoch", *names.EPOCH_METRICS))
    return [
        (int(epoch), {key: float(columns[key][row]) for key in names.EPOCH_METRICS})
        for row, epoch in enumerate(columns["epoch"])
    ]


def _store_model(client: MlflowClient, run_id: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors: {}\n", encoding="utf-8")
    model = client.create_logged_model(experiment_id(client), name=names.MODEL, source_run_id=run_id)
    client.log_model_artifacts(model.model_id, str(folder))
    client.finalize_logged_model(model.model_id, "READY")
    client.log_outputs(run_id, [LoggedModelOutput(model.model_id, step=0)])
