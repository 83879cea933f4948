"""A server of Kubeflow Pipelines on this machine, and settings and files that name it."""

from __future__ import annotations

import pytest
from ruamel.yaml import YAML

from pipelines.settings import changed, load_settings
from tests.pipelines.compiled import CLUSTER
from tests.pipelines.kfp_server import KfpServer


@pytest.fixture(autouse=True)
def no_proxy_of_this_machine(monkeypatch):
    """The tests' server is asked without the proxy that the machine may have."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server():
    with KfpServer().running() as running:
        yield running


@pytest.fixture
def settings(server):
    return changed(load_settings(CLUSTER), {"server.host": server.host})


@pytest.fixture
def config(server, tmp_path):
    """A config file for that server, with changes of its section."""

    def write(**section: object) -> str:
        yaml = YAML()
        content = yaml.load(CLUSTER.read_text(encoding="utf-8"))
        content["server"] |= {"host": server.host, **section}
        path = tmp_path / "config.yaml"
        with path.open("w") as stream:
            yaml.dump(content, stream)
        return str(path)

    return write
