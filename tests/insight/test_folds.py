"""Folds: training images get probabilities of networks that did not see them, and stops cost little."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.data.store import read_arrays, write_arrays
from ferflow.errors import DataError
from ferflow.insight import folds as folds_module
from ferflow.insight.folds import FOLDS, draw_folds, fold_images
from ferflow.params import check_params
from ferflow.stages import train
from tests.insight.conftest import NUM_OF


@pytest.fixture
def params(sample_values):
    sample_values["model"] |= {"widths": [4], "depths": [1]}
    sample_values["train"] |= {"epochs": 2, "batch_size": 16}
    return check_params(sample_values, origin="tiny")


def test_folds_are_of_equal_size_and_keep_copies_together():
    labels = (np.arange(300) % 7).astype(np.uint8)
    groups = (np.arange(300) // 2).astype(str)
    numbers = draw_folds(labels, groups, folds=3, seed=1)
    assert np.bincount(numbers).tolist() == pytest.approx([100, 100, 100], abs=8)
    assert np.array_equal(numbers[::2], numbers[1::2])
    assert np.array_equal(numbers, draw_folds(labels, groups, folds=3, seed=1))


def test_more_folds_than_images_are_refused():
    with pytest.raises(DataError, match="--folds 5: 3 training images leave a fold empty"):
        draw_folds(np.zeros(3, np.uint8), np.array(["a", "b", "c"]), folds=5, seed=1)


@pytest.mark.slow
def test_a_stopped_run_of_folds_goes_on_and_trains_nothing_twice(params, repository, monkeypatch, capsys):
    seen = []

    def stop_in_the_second_fold(message):
        seen.append(message)
        if message.startswith("epoch 1/2") and sum(text.startswith("epoch 1/2") for text in seen) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(train, "say", stop_in_the_second_fold)
    with pytest.raises(KeyboardInterrupt):
        fold_images(params, root=repository, folds=2)
    assert "fold 1 of 2: done, " in capsys.readouterr().err
    monkeypatch.undo()
    images = fold_images(params, root=repository, folds=2)
    told = capsys.readouterr().err
    assert "fold 1 of 2: done before" in told
    assert "going on after epoch 1 of a run that was stopped" in told

    training = read_arrays(repository / "data" / "split" / "train.npz", ("images", "labels"))
    assert np.array_equal(images.images, training["images"])
    assert np.array_equal(images.labels, training["labels"])
    assert set(images.subsets.tolist()) == {"train"}
    assert np.allclose(images.probabilities.sum(axis=1), 1, atol=1e-5)
    assert not list((repository / FOLDS).rglob("work"))  # Networks and checkpoints are swept up.

    monkeypatch.setattr(folds_module.train, "run", None)
    again = fold_images(params, root=repository, folds=2)
    assert np.array_equal(again.probabilities, images.probabilities)
    assert capsys.readouterr().err.count("done before") == 2


def test_a_fold_is_trained_without_its_images(params, repository, monkeypatch):
    trained_on = []

    class StopTrainingError(Exception):
        pass

    def look(_, *, split_dir, **places):
        trained_on.append(read_arrays(split_dir / "train.npz", ("images",))["images"])
        raise StopTrainingError

    monkeypatch.setattr(folds_module.train, "run", look)
    with pytest.raises(StopTrainingError):
        fold_images(params, root=repository, folds=2)
    arrays = read_arrays(repository / "data" / "split" / "train.npz", ("images", "labels"))
    numbers = draw_folds(arrays["labels"], np.arange(NUM_OF["train"]).astype(str), folds=2, seed=params.seed)
    assert np.array_equal(trained_on[0], arrays["images"][numbers != 0])


def test_results_of_other_parameters_or_data_are_not_taken(params, repository):
    place = repository / FOLDS / "2-folds" / "1"
    split_dir = repository / "data" / "split"
    key = folds_module._key(params, split_dir, 2, 0)
    write_arrays(place / "probabilities.npz", {"probabilities": np.zeros((5, 7)), "key": np.array(key)})
    assert folds_module._read_finished(place, key, 5) is not None
    other = params.model_copy(update={"seed": 3})
    assert folds_module._read_finished(place, folds_module._key(other, split_dir, 2, 0), 5) is None
    (split_dir / "val.npz").write_bytes((split_dir / "train.npz").read_bytes())
    assert folds_module._read_finished(place, folds_module._key(params, split_dir, 2, 0), 5) is None
    (place / "probabilities.npz").write_bytes(b"torn")
    assert folds_module._read_finished(place, key, 5) is None
