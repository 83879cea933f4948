"""Tables of what abstaining from unsure answers gains."""

from __future__ import annotations

from collections.abc import Mapping

from ferflow.model.calibration import Answered, Confidence
from ferflow.reporting.comparison import percent
from ferflow.reporting.outline import Table

_FIGURES = ["confidence at least", "images answered", "accuracy of the answers", "without leaked images"]


def coverage_table(confidence: Confidence) -> Table:
    """Accuracy where only a share of the images, the surest, is answered."""
    full, leak_free = (part.abstention.by_coverage for part in (confidence.full, confidence.leak_free))
    names = {share: percent(float(share), decimals=0) for share in full}
    return Table("The surest answers", ["surest", *_FIGURES], _rows(names, full, leak_free))


def confidence_table(confidence: Confidence) -> Table:
    """Accuracy where only answers of some confidence are given."""
    full, leak_free = (part.abstention.by_confidence for part in (confidence.full, confidence.leak_free))
    rows = _rows({level: percent(float(level), decimals=0) for level in full}, full, leak_free)
    return Table("By confidence", _FIGURES, [[name, *figures] for name, _, *figures in rows])


def accuracy_table(confidence: Confidence) -> Table:
    """What the thresholds do that were chosen on validation images for a wanted accuracy."""
    full, leak_free = (part.abstention.by_accuracy for part in (confidence.full, confidence.leak_free))
    names = {wanted: percent(float(wanted), decimals=0) for wanted in full}
    return Table("For a wanted accuracy", ["wanted", *_FIGURES], _rows(names, full, leak_free))


def _rows(
    names: Mapping[str, str], full: Mapping[str, Answered], leak_free: Mapping[str, Answered]
) -> list[list[str]]:
    return [
        [
            name,
            percent(full[key].threshold),
            percent(full[key].coverage),
            percent(full[key].accuracy),
            percent(leak_free[key].accuracy),
        ]
        for key, name in names.items()
    ]
