"""Score a folder of class subfolders as the test subset is scored: `ferflow evaluate --data`.

Reads the folder and, where the pipeline here trained the network, what it left: temperature and thresholds
from `reports/metrics.json`, the images that trained the network from `data/split/manifest.csv`. Writes
`reports/cross/NAME/` (`report.html`, `metrics.json`, `predictions.csv`, `plots/`) as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ferflow import reporting
from ferflow.data.sources.class_folder import ClassFolder, check_usable, count_by_folder
from ferflow.data.sources.path_labels import remarks_on
from ferflow.data.store import Column, read_csv
from ferflow.errors import DataError
from ferflow.files import atomic_directory
from ferflow.labels import EMOTIONS
from ferflow.params import EvaluateParams
from ferflow.progress import say
from ferflow.reader import Reader
from ferflow.stages.results import EvaluateReport, ScoredImages, score_images, write_results

# Faces cut out for the data set have 48 px; from here on pictures are likely to show more than a face.
_LARGE_SIDE = 200


@dataclass(frozen=True)
class Pipeline:
    """Where the pipeline left what is known of the network that it trained."""

    split_dir: Path
    reports_dir: Path


def run(
    params: EvaluateParams,
    content: ClassFolder,
    *,
    reader: Reader,
    pipeline: Pipeline,
    output_dir: Path,
    max_bad_share: float,
    was_cut: bool = False,
) -> EvaluateReport:
    """Score a folder and write figures, predictions, plots and the page.

    Args:
        params: Views, bins and bounds are as for the test subset.
        content: The folder's images.
        reader: The network.
        pipeline: Where the pipeline left what it knows of a network.
        output_dir: The folder that is replaced; its name is the name of the images.
        max_bad_share: Share of the images that may be bad.
        was_cut: Whether faces were found in pictures and cut out; otherwise a picture is a face.

    Raises:
        DataError: Too many images are bad, none is left, or a file of the pipeline is damaged.
        ModelError: The network gives no probabilities.
        OutputError: A result cannot be written.
    """
    check_usable(content, max_bad_share=max_bad_share)
    _say_what_is_missing(content, was_cut=was_cut)
    is_own = _is_of_pipeline(reader, pipeline)
    trained_on = _hashes_of_training(reader, pipeline.split_dir, is_own=is_own)
    scored = _scored(content, trained_on or frozenset())
    temperature, thresholds = _known_confidence(reader, pipeline, is_own=is_own)
    probabilities = reader.read(scored.images, "predicting")
    settings = params.model_copy(update={"test_time_augmentation": reader.views})
    report = score_images(scored, probabilities, settings, temperature=temperature, thresholds=thresholds)
    facts = {
        "name": output_dir.name,
        "model": reader.name,
        "model_warning": reader.warning,
        "model_trained_on": reader.facts["trained_on"],
        "model_sha256": reader.sha256,
        "faces": "crop" if was_cut else "whole",
        "num_leaked": None if trained_on is None else scored.num_exact,
        "num_bad_images": len(content.bad_images),
        "num_pictures_without_face": len(content.without_face),
        "num_other_files": content.layout.num_passed_over,
        "classes": count_by_folder(content),
        "bad_images": [asdict(bad) for bad in content.bad_images],
        "without_face": list(content.without_face),
    }
    with atomic_directory(output_dir) as fresh:
        write_results(fresh, reader.open_run, scored, probabilities, report, settings, folder=facts)
    return report


def _scored(content: ClassFolder, trained_on: frozenset[str]) -> ScoredImages:
    table = content.table
    labels = np.array([EMOTIONS.index(label) for label in table["label"].tolist()], np.uint8)
    leaked = np.array([value in trained_on for value in table["sha256"].tolist()], bool)
    counts = Counter(table["label"].tolist())
    by_emotion = {emotion: counts[emotion] for emotion in EMOTIONS}
    return ScoredImages(
        table.images, labels, leaked, table["file"], {"test": by_emotion}, num_exact=int(leaked.sum())
    )


def _is_of_pipeline(reader: Reader, pipeline: Pipeline) -> bool:
    """Whether the pipeline here trained the network, as `train.json` says."""
    trained = reporting.outline.read_report(pipeline.reports_dir / "train.json") or {}
    return trained.get("model_sha256") == reader.sha256


def _hashes_of_training(reader: Reader, split_dir: Path, *, is_own: bool) -> frozenset[str] | None:
    """Of the pixels of the images that trained or selected the network; None where nobody knows."""
    path = split_dir / "manifest.csv"
    if not path.is_file():
        say(f"{path}: not found, so copies of training images cannot be told; nothing counts as leaked")
        return None
    if not is_own:
        say(
            f"{path}: not known to be of {reader.name}, so copies of its training images cannot be told; "
            "nothing counts as leaked"
        )
        return None
    manifest = read_csv(path, ("subset", "sha256"))
    chosen: Column = manifest["sha256"][manifest["subset"] != "test"]
    return frozenset(chosen.tolist())


def _known_confidence(
    reader: Reader, pipeline: Pipeline, *, is_own: bool
) -> tuple[float | None, dict[str, float | None]]:
    """Temperature and thresholds that were set on validation images, if they are of this network."""
    path = pipeline.reports_dir / "metrics.json"
    figures = (reporting.outline.read_report(path) or {}) if is_own else {}
    if figures.get("temperature") is None:
        if reader.temperature is None:
            say(
                f"{path}: no temperature is known to be of {reader.name}, so confidence is not calibrated; "
                "'ferflow evaluate' fits one for the network that was trained here"
            )
        return reader.temperature, {}
    try:
        return float(figures["temperature"]), _thresholds(figures)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path}: temperature or abstention is damaged ({error}); run 'dvc repro'") from error


def _thresholds(figures: Mapping[str, Any]) -> dict[str, float | None]:
    by_accuracy = figures["abstention"]["by_accuracy"]
    return {
        wanted: None if entry["threshold"] is None else float(entry["threshold"])
        for wanted, entry in by_accuracy.items()
    }


def _say_what_is_missing(content: ClassFolder, *, was_cut: bool) -> None:
    num_bad, num_without = len(content.bad_images), len(content.without_face)
    for remark in remarks_on(content.layout):
        say(remark)
    if num_bad:
        say(f"{num_bad:,} images cannot be used, such as {content.bad_images[0].name}")
    if num_without:
        say(f"no face was found in {num_without:,} pictures, such as {content.without_face[0]}")
    if not was_cut and content.median_side >= _LARGE_SIDE:
        say(
            f"the pictures are large (median side {content.median_side:.0f} px): if they show more than a "
            "face, use --faces crop"
        )
