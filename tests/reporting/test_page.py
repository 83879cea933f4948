"""Tests of the page, read as a browser would."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from ferflow.errors import DataError
from ferflow.model import paper
from ferflow.model.second_yardstick import SecondYardstick, VoteScores
from ferflow.reporting.page import write_page
from tests.conftest import REPOSITORY
from tests.reporting.conftest import make_scored, write_plots

_VOID = {"meta", "img", "source", "link", "br", "hr", "input"}


class Reader(HTMLParser):
    """Collects text, images and addresses, and sees that tags are nested properly."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.images: list[dict] = []
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.words: list[str] = []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        if tag not in _VOID:
            self.open.append(tag)
        if tag == "img":
            self.images.append(attributes)
        self.addresses += [attributes[name] for name in ("src", "href") if name in attributes]
        self.ids |= {attributes["id"]} if "id" in attributes else set()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


@pytest.fixture
def read_page(sample_params, tmp_path):
    """Write the page of some results beside some reports, and read it."""

    def make(results, folder=None, **reports) -> Reader:
        for name, content in reports.items():
            (tmp_path / f"{name}.json").write_text(json.dumps(content), encoding="utf-8")
        path = tmp_path / "report.html"
        write_page(path, results, params=sample_params.evaluate, reports_dir=tmp_path, folder=folder)
        reader = Reader()
        reader.feed(path.read_text(encoding="utf-8"))
        reader.close()
        assert reader.open == []
        return reader

    return make


def _images(factor: float = 1.0):
    return {
        name: {"Training": round(counts.train * factor), "PublicTest": round(counts.test * factor)}
        for name, counts in paper.DATASET.items()
    }


def test_page_needs_nothing_from_outside(scored, read_page, tmp_path):
    write_plots(tmp_path, scored, is_comparable=True)
    page = read_page(scored.results)

    assert len(page.images) == 6
    assert all(image["alt"] and image["src"].startswith("data:image/png;base64,") for image in page.images)
    inside = [address for address in page.addresses if address.startswith("#")]
    assert {address[1:] for address in inside} <= page.ids
    assert all(address.startswith(("#", "data:")) for address in page.addresses)
    assert not re.search(r"https?://|url\(|@import", (tmp_path / "report.html").read_text(encoding="utf-8"))


def test_page_shows_the_figures_and_the_papers(scored, read_page):
    text = read_page(scored.results, download={"source": "archive", "images": _images()}).text
    scores, leak_free = scored.results.scores, scored.results.leak_free

    for share in (scores.accuracy, scores.accuracy_low, scores.accuracy_high, leak_free.accuracy, scores.ece):
        assert f"{100 * share:.1f}%" in text
    for figure in ("69.00%", "68.76%", "68.98%", "68.74%", "81.44%", "62.44%", "66.31%", "28,709", "7,047"):
        assert figure in text
    assert "points below the paper" in text or "points above the paper" in text or "told apart" in text
    assert "40 of 350 test images have a copy" in text
    assert "25 to the pixel, 15 nearly" in text


def test_page_shows_what_abstaining_gains(scored, read_page):
    text = read_page(scored.results).text
    full = scored.results.confidence.full
    half = full.abstention.by_coverage["0.5"]

    assert "with T = 1.25, fitted on the validation images" in text
    assert f"{100 * full.ece_calibrated:.1f}% after temperature scaling" in text
    leak_free = scored.results.confidence.leak_free.ece_calibrated
    assert f"without leaked images {100 * leak_free:.1f}%, before scaling" in text
    half_leak_free = scored.results.confidence.leak_free.abstention.by_coverage["0.5"]
    assert (
        f"50% {100 * half.threshold:.1f}% 50.0% {100 * half.accuracy:.1f}% "
        f"{100 * half_leak_free.accuracy:.1f}%" in text
    )
    assert half.accuracy != half_leak_free.accuracy
    wanted = full.abstention.by_accuracy["0.8"]
    assert f"80% 50.0% {100 * wanted.coverage:.1f}% {100 * wanted.accuracy:.1f}%" in text
    assert "90% \N{EN DASH} \N{EN DASH} \N{EN DASH} \N{EN DASH}" in text


