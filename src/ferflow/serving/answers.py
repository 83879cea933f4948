"""Answers as a person reads them, a line a face, and as a program reads them, JSON a picture."""

from __future__ import annotations

import json
from collections.abc import Sequence

from ferflow.labels import EMOTIONS
from ferflow.serving.predictor import Face
from ferflow.serving.shots import Shot

UNSURE = "unsure"
_WIDEST_NAME = 48
_DECIMALS = 6


def answer_of(face: Face, abstain_below: float) -> str:
    """The emotion, or `unsure` where the confidence is below the given one."""
    return UNSURE if face.confidence < abstain_below else face.emotion


def as_json(shot: Shot, faces: Sequence[Face], *, abstain_below: float) -> str:
    """One line of JSON: the picture, its size and its faces."""
    width, height = shot.size
    content: dict[str, object] = {"path": shot.path}
    if shot.seconds is not None:
        content |= {"frame": shot.frame, "seconds": round(shot.seconds, 3)}
    content |= {
        "width": width,
        "height": height,
        "faces": [_face(face, abstain_below, shot.scale) for face in faces],
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


class Columns:
    """The table for people, printed line by line.

    Args:
        names: Of the pictures that will come, as far as they are known; they set the first column's width.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._width = min(_WIDEST_NAME, max([len("picture"), *map(len, names)]))

    def header(self) -> str:
        """The names of the columns."""
        return self._line("picture", "face", "emotion", "confidence", "box (left, top, size)", "score", "")

    def lines(self, shot: Shot, faces: Sequence[Face], *, abstain_below: float) -> list[str]:
        """A line a face, or one that says that there is none."""
        if not faces:
            return [self._line(shot.name, "-", "no face", "", "", "", "")]
        return [
            self._line(
                shot.name,
                str(number),
                answer_of(face, abstain_below),
                f"{face.confidence:.0%}",
                "{}, {}, {}x{}".format(*(shot.scale * value for value in face.box)),
                "" if face.score is None else f"{face.score:.2f}",
                _note(face, abstain_below),
            )
            for number, face in enumerate(faces, start=1)
        ]

    def _line(self, name: str, *cells: str) -> str:
        short = name if len(name) <= self._width else f"..{name[2 - self._width :]}"
        face, emotion, confidence, box, score, note = cells
        start = f"{short:<{self._width}}  {face:>4}  {emotion:<8}  {confidence:>10}"
        return f"{start}  {box:<22}  {score:>5}  {note}".rstrip()


def _note(face: Face, abstain_below: float) -> str:
    notes = ["tiny"] if face.is_tiny else []
    if answer_of(face, abstain_below) == UNSURE:
        notes.append(f"most likely {face.emotion}")
    return ", ".join(notes)


def _face(face: Face, abstain_below: float, scale: int) -> dict[str, object]:
    return {
        "box": [scale * value for value in face.box],
        "score": None if face.score is None else round(face.score, _DECIMALS),
        "emotion": face.emotion,
        "confidence": round(face.confidence, _DECIMALS),
        "is_unsure": answer_of(face, abstain_below) == UNSURE,
        "is_tiny": face.is_tiny,
        "probabilities": {
            emotion: round(float(value), _DECIMALS)
            for emotion, value in zip(EMOTIONS, face.probabilities, strict=True)
        },
    }
