"""Traits: each measures what its name says."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from ferflow.data.drawn.sample import draw_sample
from ferflow.data.store import write_csv
from ferflow.errors import DataError, DetectorError
from ferflow.insight.traits import copies_trait, face_score_trait, pixel_traits, pose_traits


@pytest.fixture(scope="module")
def faces():
    """Eighty drawn images, most of them faces."""
    return draw_sample(140, seed=3).images[:80]


def _values(images):
    return {trait.name: trait.values for trait in pixel_traits(images)}


def test_light_contrast_and_blur_move_their_own_measure(faces):
    plain = _values(faces)
    darker = _values(faces // 2)
    blurred = _values(np.stack([cv2.GaussianBlur(image, (0, 0), 1.5) for image in faces]))
    assert np.all(darker["brightness"] <= plain["brightness"] / 2)
    assert np.all(darker["contrast"] < plain["contrast"])
    assert np.all(blurred["sharpness"] < plain["sharpness"] / 2)
    assert np.allclose(blurred["brightness"], plain["brightness"], atol=2)


def test_a_turned_picture_is_tilted_and_a_blank_one_has_no_pose(faces, shared):
    detector = shared / "models" / "face_detection_yunet_2026may.onnx"
    turn = cv2.getRotationMatrix2D((23.5, 23.5), 15, 1)
    turned = [cv2.warpAffine(image, turn, (48, 48), borderMode=cv2.BORDER_REPLICATE) for image in faces]
    blank = np.full((1, 48, 48), 90, np.uint8)
    _, upright = pose_traits(faces, detector)
    head, tilted = pose_traits(np.concatenate([np.stack(turned), blank]), detector)
    assert np.nanmedian(upright.values) < 5 < 8 < np.nanmedian(tilted.values)
    assert np.isnan(head.values[-1])
    assert np.isnan(tilted.values[:-1]).mean() < 0.3
    # The nose of a frontal face is near the middle, whichever way the picture is turned.
    assert np.nanmedian(head.values) < 0.25


def test_a_head_that_looks_aside_has_a_larger_turn(faces, shared):
    detector = shared / "models" / "face_detection_yunet_2026may.onnx"
    # Columns squeezed on one side only, as perspective does with a head that turns away.
    columns = (np.linspace(0, 1, 48) ** 1.8 * 47).astype(np.float32)
    rows = np.arange(48, dtype=np.float32)
    across, down = np.meshgrid(columns, rows)
    aside = np.stack([cv2.remap(image, across, down, cv2.INTER_LINEAR) for image in faces])
    plain, squeezed = (pose_traits(images, detector)[0].values for images in (faces, aside))
    assert np.nanmedian(squeezed) > 2 * np.nanmedian(plain)


def test_another_file_than_yunet_is_a_detector_error(faces, tmp_path):
    (tmp_path / "detector.onnx").write_bytes(b"no network")
    with pytest.raises(DetectorError, match=r"detector\.onnx: OpenCV cannot use it as YuNet"):
        pose_traits(faces[:1], tmp_path / "detector.onnx")


def _index(path, **changes):
    columns = {"file": ["a", "b"], "sha256": ["1", "2"], "face_score": ["0.5", "0.75"], **changes}
    write_csv(path, columns)
    return path


def test_the_face_score_is_found_by_name_and_pixels(tmp_path):
    path = _index(tmp_path / "index.csv")
    trait = face_score_trait(path, np.array(["2", "1"]), np.array(["b", "a"]))
    assert trait.values.tolist() == [0.75, 0.5]
    assert face_score_trait(tmp_path / "none.csv", np.array([]), np.array([])) is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": ["1", "3"]}, "holds no image 'b' of the split; run the split stage again"),
        ({"face_score": ["0.5", "high"]}, "a face score is no number"),
    ],
)
def test_an_index_that_does_not_fit_says_what_to_run(tmp_path, changes, message):
    path = _index(tmp_path / "index.csv", **changes)
    with pytest.raises(DataError, match=message):
        face_score_trait(path, np.array(["1", "2"]), np.array(["a", "b"]))


def test_copies_are_counted_over_all_subsets():
    trait = copies_trait(np.array([0, 3]), np.array(["7", "7", "7", "9"]))
    assert trait.values.tolist() == [2, 0]
