"""The embedded sample: drawn images in the shape of FER-2013, so that a clone works offline.

It has the faults of the real data set too, in known numbers, so that every stage has work to do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import PCG64, Generator

from ferflow.data.drawn.canvas import Picture
from ferflow.data.drawn.clutter import draw_clutter
from ferflow.data.drawn.drawing import draw_face
from ferflow.data.drawn.expressions import random_expression
from ferflow.data.drawn.face_traits import random_identity, random_view
from ferflow.data.store import ImageTable, pixel_hashes
from ferflow.labels import EMOTIONS, IMAGE_SIZE, USAGES

SMALLEST = 140

# About FER-2013's, in percent; its disgust is too rare (1.5 %) for a sample of this size.
_CLASS_PERCENT = {
    "angry": 13,
    "disgust": 5,
    "fear": 14,
    "happy": 24,
    "neutral": 17,
    "sad": 16,
    "surprise": 11,
}
_TEST_SHARE = 0.1
_CLUTTER_SHARE = 0.04
_EXACT_SHARE = 0.03
_NEAR_SHARE = 0.02
_CONTRADICTORY_SHARE = 0.1
_JPEG_QUALITY = 70


@dataclass(frozen=True)
class _Row:
    image: Picture
    label: str
    usage: str


def draw_sample(num_faces: int, *, seed: int) -> ImageTable:
    """Draw the sample.

    Faces: 13 % angry, 5 disgust, 14 fear, 24 happy, 17 neutral, 16 sad, 11 surprise; 80 % of each
    class in Training, 10 % in PublicTest and 10 % in PrivateTest, at least one. On top of them come

    - images without a face, 4 % of `num_faces`, with a random label, four in five in Training;
    - exact copies of training faces, 3 %, at least 4: every other one leaks into a test subset,
      the rest stay in Training; a tenth of them, at least 2, carry another label;
    - near copies of other training faces, 2 %, at least 3: resized, recompressed as JPEG, and
      leaked like the exact ones.

    Rows are shuffled before they are numbered, so that a name does not tell what is a copy.

    Args:
        num_faces: How many faces to draw, 140 or more.
        seed: The same seed gives the same bytes.

    Returns:
        The table, sorted by file; files are named as in the Kaggle layout
        (`train/happy/Training_00000012.jpg`).

    Raises:
        ValueError: There are too few faces for each class in each subset.
    """
    if num_faces < SMALLEST:
        raise ValueError(f"num_faces is {num_faces}, expected at least {SMALLEST}")
    generator = Generator(PCG64(seed))
    faces = _faces(generator, num_faces)
    clutter = _clutter(generator, round(_CLUTTER_SHARE * num_faces))
    num_exact = max(4, round(_EXACT_SHARE * num_faces))
    num_near = max(3, round(_NEAR_SHARE * num_faces))
    training = [face for face in faces if face.usage == "Training"]
    chosen = [training[row] for row in generator.permutation(len(training))[: num_exact + num_near]]
    exact = _leak_every_other(chosen[:num_exact])
    exact = _contradict(generator, exact, max(2, round(_CONTRADICTORY_SHARE * num_exact)))
    near = [_recompressed(generator, row) for row in _leak_every_other(chosen[num_exact:])]
    return _table(generator, faces + clutter + exact + near)


def count_classes(num_faces: int) -> dict[str, int]:
    """How many faces of each emotion a sample holds; they add up to `num_faces`."""
    exact = {emotion: num_faces * _CLASS_PERCENT[emotion] / 100 for emotion in EMOTIONS}
    counts = {emotion: int(exact[emotion]) for emotion in EMOTIONS}
    by_remainder = sorted(EMOTIONS, key=lambda emotion: counts[emotion] - exact[emotion])
    for emotion in by_remainder[: num_faces - sum(counts.values())]:
        counts[emotion] += 1
    return counts


def _faces(generator: Generator, num_faces: int) -> list[_Row]:
    faces = []
    for emotion, count in count_classes(num_faces).items():
        num_test = max(1, round(_TEST_SHARE * count))
        for number in range(count):
            usage = USAGES[0] if number >= 2 * num_test else USAGES[1 + number % 2]
            identity = random_identity(generator)
            expression = random_expression(generator, emotion)
            image = draw_face(generator, identity, expression, random_view(generator))
            faces.append(_Row(image, emotion, usage))
    return faces


def _clutter(generator: Generator, count: int) -> list[_Row]:
    clutter = []
    for number in range(count):
        usage = USAGES[0] if number % 5 else USAGES[1 + number // 5 % 2]
        # Not disgust: one stray image in ten would be most of what a small subset of it holds.
        label = str(generator.choice([emotion for emotion in EMOTIONS if emotion != "disgust"]))
        clutter.append(_Row(draw_clutter(generator, number), label, usage))
    return clutter


def _leak_every_other(rows: list[_Row]) -> list[_Row]:
    """The rows, the first, third... of them in one of the two test subsets by turns."""
    return [
        row if number % 2 else replace(row, usage=USAGES[1 + number // 2 % 2])
        for number, row in enumerate(rows)
    ]


def _contradict(generator: Generator, rows: list[_Row], count: int) -> list[_Row]:
    """The rows, the first `count` of them with the label of another emotion."""
    changed = []
    for row in rows[:count]:
        others = [emotion for emotion in EMOTIONS if emotion not in (row.label, "disgust")]
        changed.append(replace(row, label=str(generator.choice(others))))
    return changed + rows[count:]


def _recompressed(generator: Generator, row: _Row) -> _Row:
    side = int(generator.integers(38, IMAGE_SIZE))
    smaller = cv2.resize(row.image, (side, side), interpolation=cv2.INTER_AREA)
    restored = cv2.resize(smaller, (IMAGE_SIZE, IMAGE_SIZE), interpolation=cv2.INTER_LINEAR)
    _, encoded = cv2.imencode(".jpg", restored, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    decoded = cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE)
    return replace(row, image=np.asarray(decoded, np.uint8))


def _table(generator: Generator, rows: list[_Row]) -> ImageTable:
    shuffled = [rows[row] for row in generator.permutation(len(rows))]
    files = [
        f"{'train' if row.usage == 'Training' else 'test'}/{row.label}/{row.usage}_{number:08d}.jpg"
        for number, row in enumerate(shuffled)
    ]
    images = np.stack([row.image for row in shuffled])
    columns = {
        "file": np.array(files),
        "label": np.array([row.label for row in shuffled]),
        "usage": np.array([row.usage for row in shuffled]),
        "sha256": pixel_hashes(images),
    }
    return ImageTable(images, columns).take(np.argsort(columns["file"]))
