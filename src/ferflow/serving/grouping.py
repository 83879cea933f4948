"""Emotions merged or left out for an answer, such as positive, neutral and negative instead of seven.

The probabilities of emotions that are merged are added up. Those that are left out are taken away, and the
rest is divided by its sum: the probability given that the face shows one of the classes that are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ferflow.errors import SourceError
from ferflow.labels import EMOTIONS

if TYPE_CHECKING:
    from ferflow.serving.face import Face

VALENCE = "valence"
# Surprise is neither: people rate it near the middle between pleasant and unpleasant.
_VALENCE = {
    "angry": "negative",
    "disgust": "negative",
    "fear": "negative",
    "happy": "positive",
    "neutral": "neutral",
    "sad": "negative",
    "surprise": "neutral",
}
_ORDER = ("positive", "neutral", "negative")
_NAME = re.compile(r"[a-z0-9_-]+")
_LEAST = 1e-12


@dataclass(frozen=True)
class Grouping:
    """Classes that an answer names.

    Attributes:
        labels: Their names, in the order of the answer.
        members: For each the places of its emotions in `EMOTIONS`.
    """

    labels: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]

    def merged(self, probabilities: NDArray[Any]) -> NDArray[np.float32]:
        """(7,) probabilities of `EMOTIONS` to those of the classes, float32, which add up to 1."""
        sums = np.array([probabilities[list(places)].sum(dtype=np.float64) for places in self.members])
        sums = np.maximum(sums, _LEAST)
        return np.asarray(sums / sums.sum(), np.float32)

    def regrouped(self, face: Face, calibrated: NDArray[Any]) -> Face:
        """A face that names one of the classes.

        Args:
            face: With the probabilities of the seven emotions.
            calibrated: Its (7,) probabilities after temperature scaling, merged for the confidence.
        """
        if self.labels == EMOTIONS:
            return face
        probabilities = self.merged(face.probabilities)
        best = int(probabilities.argmax())
        return replace(
            face,
            labels=self.labels,
            probabilities=probabilities,
            emotion=self.labels[best],
            confidence=float(self.merged(calibrated)[best]),
        )


SEVEN = Grouping(EMOTIONS, tuple((place,) for place in range(len(EMOTIONS))))


def parse_grouping(mapping: Sequence[str], classes: str | None) -> Grouping:
    """Read `--map NAME=CLASS` (merge), `--map NAME=` (leave out) and `--classes`.

    Args:
        mapping: Entries of `--map`; each names an emotion.
        classes: `valence`, or the classes that are kept, with commas between; None: all.

    Raises:
        SourceError: An entry or a class is not known, a name comes twice, or fewer than two classes are left.
    """
    targets: dict[str, str | None] = {name: name for name in EMOTIONS}
    if classes == VALENCE:
        targets |= _VALENCE
    targets |= _parse_map(mapping)
    found = _ordered(targets)
    kept = found if classes in (None, VALENCE) else _kept(str(classes), found)
    if len(kept) < 2:
        raise SourceError(
            f"--map and --classes leave {' and '.join(kept) or 'no class'}, expected two classes or more: "
            "of one alone every face would be certain; keep another"
        )
    members = tuple(
        tuple(place for place, name in enumerate(EMOTIONS) if targets[name] == label) for label in kept
    )
    return Grouping(tuple(kept), members)


def _parse_map(entries: Sequence[str]) -> dict[str, str | None]:
    mapping: dict[str, str | None] = {}
    for entry in entries:
        name, sign, target = (part.strip().lower() for part in entry.partition("="))
        if not sign or not name:
            raise SourceError(f"--map {entry!r}: expected EMOTION=CLASS, or EMOTION= to leave it out")
        if name not in EMOTIONS:
            raise SourceError(
                f"--map {entry!r}: {name!r} is no emotion that the network tells; expected one of "
                f"{', '.join(EMOTIONS)} before the '='"
            )
        if target and not _NAME.fullmatch(target):
            raise SourceError(f"--map {entry!r}: expected a class named by letters, digits, '_' and '-'")
        if name in mapping:
            raise SourceError(f"--map names {name!r} twice; keep one of the two")
        mapping[name] = target or None
    return mapping


def _ordered(targets: Mapping[str, str | None]) -> list[str]:
    """The classes, in the order of the emotions; those of valence from positive to negative."""
    names = list(dict.fromkeys(name for name in targets.values() if name is not None))
    if set(names) == set(_ORDER):
        return list(_ORDER)
    return names


def _kept(text: str, found: Sequence[str]) -> list[str]:
    wanted = [name.strip().lower() for name in text.split(",")]
    for name in wanted:
        if name not in found:
            raise SourceError(
                f"--classes {text!r}: {name!r} is no class; expected '{VALENCE}', or some of "
                f"{', '.join(found)} with commas between"
            )
        if wanted.count(name) > 1:
            raise SourceError(f"--classes {text!r}: names {name!r} twice; keep one of the two")
    return [name for name in found if name in wanted]
