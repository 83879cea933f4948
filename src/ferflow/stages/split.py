"""Stage split: from the filtered images to train, validation and test.

Reads: data/raw (for what holds before the face filter), data/filtered/faces.npz, index.csv.
Parameters: section `split`, and `seed`.
Writes: data/split/train.npz, val.npz, test.npz (images, labels, and the votes of FER+ where there are any;
test also leaked), manifest.csv;
reports/data.json (Table 1 of the paper, counts, duplicates, leaks, contradictory labels).
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ferflow.data.duplicates import Groups, exact_groups, near_groups
from ferflow.data.fer_plus import Votes, parse_votes
from ferflow.data.schemes import check_scheme
from ferflow.data.split import (
    DROPPED,
    SUBSETS,
    Mask,
    apply_options,
    assign_subsets,
    check_subsets,
    find_contradictions,
    find_leaks,
    label_indices,
)
from ferflow.data.store import Column, ImageTable, write_arrays, write_csv
from ferflow.errors import DataError
from ferflow.files import atomic_directory, sha256_of, write_json
from ferflow.labels import EMOTIONS
from ferflow.params import SplitParams
from ferflow.progress import say

Counts = dict[str, int]


@dataclass(frozen=True)
class SplitReport:
    """What reports/data.json holds; `before_filter` is all of data/raw, `after_filter` what is split.

    Attributes:
        scheme: `split.scheme`.
        seed: The seed of the draws.
        table_1: before_filter and after_filter: class (and "all") to train, test, total, where train
            is usage Training, as in Table 1 of the paper.
        subsets: train, val, test, dropped: class (and "all") to images.
        duplicates: before_filter and after_filter: exact and near: groups, images, and
            straddling_groups, those with images of usage Training and of another usage.
        leaks: before_filter and after_filter: test_in_training (PublicTest, PrivateTest, all: copies
            in usage Training) and private_test_in_rest (copies in Training or PublicTest): images,
            exact, near. `subsets`: the same for val (copies in train) and test (in train or val).
        contradictory: groups and images of exact copies with different labels, before and after the
            filter; dropped: images that `split.contradictory` removed.
        manifest_sha256: The SHA-256 of data/split/manifest.csv.
    """

    scheme: str
    seed: int
    table_1: dict[str, dict[str, Counts]]
    subsets: dict[str, Counts]
    duplicates: dict[str, dict[str, Counts]]
    leaks: dict[str, dict[str, Any]]
    contradictory: dict[str, Any]
    manifest_sha256: str

    def line(self) -> str:
        """The counts in one line."""
        sizes = ", ".join(f"{name} {self.subsets[name]['all']:,}" for name in SUBSETS)
        dropped = self.subsets[DROPPED]["all"]
        more = f", dropped {dropped:,}" if dropped else ""
        copies = self.leaks["subsets"]["test"]["exact"] + self.leaks["subsets"]["test"]["near"]
        leaked = f"{copies:,} test images have a copy in train or val"
        return f"split by scheme {self.scheme}: {sizes}{more}; {leaked}"


def run(
    params: SplitParams, *, seed: int, raw_dir: Path, filtered_dir: Path, output_dir: Path, reports_dir: Path
) -> SplitReport:
    """Split the filtered images and report what the data holds.

    Args:
        params: Section `split`.
        seed: The seed of the draws.
        raw_dir: Folder of the download stage, with images.npz and index.csv.
        filtered_dir: Folder of the face-filter stage, with faces.npz and index.csv.
        output_dir: Folder that is replaced by the subsets and manifest.csv.
        reports_dir: Folder that data.json is written to.

    Raises:
        DataError: The inputs are missing or damaged, do not belong together, or cannot be split.
        OutputError: A result cannot be written.
    """
    raw = ImageTable.read(raw_dir / "images.npz", raw_dir / "index.csv")
    faces = ImageTable.read(filtered_dir / "faces.npz", filtered_dir / "index.csv")
    check_scheme(set(raw["usage"].tolist()), params.scheme)  # before the duplicates, which take a while
    kept = _rows_in_raw(raw, faces, filtered_dir)
    labels_raw = label_indices(raw["label"])
    exact_raw = exact_groups(raw["sha256"])
    near_raw = near_groups(
        raw.images,
        raw["sha256"],
        distance=params.near_duplicate_distance,
        correlation=params.near_duplicate_correlation,
    )
    labels, exact, near = labels_raw[kept], exact_raw[kept], near_raw[kept]
    assigned = assign_subsets(faces["usage"], labels, near, params=params, seed=seed)
    subsets, leaks = apply_options(assigned, labels, exact, near, params=params)
    check_subsets(subsets, labels, params=params)
    has_votes = "votes" in faces.columns
    votes = parse_votes(faces["votes"], path=filtered_dir / "index.csv") if has_votes else None
    _write_subsets(faces, labels, subsets, leaks, near, votes=votes, output_dir=output_dir)
    before = _describe(raw["usage"], labels_raw, exact_raw, near_raw)
    after = _describe(faces["usage"], labels, exact, near)
    report = SplitReport(
        scheme=params.scheme,
        seed=seed,
        table_1={"before_filter": before["table_1"], "after_filter": after["table_1"]},
        subsets={name: _count_classes(labels[subsets == name]) for name in (*SUBSETS, DROPPED)},
        duplicates={"before_filter": before["duplicates"], "after_filter": after["duplicates"]},
        leaks={
            "before_filter": before["leaks"],
            "after_filter": after["leaks"],
            "subsets": {name: _count_leaks(leaks, subsets == name) for name in ("val", "test")},
        },
        contradictory={
            "before_filter": before["contradictory"],
            "after_filter": after["contradictory"],
            "dropped": int(((subsets == DROPPED) & (assigned != "test")).sum()),
        },
        manifest_sha256=sha256_of(output_dir / "manifest.csv"),
    )
    write_json(reports_dir / "data.json", asdict(report))
    say(report.line())
    return report


def _rows_in_raw(raw: ImageTable, faces: ImageTable, filtered_dir: Path) -> NDArray[np.int64]:
    """The row in `raw` of each row of `faces`, (M,) int64; both must come from one download."""
    rows = {str(name): row for row, name in enumerate(raw["file"])}
    index = filtered_dir / "index.csv"
    cure = "run the face-filter stage again (dvc repro face-filter)"
    if len(rows) != len(raw):
        raise DataError(
            f"raw index: {len(raw) - len(rows)} file names are there twice; run the download stage again"
        )
    found = np.array([rows.get(str(name), -1) for name in faces["file"]], dtype=np.int64)
    if (found < 0).any():
        raise DataError(f"{index}: {str(faces['file'][found < 0][0])!r} is not among the raw images; {cure}")
    if len(np.unique(found)) != len(found):
        raise DataError(f"{index}: {len(found) - len(np.unique(found))} file names are there twice; {cure}")
    for column in ("label", "usage", "sha256"):
        differs = np.flatnonzero(faces[column] != raw[column][found])
        if len(differs):
            name, here, there = (
                str(values[differs[0]]) for values in (faces["file"], faces[column], raw[column][found])
            )
            raise DataError(f"{index}: {name!r} has {column} {here!r}, the raw index {there!r}; {cure}")
    return found


def _write_subsets(
    faces: ImageTable,
    labels: NDArray[np.uint8],
    subsets: Column,
    leaks: Column,
    near: Groups,
    *,
    votes: Votes | None,
    output_dir: Path,
) -> None:
    """Write the arrays of each subset and the manifest; rows keep the order of the filtered index."""
    manifest = {
        "file": faces["file"],
        "label": faces["label"],
        "subset": subsets,
        "group": near,
        "leaked": leaks,
        "sha256": faces["sha256"],
    }
    with atomic_directory(output_dir) as fresh:
        for name in SUBSETS:
            rows = subsets == name
            arrays: dict[str, NDArray[Any]] = {"images": faces.images[rows], "labels": labels[rows]}
            if votes is not None:
                arrays["votes"] = votes[rows]
            if name == "test":
                arrays["leaked"] = leaks[rows] != "none"
            write_arrays(fresh / f"{name}.npz", arrays)
        write_csv(fresh / "manifest.csv", manifest)


def _describe(usage: Column, labels: NDArray[np.uint8], exact: Groups, near: Groups) -> dict[str, Any]:
    """Table 1, duplicates, leaks between the published subsets, and contradictory labels."""
    training = usage == "Training"
    public, private = usage == "PublicTest", usage == "PrivateTest"
    train, test = _count_classes(labels[training]), _count_classes(labels[~training])
    from_training = find_leaks(exact, near, seen=training, scored=public | private)
    from_rest = find_leaks(exact, near, seen=training | public, scored=private)
    contradicting = find_contradictions(exact, labels)
    return {
        "table_1": {
            name: {"train": train[name], "test": test[name], "total": train[name] + test[name]}
            for name in train
        },
        "duplicates": {
            "exact": _count_groups(exact, exact, training),
            # A group of nothing but exact copies is no near duplicate: counted apart.
            "near": _count_groups(near, exact, training, apart=True),
        },
        "leaks": {
            "test_in_training": {
                "PublicTest": _count_leaks(from_training, public),
                "PrivateTest": _count_leaks(from_training, private),
                "all": _count_leaks(from_training, public | private),
            },
            "private_test_in_rest": _count_leaks(from_rest, private),
        },
        "contradictory": {
            "groups": len(np.unique(exact[contradicting])),
            "images": int(contradicting.sum()),
        },
    }


def _count_classes(labels: NDArray[np.uint8]) -> Counts:
    counts = np.bincount(labels, minlength=len(EMOTIONS))
    return {**{name: int(count) for name, count in zip(EMOTIONS, counts, strict=True)}, "all": len(labels)}


def _count_leaks(leaks: Column, rows: Mask) -> Counts:
    return {
        "images": int(rows.sum()),
        "exact": int((leaks[rows] == "exact").sum()),
        "near": int((leaks[rows] == "near").sum()),
    }


def _count_groups(groups: Groups, exact: Groups, training: Mask, *, apart: bool = False) -> Counts:
    """Count groups of two or more; with `apart`, of two or more pictures that differ in pixels."""
    numbers, rows, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    if apart:
        pictures = np.unique(exact, return_index=True)[1]
        sizes = np.bincount(rows[pictures], minlength=len(numbers))
    inside = np.bincount(rows, weights=training, minlength=len(numbers)) > 0
    outside = np.bincount(rows, weights=~training, minlength=len(numbers)) > 0
    several = sizes > 1
    return {
        "groups": int(several.sum()),
        "images": int(several[rows].sum()),
        "straddling_groups": int((several & inside & outside).sum()),
    }
