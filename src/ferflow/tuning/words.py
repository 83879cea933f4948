"""What a sweep found, in words."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ferflow.progress import duration
from ferflow.tuning.results import Row
from ferflow.tuning.sweep import Summary

_MUCH, _LITTLE = 0.25, 0.1
_FEW_TRIALS = 15


def what_was_tried(summary: Summary) -> str:
    """Trials by state, epochs, time."""
    tally = summary.tally
    parts = [f"{tally.complete} trained to their end", f"{tally.pruned} were pruned"]
    if tally.failed:
        parts.append(f"{tally.failed} failed")
    if tally.retried:
        parts.append(f"{tally.retried} interrupted attempts went on as other trials")
    planned = tally.epochs_spent + tally.epochs_saved
    saved = f" ({tally.epochs_saved / planned:.0%} of all)" if planned else ""
    return (
        f"Of {tally.ended} trials {', '.join(parts)}. They took {tally.epochs_spent:,} epochs; pruning saved "
        f"{tally.epochs_saved:,}{saved}. The last command took {duration(summary.seconds)}."
    )


def what_won(summary: Summary, rows: Sequence[Row], num_validation: int | None) -> str:
    """The best trial beside the setting that the sweep began with, and what the difference is worth."""
    if summary.best_value is None:
        return "No trial is complete yet, so there is no best one."
    baseline = next((row for row in rows if row.is_baseline and row.state == "complete"), None)
    text = f"Trial {summary.best_trial} is the best: {summary.best_value:.1%} of the validation images."
    if baseline is None or baseline.value is None:
        return text
    if summary.best_trial == baseline.number:
        return f"{text} It is the parameter file's own setting: nothing that was tried is better."
    difference = summary.best_value - baseline.value
    points = 100 * difference
    text += f" The parameter file's own setting reached {baseline.value:.1%}, {points:.1f} points less."
    if num_validation:
        chance = 2 * math.sqrt(summary.best_value * (1 - summary.best_value) / num_validation)
        text += f" With {num_validation:,} validation images, chance moves a score by some {100 * chance:.1f}"
        text += " points: this may be no difference at all." if difference < chance else " points."
    return f"{text} As the best of {summary.tally.ended} it is a little flattered; the test images will tell."


def what_mattered(
    importances: Mapping[str, float], rows: Sequence[Row], *, epoch: int, kinds: Mapping[str, str]
) -> list[str]:
    """A sentence for each key: how much it mattered, and where the good trials lie.

    Args:
        importances: Key to share of the differences, largest first.
        rows: The trials.
        epoch: At which they are compared.
        kinds: Key to `float`, `int` or `choice`.
    """
    compared = [row for row in rows if row.state != "retried" and epoch in row.curve and row.values]
    if not importances:
        return [f"Too few trials got to epoch {epoch} with different scores to say what mattered."]
    compared.sort(key=lambda row: row.curve[epoch], reverse=True)
    good = compared[: max(3, len(compared) // 4)]
    few = f" With {len(compared)} trials take this as a hint." if len(compared) < _FEW_TRIALS else ""
    sentences = [
        f"All {len(compared)} trials that got to epoch {epoch} are compared by their validation accuracy "
        f"then.{few}"
    ]
    for key, share in importances.items():
        weight = "much" if share >= _MUCH else "some" if share >= _LITTLE else "little"
        place = _where([row.values[key] for row in good], kinds[key])
        sentences.append(f"{key} mattered {weight} ({share:.0%} of the differences): {place}.")
    return sentences


def _where(values: Sequence[Any], kind: str) -> str:
    if kind == "choice":
        counts = Counter(map(str, values)).most_common()
        return f"the best {len(values)} trials have " + ", ".join(f"{value} ({n}x)" for value, n in counts)
    return f"the best {len(values)} trials lie between {min(values):g} and {max(values):g}"


def failures(rows: Sequence[Row]) -> dict[str, list[int]]:
    """Reason to the numbers of the trials that failed by it."""
    found: dict[str, list[int]] = {}
    for row in rows:
        if row.state == "failed":
            found.setdefault(row.reason, []).append(row.number)
    return found
