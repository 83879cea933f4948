"""Write everything that the scored images say into one folder.

Reads the split, the model, `reports/predictions.csv`, the face filter's index and the detector;
writes label_errors.csv and .png, slices.csv and .png, slice_examples.png (pictures of faces for dark
ground, too: `-dark.png`), insight.json and index.html. The same inputs give the same bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferflow import paths, reporting
from ferflow.data.store import write_csv
from ferflow.errors import OutputError
from ferflow.files import atomic_directory, sha256_of, write_json
from ferflow.insight import contradictions, held_out, label_errors, traits
from ferflow.insight.contradictions import CopyCheck
from ferflow.insight.folds import fold_images
from ferflow.insight.images import DECIMALS, HeldOut, Manifest, joined, read_manifest
from ferflow.insight.label_errors import LabelErrors
from ferflow.insight.page import write_page
from ferflow.insight.plots import plot_examples, plot_slices, write_sheet
from ferflow.insight.slices import Slice, slice_by
from ferflow.insight.traits import Trait
from ferflow.labels import EMOTIONS
from ferflow.params import Params

REPORT = "insight.json"
# Below it a label that the network contradicts is the rule and no sign of an error. People contradict 30 to
# 40 % of FER-2013's labels: of a network that contradicts more than half, a fifth of the contradictions at
# least are its own mistakes, even if it had found every label that people contradict.
LEAST_ACCURACY = 0.5


@dataclass(frozen=True)
class Insight:
    """What was found.

    Attributes:
        images: Those out of sample: test, then val, then train.
        num_leaked: Test and validation images that were left out.
        errors: Likely label errors among `images`.
        exact: The ranking against exact copies.
        near: The ranking against exact and near copies.
        test: The leak-free test images, that slices are made of.
        traits: The traits of the test images.
        slices: With their accuracies.
        left_out: Why a trait is missing, a sentence each.
        manifest: The manifest of the split.
        model: The network that judged the test and validation images, by its path in the repository.
        accuracy: Its accuracy on these, 0-1.
    """

    images: HeldOut
    num_leaked: int
    errors: LabelErrors
    exact: CopyCheck
    near: CopyCheck
    test: HeldOut
    traits: list[Trait]
    slices: list[Slice]
    left_out: list[str]
    manifest: Manifest
    model: str
    accuracy: float

    @property
    def warning(self) -> str | None:
        """Why the list means little; None where the network is strong enough for it to mean something."""
        if self.accuracy >= LEAST_ACCURACY:
            return None
        return (
            f"{self.model} is right on {self.accuracy:.1%} of these images; below {LEAST_ACCURACY:.0%} it "
            "contradicts more labels than it confirms, and the list shows its mistakes rather than wrong "
            "labels: take a better network"
        )


def write_insight(
    params: Params, *, root: Path, model_path: Path, output_dir: Path, folds: int | None = None
) -> Insight:
    """Find likely label errors and hard slices, and write the folder whole or not at all.

    Args:
        params: Section `evaluate`; with folds also those of training.
        root: Folder of the repository; what is read lies where `ferflow.paths` says.
        model_path: The network, a `.keras` file.
        output_dir: Folder that is replaced as a whole; one with other content is refused.
        folds: Number of trainings that bring the training images out of sample; None for none.

    Raises:
        CleanlabMissingError: cleanlab is not installed.
        DataError: The split or a report is missing or damaged.
        DetectorError: The detector is no YuNet.
        ModelError: The model is missing, damaged or gives no probabilities.
        OutputError: The folder holds something else, or cannot be written.
    """
    label_errors.check_cleanlab()
    _check_output(output_dir)
    origin = reporting.comparison.origin_of(
        reporting.outline.read_report(root / paths.REPORTS / "download.json")
    )
    found = analyse(params, root=root, model_path=model_path, folds=folds)
    with atomic_directory(output_dir) as folder:
        _write_errors(folder / "label_errors.csv", found)
        write_sheet(folder / "label_errors.png", found.images, found.errors)
        _write_slices(folder / "slices.csv", found.slices)
        if found.slices:
            accuracy = float(found.test.right().mean())
            plot_slices(found.slices, folder / "slices.png", accuracy=accuracy)
            plot_examples(found.test, found.traits, folder / "slice_examples.png")
        write_json(folder / REPORT, _as_json(found, sha256_of(model_path)))
        write_page(folder / "index.html", found, origin=origin)
    return found


def analyse(params: Params, *, root: Path, model_path: Path, folds: int | None = None) -> Insight:
    """Find likely label errors and hard slices; arguments and errors as of `write_insight`."""
    split_dir = root / paths.SPLIT
    images, num_leaked = held_out.held_out_images(
        params.evaluate,
        split_dir=split_dir,
        model_path=model_path,
        predictions_path=root / paths.REPORTS / "predictions.csv",
    )
    test = images.take(images.subsets == "test")
    accuracy = float(images.right().mean())
    if folds is not None:
        images = joined([images, fold_images(params, root=root, folds=folds)])
    manifest = read_manifest(split_dir)
    errors = label_errors.find_label_errors(images.labels, images.probabilities)
    exact, near = (
        contradictions.check_by_copies(
            errors, rows=images.rows, copies=manifest[name], labels=manifest["label"], seed=params.seed
        )
        for name in ("sha256", "group")
    )
    measured, left_out = _measure(test, manifest, root)
    slices = slice_by(measured, test.labels, test.right(), confidence_level=params.evaluate.confidence_level)
    sliced = {entry.trait for entry in slices}
    left_out += [f"{trait.name}: the same for all images" for trait in measured if trait.name not in sliced]
    return Insight(
        images,
        num_leaked,
        errors,
        exact,
        near,
        test,
        measured,
        slices,
        left_out,
        manifest,
        model=_name_of(model_path, root),
        accuracy=accuracy,
    )


def _name_of(path: Path, root: Path) -> str:
    """The path from the repository's folder, so that the same run gives the same bytes anywhere."""
    inside = path.resolve()
    return (inside.relative_to(root.resolve()) if inside.is_relative_to(root.resolve()) else path).as_posix()


