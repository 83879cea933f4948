"""The pages in Chromium: pictures open, tables sort, by keyboard, in both grounds and on a narrow screen."""

from __future__ import annotations

import pytest

from ferflow.reporting.page import write_page
from tests.accessibility import faults_of
from tests.reporting.conftest import write_plots
from tests.serving.browser import opened

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address(scored, sample_params, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    write_plots(folder, scored, is_comparable=False)
    write_page(folder / "report.html", scored.results, params=sample_params.evaluate, reports_dir=folder)
    return (folder / "report.html").as_uri()


def test_a_picture_opens_and_closes_by_keyboard(address):
    complaints: list[str] = []
    with opened(address, complaints=complaints) as page:
        button = page.get_by_role("button", name="Enlarge: Confusion matrix")
        button.focus()
        page.keyboard.press("Enter")
        page.locator("dialog[open] img").wait_for()
        assert page.locator("dialog").get_attribute("aria-label").startswith("Confusion matrix")
        page.keyboard.press("Escape")
        page.locator("dialog").wait_for(state="detached")
        assert page.evaluate("document.activeElement.getAttribute('aria-label')").startswith("Enlarge: Conf")
    assert complaints == []


def test_a_table_sorts_by_number_and_back(address):
    with opened(address, complaints=[]) as page:
        table = page.locator("#classes table").first
        heads = table.locator("button.sort")
        column = [head.strip() for head in heads.all_inner_texts()].index("images")

        def numbers() -> list[int]:
            return [
                int(row.locator("th, td").nth(column).inner_text()) for row in table.locator("tbody tr").all()
            ]

        before = numbers()
        heads.nth(column).focus()
        page.keyboard.press("Enter")
        assert numbers() == sorted(before) != before
        page.keyboard.press("Enter")
        assert numbers() == sorted(before, reverse=True)
        assert table.locator("th[aria-sort=descending]").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_narrow_screen_and_faces_have_the_ground_of_the_page(address, scheme):
    with opened(address, complaints=[]) as page:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size({"width": 400, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") <= 400
        for image in page.locator("img.chart, img.photo").all():
            assert image.bounding_box()["width"] <= 400
        chosen = page.locator("picture img").first.evaluate("image => image.currentSrc")
        dark = page.locator("picture source").first.get_attribute("srcset")
        assert (chosen == dark) is (scheme == "dark")


def test_axe_finds_nothing_serious(address):
    assert faults_of(address) == []


def test_axe_sees_what_is_serious(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<!doctype html><html lang="en"><title>x</title><main><p style="color:#ccc;background:#fff">pale</p>'
        '<img src="x.png"><div style="width:700px">wide</div></main></html>',
        encoding="utf-8",
    )
    found = " ".join(faults_of(page.as_uri()))
    for fault in ("color-contrast", "image-alt", "400 px: the page is"):
        assert fault in found
