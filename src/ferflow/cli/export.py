"""The command `export`: a model as a folder that answers without Keras."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ferflow import paths

if TYPE_CHECKING:
    from ferflow.export.exporter import CheckImages, Subject
    from ferflow.params import Params
    from ferflow.serving.export_folder import Description

ROOT = Path()
BARE_NAME = "ferflow"

commands = typer.Typer()
_FROM_FILE = f"or export a file: --model {paths.MODEL}"


@commands.command(rich_help_panel="The model at work")
def export(
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="champion, challenger, the number of a registered version, or the path of a .keras file.",
            metavar="MODEL",
        ),
    ] = "champion",
    folder: Annotated[
        Path, typer.Option("--folder", help="The folder that is written.", metavar="FOLDER")
    ] = paths.EXPORT,
    params: Annotated[
        Path, typer.Option("--params", help="The parameter file.", metavar="FILE")
    ] = paths.PARAMS,
) -> None:
    """Write a model as ONNX, in float32 and int8, with a model card.

    Both are compared with Keras on the test images; where the answers differ too much (section `export`
    of the parameters) nothing is written and an earlier export stays.
    """
    from ferflow.export.exporter import write_export
    from ferflow.locks import stage_lock
    from ferflow.params import load_params
    from ferflow.progress import say

    values = load_params(params)
    _check_folder(folder)
    lock = stage_lock("export", directory=paths.LOCKS, on_wait=say)
    with lock, tempfile.TemporaryDirectory(prefix="ferflow-") as scratch:
        subject, material = _read(model, values, Path(scratch))
        done = write_export(
            subject, material, values.export, values.evaluate, raw_dir=paths.RAW, output_dir=folder
        )
    for line in _in_words(done, folder):
        typer.echo(line)


def _check_folder(folder: Path) -> None:
    """See that what is replaced as a whole is an export, or nothing.

    Raises:
        OutputError: It is something else.
    """
    from ferflow.errors import OutputError
    from ferflow.serving.export_folder import DESCRIPTION

    is_free = not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))
    if not is_free and not (folder / DESCRIPTION).is_file():
        raise OutputError(
            f"{folder}: is there and holds no {DESCRIPTION}, so it is no export, and an export would replace "
            "all of it; name another --folder, or remove it"
        )


def _read(model: str, params: Params, scratch: Path) -> tuple[Subject, CheckImages]:
    """What is exported, and what it is checked by.

    Raises:
        TrackingError: There is no such version, or it cannot be fetched.
        ModelError: There is no such file.
        DataError: The split is missing, or is not the one that the model was scored on.
    """
    from ferflow.data.subsets import load_subset
    from ferflow.export.exporter import CheckImages, calibration_images
    from ferflow.stages.evaluate import load_test

    test_path = paths.SPLIT / "test.npz"
    is_file = model.endswith(".keras") or "/" in model or Path(model).is_file()
    subject, expected = (
        (_of_file(Path(model), params), None) if is_file else _of_version(model, params, scratch)
    )
    if expected is not None:
        _check_digest(test_path, expected, subject)
    test = load_test(paths.SPLIT)
    if is_file and subject.reports:
        _check_predictions(paths.REPORTS / "predictions.csv", test, subject)
    validation = load_subset(paths.SPLIT / "val.npz").images
    chosen = calibration_images(validation, params.export.calibration_images)
    return subject, CheckImages(test.images, test.labels, test.leaked, chosen)


def _of_file(path: Path, params: Params) -> Subject:
    """A bare file; the reports go with it where they are about it."""
    from ferflow.errors import ModelError
    from ferflow.export.exporter import Subject
    from ferflow.files import sha256_of
    from ferflow.progress import say
    from ferflow.reporting.outline import read_report
    from ferflow.tracking.lineage import tags_of_data

    if not path.is_file():
        raise ModelError(f"{path}: not found; train a model first (dvc repro), or name a registered version")
    names = ("train.json", "download.json", "metrics.json")
    found = {name: read_report(paths.REPORTS / name) for name in names}
    reports = {name: report for name, report in found.items() if report is not None}
    if reports.get("train.json", {}).get("model_sha256") != sha256_of(path):
        say(f"{paths.REPORTS}/ is not about {path}: the model card has the figures of this check alone")
        reports = {}
    return Subject(
        network=path,
        name=BARE_NAME,
        version=None,
        run_id=None,
        test_time_augmentation=params.evaluate.test_time_augmentation,
        confidence_level=params.evaluate.confidence_level,
        reports=reports,
        lineage=tags_of_data(ROOT),
    )


def _of_version(wanted: str, params: Params, scratch: Path) -> tuple[Subject, str]:
    """A registered version, and the SHA-256 of the test set that it was scored on."""
    from ferflow.errors import TrackingError
    from ferflow.export.exporter import Subject
    from ferflow.tracking import names
    from ferflow.tracking.registry.registered import fetch_network, fetch_reports, find_version, lineage_of

    store = _open_store()
    try:
        version = find_version(store, wanted)
    except TrackingError as error:
        raise TrackingError(f"{error}; {_FROM_FILE}") from error
    run = version.run
    digest = run.tags.get(names.TAG_TEST)
    if digest is None:
        raise TrackingError(
            f"{version.label}: its run {run.label} has no tag {names.TAG_TEST}, so its test set is not "
            "known; score it again with 'ferflow evaluate' and register that run"
        )
    views = run.params.get("evaluate.test_time_augmentation", params.evaluate.test_time_augmentation)
    level = run.params.get("evaluate.confidence_level", params.evaluate.confidence_level)
    subject = Subject(
        network=fetch_network(store, version, scratch),
        name=names.REGISTERED_MODEL,
        version=version.number,
        run_id=run.run_id,
        test_time_augmentation=views,
        confidence_level=float(level),
        reports=fetch_reports(store, run, scratch),
        lineage=lineage_of(run),
    )
    return subject, digest


def _open_store() -> Any:
    """A client of the store; an embedded one must be there, so that none is made in a wrong folder."""
    from ferflow.errors import TrackingError
    from ferflow.tracking.store import DATABASE, client

    if not os.environ.get("MLFLOW_TRACKING_URI") and not (ROOT / DATABASE).is_file():
        raise TrackingError(
            f"{ROOT / DATABASE}: not found, so no model is registered here; run 'dvc repro' and 'ferflow "
            f"register', or set MLFLOW_TRACKING_URI, {_FROM_FILE}"
        )
    return client(ROOT)


def _check_digest(path: Path, expected: str, subject: Subject) -> None:
    from ferflow.errors import DataError
    from ferflow.files import sha256_of

    found = sha256_of(path) if path.is_file() else "none, since it is not there"
    if found != expected:
        raise DataError(
            f"{path}: its sha256 is {found}, but version {subject.version} was scored on {expected}; bring "
            "the split of that run back (git checkout of its commit and 'dvc checkout', or 'dvc repro')"
        )


def _check_predictions(path: Path, test: Any, subject: Subject) -> None:
    """See that the test images are those that the file's network was scored on."""
    import numpy as np

    from ferflow.errors import DataError
    from ferflow.tracking.comparison.paired import read_predictions

    if not path.is_file():
        return
    scored = read_predictions(path)
    if not np.array_equal(scored.files, test.files) or not np.array_equal(scored.labels, test.labels):
        raise DataError(
            f"{path}: its {len(scored.files):,} images are not the {len(test.files):,} of "
            f"{paths.SPLIT / 'test.npz'}, so {subject.network} was scored on another test set; run "
            "'dvc repro'"
        )


def _in_words(done: Description, folder: Path) -> list[str]:
    checks = done.checks
    lines = [f"{folder}: {done.name} {done.version or '(not registered)'}"]
    lines.append(f"  Keras    accuracy {checks['keras_accuracy']:.4f} on {checks['images']:,} test images")
    for precision in ("float32", "int8"):
        figures = checks[precision]
        lines.append(
            f"  {precision:<8} accuracy {figures['accuracy']:.4f}, probabilities differ by up to "
            f"{figures['max_difference']:.1e}"
        )
    lines.append(f"  model card: {folder / 'model_card.md'}")
    return lines
