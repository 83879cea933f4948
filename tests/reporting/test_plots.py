"""Tests of the pictures: they are there, depend on what they show, and are the same bytes twice."""

from __future__ import annotations

import cv2
import matplotlib
import numpy as np
import pytest

from ferflow.errors import OutputError
from ferflow.labels import EMOTIONS
from ferflow.model import paper
from ferflow.model.calibration import coverage_curve
from ferflow.model.metrics import calibration, roc_curves
from ferflow.reporting import figure, plots
from ferflow.reporting.history import plot_history
from tests.reporting.conftest import make_scored

HISTORY = {
    "epoch": [1, 2, 3],
    "learning_rate": [0.1, 0.05, 0.01],
    "loss": [2.0, 1.5, 1.2],
    "accuracy": [0.2, 0.4, 0.5],
    "val_loss": [1.9, 1.4, 1.5],
    "val_accuracy": [0.3, 0.5, 0.45],
}


def _draw_all(scored, folder):
    _, labels, probabilities, results, leaked = scored
    areas = {name: entry.auc for name, entry in results.classes.items()}
    plots.plot_confusion_matrix(results.matrix, folder / "confusion_matrix.png")
    plots.plot_roc(roc_curves(labels, probabilities), areas, folder / "roc.png")
    plots.plot_reliability(calibration(labels, probabilities, num_bins=10), folder / "reliability.png")
    curves = {"all images": coverage_curve(labels, probabilities)}
    if not leaked.all():
        curves["without leaked images"] = coverage_curve(labels[~leaked], probabilities[~leaked])
    plots.plot_coverage(curves, folder / "coverage.png")
    plots.plot_classes(results.classes, folder / "per_class.png", paper_recalls=paper.CLASS_RECALLS)
    plots.plot_examples(scored.images, labels, probabilities, folder / "examples.png")
    plot_history(HISTORY, folder / "history.png")
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def drawn(scored, tmp_path_factory):
    """Name to bytes of every picture."""
    return _draw_all(scored, tmp_path_factory.mktemp("plots"))


def test_plots_are_the_same_bytes_twice_whatever_the_users_settings(drawn, scored, tmp_path):
    with matplotlib.rc_context({"font.size": 30, "axes.facecolor": "red", "savefig.dpi": 20}):
        assert _draw_all(scored, tmp_path) == drawn


def test_a_figure_is_drawn_once_for_each_ground(tmp_path, monkeypatch):
    drawn, draw = [], figure.Figure.draw
    monkeypatch.setattr(figure.Figure, "draw", lambda self, *on: drawn.append(self) or draw(self, *on))
    figure.save_figure(lambda page: page.subplots(), tmp_path / "a.png", size=(3, 2), is_dark_too=True)
    assert len(drawn) == len(list(tmp_path.iterdir())) == 2


def test_plots_change_with_the_figures_and_take_an_absent_class(drawn, tmp_path):
    changed = _draw_all(make_scored(seed=1, classes=[0, 2, 3, 4, 5, 6]), tmp_path)

    assert [name for name in drawn if drawn[name] == changed[name]] == ["history.png"]


def test_plots_are_readable_pictures_without_date_or_version(drawn):
    assert len(drawn) == 8  # The sheet of examples for light and for dark ground
    for name, content in drawn.items():
        picture = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
        assert min(picture.shape[:2]) > 400, name
        assert picture.std() > 10, name
        assert b"matplotlib" not in content.lower(), name


def test_plot_classes_without_the_papers_recalls_draws_other_bars(scored, tmp_path):
    classes = scored.results.classes
    plots.plot_classes(classes, tmp_path / "with.png", paper_recalls=paper.CLASS_RECALLS)
    plots.plot_classes(classes, tmp_path / "without.png", paper_recalls=None)

    assert (tmp_path / "with.png").read_bytes() != (tmp_path / "without.png").read_bytes()


def test_plots_of_one_class_alone_are_drawn(tmp_path):
    drawn = _draw_all(make_scored(classes=[3], num_images=8, num_leaked=0), tmp_path)
    assert all(len(content) > 1000 for content in drawn.values())


def test_plot_examples_takes_the_surest_answers_first(tmp_path):
    # One grey level an image: the picture shows only the levels of the chosen images.
    levels = np.arange(10, 210, 20, dtype=np.uint8)
    images = np.broadcast_to(levels[:, None, None], (10, 48, 48)).copy()
    labels = np.full(10, EMOTIONS.index("happy"), np.uint8)
    probabilities = np.zeros((10, 7))
    probabilities[:, 3] = np.linspace(0.6, 0.99, 10)
    probabilities[:, 0] = 1 - probabilities[:, 3]
    plots.plot_examples(images, labels, probabilities, tmp_path / "examples.png", examples_per_class=2)
    picture = cv2.imread(str(tmp_path / "examples.png"), cv2.IMREAD_GRAYSCALE)
    num_pixels = np.bincount(picture.ravel(), minlength=256)

    assert [int(level) for level in levels if num_pixels[level] > 2000] == [170, 190]


def test_plot_history_marks_the_first_best_epoch(tmp_path):
    tied = {**HISTORY, "val_accuracy": [0.3, 0.5, 0.5]}
    plot_history(HISTORY, tmp_path / "one.png")
    plot_history(tied, tmp_path / "tied.png")
    later = {**HISTORY, "val_accuracy": [0.3, 0.5, 0.51]}
    plot_history(later, tmp_path / "later.png")
    orange = [_num_orange(tmp_path / name, left=0.4) for name in ("one.png", "tied.png", "later.png")]

    # The mark in the panel of the loss stands at epoch 2, 2 and 3.
    assert orange[0] == pytest.approx(orange[1], abs=2)
    assert orange[2] > orange[1] + 50


def _num_orange(path, *, left: float) -> float:
    """Mean column of the orange pixels right of a share of the width."""
    picture = cv2.imread(str(path)).astype(int)
    start = int(left * picture.shape[1])
    blue, green, red = np.moveaxis(picture[:, start:], -1, 0)
    return float(np.flatnonzero(((red > 200) & (green < 160) & (blue < 60)).any(axis=0)).mean())


def test_plot_history_of_one_epoch_is_drawn(tmp_path):
    plot_history({name: values[:1] for name, values in HISTORY.items()}, tmp_path / "history.png")

    assert (tmp_path / "history.png").stat().st_size > 1000


def test_plots_that_cannot_be_written_name_the_file_and_a_cure(tmp_path):
    (tmp_path / "plots").write_text("a file where a folder should be")

    with pytest.raises(OutputError, match=r"history\.png: cannot be written"):
        plot_history(HISTORY, tmp_path / "plots" / "history.png")
