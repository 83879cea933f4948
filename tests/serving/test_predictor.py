"""The Predictor: pictures in, faces out, with the answers that the network gives."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from ferflow import Predictor
from ferflow.data.images import decode_face
from ferflow.errors import BadImageError, DetectorError, FerflowError, ModelError
from ferflow.explain import heatmap
from ferflow.labels import EMOTIONS
from ferflow.serving.crop import YUNET_MARGIN, square_around
from tests.data.pictures import draw_pictures
from tests.serving.conftest import describe, expected_maps, expected_probabilities, write_tiny_network
from tests.serving.pictures import WALL, photo_of, write_photo

_TWO = [(40, 60, 144), (280, 150, 144)]


@pytest.fixture(scope="module")
def predictor(export_folder) -> Predictor:
    return Predictor(export_folder)


@pytest.fixture
def own_folder(export_folder, tmp_path):
    """A copy of the export folder, to be damaged."""
    return shutil.copytree(export_folder, tmp_path / "export")


def test_predict_faces_gives_the_networks_answers_in_batches(predictor):
    faces = draw_pictures(70)
    np.testing.assert_allclose(predictor.predict_faces(faces), expected_probabilities(faces), atol=1e-5)


def test_no_faces_are_no_answers(predictor):
    none = np.zeros((0, 48, 48), np.uint8)
    assert predictor.predict_faces(none).shape == (0, 7)
    probabilities, heatmaps = predictor.explain_faces(none)
    assert (probabilities.shape, heatmaps.shape) == ((0, 7), (0, 48, 48))


@pytest.mark.parametrize("faces", [np.zeros((1, 48, 48)), np.zeros((48, 48), np.uint8)])
def test_faces_of_another_type_or_shape_are_refused(predictor, faces):
    with pytest.raises(ModelError, match=r"expected uint8 \(N, 48, 48\)"):
        predictor.predict_faces(faces)


def test_a_whole_image_is_read_as_decode_face_reads_it(predictor, tmp_path):
    photo = np.random.default_rng(1).integers(0, 256, (70, 90, 3)).astype(np.uint8)
    path = write_photo(tmp_path / "photo.png", photo)
    face = predictor.whole_image(path)
    crop = decode_face(path.read_bytes(), max_pixels=10_000)
    np.testing.assert_array_equal(face.crop, crop)
    np.testing.assert_allclose(face.probabilities, expected_probabilities(crop[None])[0], atol=1e-5)
    assert face.box == (10, 0, 70, 70)
    assert face.score is None


def test_two_faces_are_found_where_they_are_and_read_from_their_crops(predictor):
    faces = predictor.predict(photo_of(_TWO))
    assert len(faces) == 2
    for face, (left, top, side) in zip(faces, _TWO, strict=True):
        box_left, box_top, width, height = face.box
        assert abs(box_left + width / 2 - left - side / 2) < side / 8
        assert abs(box_top + height / 2 - top - side / 2) < side / 8
        assert 0.6 <= face.score < 1
        np.testing.assert_allclose(face.probabilities, expected_probabilities(face.crop[None])[0], atol=1e-5)
        assert face.emotion == EMOTIONS[face.probabilities.argmax()]
        assert not face.is_tiny


def test_path_bytes_and_pixels_give_the_same_faces(predictor, tmp_path):
    photo = photo_of(_TWO)
    path = write_photo(tmp_path / "two.png", photo)
    ways = predictor.predict_many([path, str(path), path.read_bytes(), photo, np.dstack([photo] * 3)])
    assert {len(faces) for faces in ways} == {2}
    for faces in ways[1:]:
        for face, first in zip(faces, ways[0], strict=True):
            assert face.box == first.box
            np.testing.assert_array_equal(face.crop, first.crop)


def test_many_pictures_keep_their_own_faces(predictor):
    pictures = [photo_of(_TWO), photo_of([]), photo_of(_TWO[:1])]
    together = predictor.predict_many(pictures)
    assert [len(faces) for faces in together] == [2, 0, 1]
    alone = predictor.predict(pictures[2])
    np.testing.assert_allclose(together[2][0].probabilities, alone[0].probabilities, atol=1e-6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9000), (3000, 2, 3)])
def test_pictures_of_odd_shapes_show_no_face(predictor, shape):
    assert predictor.predict(np.zeros(shape, np.uint8)) == []


def test_a_tiny_face_is_answered_and_marked(predictor):
    photo = photo_of([(60, 60, 144)])
    small = cv2.resize(photo, (0, 0), fx=0.15, fy=0.15, interpolation=cv2.INTER_AREA)
    faces = predictor.predict(small)
    assert [face.is_tiny for face in faces] == [True]
    assert [face.is_tiny for face in predictor.predict(photo)] == [False]


def test_a_jpeg_is_turned_upright_before_faces_are_looked_for(predictor):
    photo = photo_of([(40, 60, 144)])
    lying = cv2.rotate(photo, cv2.ROTATE_90_COUNTERCLOCKWISE)
    content = cv2.imencode(".jpg", lying)[1].tobytes()
    # EXIF with orientation 6: turn by 90 degrees clockwise.
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    turned = content[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + content[2:]
    (face,) = predictor.predict(turned)
    (upright,) = predictor.predict(photo)
    assert np.abs(np.subtract(face.box, upright.box)).max() <= 8


def test_confidence_is_the_probability_after_temperature_scaling(predictor):
    face = predictor.whole_image(draw_pictures(1)[0])
    scaled = face.probabilities.astype(float) ** (1 / 1.5)
    assert face.confidence == pytest.approx(scaled.max() / scaled.sum(), abs=1e-6)
    assert predictor.confidence(np.eye(7, dtype=np.float32)[2]) == pytest.approx(1)


def test_heatmaps_are_those_of_the_predicted_emotion(predictor):
    faces = draw_pictures(5)
    probabilities, heatmaps = predictor.explain_faces(faces)
    np.testing.assert_allclose(probabilities, expected_probabilities(faces), atol=1e-5)
    expected = heatmap.heatmaps(heatmap.Run(expected_probabilities, expected_maps), faces)
    np.testing.assert_allclose(heatmaps, expected, atol=1e-4)


def test_a_picture_with_more_faces_than_the_limit_is_refused(export_folder):
    photo = photo_of(_TWO)
    assert len(Predictor(export_folder, max_faces=2).predict(photo)) == 2
    with pytest.raises(BadImageError, match="picture 0: shows 2 faces, more than the limit of 1"):
        Predictor(export_folder, max_faces=1).predict(photo)


def test_a_face_without_support_for_any_emotion_has_an_empty_heatmap(predictor):
    _, heatmaps = predictor.explain_faces(np.full((1, 48, 48), 128, np.uint8))
    assert heatmaps.max() == 0


def test_threads_that_share_a_predictor_get_the_same_answers(predictor):
    photo = photo_of(_TWO)
    expected = [face.box for face in predictor.predict(photo)]
    with ThreadPoolExecutor(4) as pool:
        for faces in pool.map(predictor.predict, [photo] * 8):
            assert [face.box for face in faces] == expected


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "picture 0: empty"),
        (b"some text", "picture 0: not a JPEG, PNG"),
        (cv2.imencode(".jpg", photo_of([]))[1].tobytes()[:-9], "picture 0: cut short"),
        (
            cv2.imencode(".png", np.zeros((9000, 9000), np.uint8))[1].tobytes(),
            "more than the 80,000,000 of a PNG",
        ),
        (np.zeros((5, 5)), r"picture 0: is float64 \(5, 5\)"),
        (np.zeros((5, 5, 4), np.uint8), "expected uint8"),
        ("missing.png", r"missing\.png: cannot be read \(No such file or directory\)"),
    ],
)
def test_a_bad_picture_is_named_with_the_reason(predictor, content, reason):
    with pytest.raises(BadImageError, match=reason):
        predictor.predict(content)


def _cut(folder):
    path = folder / "model.onnx"
    path.write_bytes(path.read_bytes()[:-10])


def _garbage(folder):
    (folder / "model.onnx").write_bytes(b"no network")
    describe(folder)


def _garbage_detector(folder):
    (folder / "detector.onnx").write_bytes(b"no detector")
    describe(folder)


def _other_outputs(folder):
    import onnx

    model = onnx.load(folder / "model.onnx")
    del model.graph.output[1]
    onnx.save(model, folder / "model.onnx")
    describe(folder)


@pytest.mark.parametrize(
    ("damage", "kind", "reason"),
    [
        (shutil.rmtree, ModelError, r"export\.json: not found, so there is no exported model"),
        (_cut, ModelError, r"model\.onnx: damaged or another file: .* with sha256 \w{64}, expected"),
        (_garbage, ModelError, r"model\.onnx: ONNX Runtime cannot load it"),
        (_other_outputs, ModelError, "takes images and gives probabilities, expected images to maps and"),
        (_garbage_detector, DetectorError, r"detector\.onnx: OpenCV cannot use it as YuNet"),
        (lambda folder: (folder / "model.onnx").unlink(), ModelError, r"model\.onnx: not found, but export"),
        (lambda folder: (folder / "export.json").write_text("{"), ModelError, r"export\.json: damaged"),
        (lambda folder: (folder / "export.json").write_text("[]"), ModelError, r"export\.json: lacks checks"),
        (lambda folder: describe(folder, temperature=0), ModelError, "temperature is 0, expected null or"),
        (lambda folder: describe(folder, labels=["happy"]), ModelError, r"labels is \('happy',\), expected"),
        (lambda folder: describe(folder, labels=7), ModelError, "labels is 7, expected"),
        (lambda folder: describe(folder, files={}), ModelError, r"export\.json: names no model\.onnx"),
        (lambda folder: describe(folder, detector="eyes"), ModelError, "detector is 'eyes'"),
    ],
)
def test_a_bad_export_folder_is_one_line_with_the_cure(own_folder, damage, kind, reason):
    damage(own_folder)
    with pytest.raises(kind, match=reason) as caught:
        Predictor(own_folder)
    assert "ferflow export" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("options", [{"precision": "float16"}, {"threads": 0}, {"min_score": 0.0}])
def test_an_argument_out_of_range_is_named(export_folder, options):
    with pytest.raises(FerflowError, match="expected"):
        Predictor(export_folder, **options)


def test_int8_is_another_file(own_folder):
    (own_folder / "model.onnx").unlink()
    write_tiny_network(own_folder / "model.int8.onnx")
    describe(own_folder)
    assert Predictor(own_folder, precision="int8").predict_faces(draw_pictures(2)).shape == (2, 7)


def test_predicting_loads_nothing_of_training(export_folder, tmp_path):
    path = write_photo(tmp_path / "two.png", photo_of(_TWO))
    code = (
        "import json, sys\nfrom ferflow import Predictor\n"
        f"faces = Predictor({str(export_folder)!r}).predict({str(path)!r})\n"
        "heavy = {'tensorflow', 'keras', 'mlflow', 'scipy', 'pandas', 'pydantic', 'onnx', 'rich'}\n"
        "print(json.dumps([len(faces), sorted(heavy & set(sys.modules))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [2, []]


@pytest.mark.real_data
def test_yunet_finds_nearly_every_face_of_fer2013_and_cuts_it_out_again(
    export_folder, shared, fer2013, tmp_path
):
    folder = shutil.copytree(export_folder, tmp_path / "export")
    (folder / "detector.onnx").write_bytes(next((shared / "models").glob("*yunet*.onnx")).read_bytes())
    describe(folder)
    predictor = Predictor(folder)
    assert predictor.predict(np.zeros((1, 9000), np.uint8)) == []
    images = fer2013.images[::800]
    large = [
        cv2.copyMakeBorder(cv2.resize(image, (240, 240)), *(100,) * 4, cv2.BORDER_CONSTANT, value=WALL)
        for image in images
    ]
    found = predictor.predict_many(large)
    boxes = np.array([faces[0].box for faces in found if len(faces) == 1])
    assert len(boxes) > 0.9 * len(images)
    left, top, width, height = np.median(boxes, axis=0)
    square = square_around((left, top, width, height), YUNET_MARGIN)
    # The faces lie at 100, 100 and are 240 px large.
    assert abs(square.side - 240) < 15
    assert abs(square.left + square.side / 2 - 220) < 8
    assert abs(square.top + square.side / 2 - 220) < 8


def test_the_package_has_no_other_lazy_names():
    import ferflow

    with pytest.raises(AttributeError, match="no attribute 'Predictr'"):
        _ = ferflow.Predictr
