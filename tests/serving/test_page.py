"""The page in a real browser: what a person sees who uploads a picture or uses the webcam."""

from __future__ import annotations

import re

import pytest

from ferflow import Predictor
from ferflow.labels import EMOTIONS
from tests.accessibility import serious_faults
from tests.serving.browser import opened, read, shown
from tests.serving.pictures import photo_of, write_photo
from tests.serving.running import running

pytestmark = pytest.mark.slow

_PLACES = [(40, 60, 144), (280, 150, 144)]
# Counts pixels of the canvas near a colour, in boxes of a few pixels around a point.
_IS_LINE = """(canvas, [x, y]) => {
  const { data } = canvas.getContext("2d").getImageData(x - 4, y - 4, 9, 9);
  for (let i = 0; i < data.length; i += 4) {
    if (Math.abs(data[i] - data[i + 2]) > 60) return true;  // The wall and the faces are grey.
  }
  return false;
}"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("pictures")


@pytest.fixture(scope="module")
def two(folder):
    return write_photo(folder / "two.png", photo_of(_PLACES))


@pytest.fixture(scope="module")
def complaints():
    """What the page wrote to the console."""
    return []


@pytest.fixture(scope="module")
def page(export_folder, complaints):
    with (
        running([Predictor(export_folder)], with_page=True) as address,
        opened(address, complaints=complaints) as page,
    ):
        yield page


def test_a_picture_with_two_faces_has_two_boxes_and_seven_bars_each(page, two, export_folder, complaints):
    read(page, two, says="2 faces found.")
    assert complaints == []
    faces = Predictor(export_folder).predict(two)
    assert page.locator(".card").count() == 2
    for probabilities, face in zip(shown(page), faces, strict=True):
        assert list(probabilities) == list(EMOTIONS)
        assert list(probabilities.values()) == pytest.approx(face.probabilities.tolist(), abs=1e-5)
    widths = (
        page.locator(".card")
        .first.locator("td.bar span")
        .evaluate_all("bars => bars.map((bar) => bar.offsetWidth / bar.parentElement.clientWidth)")
    )
    assert widths == pytest.approx(faces[0].probabilities.tolist(), abs=0.03)
    percents = page.locator(".card").first.locator("td.percent").all_inner_texts()
    assert percents == [f"{100 * value:.0f} %" for value in faces[0].probabilities]
    for left, top, width, height in (face.box for face in faces):
        for point in ([left + width, top + height // 2], [left + width // 2, top + height]):
            assert page.locator("#canvas").evaluate(_IS_LINE, point)
    assert not page.locator("#canvas").evaluate(_IS_LINE, [240, 30])


def test_it_names_the_version_that_answers(page):
    assert page.locator("#model").inner_text() == "Answered by ferflow, version 3 (sha256 555555555555)"


def test_answers_below_the_sliders_value_are_unsure(page, two, export_folder):
    read(page, two, says="2 faces found.")
    faces = Predictor(export_folder).predict(two)
    headings = page.locator(".card h2")
    page.locator("#unsure").fill("0")
    assert headings.all_inner_texts() == [
        f"Face {i}: {face.emotion}" for i, face in enumerate(faces, start=1)
    ]
    page.locator("#unsure").fill("100")
    assert headings.all_inner_texts() == ["Face 1: unsure", "Face 2: unsure"]
    assert f"most likely {faces[0].emotion}, confidence" in page.locator(".card .sure").first.inner_text()
    page.locator("#unsure").fill("40")


def test_the_heatmap_comes_with_its_switch(page, two):
    read(page, two, says="2 faces found.")
    assert page.locator(".card img:visible").count() == 0
    page.get_by_label(re.compile("Grad-CAM")).check()
    page.locator(".card img:visible").nth(1).wait_for()
    assert page.locator(".card img").first.evaluate("image => [image.naturalWidth, image.complete]") == [
        192,
        True,
    ]
    page.get_by_label(re.compile("Grad-CAM")).uncheck()
    page.locator(".card img:visible").first.wait_for(state="detached")


def test_a_picture_without_a_face_is_said_to_have_none(page, folder):
    read(page, write_photo(folder / "none.jpg", photo_of([])), says="No face found.")
    assert page.locator(".card").count() == 0
    assert page.locator("#canvas").is_visible()


def test_a_file_that_is_no_picture_is_an_error_in_words(page, folder, two):
    path = folder / "text.png"
    path.write_text("no picture", encoding="utf-8")
    read(page, path, says="No answer.")
    assert "not a JPEG, PNG" in page.get_by_role("alert").inner_text()
    assert not page.locator("#canvas").is_visible()
    read(page, two, says="2 faces found.")
    assert not page.locator("#error").is_visible()


def test_a_frame_of_the_webcam_is_read(page):
    page.get_by_role("button", name="Start the webcam").click()
    page.locator("#shoot:enabled").wait_for()
    page.locator("#status").evaluate("entry => { entry.textContent = ''; }")
    page.get_by_role("button", name="Read this frame").click()
    page.locator("#status").filter(has_text="found").wait_for()
    page.get_by_label("every second").check()
    with page.expect_response("**/predict"), page.expect_response("**/predict"):
        pass
    page.get_by_role("button", name="Stop the webcam").click()
    assert page.locator("#shoot").is_disabled()
    assert not page.locator("#video").is_visible()


def test_it_is_used_by_keyboard_and_fits_a_narrow_screen(page, two):
    page.locator("#file").focus()
    names = []
    for _ in range(4):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.id"))
    assert names == ["webcam", "explain", "whole", "unsure"]
    page.set_viewport_size({"width": 340, "height": 700})
    read(page, two, says="2 faces found.")
    assert page.evaluate("document.documentElement.scrollWidth") <= 340
    page.set_viewport_size({"width": 1100, "height": 900})


def test_it_asks_no_other_host(page, two):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.reload()
    read(page, two, says="2 faces found.")
    start = page.evaluate("location.origin")
    assert len(asked) >= 5
    assert all(address.startswith((f"{start}/", f"blob:{start}", "data:")) for address in asked)


def test_axe_finds_nothing_serious_before_and_after_an_answer(page, two):
    assert serious_faults(page) == []
    page.reload()
    assert serious_faults(page) == []
    read(page, two, says="2 faces found.")
    assert serious_faults(page) == []


def test_axe_finds_nothing_serious_on_the_root_of_the_service(page, export_folder):
    with running([Predictor(export_folder)]) as address:
        root = page.context.browser.new_context().new_page()
        root.goto(address)
        assert serious_faults(root) == []
        root.close()
