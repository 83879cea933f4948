"""The page of all runs: what it holds, and in Chromium filters, sorting and any two runs compared."""

from __future__ import annotations

import base64
import itertools
import re

import cv2
import numpy as np
import pytest

from ferflow import workflows
from ferflow.data.store import write_arrays
from ferflow.errors import TrackingError
from ferflow.files import sha256_of
from ferflow.tracking import names
from ferflow.tracking.comparison import dashboard as collecting
from ferflow.tracking.comparison.compare import differing_keys
from ferflow.tracking.comparison.dashboard import collect, content
from ferflow.tracking.comparison.dashboard_page import write_dashboard
from ferflow.tracking.comparison.paired import paired_test
from ferflow.tracking.comparison.pairs import difference_interval
from ferflow.tracking.store import client as store_client
from ferflow.tracking.store import experiment_id
from ferflow.tracking.tracked_run import all_runs
from tests.accessibility import serious_faults
from tests.serving.browser import opened
from tests.tracking.conftest import SETTINGS, copy_store
from tests.tracking.stored_runs import predictions, store_run

_NASTY = "</script><script>window.nasty = 1</script><b>\"'&"
_SAME_IMAGES = ("full", "medium", "narrow", "wide")


@pytest.fixture(scope="module")
def root(migrated_database, tmp_path_factory):
    """A repository with the split of four runs; a fifth saw other images, and a sixth was killed."""
    folder = copy_store(migrated_database, tmp_path_factory.mktemp("dashboard") / "repository")
    images = np.random.default_rng(3).integers(
        0, 256, (len(predictions("full").files), 48, 48), dtype=np.uint8
    )
    write_arrays(folder / "data" / "split" / "test.npz", {"images": images})
    digest = sha256_of(folder / "data" / "split" / "test.npz")
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        client = store_client(folder)
        for name in _SAME_IMAGES:
            store_run(client, folder / "runs", name, digest=digest, with_model=False)
        params = {"model.dropout_head": _NASTY}
        store_run(client, folder / "runs", "other", params=params, with_model=False)
        tags = {names.TAG_RUN: "fingerprint"}
        killed = client.create_run(experiment_id(client), run_name=_NASTY, tags=tags).info.run_id
        client.set_terminated(killed, "KILLED")
        yield folder


@pytest.fixture
def runs(root):
    client = store_client(root)
    return client, all_runs(client, experiment_id(client))


def test_runs_of_the_same_images_share_a_set_and_others_say_why_not(root, runs):
    client, found = runs
    dashboard = collect(client, found)
    by_id = {run.run_id: run.name for run in found}
    assert [sorted(by_id[run] for run in group.answers) for group in dashboard.test_sets] == [
        ["other"],
        list(_SAME_IMAGES),
    ]
    assert {by_id[run]: why for run, why in dashboard.without_answers.items()} == {
        _NASTY: "not scored: killed"
    }
    assert set(dashboard.keys) >= {"model.widths", "train.epochs", "seed"}
    assert "model.image_size" not in differing_keys([run.params for run in found[1:]])


def test_answers_are_those_of_the_newest_runs_up_to_a_bound(runs, monkeypatch):
    client, found = runs
    monkeypatch.setattr(collecting, "MAX_ANSWERS", 2)
    dashboard = collect(client, found)
    assert sum(len(group.answers) for group in dashboard.test_sets) == 2
    assert set(dashboard.without_answers.values()) == {
        "not scored: killed",
        "not among the newest 2 that were scored",
    }


def test_pictures_are_those_of_images_that_runs_differ_on_and_of_the_split_at_hand(root, runs, tmp_path):
    client, found = runs
    dashboard = collect(client, found)
    images_path = root / "data" / "split" / "test.npz"
    _, shown = content(dashboard, test_images=images_path)["sets"]
    right = np.array([predictions(name).right() for name in _SAME_IMAGES])
    rows = np.flatnonzero(right.any(axis=0) & ~right.all(axis=0) & ~predictions("full").leaked)
    assert list(map(int, shown["places"])) == rows.tolist() == list(map(int, shown["files"]))
    data = base64.b64decode(shown["sheet"].partition(",")[2])
    sheet = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    top, left = (48 * part for part in divmod(shown["places"][str(rows[-1])], shown["columns"]))
    image = np.load(images_path)["images"][rows[-1]]
    # Noise is what JPEG keeps worst; another image of the sheet would be some 100 off.
    assert np.abs(sheet[top : top + 48, left : left + 48].astype(int) - image).mean() < 30

    other_split = tmp_path / "test.npz"
    write_arrays(other_split, {"images": np.zeros((157, 48, 48), np.uint8)})
    for path in (other_split, tmp_path / "none.npz"):
        assert all("sheet" not in entry for entry in content(dashboard, test_images=path)["sets"])


def test_the_same_runs_give_the_same_page_and_nothing_of_a_name_is_markup(root, runs, tmp_path):
    client, found = runs
    pages = [tmp_path / "one.html", tmp_path / "two.html"]
    for page in pages:
        write_dashboard(page, collect(client, found), test_images=root / "none.npz")
    text = pages[0].read_text(encoding="utf-8")
    assert text == pages[1].read_text(encoding="utf-8")
    assert "<b>" not in text
    assert text.count("</script>") == 3
    assert not re.search(r"(?:src|href)=\"?https?:", text)


