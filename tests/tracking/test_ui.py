"""MLflow's pages in a real browser, with three runs of real networks."""

from __future__ import annotations

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from ferflow.errors import TrackingError
from ferflow.tracking import names, ui
from ferflow.tracking.registry.aliases import rollback
from ferflow.tracking.registry.gate import Rules
from ferflow.tracking.registry.registry import register
from ferflow.tracking.store import DATABASE, experiment_id
from ferflow.tracking.store import client as store_client
from ferflow.tracking.tracked_run import newest_runs
from tests.conftest import lacks
from tests.tracking.stored_runs import store_run

# Where Debian puts it; playwright's own download is not used.
_CHROMIUM = Path("/usr/bin/chromium")
_RUNS = ("medium", "narrow", "full")
_MILLISECONDS = 60_000


@pytest.fixture(scope="module")
def root(migrated_database, tmp_path_factory) -> Path:
    """A repository's folder whose store holds three runs."""
    folder = tmp_path_factory.mktemp("ui")
    (folder / DATABASE).parent.mkdir()
    shutil.copy(migrated_database, folder / DATABASE)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        client = store_client(folder)
        for name in _RUNS:
            store_run(client, folder / "runs", name)
    return folder


class Server:
    """`ferflow ui` in a process of its own."""

    def __init__(self, root: Path) -> None:
        with socket.socket() as probe:
            probe.bind((ui.HOST, 0))
            self.port = probe.getsockname()[1]
        # Settings that would open the server to others, and must not.
        environment = os.environ | {
            "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE": "true",
            "MLFLOW_SERVER_ALLOWED_HOSTS": "*",
        }
        environment.pop("MLFLOW_TRACKING_URI", None)
        command = [sys.executable, "-m", "ferflow", "ui", "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, cwd=root, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.address = self.process.stdout.readline().split()[0]

    def status(self, host: str) -> int:
        """The answer's status to a request for the first page under a name of the host."""
        connection = http.client.HTTPConnection(ui.HOST, self.port, timeout=30)
        with closing(connection):
            connection.request("GET", "/", headers={"Host": host})
            with connection.getresponse() as response:
                return response.status

    def processes(self) -> list[int]:
        """Those that the command started, directly or not."""
        found, waiting = [], [self.process.pid]
        while waiting:
            number = waiting.pop()
            listed = Path(f"/proc/{number}/task/{number}/children").read_text(encoding="ascii")
            children = [int(child) for child in listed.split()]
            found += children
            waiting += children
        return found

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal; the exit code and what was printed to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


@pytest.fixture(scope="module")
def server(root):
    """The pages, served; ended with Ctrl-C, which leaves no process behind."""
    served = Server(root)
    yield served
    children = served.processes()
    code, errors = served.end(signal.SIGINT)
    assert (code, "Traceback" in errors) == (0, False)
    assert len(children) >= 2
    until = time.monotonic() + 20
    while any(Path(f"/proc/{child}").exists() for child in children):
        assert time.monotonic() < until, "processes of the server are left"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def page(server):
    """The table of runs in headless Chromium."""
    from playwright.sync_api import sync_playwright

    if not _CHROMIUM.is_file():
        lacks(f"{_CHROMIUM}: not found; run 'apt-get install chromium'")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(_CHROMIUM), args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 1600, "height": 900})
        opened.set_default_timeout(_MILLISECONDS)
        opened.goto(server.address)
        opened.get_by_text("3 matching runs").wait_for()
        for pane in ("Close", "Hide banner"):  # The assistant's, and the one that says that a view is shared.
            opened.get_by_role("button", name=pane, exact=True).click()
        yield opened
        browser.close()


def _keep(page, name: str) -> None:
    """Write a picture of the page where `FERFLOW_SCREENSHOTS` names a folder, as for docs/images."""
    folder = os.environ.get("FERFLOW_SCREENSHOTS")
    if folder:
        page.wait_for_timeout(2000)
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def _choose_view(page, name: str) -> None:
    page.locator(f"label:has(input[name=runs-view-mode][value={name}])").click()


