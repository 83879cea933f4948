"""Distillation: a student follows its teacher's answers."""

from __future__ import annotations

import numpy as np
import pytest

from ferflow.data.store import write_arrays
from ferflow.data.subsets import LabelledImages
from ferflow.errors import DataError, ModelError
from ferflow.model import teacher as module
from ferflow.model.backend import set_up_process
from ferflow.model.checkpoint import CheckpointStore
from ferflow.model.ensemble import mean_of
from ferflow.model.mixup import MixedCrossEntropy, accuracy
from ferflow.model.network import build_network
from ferflow.model.prediction import predict_probabilities
from ferflow.model.saving import save_as_it_is
from ferflow.model.teacher import load_teacher, softened
from ferflow.model.training import train_network


def _softmax(logits):
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def test_the_loss_is_that_of_labels_and_of_the_softened_teacher():
    random = np.random.default_rng(2)
    logits, of_teacher = random.normal(size=(2, 6, 7)) * 2
    labels = np.eye(7)[random.integers(0, 7, 6)]
    temperature, share = 3.0, 0.7
    targets = np.hstack([labels, softened(_softmax(of_teacher).astype(np.float32), temperature)])
    outputs = np.hstack([logits, np.ones((6, 1))])
    loss = MixedCrossEntropy(0.1, share, temperature)
    found = np.asarray(loss.call(targets.astype("float32"), outputs.astype("float32")))
    hard = -((0.9 * labels + 0.1 / 7) * np.log(_softmax(logits))).sum(axis=1)
    soft = -(_softmax(of_teacher / temperature) * np.log(_softmax(logits / temperature))).sum(axis=1)
    np.testing.assert_allclose(found, 0.3 * hard + 0.7 * 9 * soft, rtol=1e-4)
    right = np.asarray(accuracy(targets.astype("float32"), outputs.astype("float32")))
    np.testing.assert_array_equal(right, logits.argmax(axis=1) == labels.argmax(axis=1))
    plain = np.asarray(loss.call(labels.astype("float32"), outputs.astype("float32")))
    np.testing.assert_allclose(plain, hard, rtol=1e-4)


def _train(params, bars, folder, **changes):
    params = params.model_copy(update={"train": params.train.model_copy(update=changes)})
    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)
    train_network(
        network,
        LabelledImages(bars[0][:70], bars[1][:70]),
        LabelledImages(bars[0][70:], bars[1][70:]),
        params=params,
        checkpoints=CheckpointStore(folder / "checkpoints", "f" * 64),
    )
    return network


def test_a_student_learns_its_teachers_answers_instead_of_the_labels(tmp_path, tiny_params, bars):
    quiet = tiny_params.model_copy(
        update={
            "augment": tiny_params.augment.model_copy(update={"rotation": 0.0, "zoom": 0.0, "shift": 0.0}),
            "model": tiny_params.model.model_copy(
                update={"dropout_head": 0.0, "dropout_features": 0.0, "pooling": "flatten"}
            ),
        }
    )
    labels = bars[1][:70]
    told = (labels + 3) % 7  # Another class for each label.
    probabilities = (0.9 * np.eye(7)[told] + 0.1 / 7).astype(np.float32)
    write_arrays(tmp_path / "teacher.npz", {"probabilities": probabilities})
    changes = {"teacher": str(tmp_path / "teacher.npz"), "teacher_share": 1.0, "epochs": 12}
    student = _train(quiet, bars, tmp_path / "student", **changes)
    answers = predict_probabilities(student, bars[0][:70], batch_size=32)
    of_teacher, of_labels = (answers[np.arange(70), classes].mean() for classes in (told, labels))
    assert of_teacher > 0.3
    assert of_labels < 0.15


def test_a_teacher_is_asked_once_for_the_same_images(tmp_path, tiny_params, bars, monkeypatch):
    mean = mean_of([build_network(tiny_params.model) for _ in range(2)])
    save_as_it_is(mean, tmp_path / "teacher.keras")
    params = tiny_params.train.model_copy(update={"teacher": str(tmp_path / "teacher.keras")})
    first = load_teacher(params, bars[0][:20], kept_in=tmp_path / "teachers")
    assert first.shape == (20, 7)
    assert first.dtype == np.float32
    asked = []
    predict = module.predict_probabilities
    monkeypatch.setattr(
        module,
        "predict_probabilities",
        lambda network, images, **options: (asked.append(len(images)), predict(network, images, **options))[
            1
        ],
    )
    np.testing.assert_array_equal(load_teacher(params, bars[0][:20], kept_in=tmp_path / "teachers"), first)
    assert asked == []
    load_teacher(params, bars[0][20:40], kept_in=tmp_path / "teachers")
    assert asked == [20]


def test_a_teacher_that_does_not_fit_is_refused(tmp_path, tiny_params, bars):
    def load(name):
        params = tiny_params.train.model_copy(update={"teacher": str(tmp_path / name)})
        return load_teacher(params, bars[0], kept_in=tmp_path)

    with pytest.raises(ModelError, match=r"train\.teacher: .*none\.keras not found; give a \.keras file"):
        load("none.keras")
    write_arrays(tmp_path / "other.npz", {"probabilities": np.full((5, 7), 1 / 7)})
    with pytest.raises(DataError, match=r"other\.npz holds float64 \(5, 7\), expected numbers \(84, 7\)"):
        load("other.npz")
    write_arrays(tmp_path / "whole.npz", {"probabilities": np.full((84, 7), 1 / 7)})
    np.testing.assert_allclose(load("whole.npz"), 1 / 7, atol=1e-6)
