"""Export a model as a folder that answers without Keras."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ferflow import paths
from ferflow.data.subsets import load_subset
from ferflow.errors import DataError, ModelError, OutputError, TrackingError
from ferflow.exporting.agreement import CheckImages, calibration_images
from ferflow.exporting.exporter import Subject, write_export
from ferflow.files import sha256_of
from ferflow.params import Params
from ferflow.places import typed
from ferflow.progress import say
from ferflow.reporting.outline import read_report
from ferflow.serving.export_folder import DESCRIPTION, Description
from ferflow.stages.evaluate import load_test
from ferflow.stages.results import ScoredImages
from ferflow.tracking import names
from ferflow.tracking.comparison.paired import read_predictions
from ferflow.tracking.lineage import tags_of_data
from ferflow.tracking.registry.registered import fetch_network, fetch_reports, find_version, lineage_of
from ferflow.tracking.store import open_existing
from ferflow.workflows.running import locked

ROOT = Path()
BARE_NAME = "ferflow"
_FROM_FILE = f"or export a file: --model {paths.MODEL}"
_NO_STORE = (
    "so no model is registered here; run 'dvc repro' and 'ferflow register', or set MLFLOW_TRACKING_URI, "
    f"{_FROM_FILE}"
)


def export(params: Params, *, model: str = "champion", folder: Path = paths.EXPORT) -> Description:
    """Write a model as ONNX, in float32 and int8, with a model card, once both agree with Keras.

    Args:
        params: Sections `export` (how much answers may differ) and `evaluate`.
        model: `champion`, `challenger`, the number of a registered version, or the path of a `.keras` file.
        folder: The folder that is written as a whole.

    Returns:
        What `export.json` says of it.

    Raises:
        TrackingError: There is no such version, or it cannot be fetched.
        ModelError: There is no such file, or the answers differ too much; an earlier export stays.
        DataError: The split is missing, or is not the one that the model was scored on.
        OutputError: The folder holds something else, or cannot be written.
    """
    _check_folder(folder)
    with locked("export", output=folder), tempfile.TemporaryDirectory(prefix="ferflow-") as scratch:
        subject, material = _read(model, params, Path(scratch))
        return write_export(
            subject, material, params.export, params.evaluate, raw_dir=paths.RAW, output_dir=folder
        )


def _check_folder(folder: Path) -> None:
    """See that what is replaced as a whole is an export, or nothing.

    Raises:
        OutputError: It is something else.
    """
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
    test_path = paths.SPLIT / "test.npz"
    model = typed(model, key="--model")
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
    if not path.is_file():
        raise ModelError(f"{path}: not found; train a model first (dvc repro), or name a registered version")
    wanted = ("train.json", "download.json", "metrics.json")
    found = {name: read_report(paths.REPORTS / name) for name in wanted}
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
    store = open_existing(ROOT, cure=_NO_STORE)
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


def _check_digest(path: Path, expected: str, subject: Subject) -> None:
    found = sha256_of(path) if path.is_file() else "none, since it is not there"
    if found != expected:
        raise DataError(
            f"{path}: its sha256 is {found}, but version {subject.version} was scored on {expected}; bring "
            "the split of that run back (git checkout of its commit and 'dvc checkout', or 'dvc repro')"
        )


def _check_predictions(path: Path, test: ScoredImages, subject: Subject) -> None:
    """See that the test images are those that the file's network was scored on."""
    if not path.is_file():
        return
    scored = read_predictions(path)
    if not np.array_equal(scored.files, test.files) or not np.array_equal(scored.labels, test.labels):
        raise DataError(
            f"{path}: its {len(scored.files):,} images are not the {len(test.files):,} of "
            f"{paths.SPLIT / 'test.npz'}, so {subject.network} was scored on another test set; run "
            "'dvc repro'"
        )
