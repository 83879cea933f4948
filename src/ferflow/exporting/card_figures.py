"""The tables and sentences of a model card that hold figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ferflow.labels import EMOTIONS
from ferflow.serving.export_folder import MODELS, Description

# How the forms of the network that comes with ferflow were compared.
_FORM_VIEWS = {
    "none": "one view",
    "flip": "the views that answer: the image and its mirror image",
    "ten_crop": "the views that answer: ten crops",
}
_NO_FIGURE = "\N{EN DASH}"


def is_packed(description: Description) -> bool:
    """Whether it is the network that comes with ferflow, whose form was chosen among several."""
    return "forms" in description.checks


def scores(figures: Mapping[str, Any]) -> list[list[str]]:
    """The rows of the figures of all test pictures and of those without leaks, by a `metrics.json`."""
    return [
        [
            name,
            f"{part['num_images']:,}",
            _percent(part["accuracy"]),
            f"{_percent(part['accuracy_low'])} to {_percent(part['accuracy_high'])}",
            _share(part["f1_macro"]),
            _share(part["auc_ovr_weighted"]),
            _share(part["ece"]),
        ]
        for name, part in (("all", figures), ("leak-free", figures["leak_free"]))
    ]


def about_leaks(figures: Mapping[str, Any]) -> str:
    """How many test pictures have copies, and which figures to believe."""
    leaked = figures["num_images"] - figures["leak_free"]["num_images"]
    if leaked == 0:
        return "No test picture has a copy among those that trained or selected the model."
    return (
        f"{leaked:,} test pictures have a copy, exact or near, among those that trained or selected the "
        "model. The leak-free figures, without them, are the ones to believe."
    )


def classes(figures: Mapping[str, Any]) -> list[list[str]]:
    """The rows of the figures of each class."""
    per_class = figures["per_class"]
    return [
        [
            emotion,
            *(_share(per_class[emotion][key]) for key in ("precision", "recall", "f1", "auc")),
            f"{per_class[emotion]['support']:,}",
        ]
        for emotion in EMOTIONS
    ]


def weakest(figures: Mapping[str, Any]) -> str:
    """Which class is found least often."""
    recalls = {
        emotion: entry["recall"]
        for emotion, entry in figures["per_class"].items()
        if entry["recall"] is not None
    }
    if not recalls:
        return "No class has test images."
    lowest = min(recalls, key=lambda emotion: (recalls[emotion], emotion))
    return f"Its weakest class is {lowest}: it finds {_percent(recalls[lowest])} of those faces."


def checks(description: Description) -> dict[str, Any]:
    """The table of what the files were checked by: `about`, `header` and `rows`."""
    found = description.checks
    if is_packed(description):
        return _checks_of_forms(found)
    rows = [["Keras", _percent(found["keras_accuracy"], decimals=2), _NO_FIGURE]]
    rows += [
        [
            f"`{name}`",
            _percent(found[precision]["accuracy"], decimals=2),
            f"{found[precision]['max_difference']:g}",
        ]
        for precision, name in MODELS.items()
    ]
    return {
        "about": f"Checked on {found['images']:,} test images before it was written; int8 was quantised by "
        f"{found['calibration_images']:,} validation images.",
        "header": ["", "accuracy", "largest difference of a probability from Keras"],
        "rows": rows,
    }


def _checks_of_forms(checks: Mapping[str, Any]) -> dict[str, Any]:
    rows = [
        [
            form["form"],
            f"{form['bytes']:,}",
            _percent(form["accuracy"], decimals=2),
            f"{form['other_answers']:,}",
            f"{form['max_difference']:g}",
        ]
        for form in checks["forms"]
    ]
    return {
        "about": f"The form of the weights, chosen by all {checks['images']:,} validation images "
        f"({_FORM_VIEWS[checks['form_views']]}): {checks['packaged']}. It computes "
        "in float32 on every processor, so that the answers do not depend on which instructions for 8-bit "
        "numbers a processor has.",
        "header": ["form", "bytes", "accuracy", "other answers than float32", "largest difference from it"],
        "rows": rows,
    }


def _percent(share: float | None, *, decimals: int = 1) -> str:
    return _NO_FIGURE if share is None else f"{100 * share:.{decimals}f} %"


def _share(value: float | None) -> str:
    return _NO_FIGURE if value is None else f"{value:.3f}"
