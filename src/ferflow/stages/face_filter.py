"""Stage face-filter: keep the images that show a face.

Reads: data/raw/images.npz, index.csv, and detector.onnx where there is one (else Haar cascades look).
Parameters: section `face_filter`.
Writes: data/filtered/faces.npz, index.csv (with a column `face_score`) and dropped.csv;
reports/dropped.png (what was dropped, the most face-like first) and face_filter.json.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow.data.faces.cascade import SCORE_DIGITS, is_constant, open_detector, score_faces
from ferflow.data.store import Column, ImageTable, write_csv
from ferflow.errors import DataError
from ferflow.files import atomic_directory, atomic_file, write_json
from ferflow.model import paper
from ferflow.params import FaceFilterParams
from ferflow.progress import say
from ferflow.reporting.contact_sheet import contact_sheet

ALL = "all"
CONSTANT, NO_FACE = "constant", "no face"
TEST_USAGES = ("PublicTest", "PrivateTest")

# Names of FER-2013 fit below a tile of three times the size.
_SHEET_IMAGES, _SHEET_COLUMNS, _SHEET_SCALE = 240, 12, 3

Counts = dict[str, int]


@dataclass(frozen=True)
class FaceFilterReport:
    """What reports/face_filter.json holds.

    Attributes:
        detector: `yunet` or `haar`.
        min_score: `face_filter.min_score`, which decided.
        dropped_by_reason: `constant` (one grey value) and `no face` (score below `min_score`).
        subsets: Usage (and "all") to class (and "all") to images, kept, dropped.
        paper_test: Where the test folders have FER-2013's size, class (and "all") to the images of
            PublicTest and PrivateTest that were kept, and those that the paper kept; else None.
    """

    detector: str
    min_score: float
    dropped_by_reason: Counts
    subsets: dict[str, dict[str, Counts]]
    paper_test: dict[str, Counts] | None

    def line(self) -> str:
        """The counts in one line."""
        counts = self.subsets[ALL][ALL]
        why = ", ".join(f"{number:,} {reason}" for reason, number in self.dropped_by_reason.items() if number)
        dropped = f"dropped {counts['dropped']:,} ({why})" if counts["dropped"] else "dropped none"
        return f"kept {counts['kept']:,} of {counts['images']:,} images, {dropped}; detector {self.detector}"


def run(params: FaceFilterParams, *, raw_dir: Path, output_dir: Path, reports_dir: Path) -> FaceFilterReport:
    """Drop the images without a face and report what was dropped.

    Args:
        params: Section `face_filter`.
        raw_dir: Folder of the download stage.
        output_dir: Folder that is replaced by faces.npz, index.csv and dropped.csv.
        reports_dir: Folder that dropped.png and face_filter.json are written to.

    Raises:
        DataError: The input is damaged, or a class or subset loses too much; nothing is written.
        DetectorError: The detector cannot be used.
        OutputError: A result cannot be written.
    """
    table = ImageTable.read(raw_dir / "images.npz", raw_dir / "index.csv")
    if not len(table):
        raise DataError(f"{raw_dir / 'index.csv'}: lists no image; run the download stage again")
    detector = open_detector(raw_dir / "detector.onnx", params)
    scores = score_faces(
        table.images, detector, accept_score=params.accept_score, workers=os.cpu_count() or 1
    )
    kept = scores >= params.min_score
    check_losses(table, kept, detector=detector.name, max_lost_share=params.max_lost_share)

    reasons = np.where(is_constant(table.images), CONSTANT, NO_FACE)
    report = FaceFilterReport(
        detector=detector.name,
        min_score=params.min_score,
        dropped_by_reason={
            reason: int(np.count_nonzero(reasons[~kept] == reason)) for reason in (CONSTANT, NO_FACE)
        },
        subsets=count_subsets(table, kept),
        paper_test=compare_with_paper(table, kept),
    )
    scored = table.with_column("face_score", [f"{score:.{SCORE_DIGITS}f}" for score in scores])
    with atomic_directory(output_dir) as folder:
        scored.take(kept).write(folder / "faces.npz", folder / "index.csv")
        _write_dropped(folder / "dropped.csv", scored.take(~kept), reasons[~kept])
    _write_sheet(reports_dir / "dropped.png", scored.take(~kept))
    write_json(reports_dir / "face_filter.json", asdict(report))
    say(report.line())
    return report


def check_losses(table: ImageTable, kept: NDArray[np.bool_], *, detector: str, max_lost_share: float) -> None:
    """Refuse a result in which a class or a subset lost more images than allowed.

    Raises:
        DataError: Names the first class or usage that did, its share and what to do.
    """
    for kind, column in (("class", "label"), ("subset", "usage")):
        for name in np.unique(table[column]):
            rows = table[column] == name
            num_images, num_lost = np.count_nonzero(rows), np.count_nonzero(rows & ~kept)
            if num_lost > max_lost_share * num_images or num_lost == num_images:
                cure = (
                    "set download.detector to YuNet's file (or auto), which sees more faces"
                    if detector == "haar"
                    else "lower face_filter.min_score"
                )
                raise DataError(
                    f"{kind} {name}: no face was found in {num_lost:,} of its {num_images:,} images "
                    f"({num_lost / num_images:.1%}), face_filter.max_lost_share allows {max_lost_share:.1%}; "
                    f"see whether the images show faces, {cure}, or raise face_filter.max_lost_share"
                )


def count_subsets(table: ImageTable, kept: NDArray[np.bool_]) -> dict[str, dict[str, Counts]]:
    """Images, kept and dropped of each class (and "all") in each usage (and "all")."""
    return {
        usage: {
            label: _counts(kept[_rows(table["usage"], usage) & _rows(table["label"], label)])
            for label in [*np.unique(table["label"]).tolist(), ALL]
        }
        for usage in [*np.unique(table["usage"]).tolist(), ALL]
    }


def compare_with_paper(table: ImageTable, kept: NDArray[np.bool_]) -> dict[str, Counts] | None:
    """Kept test images of each class (and "all") beside the paper's; None for other data."""
    tested = np.isin(table["usage"], TEST_USAGES)
    in_test = {label: tested & (table["label"] == label) for label in paper.TEST_COUNTS}
    if any(np.count_nonzero(rows) != paper.DATASET[label].test for label, rows in in_test.items()):
        return None
    counts = {
        label: {"kept": int(np.count_nonzero(kept[rows])), "paper": paper.TEST_COUNTS[label]}
        for label, rows in in_test.items()
    }
    total = {key: sum(count[key] for count in counts.values()) for key in ("kept", "paper")}
    return {**counts, ALL: total}


