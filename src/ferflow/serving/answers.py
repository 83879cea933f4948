"""Answers as a person reads them, a line a face, and as a program does: JSON a picture, CSV a face."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

from ferflow.serving.answering import Answering
from ferflow.serving.face import Face
from ferflow.serving.shots import Shot

UNSURE = "unsure"
_WIDEST_NAME = 48
_DECIMALS = 6
_CSV_COLUMNS = (
    "path", "frame", "seconds", "face", "left", "top", "width", "height", "score", "emotion", "confidence",
    "is_unsure", "is_tiny",
)  # fmt: skip


def answer_of(face: Face, abstain_below: float) -> str:
    """The emotion, or `unsure` where the confidence is below the given one."""
    return UNSURE if face.confidence < abstain_below else face.emotion


def as_json(shot: Shot, faces: Sequence[Face], *, model: Answering, abstain_below: float) -> str:
    """One line of JSON: the picture, its size, its faces, and the model that answered."""
    width, height = shot.size
    content: dict[str, object] = {"path": shot.path}
    if shot.seconds is not None:
        content |= {"frame": shot.frame, "seconds": round(shot.seconds, 3)}
    content |= {
        "width": width,
        "height": height,
        "faces": [_face(face, abstain_below, shot.scale) for face in faces],
        "model": model.as_json(),
    }
    return json.dumps(content, ensure_ascii=False, allow_nan=False)


class Columns:
    """The table for people, printed line by line.

    Args:
        names: The names of the pictures that will come, as far as they are known; they set the first
            column's width.
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
                str(face.track or number),
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


def csv_header(labels: Sequence[str]) -> str:
    """The names of the columns of `as_csv`."""
    return _csv_line([*_CSV_COLUMNS, *(f"p_{label}" for label in labels)])


def as_csv(shot: Shot, faces: Sequence[Face], labels: Sequence[str], *, abstain_below: float) -> list[str]:
    """A line a face; for a picture without a face one whose columns from `face` on are empty."""
    seconds = "" if shot.seconds is None else f"{shot.seconds:.3f}"
    start = [shot.path, "" if shot.frame is None else str(shot.frame), seconds]
    if not faces:
        return [_csv_line([*start, *[""] * (len(_CSV_COLUMNS) - len(start) + len(labels))])]
    return [
        _csv_line(
            [
                *start,
                str(face.track or number),
                *(str(shot.scale * value) for value in face.box),
                "" if face.score is None else f"{face.score:.{_DECIMALS}f}",
                face.emotion,
                f"{face.confidence:.{_DECIMALS}f}",
                "true" if answer_of(face, abstain_below) == UNSURE else "false",
                "true" if face.is_tiny else "false",
                *(f"{value:.{_DECIMALS}f}" for value in face.probabilities),
            ]
        )
        for number, face in enumerate(faces, start=1)
    ]


def _csv_line(cells: Sequence[str]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="").writerow(cells)
    return buffer.getvalue()


def _note(face: Face, abstain_below: float) -> str:
    notes = ["tiny"] if face.is_tiny else []
    if answer_of(face, abstain_below) == UNSURE:
        notes.append(f"most likely {face.emotion}")
    return ", ".join(notes)


def _face(face: Face, abstain_below: float, scale: int) -> dict[str, object]:
    track = {} if face.track is None else {"track": face.track}
    return track | {
        "box": [scale * value for value in face.box],
        "score": None if face.score is None else round(face.score, _DECIMALS),
        "emotion": face.emotion,
        "confidence": round(face.confidence, _DECIMALS),
        "is_unsure": answer_of(face, abstain_below) == UNSURE,
        "is_tiny": face.is_tiny,
        "probabilities": {
            emotion: round(float(value), _DECIMALS)
            for emotion, value in zip(face.labels, face.probabilities, strict=True)
        },
    }
