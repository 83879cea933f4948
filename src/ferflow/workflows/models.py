"""What can answer here: the built-in network, exports, registered versions."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ferflow import paths
from ferflow.data.faces.detector_at_hand import describe_detector
from ferflow.errors import ModelError, TrackingError
from ferflow.serving.answering import Answering, choose_model
from ferflow.serving.export_folder import DESCRIPTION, DETECTOR, model_file, read_description, read_file
from ferflow.tracking import names
from ferflow.tracking.address import DATABASE, VARIABLE
from ferflow.tracking.registry.aliases import registered_model, standing, versions
from ferflow.tracking.store import client, store_errors

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

ROOT = Path()

Source = Literal["built-in", "export", "registered"]


@dataclass(frozen=True)
class Listed:
    """A model of the list.

    Attributes:
        answers: Whether `predict`, `explain`, `serve`, `app` and `Predictor()` use it here.
        source: Where it is: in the package, in an export folder, or in the registry.
        place: The folder; None in the registry.
        name: Its name; None where its description is damaged.
        version: The version of the registry; None for others.
        alias: `champion`, `challenger`, or `refused` by the gate; only in the registry.
        trained_on: What its images were; None where that is not known.
        accuracy: On its test images, 0-1; None where it was not scored.
        leak_free_accuracy: Without images that have a copy among those it learned from.
        warning: What must be said beside its answers.
        error: Why it cannot answer.
    """

    answers: bool
    source: Source
    place: str | None = None
    name: str | None = None
    version: str | None = None
    alias: str | None = None
    trained_on: str | None = None
    accuracy: float | None = None
    leak_free_accuracy: float | None = None
    warning: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class ModelsReport:
    """The models that are here.

    Attributes:
        listed: Exports and the built-in network, in the order in which they are taken, then versions.
        detector: What finds faces for the one that answers; None where that is damaged.
        registry_error: Why registered versions are not listed; None where they are.
    """

    listed: tuple[Listed, ...]
    detector: str | None
    registry_error: str | None

    @property
    def chosen(self) -> Listed:
        """The one that answers."""
        return next(model for model in self.listed if model.answers)

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        models = [asdict(model) for model in self.listed]
        return {"models": models, "detector": self.detector, "registry_error": self.registry_error}


def models(export: Path | None = None) -> ModelsReport:
    """List the models that can answer here, and which one does.

    Args:
        export: A further export folder; it answers where it is given.
    """
    listed = _folders(export)
    registered, complaint = _registered(ROOT)
    chosen = next(model for model in listed if model.answers)
    detector = None if chosen.error else _detector_of(Path(str(chosen.place)))
    return ModelsReport((*listed, *registered), detector, complaint)


def _folders(named: Path | None) -> list[Listed]:
    """The folders in the order in which they are taken; the first one answers."""
    folders = [] if named is None else [named]
    if (paths.EXPORT / DESCRIPTION).exists() and named != paths.EXPORT:
        folders.append(paths.EXPORT)
    if paths.BUILT_IN not in folders:
        folders.append(paths.BUILT_IN)
    return [_described(folder, answers=number == 0) for number, folder in enumerate(folders)]


def _described(folder: Path, *, answers: bool) -> Listed:
    source: Source = "built-in" if folder == paths.BUILT_IN else "export"
    try:
        model = choose_model(folder)
        _check_files(model)
    except ModelError as error:
        return Listed(answers, source, str(folder), error=str(error))
    found = model.description
    figures = found.figures or {}
    return Listed(
        answers,
        source,
        str(folder),
        found.name,
        found.version,
        trained_on=found.trained_on,
        accuracy=_figure(figures, "accuracy"),
        leak_free_accuracy=_figure(figures, "leak_free_accuracy"),
        warning=model.warning,
    )


def _check_files(model: Answering) -> None:
    """See that its network is the one that was exported, as every command does that uses it."""
    read_file(model.folder, model_file("float32"), model.description)


def _figure(figures: dict[str, Any], name: str) -> float | None:
    value = figures.get(name)
    return float(value) if isinstance(value, int | float) else None


def _registered(root: Path) -> tuple[list[Listed], str | None]:
    """The registered versions, newest first, and why there are none to list; MLflow only where a store is."""
    if not os.environ.get(VARIABLE, "").strip() and not (root / DATABASE).is_file():
        return [], None
    try:
        store = client(root)
        found = versions(store)
        with store_errors(store.tracking_uri):
            known = registered_model(store) if found else None
        aliases = dict(known.aliases) if known else {}
        return [_of_version(store, version, aliases) for version in found], None
    except TrackingError as error:
        return [], str(error)


def _of_version(store: MlflowClient, version: ModelVersion, aliases: dict[str, Any]) -> Listed:
    number = str(version.version)
    figures: dict[str, Any] = {}
    if version.run_id:
        with store_errors(store.tracking_uri):
            figures = dict(store.get_run(str(version.run_id)).data.metrics)
    return Listed(
        False,
        "registered",
        name=names.REGISTERED_MODEL,
        version=number,
        alias=standing(version, aliases) or None,
        accuracy=_figure(figures, names.TEST_ACCURACY),
        leak_free_accuracy=_figure(figures, names.LEAK_FREE_ACCURACY),
    )


def _detector_of(folder: Path) -> str:
    """What finds faces for a model that answers, in words."""
    kind = read_description(folder).detector
    if kind == "auto":
        return describe_detector()
    return f"YuNet, {folder / DETECTOR}" if kind == "yunet" else "OpenCV's Haar cascade, as the export says"
