"""The command `models`: what can answer here, with figures."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from ferflow import paths
from ferflow.errors import ModelError, TrackingError
from ferflow.progress import say

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

    from ferflow.serving.answering import Answering

ROOT = Path()

commands = typer.Typer()

Source = Literal["built-in", "export", "registered"]


@dataclass(frozen=True)
class Listed:
    """A model of the list.

    Attributes:
        answers: Whether `predict`, `explain`, `serve`, `app` and `Predictor()` use it here.
        source: Where it is: in the package, in an export folder, or in the registry.
        place: The folder; None in the registry.
        name: Its name; None where its description is damaged.
        version: Of the registry; None for others.
        alias: Such as `champion`; only in the registry.
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


@commands.command(rich_help_panel="The model at work")
def models(
    export: Annotated[
        Path | None,
        typer.Option("--export", help="What `ferflow export` wrote, listed as well.", metavar="FOLDER"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the models that can answer here, with their figures, and say which one does.

    That is the folder of --export, else export/ where there is one, else the built-in network. Registered
    versions answer once `ferflow export` wrote them. Exit code 1 if the one that would answer is damaged.
    """
    listed = _folders(export)
    versions, complaint = _registered(ROOT)
    listed += versions
    chosen = next(model for model in listed if model.answers)
    detector = None if chosen.error else _detector_of(Path(str(chosen.place)))
    if as_json:
        content = {"models": [asdict(model) for model in listed], "detector": detector}
        typer.echo(json.dumps({**content, "registry_error": complaint}, indent=2))
    else:
        for line in _table(listed):
            typer.echo(line)
        if detector is not None:
            typer.echo(f"face detector: {detector}")
    if complaint is not None:
        say(f"warning: registered versions are not listed: {complaint}")
    if chosen.error:
        raise ModelError(chosen.error)


def _folders(named: Path | None) -> list[Listed]:
    """The folders in the order in which they are taken; the first one answers."""
    from ferflow.serving.export_folder import DESCRIPTION

    folders = [] if named is None else [named]
    if (paths.EXPORT / DESCRIPTION).exists() and named != paths.EXPORT:
        folders.append(paths.EXPORT)
    if paths.BUILT_IN not in folders:
        folders.append(paths.BUILT_IN)
    return [_described(folder, answers=number == 0) for number, folder in enumerate(folders)]


def _described(folder: Path, *, answers: bool) -> Listed:
    from ferflow.serving.answering import choose_model

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
    from ferflow.serving.export_folder import model_file, read_file

    read_file(model.folder, model_file("float32"), model.description)


def _figure(figures: dict[str, Any], name: str) -> float | None:
    value = figures.get(name)
    return float(value) if isinstance(value, int | float) else None


def _registered(root: Path) -> tuple[list[Listed], str | None]:
    """The registered versions, newest first, and why there are none to list; MLflow only where a store is."""
    from ferflow.tracking.address import DATABASE, VARIABLE

    if not os.environ.get(VARIABLE, "").strip() and not (root / DATABASE).is_file():
        return [], None
    from ferflow.tracking.registry.aliases import registered_model, versions
    from ferflow.tracking.store import client, store_errors

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
    from ferflow.tracking import names
    from ferflow.tracking.store import store_errors

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
        alias=", ".join(sorted(name for name, held in aliases.items() if str(held) == number)) or None,
        accuracy=_figure(figures, names.TEST_ACCURACY),
        leak_free_accuracy=_figure(figures, names.LEAK_FREE_ACCURACY),
    )


def _detector_of(folder: Path) -> str:
    """What finds faces for a model that answers, in words."""
    from ferflow.data.faces.detector_at_hand import describe_detector
    from ferflow.serving.export_folder import DETECTOR, read_description

    kind = read_description(folder).detector
    if kind == "auto":
        return describe_detector()
    return f"YuNet, {folder / DETECTOR}" if kind == "yunet" else "OpenCV's Haar cascade, as the export says"


def _table(listed: list[Listed]) -> list[str]:
    rows = [["", "model", "where", "accuracy", "leak-free", "trained on"]]
    for model in listed:
        name = model.name or "damaged"
        name += f" version {model.version}" if model.version else ""
        where = "built-in" if model.source == "built-in" else model.place or model.source
        where += f" ({model.alias})" if model.alias else ""
        figures = [_percent(model.accuracy), _percent(model.leak_free_accuracy)]
        rows.append(["answers" if model.answers else "", name, where, *figures, model.trained_on or "-"])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
    lines += [f"{model.place}: {model.warning}" for model in listed if model.warning]
    lines += [f"error: {model.error}" for model in listed if model.error and not model.answers]
    if any(model.source == "registered" for model in listed):
        lines.append("registered versions answer once 'ferflow export' wrote them into export/")
    return lines


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