def other_labels(found: Insight) -> list[str]:
    """For each image out of sample the other labels that copies of it carry, exact or near ones."""
    pictures = np.unique(found.manifest["group"], return_inverse=True)[1]
    labels: dict[int, set[str]] = {}
    for picture, label in zip(pictures.tolist(), found.manifest["label"].tolist(), strict=True):
        labels.setdefault(picture, set()).add(label)
    return [
        " ".join(name for name in EMOTIONS if name in labels[picture] and name != EMOTIONS[label])
        for picture, label in zip(pictures[found.images.rows].tolist(), found.images.labels, strict=True)
    ]


def _measure(test: HeldOut, manifest: Manifest, root: Path) -> tuple[list[Trait], list[str]]:
    """The traits of the test images, and why others are missing."""
    if len(test) == 0:
        return [], ["every trait: all test images are leaked"]
    found, left_out = traits.pixel_traits(test.images), []
    score = traits.face_score_trait(
        root / paths.FILTERED / "index.csv", manifest["sha256"][test.rows], manifest["file"][test.rows]
    )
    if score is None:
        left_out.append(f"face score: there is no {paths.FILTERED / 'index.csv'}")
    else:
        found.append(score)
    detector = root / paths.RAW / "detector.onnx"
    if detector.is_file():
        found += traits.pose_traits(test.images, detector)
    else:
        left_out.append(
            f"turn and tilt of the head: there is no {paths.RAW / 'detector.onnx'} (YuNet), and the Haar "
            "cascades find no eyes and noses"
        )
    return [*found, traits.copies_trait(test.rows, manifest["group"])], left_out


def _check_output(output_dir: Path) -> None:
    """Refuse a folder that this command did not write: it would be lost."""
    if output_dir.exists() and not output_dir.is_dir():
        raise OutputError(f"{output_dir}: a file, expected a folder; name another with --output")
    if output_dir.is_dir() and any(output_dir.iterdir()) and not (output_dir / REPORT).is_file():
        raise OutputError(
            f"{output_dir}: holds files but no {REPORT}, so 'ferflow insight' did not write it, and it would "
            "be replaced; name another with --output"
        )


def _write_errors(path: Path, found: Insight) -> None:
    rows, images = found.errors.ranked, found.images
    names, suggested = np.array(EMOTIONS), found.errors.suggested[rows]
    others = other_labels(found)
    probabilities = images.probabilities[rows]
    each = np.arange(len(rows))
    columns: dict[str, Sequence[Any]] = {
        "rank": (each + 1).tolist(),
        "file": found.manifest["file"][images.rows[rows]].tolist(),
        "subset": images.subsets[rows].tolist(),
        "label": names[images.labels[rows]].tolist(),
        "suggested": names[suggested].tolist(),
        "score": _decimals(found.errors.scores[rows]),
        "p_label": _decimals(probabilities[each, images.labels[rows]]),
        "p_suggested": _decimals(probabilities[each, suggested]),
        "labels_of_copies": [others[row] for row in rows],
    }
    write_csv(path, columns)


def _write_slices(path: Path, slices: Sequence[Slice]) -> None:
    columns: dict[str, Sequence[Any]] = {
        "trait": [entry.trait for entry in slices],
        "slice": [entry.name for entry in slices],
        "images": [len(entry.rows) for entry in slices],
        "right": [entry.num_right for entry in slices],
    }
    for name in ("accuracy", "low", "high", "difference", "difference_within"):
        columns[name] = _decimals([getattr(entry, name) for entry in slices])
    for name in ("p_value", "p_adjusted"):
        columns[name] = [f"{getattr(entry, name):.4g}" for entry in slices]
    write_csv(path, columns)


def _decimals(values: Any) -> list[str]:
    return ["" if value is None else f"{value:.{DECIMALS}f}" for value in values]


def _as_json(found: Insight, model_sha256: str) -> dict[str, object]:
    is_error = found.errors.is_likely_error()
    subsets = [name for name in ("test", "val", "train") if (found.images.subsets == name).any()]
    return {
        "model": found.model,
        "model_sha256": model_sha256,
        "accuracy_out_of_sample": round(found.accuracy, DECIMALS),
        "warning": found.warning,
        "images": {name: int((found.images.subsets == name).sum()) for name in subsets},
        "leaked_left_out": found.num_leaked,
        "likely_label_errors": {name: int(is_error[found.images.subsets == name].sum()) for name in subsets},
        "contradictory_copies": {"exact": asdict(found.exact), "exact_or_near": asdict(found.near)},
        "slices": {
            "images": len(found.test),
            "tested": len(found.slices),
            "different": [f"{entry.trait}: {entry.name}" for entry in found.slices if entry.is_different],
            "left_out": found.left_out,
        },
    }
