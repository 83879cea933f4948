"""Backbones of keras.applications go the whole way: trained, registered, compared, exported, asked."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import ferflow
from ferflow.data.store import read_csv
from ferflow.labels import EMOTIONS
from ferflow.model.conversion import functions_as_parts
from ferflow.model.cost import multiply_adds
from ferflow.model.network import load_network
from ferflow.params import Params
from ferflow.stages.evaluate import load_test
from ferflow.tracking import names
from ferflow.tracking.registry import aliases
from ferflow.tracking.store import client
from ferflow.workflows.predict import Reading, Telling, predict
from ferflow.workflows.register import register
from tests.conftest import REPOSITORY
from tests.tracking.conftest import SETTINGS, copy_store

_CHANGES = (
    "download.sample_images=140",
    "model.widths=[4, 8]",
    "model.depths=[1, 1]",
    "model.image_size=32",
    "train.epochs=1",
    "train.warmup_epochs=0",
    "registry.class_floor=0.0",
    # A network that learnt for one epoch says nothing that quantising could keep.
    "export.max_accuracy_loss=1.0",
)
_BACKBONES = ("mobilenet_v3_small", "efficientnet_v2_b0", "convnext_tiny")


def _trained(*changes: str) -> Params:
    """Train, score and record a network by changed parameters; returns them."""
    ferflow.profile("sample", changes=[*_CHANGES, *changes])
    params = ferflow.load_params(Path("params.yaml"))
    with functions_as_parts():  # To compile a network takes longer than its few steps.
        ferflow.train(params, origin=Path("params.yaml"))
        ferflow.evaluate(params, origin=Path("params.yaml"))
    return params


@pytest.fixture(scope="module")
def repository(migrated_database, tmp_path_factory, coarse_figures):
    """The working folder: a split of drawn faces, and a small ResNetV2 that is champion."""
    root = copy_store(migrated_database, tmp_path_factory.mktemp("whole-way") / "repository")
    with pytest.MonkeyPatch.context() as patch:
        for name in SETTINGS:
            patch.delenv(name, raising=False)
        patch.chdir(root)
        (root / "profiles").symlink_to(REPOSITORY / "profiles")
        ferflow.profile("sample", changes=_CHANGES)
        ferflow.prepare(ferflow.load_params(Path("params.yaml")))
        registration = register(_trained())
        assert registration.champion == "1"
        yield root


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backbone", _BACKBONES)
def test_a_backbone_trains_registers_exports_and_predicts(repository, backbone):
    params = _trained(f"model.backbone={backbone}", "model.mobilenet_width=0.25")

    registration = register(params)
    assert registration.is_new
    tags = client(repository).get_model_version(names.REGISTERED_MODEL, registration.version).tags
    network = load_network(Path("models/model.keras"))
    assert tags["gate.against"] == "version 1"
    assert 0 <= float(tags["gate.p_value"]) <= 1
    assert tags["gate.cost"] == str(multiply_adds(network))
    assert aliases.holder(client(repository), names.CHALLENGER) == registration.version

    done = ferflow.export(params, model=registration.version)
    assert done.version == registration.version
    test = load_test(Path("data/split"))
    scored = read_csv(Path("reports/predictions.csv"), [f"p_{emotion}" for emotion in EMOTIONS])
    expected = np.stack([scored[f"p_{emotion}"].astype(float) for emotion in EMOTIONS], axis=1)
    answers = ferflow.Predictor("export").predict_faces(test.images)
    np.testing.assert_allclose(answers, expected, atol=1e-4)

    cv2.imwrite("face.png", test.images[0])
    told = []
    report = predict(["face.png"], reading=Reading(whole=True), telling=Telling(quiet=True), tell=told.append)
    assert report.is_whole
    assert len(told) == 1
