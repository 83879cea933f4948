"""Face detection: looks, scores, cascades, and both detectors on drawn and real images."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.random import PCG64, Generator

from ferflow.data.drawn.clutter import draw_clutter
from ferflow.data.drawn.drawing import draw_face
from ferflow.data.drawn.expressions import random_expression
from ferflow.data.drawn.face_traits import random_identity, random_view
from ferflow.data.faces.cascade import (
    FaceDetector,
    HaarDetector,
    YuNetDetector,
    is_constant,
    open_detector,
    score_faces,
)
from ferflow.data.store import ImageTable, read_csv
from ferflow.errors import DetectorError
from ferflow.labels import EMOTIONS, IMAGE_SIZE
from ferflow.params import FaceFilterParams, HaarLook, Params

Labels = dict[str, np.ndarray]

YUNET = Path("models/face_detection_yunet_2026may.onnx")
LABELS = Path(__file__).with_name("face_labels.csv")
# How many of the 35,887 images each stratum of LABELS was drawn from; the first two hold them all.
STRATUM_IMAGES = {"dropped": 124, "doubtful_score": 766, "random_kept": 34_997}


class BrightnessDetector:
    """A detector whose look `number` scores an image's brightness, up to a cap that grows with it."""

    name = "brightness"
    num_looks = 3

    def __init__(self) -> None:
        self.looks: list[tuple[int, int]] = []

    def look(self, image: np.ndarray, number: int) -> float:
        self.looks.append((int(image[0, 0]), number))
        return float(min(image.mean() / 255, 0.3 * (number + 1)))


@pytest.fixture
def filter_params(sample_params: Params) -> FaceFilterParams:
    return sample_params.face_filter


@pytest.fixture(scope="module")
def drawn_faces() -> np.ndarray:
    """(70, 48, 48) drawn faces, ten of each emotion."""
    generator = Generator(PCG64(4))
    return np.stack(
        [
            draw_face(
                generator,
                random_identity(generator),
                random_expression(generator, EMOTIONS[number % len(EMOTIONS)]),
                random_view(generator),
            )
            for number in range(70)
        ]
    )


@pytest.fixture(scope="module")
def clutter() -> np.ndarray:
    """(60, 48, 48) drawn images without a face."""
    generator = Generator(PCG64(5))
    return np.stack([draw_clutter(generator, number) for number in range(60)])


@pytest.fixture(scope="module")
def eye_labels() -> Labels:
    """The columns of face_labels.csv."""
    return read_csv(LABELS, ("file", "label_by_eye", "stratum"))


@pytest.fixture(scope="module")
def labelled_images(fer2013: ImageTable, eye_labels: Labels) -> np.ndarray:
    """(N, 48, 48) images of `eye_labels`, in its order."""
    rows = {name: row for row, name in enumerate(fer2013["file"].tolist())}
    return fer2013.images[[rows[name] for name in eye_labels["file"].tolist()]]


def stratum_weights(strata: np.ndarray) -> np.ndarray:
    """How many images of the data set each labelled one stands for."""
    return np.array([STRATUM_IMAGES[stratum] / np.count_nonzero(strata == stratum) for stratum in strata])


def score_all(detector: FaceDetector, params: FaceFilterParams, *images: np.ndarray) -> np.ndarray:
    return score_faces(np.concatenate(images), detector, accept_score=params.accept_score, workers=2)


def shades(*values: int) -> np.ndarray:
    """One nearly constant image a value: the last pixel differs."""
    images = np.repeat(np.array(values, np.uint8), IMAGE_SIZE**2).reshape(-1, IMAGE_SIZE, IMAGE_SIZE)
    images[:, -1, -1] += 1
    return images


def test_is_constant_finds_images_of_one_value() -> None:
    images = shades(0, 10)
    images[1, -1, -1] = 10
    assert is_constant(images).tolist() == [False, True]


def test_score_faces_stops_looking_once_a_score_is_accepted() -> None:
    detector = BrightnessDetector()
    scores = score_faces(shades(25, 100, 200), detector, accept_score=0.5, workers=1)
    assert scores == pytest.approx([0.098, 0.3922, 0.6], abs=1e-4)
    looks_of = {
        value: [number for shade, number in detector.looks if shade == value] for value in (25, 100, 200)
    }
    assert looks_of == {25: [0, 1, 2], 100: [0, 1, 2], 200: [0, 1]}


def test_score_faces_gives_the_best_of_the_looks() -> None:
    class FadingDetector(BrightnessDetector):
        def look(self, image: np.ndarray, number: int) -> float:
            return (0.2, 0.4, 0.1)[number]

    assert score_faces(shades(9), FadingDetector(), accept_score=0.5, workers=1).tolist() == [0.4]


def test_score_faces_gives_constant_images_zero_without_a_look() -> None:
    detector = BrightnessDetector()
    images = np.full((2, IMAGE_SIZE, IMAGE_SIZE), 200, np.uint8)
    assert score_faces(images, detector, accept_score=0.5, workers=2).tolist() == [0, 0]
    assert detector.looks == []


