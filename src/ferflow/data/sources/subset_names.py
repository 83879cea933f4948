"""What folders and columns call the published subsets: training, validation and test images.

Words decide, in any case and any company: `train`, `Training`, `FER2013Train`, `val_set`, `PublicTest`,
`private-test`, `test images`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

# What a map may say of a folder.
SUBSETS = ("train", "val", "test")
# FER-2013's own two test sets select (public) and score (private).
KINDS = (*SUBSETS, "public", "private")
USAGE_OF = {
    "train": "Training",
    "val": "PublicTest",
    "public": "PublicTest",
    "test": "PrivateTest",
    "private": "PrivateTest",
}

_WORDS = {
    "train": ("train", "training", "trn"),
    "val": ("val", "valid", "validation", "validate", "dev", "devel", "development"),
    "test": ("test", "testing", "tst", "eval", "evaluation", "holdout", "heldout"),
    "public": ("publictest",),
    "private": ("privatetest",),
}
_BY_WORD = {word: kind for kind, words in _WORDS.items() for word in words}
_GLUED = re.compile(
    rf"({'|'.join(sorted(_BY_WORD, key=len, reverse=True))})(set|sets|data|images|imgs|faces)"
)
_COMPANY = frozenset(
    {"set", "sets", "data", "dataset", "image", "images", "img", "imgs", "face", "faces", "folder", "subset"}
    | {"fer", "ferplus", "raf", "rafdb", "affectnet", "split", "splits", "aligned", "cropped", "crop"}
    | {"grey", "gray", "part", "the", "of", "and", "hold", "held", "out"}
)
_NEGATIONS = frozenset({"not", "non", "without"})
_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_]+|\d+")


@dataclass(frozen=True)
class SubsetName:
    """What a name says of a subset.

    Attributes:
        kind: One of `KINDS`, "mixed" for two that contradict, "" for none.
        is_certain: Nothing else is in the name; a project may be called `my_test_faces`.
    """

    kind: str
    is_certain: bool


def says_tested(text: str) -> bool:
    """Whether a text is just the name of a subset that never trains: `test`, `PublicTest`, `Validation`."""
    return _BY_WORD.get(re.sub(r"[\W_]+", "", text.lower()), "train") != "train"


@cache
def subset_of(name: str) -> SubsetName:
    """Read a subset off a name."""
    spoken = name.strip()
    whole = re.sub(r"[\W_]+", "", spoken.lower())
    words = [whole] if whole in _BY_WORD else [part.lower() for part in _PARTS.findall(spoken)]
    kinds: set[str] = set()
    others = []
    for word in words:
        glued = _GLUED.fullmatch(word)
        kind = _BY_WORD.get(glued[1] if glued else word)
        if kind:
            kinds.add(kind)
        elif not word.isdigit() and word not in _COMPANY:
            others.append(word)
    for side in ("public", "private"):
        if side in others and "test" in kinds:
            others.remove(side)
            kinds = (kinds - {"test"}) | {side}
    if {"hold", "out"} <= set(words) or {"held", "out"} <= set(words):
        kinds.add("test")
    if not kinds or not _NEGATIONS.isdisjoint(words):
        return SubsetName("", is_certain=False)
    return SubsetName(kinds.pop() if len(kinds) == 1 else "mixed", is_certain=not others)