def _rows(column: Column, value: str) -> NDArray[np.bool_]:
    return np.ones(len(column), np.bool_) if value == ALL else np.equal(column, value)


def _counts(kept: NDArray[np.bool_]) -> Counts:
    num_kept = int(np.count_nonzero(kept))
    return {"images": len(kept), "kept": num_kept, "dropped": len(kept) - num_kept}


def _write_dropped(path: Path, dropped: ImageTable, reasons: Column) -> None:
    columns = {name: dropped[name] for name in ("file", "label", "usage")}
    write_csv(path, {**columns, "score": dropped["face_score"], "reason": reasons})


def _write_sheet(path: Path, dropped: ImageTable) -> None:
    """Write the contact sheet: the highest scores first, at most `_SHEET_IMAGES` of them."""
    order = np.argsort(-dropped["face_score"].astype(np.float64), kind="stable")[:_SHEET_IMAGES]
    shown = dropped.take(order)
    captions = _captions(shown["label"], shown["face_score"], shown["file"])
    sheet = contact_sheet(shown.images, captions, columns=_SHEET_COLUMNS, scale=_SHEET_SCALE)
    _, encoded = cv2.imencode(".png", sheet)
    with atomic_file(path) as fresh:
        fresh.write_bytes(encoded.tobytes())


def _captions(labels: Column, scores: Column, files: Column) -> list[str]:
    rows = zip(labels, scores.astype(np.float64), files, strict=True)
    return [f"{label} {score:.2f}\n{Path(str(file)).stem}" for label, score, file in rows]