@pytest.mark.slow
def test_the_table_of_runs_opens_with_the_columns_that_tell_which_is_better(page):
    for column in (names.LEAK_FREE_ACCURACY, names.TEST_ACCURACY, names.MULTIPLY_ADDS, "model.backbone"):
        page.get_by_test_id(f"sort-header-{column}").wait_for()
    # Whole, and in the order that was chosen.
    heads = page.locator("[role=columnheader] [data-testid^='sort-header-'], .ag-header-cell-text")
    cut = heads.evaluate_all(
        "heads => heads.filter((head) => head.scrollWidth > head.clientWidth).map((head) => head.textContent)"
    )
    assert cut == []
    rows = page.locator("[role=row]:has(a[href*='/runs/'])").all_inner_texts()
    assert [row.split()[-4] for row in rows if row.strip()] == ["full", "narrow", "medium"]  # Best first.
    text = page.locator("body").inner_text()
    assert "0.82142857" in text
    assert "7382464" in text
    assert "Compare runs by leak_free_accuracy" in text
    page.get_by_test_id("saved-views-trigger").filter(has_text=names.VIEW_NAME).wait_for()
    _keep(page, "mlflow-runs")


@pytest.mark.slow
def test_charts_draw_every_run_without_set_up(page):
    _choose_view(page, "CHART")
    cards = page.get_by_test_id("experiment-view-compare-runs-card")
    bars = cards.filter(has=page.get_by_text(names.LEAK_FREE_ACCURACY, exact=True))
    bars.locator(".bars .point").nth(2).wait_for()
    assert sorted(bars.locator(".bars .point text").all_text_contents()) == ["0.58", "0.80", "0.82"]
    curves = cards.filter(has=page.get_by_text("accuracy", exact=True))
    curves.locator(".scatterlayer .trace").nth(2).wait_for()
    assert curves.locator(".scatterlayer .trace").nth(0).locator(".point").count() == 20
    _keep(page, "mlflow-charts")
    _choose_view(page, "TABLE")


@pytest.mark.slow
def test_the_comparison_shows_what_differs(page):
    page.get_by_label("Select all runs").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("Comparing 3 Runs from 1 Experiment").wait_for()
    page.locator(".parcoords").first.wait_for()
    text = page.locator("body").inner_text()
    for words in ("model.widths", "train.epochs", names.LEAK_FREE_ACCURACY):
        assert words in text
    _keep(page, "mlflow-compare")


@pytest.mark.slow
def test_the_server_answers_to_this_machine_alone(server):
    assert server.status(f"{ui.HOST}:{server.port}") == 200
    assert server.status(f"localhost:{server.port}") == 200
    assert server.status("evil.example") == 403
    listening = Path("/proc/net/tcp").read_text(encoding="ascii").upper()
    port = f"{server.port:04X}"
    assert f"0100007F:{port} 00000000:0000 0A" in listening
    assert f"00000000:{port} 00000000:0000 0A" not in listening
    assert f":{port} " not in Path("/proc/net/tcp6").read_text(encoding="ascii").upper()


@pytest.mark.slow
def test_a_port_in_use_is_an_error_that_names_it(root, server):
    with pytest.raises(TrackingError, match=rf"port {server.port} of 127\.0\.0\.1 is in use"):
        ui.serve(root, port=server.port, on_ready=print)


@pytest.mark.slow
def test_a_store_on_a_server_has_pages_of_its_own(root, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{ui.HOST}:{server.port}")
    addresses = []
    ui.serve(root, port=1, on_ready=addresses.append)
    assert addresses == [server.address]


@pytest.mark.slow
def test_runs_are_registered_through_a_server(root, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://{ui.HOST}:{server.port}")
    client = store_client(root)
    found = {run.name: run for run in newest_runs(client, experiment_id(client), number=3)}
    rules = Rules(class_floor=0.0, significance=0.05, equal_margin=0.0)
    decisions = [register(client, found[name], rules) for name in ("medium", "full", "full", "narrow")]

    assert [decision.version for decision in decisions] == ["1", "2", "2", "3"]
    assert [decision.is_champion for decision in decisions] == [True, True, True, False]
    assert rollback(client).champion == "1"


def test_the_server_runs_neither_jobs_nor_pickles(monkeypatch):
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "true")
    environment = ui.server_environment("sqlite:///x.db")
    assert environment["MLFLOW_ALLOW_PICKLE_DESERIALIZATION"] == "false"
    assert environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert not any("sqlite" in part for part in ui.server_command(Path("/repository"), 1))
