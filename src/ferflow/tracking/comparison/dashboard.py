"""What the page of all runs is made of: the runs as rows, and what each answered to the test images.

A page compares any two runs, so it holds the answers themselves: a digit an image. Runs that were scored on
the same images share a test set, which holds the labels and, where the split is at hand, small pictures.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import Images, read_arrays
from ferflow.errors import DataError, TrackingError
from ferflow.files import sha256_of
from ferflow.labels import IMAGE_SIZE
from ferflow.tracking import names
from ferflow.tracking.comparison.compare import differing_keys
from ferflow.tracking.comparison.paired import Predictions, same_images
from ferflow.tracking.tracked_run import FINISHED, TrackedRun, predictions_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Bounds of a page that a browser opens at once: a run costs one byte an image, a picture about one kilobyte.
MAX_ANSWERS = 100
MAX_PICTURES = 2000
_COLUMNS_OF_SHEET = 50
_JPEG_QUALITY = 80


@dataclass(frozen=True)
class TestSet:
    """Test images that several runs were scored on.

    Attributes:
        predictions: The predictions of one of the runs; files, labels and leaks are those of all.
        digest: SHA-256 of `test.npz`; empty where the runs do not tell it.
        answers: Run's id to (N,) int64, index into `EMOTIONS`.
    """

    predictions: Predictions
    digest: str
    answers: dict[str, NDArray[np.int64]]

    # Not a test, whatever pytest makes of the name.
    __test__ = False

    def differing(self) -> NDArray[np.intp]:
        """Rows of leak-free images that some run has right and another one wrong."""
        right = np.array([answer == self.predictions.labels for answer in self.answers.values()])
        return np.flatnonzero(right.any(axis=0) & ~right.all(axis=0) & ~self.predictions.leaked)


@dataclass(frozen=True)
class Dashboard:
    """All runs.

    Attributes:
        runs: Newest first.
        keys: Parameters that differ between the runs.
        test_sets: What the runs were scored on.
        without_answers: Run's id to why it cannot be compared.
    """

    runs: list[TrackedRun]
    keys: list[str]
    test_sets: list[TestSet]
    without_answers: dict[str, str]


def collect(client: MlflowClient, runs: Sequence[TrackedRun]) -> Dashboard:
    """Fetch the answers of the runs.

    Of the newest `MAX_ANSWERS` that were scored; a run without answers, or with damaged ones, stays in the
    table and says why it cannot be compared.

    Args:
        client: The client of the store.
        runs: Newest first.
    """
    test_sets: list[TestSet] = []
    reasons: dict[str, str] = {}
    fetched = 0
    for run in runs:
        if run.status != FINISHED or names.TEST_ACCURACY not in run.metrics:
            reasons[run.run_id] = f"not scored: {run.status.lower()}"
        elif fetched == MAX_ANSWERS:
            reasons[run.run_id] = f"not among the newest {MAX_ANSWERS} that were scored"
        else:
            fetched += 1
            try:
                predictions = predictions_of(client, run)
            except (DataError, TrackingError) as error:
                reasons[run.run_id] = str(error)
                continue
            _add(test_sets, run, predictions)
    return Dashboard(list(runs), differing_keys([run.params for run in runs]), test_sets, reasons)


def _add(test_sets: list[TestSet], run: TrackedRun, predictions: Predictions) -> None:
    digest = run.tags.get(names.TAG_TEST, "")
    for found in test_sets:
        if found.digest == digest and same_images(found.predictions, predictions):
            found.answers[run.run_id] = predictions.predicted
            return
    test_sets.append(TestSet(predictions, digest, {run.run_id: predictions.predicted}))


def content(dashboard: Dashboard, *, test_images: Path) -> dict[str, Any]:
    """What the page's script works with, ready for JSON.

    Args:
        dashboard: The runs.
        test_images: `test.npz` of the split at hand; pictures are shown of the test set that it is.
    """
    set_of = {run_id: number for number, found in enumerate(dashboard.test_sets) for run_id in found.answers}
    return {
        "runs": [
            {
                "id": run.run_id,
                "name": run.name,
                "params": {key: run.params[key] for key in dashboard.keys if key in run.params},
                "search": " ".join([run.name, run.description, *map("=".join, run.params.items())]).lower(),
                "set": set_of.get(run.run_id),
                "answers": _digits(dashboard.test_sets[set_of[run.run_id]].answers[run.run_id])
                if run.run_id in set_of
                else dashboard.without_answers[run.run_id],
            }
            for run in dashboard.runs
        ],
        "sets": [_set_content(found, test_images) for found in dashboard.test_sets],
    }


def _set_content(found: TestSet, test_images: Path) -> dict[str, Any]:
    rows = found.differing()
    images = _images_at_hand(found, test_images)
    pictures = {} if images is None else _sheet(images, rows[:MAX_PICTURES])
    return {
        "labels": _digits(found.predictions.labels),
        "leaked": "".join("1" if leaked else "0" for leaked in found.predictions.leaked),
        "files": {str(row): str(found.predictions.files[row]) for row in rows},
        **pictures,
    }


def _images_at_hand(found: TestSet, path: Path) -> Images | None:
    """The test images, if this is the split that they were scored with."""
    if not found.digest or not path.is_file() or sha256_of(path) != found.digest:
        return None
    images = read_arrays(path, ("images",))["images"]
    return images if len(images) == len(found.predictions.labels) else None


def _sheet(images: Images, rows: NDArray[np.intp]) -> dict[str, Any]:
    """The pictures of the rows in one grey JPEG, and the place of each row in it."""
    if len(rows) == 0:
        return {}
    height = -(-len(rows) // _COLUMNS_OF_SHEET)
    sheet = np.zeros((height * IMAGE_SIZE, _COLUMNS_OF_SHEET * IMAGE_SIZE), np.uint8)
    for place, row in enumerate(rows):
        top, left = (IMAGE_SIZE * part for part in divmod(place, _COLUMNS_OF_SHEET))
        sheet[top : top + IMAGE_SIZE, left : left + IMAGE_SIZE] = images[row]
    _, encoded = cv2.imencode(".jpg", sheet, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    data = base64.b64encode(encoded.tobytes()).decode("ascii")
    return {
        "sheet": f"data:image/jpeg;base64,{data}",
        "columns": _COLUMNS_OF_SHEET,
        "places": {str(row): place for place, row in enumerate(rows)},
    }


def _digits(classes: NDArray[np.int64]) -> str:
    """Classes as text, a digit each."""
    return "".join(map(str, classes.tolist()))
