"""Stage evaluate: score the test subset once, with and without leaked images.

Reads `data/split/val.npz`, `test.npz` and `manifest.csv`, `models/model.keras` and what earlier stages
left in `reports/`; writes `reports/predictions.csv`, `reports/plots/`, `reports/report.html` and
`reports/metrics.json`. Uses the section `evaluate`.

Validation images set the temperature of the confidence, and thresholds for wanted accuracies; every
figure is of test images.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from ferflow import explain, model
from ferflow.data.store import read_arrays, read_csv
from ferflow.data.subsets import load_subset
from ferflow.errors import DataError
from ferflow.labels import EMOTIONS
from ferflow.params import EvaluateParams
from ferflow.progress import say
from ferflow.stages.results import EvaluateReport, ScoredImages, predict, score_images, write_results


def run(params: EvaluateParams, *, split_dir: Path, model_path: Path, reports_dir: Path) -> EvaluateReport:
    """Score the model and write figures, predictions, plots and the page.

    Raises:
        DataError: The split, or a report of an earlier stage, is missing, damaged or empty.
        ModelError: The model is missing, damaged or gives no probabilities.
        OutputError: A result cannot be written.
    """
    test = load_test(split_dir)
    validation = load_subset(split_dir / "val.npz")
    network = model.network.load_network(model_path)
    # Together: a network is prepared once.
    answers = predict(network, np.concatenate([test.images, validation.images]), params)
    probabilities, of_validation = np.split(answers, [len(test.images)])
    temperature = model.calibration.fit_temperature(validation.labels, of_validation)
    curve = model.calibration.coverage_curve(
        validation.labels, model.calibration.scaled(of_validation, temperature)
    )
    thresholds = model.calibration.choose_thresholds(curve, confidence_level=params.confidence_level)
    report = score_images(test, probabilities, params, temperature=temperature, thresholds=thresholds)
    write_results(
        reports_dir, lambda: explain.gradcam.keras_run(network), test, probabilities, report, params
    )
    say(report.line())
    return report


def load_test(split_dir: Path) -> ScoredImages:
    """Read the test subset and its names.

    Raises:
        DataError: A file is missing or damaged, there is no test image, or the two do not belong together.
    """
    path = split_dir / "test.npz"
    test = load_subset(path)
    labels, leaked = test.labels, read_arrays(path, ("leaked",))["leaked"]
    if leaked.shape != labels.shape or leaked.dtype != bool:
        raise DataError(
            f"{path}: leaked is {leaked.dtype} {leaked.shape}, expected bool {labels.shape}; "
            "run the split stage again"
        )
    manifest_path = split_dir / "manifest.csv"
    manifest = read_csv(manifest_path, ("file", "label", "subset", "leaked"))
    is_test = manifest["subset"] == "test"
    leaks = manifest["leaked"][is_test]
    has_labels = np.array_equal(manifest["label"][is_test], np.array(EMOTIONS)[labels])
    if not has_labels or not np.array_equal(leaks != "none", leaked):
        raise DataError(
            f"{manifest_path}: its {is_test.sum():,} test rows do not carry the labels and leaks of the "
            f"{len(labels):,} images in {path.name}; run the split stage again"
        )
    pairs = Counter(zip(manifest["subset"].tolist(), manifest["label"].tolist(), strict=True))
    counts = {
        subset: {emotion: pairs[subset, emotion] for emotion in EMOTIONS}
        for subset in ("train", "val", "test")
    }
    return ScoredImages(
        images=test.images,
        labels=labels,
        leaked=leaked,
        files=manifest["file"][is_test],
        counts=counts,
        num_exact=int((leaks == "exact").sum()),
        votes=test.votes,
    )