def test_score_faces_takes_no_images() -> None:
    empty = np.zeros((0, IMAGE_SIZE, IMAGE_SIZE), np.uint8)
    assert score_faces(empty, BrightnessDetector(), accept_score=0.5, workers=2).shape == (0,)


def test_score_faces_keeps_order_whatever_the_number_of_workers() -> None:
    images = shades(*Generator(PCG64(1)).integers(0, 255, 1000))
    one, four = (
        score_faces(images, BrightnessDetector(), accept_score=0.5, workers=workers) for workers in (1, 4)
    )
    assert one.tolist() == four.tolist()
    assert one == pytest.approx(
        np.minimum(images.mean(axis=(1, 2)) / 255, np.where(one < 0.6, 0.9, 0.6)), abs=1e-3
    )


def test_score_faces_gives_opencv_its_threads_back() -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(2)
    try:
        score_faces(shades(1), BrightnessDetector(), accept_score=0.5, workers=1)
        assert cv2.getNumThreads() == 2
    finally:
        cv2.setNumThreads(before)


def test_haar_detector_keeps_drawn_faces_and_drops_clutter(
    filter_params: FaceFilterParams, drawn_faces: np.ndarray, clutter: np.ndarray
) -> None:
    scores = score_all(HaarDetector(filter_params.haar_looks), filter_params, drawn_faces, clutter)
    of_faces, of_clutter = scores[: len(drawn_faces)], scores[len(drawn_faces) :]
    assert np.mean(of_faces >= filter_params.min_score) >= 0.985
    assert np.mean(of_clutter < filter_params.min_score) >= 0.98


def test_haar_score_is_half_at_the_votes_that_the_look_names(drawn_faces: np.ndarray) -> None:
    look = HaarLook(cascade="frontalface_alt2", side=96, margin=12, smallest=56, step=1.2, half_score_votes=1)
    score = HaarDetector([look]).look(drawn_faces[0], 0)
    votes = round(score / (1 - score))
    assert votes >= 3
    halved = HaarDetector([look.model_copy(update={"half_score_votes": votes})])
    assert halved.look(drawn_faces[0], 0) == pytest.approx(0.5)


def test_haar_detector_refuses_an_unknown_cascade(filter_params: FaceFilterParams) -> None:
    look = filter_params.haar_looks[0].model_copy(update={"cascade": "frontalface_new"})
    with pytest.raises(DetectorError, match="haar_looks: OpenCV has no cascade 'frontalface_new'"):
        HaarDetector([look])


@pytest.mark.parametrize("content", [b"", b"not a network", b"\x08\x08" * 500])
def test_yunet_detector_refuses_a_file_that_is_no_network(
    tmp_path: Path, filter_params: FaceFilterParams, content: bytes
) -> None:
    path = tmp_path / "detector.onnx"
    path.write_bytes(content)
    with pytest.raises(DetectorError, match=r"detector\.onnx: OpenCV cannot use it as YuNet .* download"):
        YuNetDetector(path, filter_params.yunet_looks)


def test_open_detector_takes_haar_where_there_is_no_yunet(
    tmp_path: Path, filter_params: FaceFilterParams
) -> None:
    assert open_detector(tmp_path / "detector.onnx", filter_params).name == "haar"


@pytest.mark.real_data
def test_open_detector_takes_yunet_where_it_is(shared: Path, filter_params: FaceFilterParams) -> None:
    assert open_detector(shared / YUNET, filter_params).name == "yunet"


@pytest.mark.real_data
def test_yunet_looks_differ_in_turn_and_see_turned_faces(
    shared: Path,
    filter_params: FaceFilterParams,
    eye_labels: Labels,
    labelled_images: np.ndarray,
) -> None:
    easy = (eye_labels["stratum"] == "random_kept") & (eye_labels["label_by_eye"] == "face")
    lying = np.ascontiguousarray(np.rot90(labelled_images[easy][:60], 1, axes=(1, 2)))
    upright_only = filter_params.yunet_looks[:3]
    assert [look.turn for look in upright_only] == [0, 0, 0]
    seen = [
        np.mean(score_all(YuNetDetector(shared / YUNET, looks), filter_params, lying) >= 0.5)
        for looks in (upright_only, filter_params.yunet_looks)
    ]
    assert seen[1] > 0.95
    assert seen[1] - seen[0] > 0.1


@pytest.mark.real_data
def test_yunet_keeps_faces_and_drops_images_without_one(
    shared: Path,
    filter_params: FaceFilterParams,
    eye_labels: Labels,
    labelled_images: np.ndarray,
) -> None:
    detector = YuNetDetector(shared / YUNET, filter_params.yunet_looks)
    kept = score_all(detector, filter_params, labelled_images) >= filter_params.min_score
    weights = stratum_weights(eye_labels["stratum"])
    faces = eye_labels["label_by_eye"] == "face"
    no_faces = eye_labels["label_by_eye"] == "no_face"
    assert weights.sum() == pytest.approx(35_887)
    assert weights[faces & kept].sum() / weights[faces].sum() >= 0.995
    assert weights[no_faces & ~kept].sum() / weights[no_faces].sum() >= 0.99
    assert np.count_nonzero(no_faces) > 70
