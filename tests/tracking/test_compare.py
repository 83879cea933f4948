"""Comparisons of stored runs of real networks: tables, tests, pictures, page."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ferflow.cli.app import app
from ferflow.errors import TrackingError
from ferflow.tracking.comparison.compare import compare, headline, in_text
from ferflow.tracking.comparison.compare_page import compared_confusions, write_comparison
from ferflow.tracking.comparison.compare_plots import confusion_shares, plot_confusion_difference, plot_curves
from ferflow.tracking.comparison.compared_run import ComparedRun, load_runs
from ferflow.tracking.comparison.paired import PairedTest
from ferflow.tracking.comparison.pairs import difference_interval, pair_table, paired_tests
from ferflow.tracking.store import DATABASE, experiment_id
from ferflow.tracking.store import client as store_client
from ferflow.tracking.tracked_run import newest_runs
from tests.accessibility import faults_of
from tests.reporting.test_page import Reader
from tests.tracking.stored_runs import store_run


@pytest.fixture(scope="module")
def root(migrated_database, tmp_path_factory) -> Path:
    """A repository's folder whose store holds four runs, one of them on other test images."""
    folder = tmp_path_factory.mktemp("compare")
    (folder / DATABASE).parent.mkdir()
    shutil.copy(migrated_database, folder / DATABASE)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        client = store_client(folder)
        store_run(client, folder / "runs", "other", digest="0" * 64)
        for name in ("medium", "narrow", "full"):
            store_run(client, folder / "runs", name)
    return folder


