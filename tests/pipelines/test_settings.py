"""Settings of the cluster are strict, and each error names the key and the cure."""

from __future__ import annotations

import pytest

from ferflow.errors import ParamsError
from ferflow.params import read_yaml
from pipelines.settings import changed, check_settings, load_settings
from tests.pipelines.compiled import CLUSTER


def _with(key: str, value: object) -> dict:
    content = read_yaml(CLUSTER)
    *sections, last = key.split(".")
    place = content
    for section in sections:
        place = place[section]
    place[last] = value
    return content


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("steps.train.gpus", -1, "steps.train.gpus: -1 found"),
        ("steps.train.memory", "32 GB", "steps.train.memory: '32 GB' found, expected a size such as"),
        ("steps.register.cpu", 1, "steps.register.cpu: 1 found"),
        ("steps.train.gpu", 1, "steps.train.gpu: unknown key"),
        ("steps.download.secrets", ["aws"], "steps.download.secrets"),
        ("image.name", "two words", "image.name: 'two words' found, expected the name of an image"),
        (
            "server.host",
            "kubeflow.example",
            "server.host: 'kubeflow.example' found, expected an address such as http://localhost:8080",
        ),
        ("server.authentication", "password", "server.authentication: 'password' found"),
        ("image.backend", "torch", "image.backend: 'torch' found"),
        ("steps.train.gpus", 8, "image.backend is tensorflow, which trains on one GPU, but a step has 8"),
        ("volumes.work", None, "spot.enabled is true, but volumes.work is null"),
        ("sweep.workers", 0, "sweep.workers: 0 found"),
        ("sweep.parallelism", 0, "sweep.parallelism: 0 found"),
        ("retry.factor", 2.5, "retry.factor: 2.5 found"),
        ("retry.factor", 2.0, "retry.factor: 2.0 found"),
        ("retry.longest_wait", 3600, "take it out and set queueing"),
        ("retry.factor", 3, "more than Argo can count"),
        ("volumes.work", {"claim": "a.b", "path": "/w"}, "volumes.work.claim: 'a.b' found, expected a claim"),
        ("volumes.work", {"claim": "a" * 64, "path": "/w"}, "at most 63 small letters"),
        ("volumes.data", {"claim": "Data", "path": "/w"}, "volumes.data.claim: 'Data' found"),
        ("server.host", "http://me:hidden@kubeflow.example", "an address without user and password"),
        ("server.proxy", "http://me:hid/den@proxy.example:8080", "an address without user and password"),
        ("server.authentication", "headers", "authentication is headers, but headers names none"),
        ("server.headers", {"two words": "VALUE"}, "the name of an HTTP header"),
        ("security.run_as_user", -1, "security.run_as_user: -1 found"),
        ("gpu.tolerations", [{"operator": "Equal", "key": "a"}], "Equal needs one"),
    ],
)
def test_a_wrong_setting_is_one_error_that_names_it(key, value, message):
    with pytest.raises(ParamsError) as caught:
        check_settings(_with(key, value), origin="config.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("config.yaml: ")
    assert "hid" not in str(caught.value)


def test_a_missing_key_is_an_error_that_does_not_speak_of_profiles():
    content = read_yaml(CLUSTER)
    del content["sweep"]
    with pytest.raises(ParamsError, match=r"sweep: missing; add it, or take it from git"):
        check_settings(content, origin="config.yaml")


def test_a_config_that_is_not_there_is_not_taken_for_a_parameter_file(tmp_path):
    with pytest.raises(
        ParamsError, match=r"absent.yaml: not found; give --config a copy of pipelines/config"
    ):
        load_settings(tmp_path / "absent.yaml")


def test_settings_are_changed_by_dotted_keys_and_checked():
    settings = changed(load_settings(CLUSTER), {"steps.train.gpus": 0, "server.namespace": None})
    assert settings.steps.train.gpus == 0
    with pytest.raises(ParamsError, match=r"steps.train.gpus"):
        changed(settings, {"steps.train.gpus": 65})
