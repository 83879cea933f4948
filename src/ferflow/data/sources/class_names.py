"""What folders, columns and people call the seven emotions, and the map that says it of any other name.

A name counts in any case, with numbers and filling words around it: `3_Happy`, `angry faces`. Numbers
alone are never guessed: collections number the emotions differently (`NUMBERINGS`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cache

from ferflow.data.sources.subset_names import SUBSETS, subset_of
from ferflow.errors import SourceError
from ferflow.labels import CSV_EMOTIONS, EMOTIONS

# What the seven emotions are called elsewhere, JAFFE's two letters among it.
ALIASES = {
    "angry": ("anger", "angered", "an"),
    "disgust": ("disgusted", "di"),
    "fear": ("fearful", "afraid", "scared", "fe"),
    "happy": ("happiness", "joy", "joyful", "ha"),
    "neutral": ("neutrality", "ne"),
    "sad": ("sadness", "sa"),
    "surprise": ("surprised", "suprise", "suprised", "su"),
}
_BY_NAME = {name: emotion for emotion, names in ALIASES.items() for name in (emotion, *names)}
_FILLERS = frozenset(
    {"face", "faces", "facial", "image", "images", "img", "imgs", "picture", "pictures", "photo", "photos"}
    | {"emotion", "emotions", "expression", "expressions", "class", "label", "category", "folder"}
)
_SHORTEST_IN_WORDS = 3  # JAFFE's two letters are alone or mean something else

# How some collections number the emotions; None: a class that FER-2013 has not.
NUMBERINGS: dict[str, dict[str, str | None]] = {
    "FER-2013": {str(number): emotion for number, emotion in enumerate(CSV_EMOTIONS)},
    "RAF-DB": dict(
        zip("1234567", ("surprise", "fear", "disgust", "happy", "sad", "angry", "neutral"), strict=True)
    ),
    "AffectNet": dict(
        zip(
            "01234567",
            ("neutral", "happy", "sad", "surprise", "fear", "disgust", "angry", None),
            strict=True,
        )
    ),
    "CK+": dict(
        zip(
            "01234567",
            ("neutral", "angry", None, "disgust", "fear", "happy", "sad", "surprise"),
            strict=True,
        )
    ),
    "an alphabetical list": {str(number): emotion for number, emotion in enumerate(EMOTIONS)},
}

Map = dict[str, str | None]


@cache
def emotion_of(name: str) -> str | None:
    """The emotion of that name, in any case; None for any other, numbers among them."""
    spoken = name.strip().lower()
    if spoken in _BY_NAME:
        return _BY_NAME[spoken]
    words = [word for word in re.findall(r"[^\W\d_]+", spoken) if word not in _FILLERS]
    if len(words) != 1 or len(words[0]) < _SHORTEST_IN_WORDS:
        return None
    return _BY_NAME.get(words[0])


def parse_map(entries: Sequence[str], *, option: str = "--map") -> Map:
    """Read `NAME=EMOTION` (count a class as an emotion), `NAME=SUBSET` (train, val, test) and `NAME=`.

    Args:
        entries: One each.
        option: What the message calls them.

    Returns:
        Name in lower case to emotion or subset, None for what is left out.

    Raises:
        SourceError: An entry has no `=`, names neither, a name comes twice, or a folder of test or
            validation images is to count as training.
    """
    mapping: Map = {}
    for entry in entries:
        name, sign, target = (part.strip() for part in entry.partition("="))
        if not sign or not name:
            raise SourceError(f"{option} {entry!r}: expected NAME=EMOTION, or NAME= to leave the class out")
        meant = emotion_of(target) or subset_of(target).kind if target else None
        if target and meant not in (*EMOTIONS, *SUBSETS):
            raise SourceError(
                f"{option} {entry!r}: {target!r} is no emotion; expected one of {', '.join(EMOTIONS)}, for a "
                f"subset one of {', '.join(SUBSETS)}, or '{name}=' to leave the class out"
            )
        known = subset_of(name)
        if meant == "train" and known.is_certain and known.kind != "train":
            raise SourceError(
                f"{option} {entry!r}: {name!r} names test or validation images, which must not train; "
                f"leave them out with '{name}=', or take them out of the source"
            )
        if name.lower() in mapping:
            raise SourceError(f"{option} names {name!r} twice; keep one of the two")
        mapping[name.lower()] = meant
    return mapping


def known_classes() -> str:
    """The seven emotions with their other names, for messages."""
    return ", ".join(f"{emotion} ({', '.join(ALIASES[emotion])})" for emotion in EMOTIONS)


def numberings_of(names: Iterable[str]) -> dict[str, list[str]]:
    """Collections that number classes like these, with the entries of a map for each."""
    numbers = {name.strip().lstrip("0") or "0": name for name in names}
    return {
        collection: [f"{numbers[number]}={numbering[number] or ''}" for number in sorted(numbers)]
        for collection, numbering in NUMBERINGS.items()
        if numbers and set(numbers) <= set(numbering)
    }
