"""Planted secrets are in no output and no file, whatever the server at the other end does."""

from __future__ import annotations

import gc
import os
import re
import shutil
import sys
import warnings

import click
import pytest
import typer

from ferflow import redaction
from ferflow.cli.app import main
from ferflow.profiles import write_profile
from ferflow.tracking.outbox.journal import TRAINED, Record, create_journal
from tests.conftest import REPOSITORY
from tests.misbehaving import MISBEHAVIOURS, misbehaving

# An answer that a command gave up waiting for leaves its socket to the garbage collector.
pytestmark = [
    pytest.mark.usefixtures("coarse_figures"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

# Planted are a token as a user's name, a password with all that ends one too early, an option of an
# address, a variable of the environment, and what the server shows when it sends the client elsewhere.
_PLANTED = re.compile(
    "Tok3n-planted|Pass[/%]|w#rd|rd[?]planted|w%23rd|Opt1on-planted|Red1rect-Secret|V4riable-planted|F1le-planted"
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
# Every other command of `ferflow`: an address stands where people may put one.
_OTHER_COMMANDS = {
    "predict": ("predict", "{url}/photo.jpg"),
    "predict of a video": ("predict", "{url}/clip.mp4", "--json"),
    "explain": ("explain", "{url}/photo.jpg"),
    "ui": ("ui",),
    "runs": ("runs",),
    "watch": ("watch", "--once"),
    "serve": ("serve", "--export", "{url}"),
    "app": ("app", "--export", "{url}"),
    "models": ("models", "--export", "{url}"),
    "insight": ("insight", "--model", "{url}"),
    "ensemble": ("ensemble", "{url}", "{url}"),
    "download": ("download",),
    "face-filter": ("face-filter",),
    "split": ("split",),
    "train": ("train",),
    "evaluate": ("evaluate",),
    "evaluate of a folder": ("evaluate", "--data", "{url}"),
    "inspect": ("inspect", "{url}"),
    "compare of files": ("compare", "{url}", "{url}"),
    "summary": ("summary",),
    "profile": ("profile", "sample", "--set", "download.path={url}"),
    "model summary": ("model", "summary"),
}
# What asks the cluster, with the ways of being let in.
_PIPELINES = {
    "compile": ("compile", "--output", "compiled"),
    "submit": ("submit", "training"),
    "submit a sweep": ("submit", "sweep"),
    "status": ("status",),
    "status of a run": ("status", "f0000000-0000-4000-8000-000000000000"),
    "retry": ("retry", "f0000000-0000-4000-8000-000000000000"),
    "logs": ("logs", "f0000000-0000-4000-8000-000000000000"),
    "schedules": ("schedules",),
}
_LET_IN = {
    "token": "authentication: token",
    "cookie": "authentication: cookie",
    "headers": "authentication: headers",
    "service_account": "authentication: service_account",
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
_LITTLE = ("download.sample_images=140", "train.epochs=2", "model.widths=[4]", "model.depths=[1]")
_PLAIN = "http://me:Pass%2Fw%23rd%3Fplanted@127.0.0.1:{port}"


@pytest.fixture(scope="module")
def server():
    with misbehaving() as running:
        yield running
    with warnings.catch_warnings(action="ignore"):
        gc.collect()  # Here, not in a test of another module.


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with one run that waits to be sent, in which the stages have little to do."""
    root = tmp_path_factory.mktemp("project")
    (root / "profiles").symlink_to(REPOSITORY / "profiles")
    write_profile("sample", _LITTLE, profiles=root / "profiles", target=root / "params.yaml")
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

    def run(command: tuple[str, ...], address: str, *, entry=main) -> tuple[object, str]:
        url = address.format(port=server.port)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
        monkeypatch.setattr(sys, "argv", ["ferflow", *(word.format(url=url) for word in command)])
        with pytest.raises(SystemExit) as ended:
            entry()
        printed = capfd.readouterr()
        written = "".join(
            path.read_text(encoding="utf-8", errors="replace")
            for path in project.rglob("*")
            if path.is_file() and not path.is_symlink() and path.name != "token"  # which holds one
        )
        shutil.rmtree(project / ".ferflow" / "errors", ignore_errors=True)
        return ended.value.code, f"{printed.out}\n{printed.err}\n{written}"

    return run


@pytest.fixture
def pipelines(server, project, ferflow, monkeypatch):
    """Run a command of the pipelines with one way of being let in; returns as `ferflow` does."""
    from pipelines.cli import main as entry
    from pipelines.settings import CONFIG

    for name in ("KFP_TOKEN", "KFP_COOKIE", "IAP_HEADER"):
        monkeypatch.setenv(name, "V4riable-planted-0123")

    def run(command: tuple[str, ...], let_in: str) -> tuple[object, str]:
        text = CONFIG.read_text(encoding="utf-8")
        for before, after in (
            ("http://localhost:8080", f"http://127.0.0.1:{server.port}"),
            ("authentication: none", _LET_IN[let_in]),
            ("headers: {}", "headers: {Proxy-Authorization: IAP_HEADER}"),
            ("/var/run/secrets/kubeflow/pipelines/token", str(project / "token")),
        ):
            assert before in text
            text = text.replace(before, after, 1)
        (project / "cluster.yaml").write_text(text, encoding="utf-8")
        (project / "token").write_text("F1le-planted-0123\n", encoding="utf-8")
        return ferflow((*command, "--config", "cluster.yaml"), _PLAIN, entry=entry)

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


@pytest.mark.parametrize("name", _OTHER_COMMANDS)
def test_no_other_command_shows_a_secret(name, server, ferflow):
    server.mode = "it fails and shows the request"
    _check(*ferflow(_OTHER_COMMANDS[name], _PLAIN))


@pytest.mark.parametrize("name", _PIPELINES)
def test_no_command_of_the_pipelines_shows_a_secret(name, server, pipelines):
    before = server.num_asked
    for mode, let_in in zip(("it fails and shows the request", "no JSON"), ("token", "headers"), strict=True):
        server.mode = mode
        _check(*pipelines(_PIPELINES[name], let_in))
    assert name == "compile" or server.num_asked > before


# Every ninth: one mode takes up to a minute of processor time. FERFLOW_ALL_MISBEHAVIOURS=1 tries all of them.
@pytest.mark.slow
@pytest.mark.parametrize(
    "mode", list(MISBEHAVIOURS)[:: 1 if os.environ.get("FERFLOW_ALL_MISBEHAVIOURS") else 9]
)
def test_no_command_shows_a_secret_however_the_server_misbehaves(mode, server, ferflow, pipelines):
    server.mode = mode
    for command in (*_COMMANDS.values(), *_OTHER_COMMANDS.values()):
        _check(*ferflow(command, _PLAIN))
    for number, command in enumerate(_PIPELINES.values()):
        _check(*pipelines(command, list(_LET_IN)[number % len(_LET_IN)]))


def test_every_command_is_among_them():
    from ferflow.cli.app import app
    from pipelines.cli import app as cluster

    def names(group, *above):
        context = click.Context(group)
        for name in group.list_commands(context):
            command = group.get_command(context, name)
            if hasattr(command, "list_commands"):
                yield from names(command, *above, name)
            else:
                yield " ".join([*above, name])

    def untried(typed, commands):
        tried = [f"{' '.join(command)} " for command in commands]
        every = set(names(typer.main.get_command(typed)))
        assert len(every) > 5
        return {name for name in every if not any(text.startswith(f"{name} ") for text in tried)}

    # `pipeline` is `pipelines` under another name; a run here takes no address, and its stages are tried.
    assert untried(app, (*_COMMANDS.values(), *_OTHER_COMMANDS.values())) == {"pipeline"}
    assert untried(cluster, _PIPELINES.values()) == {"run"}


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
