"""The figures of the packaged network as Markdown, in the documents that show them.

A table stands between `<!-- built-in NAME -->` and `<!-- end -->`; what is between is written anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferflow.files import atomic_file
from ferflow.labels import EMOTIONS

REPOSITORY = Path(__file__).resolve().parents[1]
# Documents with such tables.
DOCUMENTS = ("README.md", "docs/results/compact.md", "docs/export.md", "docs/predict.md")
_BLOCK = re.compile(r"(<!-- built-in (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_VIEWS = {"none": "one", "flip": "flip", "ten_crop": "ten crops"}


# Packages that users would take instead: name, accuracy on the same PrivateTest images, and without leaked
# ones. Measured once, with their own weights and preparation of pixels, and without looking for faces.
_OTHERS = (
    ("`fer` 25.10.3 (mini-Xception, the most used package)", "65.89 %", "62.95 %"),
    ("`facex` 1.1.0", "43.1 %", "\N{EN DASH}"),
)


def tables_of(folder: Path) -> dict[str, str]:
    """Name to Markdown of all tables, from the files of the packaged network."""
    description, metrics, training = (
        json.loads((folder / name).read_text(encoding="utf-8"))
        for name in ("export.json", "metrics.json", "train.json")
    )
    return {
        "headline": headline_table(metrics),
        "forms": forms_table(description["checks"]),
        "views": views_table(description["checks"], metrics),
        "beside": beside_table(metrics),
        "classes": classes_table(metrics),
        "training": training_table(training),
    }


def filled(text: str, tables: Mapping[str, str]) -> str:
    """A document with its tables written anew.

    Raises:
        KeyError: It asks for a table that there is not.
    """
    return _BLOCK.sub(lambda found: f"{found[1]}{tables[found[2]]}\n{found[3]}", text)


def write_tables(folder: Path) -> None:
    """Write the tables of the packaged network into the documents."""
    tables = tables_of(folder)
    for name in DOCUMENTS:
        path = REPOSITORY / name
        if not path.is_file():
            continue
        text = path.read_text(encoding="utf-8")
        if filled(text, tables) != text:
            with atomic_file(path) as fresh:
                fresh.write_text(filled(text, tables), encoding="utf-8")


def headline_table(metrics: Mapping[str, Any]) -> str:
    """Accuracy and its kin, on all test images and without the leaked ones."""
    parts = (metrics, metrics["leak_free"])

    def row(name: str, *texts: str) -> list[str]:
        return [name, *texts]

    rows = [
        row("images", *(f"{part['num_images']:,}" for part in parts)),
        row(
            "accuracy",
            *(
                f"**{_percent(part['accuracy'])}** ({100 * part['accuracy_low']:.1f} to "
                f"{100 * part['accuracy_high']:.1f})"
                for part in parts
            ),
        ),
        row("F1, macro", *(_percent(part["f1_macro"]) for part in parts)),
        row("AUC of probabilities", *(_percent(part["auc_ovr_weighted"]) for part in parts)),
        row(
            "calibration error, after temperature scaling",
            *(f"{_percent(part['ece'])}, {_percent(part['ece_calibrated'])}" for part in parts),
        ),
    ]
    return _table(["", "PrivateTest", "without leaked images"], rows)


def forms_table(checks: Mapping[str, Any]) -> str:
    """The forms that the weights could be packaged in, on validation images."""
    rows = [
        [
            f"**{form['form']}**" if form["form"] == checks["packaged"] else form["form"],
            f"{form['bytes'] / 1e6:.2f} MB",
            _percent(form["accuracy"], 2),
            f"{form['loss']:.4f}",
            str(form["other_answers"]),
            f"{form['max_difference']:.2g}",
        ]
        for form in checks["forms"]
    ]
    header = ["weights", "size", "accuracy", "log loss", "other answers", "largest difference"]
    return _table(header, rows)


def views_table(checks: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """Accuracy by views."""
    rows = [
        [
            f"**{_VIEWS[kind]}**" if kind == checks["views"] else _VIEWS[kind],
            *(_percent(figures.get(key)) for key in ("validation", "test", "leak_free")),
        ]
        for kind, figures in checks["by_views"].items()
    ]
    number, unseen = metrics["num_images"], metrics["leak_free"]["num_images"]
    header = [
        "views",
        f"validation ({checks['images']:,})",
        f"PrivateTest ({number:,})",
        f"without leaked images ({unseen:,})",
    ]
    return _table(header, rows)


def beside_table(metrics: Mapping[str, Any]) -> str:
    """Accuracy beside that of other packages, on the same images."""
    own = [_percent(part["accuracy"], 2) for part in (metrics, metrics["leak_free"])]
    rows = [["**ferflow, the built-in network**", *own], *map(list, _OTHERS)]
    return _table(["", "PrivateTest", "without leaked images"], rows)


def classes_table(metrics: Mapping[str, Any]) -> str:
    """Figures of each class on PrivateTest."""
    per_class = metrics["per_class"]
    rows = [
        [
            emotion,
            *(_percent(per_class[emotion][key]) for key in ("precision", "recall", "f1", "auc")),
            f"{per_class[emotion]['support']:,}",
        ]
        for emotion in EMOTIONS
    ]
    return _table(["class", "precision", "recall", "F1", "AUC", "images"], rows)


def training_table(training: Mapping[str, Any]) -> str:
    """How the network was trained."""
    rows = [
        ["parameters", f"{training['parameters']['total']:,}"],
        ["training images", f"{training['num_training']:,}"],
        ["epochs, the best of them", f"{training['epochs_run']}, {training['best_epoch']}"],
        ["computed by", training["backend"]],
    ]
    return _table(["", ""], rows)


def _percent(share: float | None, decimals: int = 1) -> str:
    return "\N{EN DASH}" if share is None else f"{100 * share:.{decimals}f} %"


def _table(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
