"""The service over HTTP: what it answers, what it refuses, and that it goes on afterwards."""

from __future__ import annotations

import base64
import re

import cv2
import numpy as np
import pytest

from ferflow import Predictor
from ferflow.explain.heatmap import overlay
from ferflow.labels import EMOTIONS
from tests.serving.clients import PHOTO, client_of, counted
from tests.serving.malformed import malformed_uploads
from tests.serving.pictures import photo_of
from tests.serving.running import running
from tests.source_files import encoded


@pytest.fixture(scope="module")
def predictor(export_folder) -> Predictor:
    return Predictor(export_folder)


@pytest.fixture(scope="module")
def client(export_folder):
    """A client of a service with two workers."""
    with (
        running([Predictor(export_folder, threads=1) for _ in range(2)]) as address,
        client_of(address) as open_one,
    ):
        yield open_one


def test_a_photo_is_answered_as_the_predictor_answers(client, predictor):
    answer = client.post("/predict", content=PHOTO)
    assert answer.status_code == 200
    content = answer.json()
    assert content["model"] == {
        "name": "ferflow",
        "version": "3",
        "sha256": "5" * 64,
        "source": "export",
        "trained_on": None,
        "warning": None,
    }
    assert (content["width"], content["height"]) == (480, 360)
    expected = predictor.predict(PHOTO)
    assert len(content["faces"]) == len(expected) == 2
    for found, face in zip(content["faces"], expected, strict=True):
        assert found["box"] == list(face.box)
        assert found["score"] == pytest.approx(face.score, abs=1e-6)
        assert (found["emotion"], found["is_tiny"]) == (face.emotion, False)
        assert found["confidence"] == pytest.approx(face.confidence, abs=1e-6)
        assert list(found["probabilities"]) == list(EMOTIONS)
        np.testing.assert_allclose(list(found["probabilities"].values()), face.probabilities, atol=1e-6)


def test_a_cut_out_face_is_read_as_a_whole(client, predictor):
    (found,) = client.post("/predict", params={"whole": True}, content=PHOTO).json()["faces"]
    face = predictor.whole_image(PHOTO)
    assert (found["box"], found["score"]) == (list(face.box), None)
    np.testing.assert_allclose(list(found["probabilities"].values()), face.probabilities, atol=1e-6)


def test_explained_faces_come_with_their_heatmaps(client, predictor):
    answer = client.post("/explain", content=PHOTO).json()
    plain = client.post("/predict", content=PHOTO).json()
    for found, face in zip(answer["faces"], predictor.predict(PHOTO), strict=True):
        png = np.frombuffer(base64.b64decode(found.pop("overlay")), np.uint8)
        expected = overlay(face.crop, predictor.explain_faces(face.crop[None])[1][0], side=192)
        np.testing.assert_array_equal(cv2.imdecode(png, cv2.IMREAD_COLOR), expected)
    assert answer == plain


def test_a_picture_without_a_face_is_answered(client):
    answer = client.post("/predict", content=encoded(photo_of([])))
    assert (answer.status_code, answer.json()["faces"]) == (200, [])


def test_malformed_uploads_are_refused_with_a_reason_and_the_service_goes_on(client):
    uploads = malformed_uploads()
    assert len(uploads) >= 40
    for name, content in uploads.items():
        for address in ("/predict", "/predict?whole=true"):
            answer = client.post(address, content=content)
            assert 400 <= answer.status_code < 500, name
            assert len(answer.json()["error"]) > 5, name
            assert "picture 0" not in answer.json()["error"], name
    assert client.post("/explain", content=uploads["text"]).status_code == 422
    assert len(client.post("/predict", content=PHOTO).json()["faces"]) == 2
    assert counted(client, "ferflow_requests_in_flight") == 1  # The one that asks.


def test_a_form_is_refused_with_the_way_that_works(client):
    answer = client.post("/predict", files={"file": PHOTO})
    assert (answer.status_code, "--data-binary" in answer.json()["error"]) == (415, True)


@pytest.mark.parametrize(
    ("headers", "says"),
    [
        ({"content-type": "Multipart/Form-Data; boundary=x"}, "--data-binary"),
        ({"content-encoding": "gzip"}, "packed ('gzip'); send the picture itself"),
        ({"content-encoding": "BR"}, "packed ('BR'); send the picture itself"),
    ],
)
def test_what_is_no_bare_picture_by_its_head_is_named(client, headers, says):
    answer = client.post("/predict", content=PHOTO, headers=headers)
    assert answer.status_code == 415
    assert says in answer.json()["error"]
    assert client.post("/predict", content=PHOTO, headers={"content-encoding": "identity"}).status_code == 200


def test_an_answer_does_not_wait_in_the_kernel(client):
    # By Nagle's algorithm and delayed acknowledgements each but the first would take 40 ms and more.
    answers = [client.post("/predict", content=b"no picture") for _ in range(20)]
    assert min(answer.elapsed.total_seconds() for answer in answers[10:]) < 0.035


def test_health_and_model_tell_which_version_answers(client):
    health = client.get("/health").json()
    assert (health["status"], health["model_loaded"], health["model"]["version"]) == ("ok", True, "3")
    model = client.get("/model").json()
    assert (model["labels"], model["detector"]) == (list(EMOTIONS), "haar")


@pytest.mark.parametrize(
    "headers",
    [{"host": "evil.example"}, {"host": "["}, {"origin": "http://evil.example"}, {"origin": "null"}],
)
def test_other_names_and_other_pages_are_not_served(client, headers):
    answer = client.post("/predict", content=PHOTO, headers=headers)
    assert (answer.status_code, "not served" in answer.json()["error"]) == (403, True)


def test_own_pages_and_names_are_served(client):
    port = client.base_url.port
    headers = {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"}
    assert client.post("/predict", content=PHOTO, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("method", "address", "code", "reason"),
    [
        ("GET", "/nothing", 404, "Not Found: GET /nothing"),
        ("GET", "/docs", 404, "Not Found"),
        ("GET", "/predict", 405, "Method Not Allowed: GET /predict"),
        ("POST", "/predict?whole=perhaps", 422, "whole is 'perhaps'"),
    ],
)
def test_wrong_requests_are_answered_in_words(client, method, address, code, reason):
    answer = client.request(method, address)
    assert (answer.status_code, reason in answer.json()["error"]) == (code, True)


def test_the_root_is_a_short_page_whose_links_are_there(client):
    page = client.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "ferflow app" in page.text
    linked = re.findall(r'(?:href|src)="(/[^"]*)"', page.text)
    assert {"/page.css", "/health", "/model", "/metrics", "/openapi.json"} == set(linked)
    for address in linked:
        assert client.get(address).status_code == 200, address
    assert client.get("/page.js").status_code == 404


def test_every_answer_forbids_what_a_page_needs_not(client):
    for address in ("/health", "/nowhere"):
        headers = client.get(address).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in headers
        assert "server" not in headers
