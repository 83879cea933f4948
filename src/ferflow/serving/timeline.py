"""Emotions over time: what each face of a video shows, as a table and for a plot."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ferflow.files import atomic_file
from ferflow.serving.answers import as_csv, csv_header

if TYPE_CHECKING:
    from ferflow.serving.face import Face
    from ferflow.serving.shots import Shot


class Timeline:
    """Collects the looks of one video.

    Args:
        labels: The labels of the answers.
        abstain_below: Confidence below which an answer is unsure.
    """

    def __init__(self, labels: Sequence[str], *, abstain_below: float) -> None:
        self.labels = tuple(labels)
        self._abstain_below = abstain_below
        self._lines = [csv_header(labels)]
        self._points: dict[int, list[tuple[float, NDArray[np.float32]]]] = {}

    def add(self, shot: Shot, faces: Sequence[Face]) -> None:
        """Add the faces of a frame."""
        self._lines += as_csv(shot, faces, self.labels, abstain_below=self._abstain_below)
        for face in faces:
            point = (shot.seconds or 0.0, face.probabilities)
            self._points.setdefault(face.track or 0, []).append(point)

    def curves(self) -> dict[int, tuple[NDArray[np.float64], NDArray[np.float32]]]:
        """For each face its times in seconds, (N,), and probabilities, (N, labels)."""
        return {
            track: (np.array([seconds for seconds, _ in points]), np.stack([values for _, values in points]))
            for track, points in sorted(self._points.items())
        }

    def write_csv(self, path: Path) -> None:
        """Write the table, a line a face of a frame, with the columns of `predict --csv`.

        Raises:
            OutputError: It cannot be written.
        """
        with atomic_file(path) as fresh:
            fresh.write_text("\n".join(self._lines) + "\n", encoding="utf-8")
