"""The page of label and data insight: one HTML file with everything in it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ferflow.files import atomic_file, png_data_uri
from ferflow.insight.contradictions import CopyCheck
from ferflow.insight.label_errors import pair_counts
from ferflow.insight.plots import SHEET_IMAGES
from ferflow.insight.slices import Slice
from ferflow.labels import EMOTIONS
from ferflow.reporting.comparison import Origin, percent
from ferflow.reporting.outline import Table, format_value
from ferflow.reporting.templates import load_template

if TYPE_CHECKING:
    from ferflow.insight.report import Insight

_MOST_PAIRS = 8
_MOST_ERRORS = 20
_EN_DASH = "\N{EN DASH}"


def write_page(path: Path, found: Insight, *, origin: Origin) -> None:
    """Write the page; pictures are taken from the folder that it is written to.

    Args:
        path: The HTML file.
        found: What it is about.
        origin: What the images are.

    Raises:
        OutputError: The page cannot be written.
    """
    page = load_template("insight.html").render(
        found=found,
        origin=origin.name,
        accuracy=float(found.test.right().mean()) if len(found.test) else None,
        num_errors=len(found.errors.ranked),
        num_different=sum(entry.is_different for entry in found.slices),
        worst=worst_in_words(found.slices),
        subsets=subset_table(found),
        pairs=pair_table(found),
        first_errors=error_table(found),
        checks=check_table(found.exact, found.near),
        verdict=check_in_words(found.near),
        slices=slice_table(found.slices),
        sheet_images=min(SHEET_IMAGES, len(found.errors.ranked)),
        images={picture.stem: png_data_uri(picture) for picture in sorted(path.parent.glob("*.png"))},
        percent=percent,
        format_value=format_value,
    )
    with atomic_file(path) as fresh:
        fresh.write_text(page, encoding="utf-8")


def worst_in_words(slices: Sequence[Slice]) -> list[str]:
    """A sentence about each slice that is worse than the rest by more than chance, the worst first."""
    worse = [entry for entry in slices if entry.is_different and entry.difference < 0]
    if not worse:
        return ["No slice is worse than the rest by more than chance explains."]
    return [_in_words(entry) for entry in sorted(worse, key=lambda entry: entry.accuracy)]


def subset_table(found: Insight) -> Table:
    """Images out of sample and likely errors of each subset."""
    is_error = found.errors.is_likely_error()
    meanings = {"test": "test", "val": "validation", "train": "training, by folds"}
    rows = []
    for subset, meaning in meanings.items():
        mine = found.images.subsets == subset
        if mine.any():
            share = percent(float(is_error[mine].mean()))
            rows.append([meaning, f"{mine.sum():,}", f"{is_error[mine].sum():,}", share])
    return Table("Images out of sample", ["subset", "images", "likely label errors", "share"], rows)


def pair_table(found: Insight) -> Table:
    """The most frequent pairs of label and suggestion."""
    ranked = found.errors.ranked
    pairs = pair_counts(found.images.labels[ranked], found.errors.suggested[ranked])
    rows = [[label, suggested, f"{count:,}"] for label, suggested, count in pairs[:_MOST_PAIRS]]
    return Table("The most frequent pairs", ["label", "suggested", "images"], rows)


def error_table(found: Insight) -> Table:
    """The first likely errors by name."""
    images, errors = found.images, found.errors
    rows = [
        [
            str(found.manifest["file"][images.rows[row]]),
            EMOTIONS[images.labels[row]],
            EMOTIONS[errors.suggested[row]],
            percent(float(images.probabilities[row, images.labels[row]])),
            percent(float(images.probabilities[row].max())),
        ]
        for row in errors.ranked[:_MOST_ERRORS]
    ]
    columns = ["file", "label", "suggested", "probability of the label", "of the suggestion"]
    return Table(f"The first {len(rows)}", columns, rows)


def check_table(exact: CopyCheck, near: CopyCheck) -> Table:
    """The ranking against the labels of copies."""
    rows = []
    for name, check in (("exact copies", exact), ("exact and near copies", near)):
        area = _EN_DASH if check.area is None else f"{check.area:.2f}"
        if check.area_low is not None and check.area_high is not None:
            area += f" ({check.area_low:.2f} to {check.area_high:.2f})"
        rows.append(
            [
                name,
                f"{check.num_contradicted:,} of {check.num_groups:,} pictures",
                _share(check.num_contradicted_found, check.num_contradicted),
                f"{check.num_groups_found:,} of {check.num_groups:,}",
                _share(check.num_confirmed_found, check.num_confirmed),
                area,
            ]
        )
    columns = [
        "",
        "contradicted images",
        "of them likely errors",
        "pictures with one",
        "likely errors where copies agree",
        "area (95% interval)",
    ]
    return Table("Where copies of a picture carry different labels", columns, rows)


def check_in_words(check: CopyCheck) -> str:
    """What the check says of the ranking."""
    if check.area is None or check.area_low is None:
        return "There are too few copies out of sample to judge the ranking by them."
    if check.area_low > 0.5:
        return (
            f"A contradicted image is ranked before a confirmed one in {check.area:.0%} of pairs: better "
            "than drawing lots (50%), and far from certain."
        )
    return "By these copies the ranking cannot be told from drawing lots."


def slice_table(slices: Sequence[Slice]) -> Table:
    """Every slice with its figures."""
    rows = [
        [
            f"{entry.trait}: {entry.name}",
            f"{len(entry.rows):,}",
            percent(entry.accuracy),
            f"{percent(entry.low)} to {percent(entry.high)}",
            _points(entry.difference),
            _points(entry.difference_within),
            f"{entry.p_adjusted:.2g}",
        ]
        for entry in slices
    ]
    columns = ["slice", "images", "accuracy", "interval", "less the rest", "within emotions", "p (Holm)"]
    return Table("Accuracy of each slice", columns, rows)


def _in_words(entry: Slice) -> str:
    within = entry.difference_within
    sentence = (
        f"{entry.trait.capitalize()}, {entry.name}: {percent(entry.accuracy)} of {len(entry.rows):,} images, "
        f"{abs(100 * entry.difference):.1f} points below the rest"
    )
    if within is None:
        return sentence + "."
    place = f"{abs(100 * within):.1f} {'below' if within < 0 else 'above'} within the same emotions"
    if within > entry.difference / 2:
        return f"{sentence}, but {place}: most of that is which emotions such images show."
    return f"{sentence}, {place}."


def _points(difference: float | None) -> str:
    if difference is None:
        return _EN_DASH
    return f"{np.round(100 * difference, 1) + 0.0:+.1f} points"


def _share(number: int, total: int) -> str:
    return f"{number:,} ({number / total:.0%})" if total else _EN_DASH