def test_without_a_run_nothing_is_written(embedded, monkeypatch):
    monkeypatch.chdir(embedded)
    with pytest.raises(TrackingError, match="no run is tracked here yet"):
        workflows.runs.write_page(embedded / "runs.html")
    assert not (embedded / "runs.html").exists()


@pytest.fixture(scope="module")
def address(root):
    client = store_client(root)
    runs = all_runs(client, experiment_id(client))
    split = root / "data" / "split" / "test.npz"
    write_dashboard(root / "runs.html", collect(client, runs), test_images=split)
    return (root / "runs.html").as_uri()


def _pick(page, *names_of_runs: str) -> None:
    """Tick these runs, in order, and no other one."""
    while page.locator("tbody input:checked").count():
        page.locator("tbody input:checked").first.uncheck()
    for name in names_of_runs:
        page.get_by_role("checkbox", name=f"Compare {name} (").check()


def _compared(page) -> str:
    return page.locator("#compared").inner_text()


@pytest.mark.slow
def test_any_two_runs_have_the_figures_of_compare(address):
    complaints: list[str] = []
    with opened(address, complaints=complaints) as page:
        for first, second in itertools.permutations(_SAME_IMAGES, 2):
            _pick(page, first, second)
            one, other = predictions(first), predictions(second)
            test = paired_test(one, other)
            low, high = (f"{100 * bound:+.1f}".replace("-", "\u2212") for bound in difference_interval(test))
            said = page.locator("#verdict").inner_text()
            assert f"of {test.num_images} leak-free images A alone has {test.num_gained} right" in said
            assert f"B alone {test.num_lost}." in said
            assert f"interval {low} to {high})" in said
            assert float(re.search(r", p (\S+) \(", said)[1]) == pytest.approx(test.p_value, rel=0.06)
            assert ("not told apart" in said) is (test.p_value >= 0.05)
            assert f"A alone is right: {test.num_gained}\n" in _compared(page)
            row = page.locator(".difference tbody tr").nth(3).locator("td").all_inner_texts()
            shares = [
                np.bincount(run.predicted[run.labels == 3], minlength=7) / (run.labels == 3).sum()
                for run in (one, other)
            ]
            points = 100 * (shares[0] - shares[1])
            assert [float(cell.replace("\u2212", "-")) for cell in row] == pytest.approx(points, abs=0.051)
        _pick(page, "full", "other")
        assert "other test images: not comparable" in _compared(page)
        _pick(page, "full", _NASTY)
        assert "cannot be compared: not scored: killed" in _compared(page)
        assert page.evaluate("window.nasty") is None
    assert complaints == []


@pytest.mark.slow
def test_examples_show_the_picture_the_label_and_the_wrong_answer(address):
    with opened(address, complaints=[]) as page:
        _pick(page, "full", "medium")
        one, other = predictions("full"), predictions("medium")
        rows = np.flatnonzero(one.right() & ~other.right() & ~one.leaked)
        faces = page.locator("#compared ul").first
        labels = [face.get_attribute("aria-label") for face in faces.locator(".face").all()]
        assert [label.partition(",")[0] for label in labels] == one.files[rows[:24]].tolist()
        more = page.locator("#compared ul + button").first
        while more.is_visible():
            more.click()
        assert faces.locator("li").count() == len(rows)
        assert "url(" in faces.locator(".face").first.evaluate(
            "face => getComputedStyle(face).backgroundImage"
        )


@pytest.mark.slow
def test_runs_are_filtered_by_text_and_by_key_and_sorted_by_keyboard(address):
    with opened(address, complaints=[]) as page:
        shown = lambda: [  # noqa: E731 (a question, asked often)
            row.locator("th span").inner_text() for row in page.locator("tbody tr:visible[data-run]").all()
        ]
        page.locator("#text").fill("train.epochs=8 network")
        assert shown() == ["other", "medium"]
        assert page.locator("#count").inner_text() == "2 of 6 runs"
        page.locator("#text").fill("")
        page.locator("#key").select_option("model.widths")
        page.locator("#value").select_option("[12, 24, 48]")
        assert shown() == ["narrow"]
        page.locator("#key").select_option("")
        button = page.get_by_role("button", name="leak-free accuracy")
        button.focus()
        page.keyboard.press("Enter")
        page.keyboard.press("Enter")
        best = sorted(
            [*_SAME_IMAGES, "other"], key=lambda name: -predictions(name).leak_free().right().mean()
        )
        # What was not scored stands last either way.
        assert shown() == [*best, _NASTY]


@pytest.mark.slow
def test_it_fits_a_narrow_screen_is_read_without_script_and_axe_finds_nothing_serious(address):
    with opened(address, complaints=[]) as page:
        assert serious_faults(page) == []
        without = page.context.browser.new_context(java_script_enabled=False).new_page()
        without.goto(address)
        assert without.locator("tbody tr[data-run]").count() == 6
        assert "ferflow compare RUN RUN" in without.locator("#compared").inner_text()
        assert not without.locator("#filters").is_visible()