def test_page_of_a_folder_tells_of_the_folder_and_not_of_the_paper(scored, read_page):
    folder = {
        "name": "CK+ <b>",
        "model": "the built-in network compact",
        "model_trained_on": "FER-2013",
        "model_warning": None,
        "num_leaked": 3,
        "classes": {"Anger": {"emotion": "angry", "images": 9}},
    }
    page = read_page(scored.results, folder, download={"source": "archive", "images": _images()})

    assert "These figures are about the folder \N{LEFT DOUBLE QUOTATION MARK}CK+ <b>" in page.text
    assert "of 350 images of CK+ <b> recognised" in page.text
    assert "3 of 350 images have a copy, equal to the pixel" in page.text
    assert "Anger angry 9" in page.text
    assert "Read by the built-in network compact, trained on FER-2013." in page.text
    assert not {"paper", "training"} & page.ids
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= page.ids
    assert "the paper" not in page.text.replace("not comparable with the paper", "")
    assert "was not run here" not in page.text


def test_page_of_the_sample_says_that_it_is_not_comparable(scored, read_page):
    text = read_page(scored.results, download={"source": "sample", "images": _images()}).text

    assert "These figures are about drawn faces" in text
    assert "not comparable with FER-2013" in text
    assert "points below the paper" not in text
    assert "points above the paper" not in text


def test_page_of_fer2013_carries_no_warning(scored, read_page):
    text = read_page(scored.results, download={"source": "csv", "images": _images()}).text

    assert "drawn faces" not in text
    assert "not comparable" not in text


def test_page_of_other_images_says_so(scored, read_page):
    text = read_page(scored.results, download={"source": "archive", "images": _images(0.5)}).text

    assert "images other than FER-2013" in text


def test_page_without_earlier_reports_says_what_was_not_run(scored, read_page):
    text = read_page(scored.results).text

    for stage in ("download", "face-filter", "split", "train"):
        assert f"The stage {stage} was not run here" in text


def test_page_shows_parameters_and_reports_of_earlier_stages(scored, read_page):
    text = read_page(
        scored.results,
        train={"best_epoch": 7, "params": {"seed": 20131, "train": {"learning_rate": 0.05}}},
        data={"scheme": "kaggle", "leaks": {"test": {"exact": 9}}},
        face_filter={"num_dropped": 31},
    ).text

    for words in ("best epoch 7", "train: learning rate 0.05", "seed 20131", "evaluate: calibration bins 15"):
        assert words in text
    assert "scheme kaggle" in text
    assert "number of dropped 31" in text


def test_page_escapes_what_users_named(scored, read_page, tmp_path):
    page = read_page(scored.results, download={"source": "<script>alert(1)</script>"})

    assert "<script>alert(1)</script>" in page.text
    assert "<script>alert" not in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_page_names_an_absent_class(read_page):
    text = read_page(make_scored(classes=[0, 2, 3, 4, 5, 6]).results).text

    assert "No test image of disgust" in text


def test_page_with_every_image_leaked_shows_no_leak_free_figures(read_page):
    text = read_page(make_scored(num_images=30, num_leaked=30).results).text

    assert "None" not in text
    assert "nan" not in text


def test_page_is_the_same_bytes_twice(scored, read_page, tmp_path):
    read_page(scored.results)
    first = (tmp_path / "report.html").read_bytes()
    read_page(scored.results)

    assert (tmp_path / "report.html").read_bytes() == first


def test_page_beside_a_damaged_report_names_it(scored, read_page, tmp_path):
    (tmp_path / "train.json").write_text("{")

    with pytest.raises(DataError, match=r"train\.json"):
        read_page(scored.results)


def test_page_shows_the_accuracy_against_votes_where_there_are_some(scored, read_page):
    counts = {"contempt": 11, "unknown": 1234, "not_a_face": 7}
    second = SecondYardstick(0.8123, 0.8, 0.82, 3001, 0.755, counts, VoteScores(0.7999, 0.78, 0.81, 2002))
    text = read_page(replace(scored.results, second=second)).text
    for figure in (
        "81.2%",
        "80.0% to 82.0%",
        "3,001",
        "80.0% of 2,002",
        "75.5%",
        "11 images of contempt",
        "1,234",
    ):
        assert figure in text
    assert "FER+" not in read_page(scored.results).text


def test_every_page_has_the_head_and_style_of_the_base_template():
    folder = REPOSITORY / "src" / "ferflow" / "reporting"
    parts = {"base.html", "table.html"}
    pages = [path for path in sorted(folder.glob("*.html")) if path.name not in parts]
    assert len(pages) >= 5
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith('{% extends "base.html" %}\n'), page.name
        assert "page.css" not in text, page.name
