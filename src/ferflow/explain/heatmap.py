"""Where in a face the evidence for an emotion lies, by NumPy and OpenCV alone.

Grad-CAM's maps are coarse: 3x3 for a face of 48 px where the network halves its side four times. A copy
of the face that is moved by half a cell puts the cells at other places of it. Reading several copies and
their mirror images gives a finer and steadier map (augmented Grad-CAM; Morbidelli et al. 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow.labels import IMAGE_SIZE

Faces = NDArray[np.uint8]
Heat = NDArray[np.float32]

# Moves of a copy along each axis, in cells; each is read as it is and mirrored.
_MOVES = (-0.5, 0.0, 0.5)
# A cell tells of the places around its centre: standard deviation in cells, and at least in pixels.
_REACH, _LEAST_REACH = 0.25, 1.5
_FACES_AT_ONCE = 16
# Of the hottest place; a cold one shows the bare face.
_OPACITY = 0.65


@dataclass(frozen=True)
class Run:
    """A network as heatmaps take it, by Keras or ONNX Runtime.

    Attributes:
        answers: Faces (N, 48, 48) uint8 to probabilities (N, 7).
        maps: Faces to maps (N, 7, h, w): Grad-CAM of the plain view, before the ReLU.
    """

    answers: Callable[[Faces], NDArray[Any]]
    maps: Callable[[Faces], NDArray[Any]]


def heatmaps(run: Run, faces: Faces, classes: NDArray[np.integer[Any]] | None = None) -> Heat:
    """What speaks for an emotion, place by place.

    Args:
        run: The network. Its maps are asked for of one face, and of the 18 copies of at most 16 faces.
        faces: (N, 48, 48) uint8, 0-255, grey.
        classes: (N,) the emotion of each face that is asked for, index into `EMOTIONS`; None: the one
            that its answers find most probable.

    Returns:
        (N, 48, 48) float32, 0-1, 1 at the strongest place of each face; all 0 where nothing speaks for
        the emotion.
    """
    found = np.zeros(faces.shape, np.float32)
    if not len(faces):
        return found
    height, width = run.maps(faces[:1]).shape[2:]
    chosen = run.answers(faces).argmax(axis=1) if classes is None else classes
    for start in range(0, len(faces), _FACES_AT_ONCE):
        rows = slice(start, start + _FACES_AT_ONCE)
        found[rows] = _heat_of_batch(run, faces[rows], chosen[rows], cells=(height, width))
    return found


def overlay(face: Faces, heat: Heat, *, side: int = IMAGE_SIZE) -> NDArray[np.uint8]:
    """A face with its heatmap in colour over it; what is cold stays grey.

    Args:
        face: (48, 48) uint8, 0-255, grey.
        heat: (48, 48) float32, 0-1.
        side: Side of the picture in pixels.

    Returns:
        (side, side, 3) uint8, blue first as OpenCV encodes.
    """
    grey = cv2.resize(face, (side, side), interpolation=cv2.INTER_CUBIC)
    smooth = np.clip(cv2.resize(heat, (side, side), interpolation=cv2.INTER_LINEAR), 0, 1)
    levels = np.rint(smooth * 255).astype(np.uint8)
    colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO).astype(np.float32)
    share = _OPACITY * smooth[..., None]
    return np.asarray(np.rint(grey[..., None] * (1 - share) + colours * share), np.uint8)


def _heat_of_batch(
    run: Run, faces: Faces, classes: NDArray[np.integer[Any]], *, cells: tuple[int, int]
) -> Heat:
    """Mean of all cells of all copies, weighted with how near to a place their centres lay."""
    moves_y, moves_x = ([round(move * IMAGE_SIZE / number) for move in _MOVES] for number in cells)
    moves = [(down, right) for down in moves_y for right in moves_x]
    copies = [_moved(faces, down, right) for down, right in moves]
    stacked = np.concatenate([*copies, *(copy[:, :, ::-1] for copy in copies)])
    maps = run.maps(np.ascontiguousarray(stacked))
    of_class = maps[np.arange(len(maps)), np.tile(classes, 2 * len(moves))].astype(np.float64)
    straight, mirrored = of_class.reshape(2, len(moves), len(faces), *cells)
    total = np.zeros(faces.shape)
    weight = np.zeros(faces.shape[1:])
    for (down, right), maps_of_copy in zip(moves, straight + mirrored[..., ::-1], strict=True):
        vertical, horizontal = _nearness(cells[0], down), _nearness(cells[1], right)
        total += vertical @ maps_of_copy @ horizontal.T
        weight += 2 * np.outer(vertical.sum(axis=1), horizontal.sum(axis=1))
    return _scaled(np.maximum(total / weight, 0))


def _moved(faces: Faces, down: int, right: int) -> Faces:
    """The faces moved by whole pixels; the edges are continued."""
    rows, columns = (np.clip(np.arange(IMAGE_SIZE) - move, 0, IMAGE_SIZE - 1) for move in (down, right))
    return faces[:, rows][:, :, columns]


def _nearness(cells: int, move: int) -> NDArray[np.float64]:
    """(48, cells) weight of each cell for each place along an axis, of a copy that was moved."""
    cell = IMAGE_SIZE / cells
    centres = (np.arange(cells) + 0.5) * cell - 0.5 - move
    distance = np.arange(IMAGE_SIZE)[:, None] - centres
    weights: NDArray[np.float64] = np.exp(-0.5 * (distance / max(_REACH * cell, _LEAST_REACH)) ** 2)
    return weights


def _scaled(heat: NDArray[np.float64]) -> Heat:
    highest = heat.max(axis=(1, 2), keepdims=True)
    scaled: NDArray[np.float64] = np.divide(heat, highest, out=np.zeros_like(heat), where=highest > 0)
    return scaled.astype(np.float32)
