"""The Predictor: pictures in, faces out, with the answers that the network gives."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow import Predictor
from ferflow.data.images import decode_face
from tests.data.pictures import draw_pictures
from tests.serving.conftest import expected_probabilities


@pytest.fixture(scope="module")
def predictor(export_folder) -> Predictor:
    return Predictor(export_folder)


def test_predict_faces_gives_the_networks_answers_in_batches(predictor):
    faces = draw_pictures(70)
    np.testing.assert_allclose(predictor.predict_faces(faces), expected_probabilities(faces), atol=1e-5)


def test_a_whole_image_is_read_as_decode_face_reads_it(predictor, tmp_path):
    import cv2

    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.random.default_rng(1).integers(0, 256, (70, 90, 3)).astype(np.uint8))
    face = predictor.whole_image(path)
    crop = decode_face(path.read_bytes(), max_pixels=10_000)
    np.testing.assert_array_equal(face.crop, crop)
    np.testing.assert_allclose(face.probabilities, expected_probabilities(crop[None])[0], atol=1e-5)
    assert face.box == (10, 0, 70, 70)
    assert face.score is None
