"""Planted secrets are in no output and no file, whatever the server at the other end does."""

from __future__ import annotations

import re
import shutil
import sys

import pytest

from ferflow import redaction
from ferflow.cli.app import main
from ferflow.tracking.outbox.journal import TRAINED, Record, create_journal
from tests.conftest import REPOSITORY
from tests.misbehaving import MISBEHAVIOURS, misbehaving

# Planted are a token as a user's name, a password with all that ends one too early, an option of an
# address, a variable of the environment, and what the server shows when it sends the client elsewhere.
_PLANTED = re.compile(
    "Tok3n-planted|Pass[/%]|w#rd|rd[?]planted|w%23rd|Opt1on-planted|Red1rect-Secret|V4riable-planted"
)

# Every command that takes an address, with what it takes. `{url}` is the server's.
_COMMANDS = {
    "track sync": ("track", "sync"),
    "registry list": ("registry", "list"),
    "registry rollback": ("registry", "rollback"),
    "register": ("register",),
    "compare": ("compare",),
    "track status": ("track", "status"),
    "export": ("export",),
    "doctor": ("doctor",),
    "tune": ("tune", "--storage", "{url}"),
}
# Addresses that no library takes as it is meant.
_ODD_ADDRESSES = {
    "a token as user": "http://Tok3n-planted-0123@127.0.0.1:{port}",
    "https to an http server": "https://me:Pass%2Fw%23rd%3Fplanted@127.0.0.1:{port}",
    "a bad port": "http://me:Pass%2Fw%23rd%3Fplanted@127.0.0.1:99999",
    "a port that is a word": "http://me:Pass%2Fw%23rd%3Fplanted@127.0.0.1:port",
    "a password that is not quoted": "http://me:Pass/w#rd?planted@127.0.0.1:{port}",
    "an unknown scheme": "carrier-pigeon://me:Pass/w#rd?planted@127.0.0.1:{port}/?password=Opt1on-planted",
    "a database": "postgresql://me:Pass/w#rd?planted@127.0.0.1:{port}/db?sslpassword=Opt1on-planted",
    "a database with a bad port": "postgresql://me:Pass/w#rd?planted@127.0.0.1:port/db",
    "a database without a driver": "mysql+nodriver://Tok3n-planted-0123:Pass/w#rd?planted@127.0.0.1:{port}/db",
    "a database by options": "postgresql:///db?host=127.0.0.1&port={port}&password=Opt1on-planted",
}
_PLAIN = "http://me:Pass%2Fw%23rd%3Fplanted@127.0.0.1:{port}"


@pytest.fixture(scope="module")
def server():
    with misbehaving() as running:
        yield running


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with one run that waits to be sent."""
    root = tmp_path_factory.mktemp("project")
    for name in ("params.yaml", "profiles"):
        (root / name).symlink_to(REPOSITORY / name)
    journal = create_journal(
        root, Record(key="20260101-000000-aaaa", name="waiting", state=TRAINED, started=1)
    )
    journal.release()
    return root


@pytest.fixture
def ferflow(server, project, monkeypatch, capfd):
    """Run a command against an address; returns its exit code and all that it printed or wrote."""
    monkeypatch.chdir(project)
    monkeypatch.setattr(redaction, "_REGISTRY", redaction.Registry())  # nothing is known from elsewhere
    settings = {"REQUEST_TIMEOUT": "2", "REQUEST_MAX_RETRIES": "0"}
    for name, value in settings.items():
        monkeypatch.setenv(f"MLFLOW_HTTP_{name}", value)
    monkeypatch.setenv("SOME_API_TOKEN", "V4riable-planted")

    def run(command: tuple[str, ...], address: str) -> tuple[object, str]:
        url = address.format(port=server.port)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        monkeypatch.setattr(sys, "argv", ["ferflow", *(word.format(url=url) for word in command)])
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capfd.readouterr()
        written = "".join(
            path.read_text(encoding="utf-8", errors="replace")
            for path in project.rglob("*")
            if path.is_file() and not path.is_symlink() and "profiles" not in path.parts
        )
        shutil.rmtree(project / ".ferflow" / "errors", ignore_errors=True)
        return ended.value.code, f"{printed.out}\n{printed.err}\n{written}"

    return run


def _check(code: object, text: str) -> None:
    assert code in (0, 1)
    assert _PLANTED.search(text) is None, text[: max(0, text.find("planted")) + 200][-400:]


@pytest.mark.parametrize("mode", MISBEHAVIOURS)
def test_no_secret_leaves_however_the_server_misbehaves(mode, server, ferflow):
    server.mode = mode
    before = server.num_asked
    for name in ("track sync", "registry list"):
        _check(*ferflow(_COMMANDS[name], _PLAIN))
    assert server.num_asked > before


@pytest.mark.parametrize("kind", _ODD_ADDRESSES)
def test_no_secret_leaves_however_the_address_is_written(kind, server, ferflow):
    server.mode = "it fails and shows the request"
    for name in ("track sync", "registry list", "tune"):
        _check(*ferflow(_COMMANDS[name], _ODD_ADDRESSES[kind]))


@pytest.mark.parametrize("name", _COMMANDS)
def test_no_command_shows_a_secret(name, server, ferflow):
    for mode in ("it fails and shows the request", "other types", "a loop of redirects"):
        server.mode = mode
        _check(*ferflow(_COMMANDS[name], _PLAIN))


def test_there_are_25_ways_to_misbehave_and_the_server_shows_what_it_is_sent(server):
    assert len(MISBEHAVIOURS) >= 25
    shown = MISBEHAVIOURS["it fails and shows the request"]("GET /Tok3n-planted-0123", 1).decode()
    assert _PLANTED.search(shown)


def test_the_webhook_of_a_pipeline_is_not_shown(server, monkeypatch, capfd):
    from ferflow.cluster.exits import report_end
    from ferflow.cluster.workspace import PipelineRun

    for mode, address in (
        ("it fails and shows the request", "http://127.0.0.1:{port}/services/T012345/Opt1on-planted"),
        ("a redirect to a bad port", "http://127.0.0.1:{port}/services/T012345/Opt1on-planted"),
        ("it hangs up", "http://me:Pass/w#rd?planted@127.0.0.1:{port}/Opt1on-planted"),
        ("it hangs up", "http://127.0.0.1:port/Opt1on-planted"),
    ):
        server.mode = mode
        monkeypatch.setenv("FERFLOW_WEBHOOK", address.format(port=server.port))
        run = PipelineRun(run_id="r", url="", work_dir="")
        try:
            report_end(run, state="FAILED", message="no")
        except Exception as error:  # what it lets through is another test's
            redaction.hide(str(error))
        told = capfd.readouterr()
        assert _PLANTED.search(told.out + told.err) is None