@pytest.fixture(scope="module")
def runs(root) -> dict[str, ComparedRun]:
    """The runs by name: A is `other`, B `medium`, C `narrow`, D `full`."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
            patch.delenv(name, raising=False)
        client = store_client(root)
        loaded = load_runs(client, newest_runs(client, experiment_id(client), number=4))
    return {run.run.name: run for run in loaded}


@pytest.fixture
def three(runs) -> list[ComparedRun]:
    return [runs["medium"], runs["narrow"], runs["full"]]


def row(table, name: str) -> list[str]:
    return next(cells[1:] for cells in table.rows if cells[0] == name)


def test_runs_are_loaded_in_order_with_their_histories(runs):
    assert list(runs) == ["other", "medium", "narrow", "full"]
    assert [run.letter for run in runs.values()] == list("ABCD")
    assert [epoch for epoch, _ in runs["medium"].history["val_accuracy"]] == list(range(1, 9))
    assert len(runs["full"].history["loss"]) == 20


def test_only_parameters_that_differ_are_shown(three):
    table = compare(three).parameters
    assert table.columns == ["key", "B", "C", "D"]
    assert [cells[0] for cells in table.rows] == ["model.widths", "train.epochs"]
    assert row(table, "train.epochs") == ["8", "20", "20"]


def test_a_parameter_that_one_run_lacks_is_shown(three):
    extended = replace(three[0].run, params={**three[0].run.params, "train.momentum": "0.9"})
    table = compare([replace(three[0], run=extended), *three[1:]]).parameters
    assert row(table, "train.momentum") == ["0.9", "\N{EN DASH}", "\N{EN DASH}"]


def test_where_runs_come_from_is_shown_where_it_differs(runs):
    assert compare([runs["narrow"], runs["full"]]).lineage.rows == []
    table = compare([runs["other"], runs["full"]]).lineage
    assert [cell[:12] for cell in row(table, "test.sha256")] == ["0" * 12, "5" * 12]


def test_figures_carry_wilson_intervals(three):
    table = compare(three).figures
    assert row(table, "leak-free accuracy")[2] == "82.1% (75.0 to 87.6)"
    assert row(table, "test accuracy")[2] == "80.9% (74.0 to 86.3)"
    assert row(table, "recall disgust")[2] == "36.4% (15.2 to 64.6)"
    assert row(table, "multiply-adds of an answer") == ["7,382,464", "4,237,392", "7,382,464"]


def test_every_two_runs_are_tested_the_better_one_first(three):
    pairs = {pair.first.letter + pair.second.letter: pair for pair in paired_tests(three)}
    assert set(pairs) == {"CB", "DB", "DC"}
    assert pairs["DB"].test.p_value == pytest.approx(5.398760549724102e-09)
    assert pairs["DB"].adjusted == pytest.approx(3 * 5.398760549724102e-09)
    assert pairs["DB"].verdict == "D is better"
    assert pairs["DC"].verdict == "not told apart"


def test_runs_on_other_test_images_are_not_compared(runs):
    (pair,) = paired_tests([runs["other"], runs["full"]])
    assert pair.test is None
    assert pair.verdict == "other test sets: not comparable"
    assert pair_table([pair]).rows[0][-1] == pair.verdict


def test_the_headline_says_what_the_lead_is_worth(runs):
    assert headline(compare(list(runs.values()))) == (
        "D has the highest leak-free accuracy, 82.1%. It is better than B beyond chance. "
        "It is not told apart from C. A was scored on other test images: not comparable."
    )


def test_the_interval_of_a_difference_covers_the_truth():
    generator = np.random.default_rng(0)
    gained, lost, num_images = 0.15, 0.05, 140
    draws = generator.multinomial(num_images, [gained, lost, 1 - gained - lost], size=2000)
    covered = 0
    for more, fewer, _ in draws.tolist():
        low, high = difference_interval(PairedTest(num_images, more, fewer, more, fewer, 1.0))
        covered += low <= gained - lost <= high
    assert 0.935 <= covered / 2000 <= 0.97


def test_the_interval_of_a_difference_turns_with_the_pair():
    low, high = difference_interval(PairedTest(140, 100, 90, 12, 2, 0.01))
    assert difference_interval(PairedTest(140, 90, 100, 2, 12, 0.01)) == pytest.approx((-high, -low))
    assert low > 0


def test_confusion_shares_add_up_and_their_difference_is_what_is_drawn(three, tmp_path):
    shares = confusion_shares(three[2])
    assert shares.sum(axis=1) == pytest.approx(np.ones(7))
    assert shares[1, 1] == pytest.approx(4 / 11)
    plot_confusion_difference(three[2], three[1], tmp_path / "a.png")
    plot_confusion_difference(three[2], three[1], tmp_path / "b.png")
    plot_confusion_difference(three[1], three[2], tmp_path / "c.png")
    pictures = [(tmp_path / f"{name}.png").read_bytes() for name in "abc"]
    assert pictures[0] == pictures[1] != pictures[2]


def test_curves_are_drawn_of_runs_with_and_without_history(three, tmp_path):
    plot_curves(three, tmp_path / "a.png")
    plot_curves([three[0], replace(three[1], history={}), three[2]], tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() != (tmp_path / "b.png").read_bytes()


def test_of_many_runs_the_best_ones_confusions_are_set_against_the_others(runs, three):
    assert len(compared_confusions(compare(three))) == 3
    fourth = replace(three[0], letter="E")
    pairs = compared_confusions(compare([*three, fourth]))
    assert {first.letter for first, _ in pairs} == {"D"}
    assert len(pairs) == 3


def test_the_page_holds_everything_and_needs_nothing_from_outside(three, tmp_path):
    path = tmp_path / "index.html"
    hostile = replace(three[0], run=replace(three[0].run, name="<script>x</script>"))
    comparison = compare([hostile, *three[1:]])
    write_comparison(path, comparison)
    page = Reader()
    page.feed(path.read_text(encoding="utf-8"))
    page.close()

    assert page.open == []
    assert len(page.images) == 4
    assert all(image["alt"] and image["src"].startswith("data:image/png;base64,") for image in page.images)
    assert {address[1:] for address in page.addresses if address.startswith("#")} <= page.ids
    # The page's own script sorts and enlarges; what a run is called never becomes one.
    assert not re.search(r"https?://|url\(|@import|<script\s|<script>x", path.read_text(encoding="utf-8"))
    for words in (headline(comparison), "train.epochs 8 20 20", "<script>x</script>", "82.1% (75.0 to 87.6)"):
        assert words in page.text


def test_the_text_names_the_runs_and_ends_with_the_verdict(three):
    text = in_text(compare(three))
    assert text.startswith(f"B  medium ({three[0].run.run_id[:8]})\n")
    assert text.endswith("It is not told apart from C.")
    assert "C against B" in text


def test_a_comparison_needs_two_runs(runs):
    with pytest.raises(TrackingError, match=r"1 scored run found \(full .*expected at least 2"):
        load_runs(None, [runs["full"].run, runs["full"].run])
    with pytest.raises(TrackingError, match="11 runs named, expected at most 10"):
        load_runs(None, [replace(runs["full"].run, run_id=str(number)) for number in range(11)])


def test_the_command_line_compares_named_runs_and_writes_the_page(root, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(root)
    done = CliRunner().invoke(app, ["compare", "narrow", "full", "--output", "mine/page.html"])
    assert done.exit_code == 0, done.output
    assert "B against A" in done.stdout
    assert done.stdout.endswith("page: mine/page.html\n")
    assert "2 runs compared" in (root / "mine" / "page.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_axe_finds_nothing_serious_on_the_page(three, tmp_path):
    write_comparison(tmp_path / "index.html", compare(three))
    assert faults_of((tmp_path / "index.html").as_uri()) == []
