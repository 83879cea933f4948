"""A project that this user may only read, as another user owns it: reading works, and it stays as it is."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ferflow.errors import TrackingError
from ferflow.tracking import names, store
from ferflow.tracking.outbox.sent import Budget
from ferflow.tracking.outbox.upload import send
from ferflow.tracking.read_only import copy_for_reading, is_read_only
from ferflow.tracking.registry.gate import Rules
from ferflow.tracking.registry.registry import register
from tests.conftest import REPOSITORY
from tests.tracking.light_runs import light_run
from tests.tracking.stored_runs import store_run

_RULES = Rules(class_floor=0.0, significance=0.05, equal_margin=0.03)
# Everything is run as root first: it is imported then, which only root may read here.
_AS_ANOTHER = """
import json, os, sys
from pathlib import Path
from typer.testing import CliRunner
from ferflow.cli.app import app
from ferflow.tracking.store import load_mlflow, open_existing
from ferflow.workflows.running import locked

def tried(folder, home):
    os.chdir(folder)
    commands = {
        "runs": ["runs"],
        "compare": ["compare", "medium", "full", "--output", f"{home}/page.html"],
        "registry": ["registry", "list"],
        "models": ["models"],
        "sync": ["track", "sync"],
        "register": ["register", "full"],
    }
    told = {}
    for name, arguments in commands.items():
        result = CliRunner().invoke(app, arguments)
        told[name] = [result.exit_code, result.output, str(result.exception or "")]
    client = open_existing(Path())
    with locked("export", output=Path(home, "export")):
        fetched = load_mlflow().artifacts.download_artifacts(
            artifact_uri="models:/ferflow-resnet50v2@champion", dst_path=home
        )
        told["model"] = Path(fetched, "MLmodel").is_file()
    told["server"] = client.get_experiment_by_name("ferflow").artifact_location
    return told

warm, project, home = sys.argv[1:]
tried(warm, warm)
os.setgroups([])
os.setgid(54321)
os.setuid(54321)
print(json.dumps(tried(project, home)))
"""


@pytest.fixture
def project(embedded: Path, tmp_path: Path) -> Path:
    """A project with two scored runs, the first of them champion, and a journal that was sent."""
    client = store.client(embedded)
    register(client, store_run(client, tmp_path / "made", "medium"), _RULES)
    store_run(client, tmp_path / "made", "full")
    send(embedded, light_run(embedded, "sent"), Budget())
    shutil.copy(REPOSITORY / "params.yaml", embedded)
    return embedded


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that others get through, as they do not through the one that pytest makes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def _everything_below(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else"
)
def test_another_users_project_is_read_and_left_alone(project: Path, open_folder: Path):
    """It was moved as well, as what is mounted elsewhere is."""
    for name in ("warm", "project"):
        shutil.copytree(project, open_folder / name)
    home = open_folder / "home"
    home.mkdir()
    os.chown(home, 54321, 54321)
    shutil.rmtree(project)
    before = _everything_below(open_folder / "project")
    places = [str(open_folder / name) for name in ("warm", "project", "home")]
    environment = os.environ | {"HOME": places[-1]}
    done = subprocess.run(
        [sys.executable, "-c", _AS_ANOTHER, *places],
        capture_output=True,
        text=True,
        check=False,
        env={name: value for name, value in environment.items() if not name.startswith("MLFLOW_")},
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    for name in ("runs", "compare", "registry", "models", "sync"):
        assert told[name][0] == 0, told[name]
    assert "medium" in told["runs"][1]
    assert "champion" in told["registry"][1]
    assert (home / "page.html").is_file()
    assert "nothing to send" in told["sync"][1]
    code, _, problem = told["register"]
    assert code == 1
    assert "cannot be written" in problem
    assert told["model"]
    assert told["server"] == (open_folder / "project" / store.ARTIFACTS).as_uri()
    assert _everything_below(open_folder / "project") == before


def test_the_copy_reads_as_the_store_and_cannot_be_written(project: Path, monkeypatch):
    """Root may write everywhere but on a read-only mount; the system's answer is given by a stand-in."""
    before = _everything_below(project)
    assert not is_read_only(project / store.DATABASE)
    monkeypatch.setattr(os, "access", lambda path, mode: mode != os.W_OK)
    client = store.client(project)
    version = client.get_model_version_by_alias(names.REGISTERED_MODEL, names.CHAMPION)
    assert int(version.version) == 1
    with (
        pytest.raises(TrackingError, match="cannot be written by this user; give this user") as caught,
        store.store_errors(client.tracking_uri),
    ):
        client.set_registered_model_alias(names.REGISTERED_MODEL, names.CHALLENGER, "1")
    assert f"sqlite:///{project / store.DATABASE}" in str(caught.value)
    assert _everything_below(project) == before


def test_what_is_no_database_is_named(tmp_path: Path):
    (tmp_path / "mlflow.db").write_text("x" * 5000)
    with pytest.raises(TrackingError, match=r"mlflow\.db: cannot be read .*; it must be MLflow's database"):
        copy_for_reading(tmp_path / "mlflow.db")
