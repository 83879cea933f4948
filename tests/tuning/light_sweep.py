"""A sweep of light trials as a command, for tests that kill it: `python -m tests.tuning.light_sweep JSON`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ferflow.errors import FerflowError
from ferflow.params import check_params, read_yaml
from ferflow.tuning.storage import parse_address
from ferflow.tuning.study import Budget
from ferflow.tuning.sweep import Plan, run
from tests.conftest import REPOSITORY
from tests.tuning import light_training

STUDY = "light"


def light_plan(
    folder: Path,
    *,
    trials: int = 4,
    jobs: int = 2,
    epochs: int = 9,
    storage: str = "studies.db",
    train: str = "train_slowly",
    is_isolated: bool = True,
    tune: dict[str, Any] | None = None,
    **changes: Any,
) -> Plan:
    """The plan of a light sweep in a folder.

    Args:
        folder: Of storage, workers and trials.
        trials: Budget.
        jobs: Trials at the same time.
        epochs: Of a trial.
        storage: A URL, or the name of a file in the folder.
        train: Name of a function of `light_training`.
        is_isolated: Whether each trial has a process of its own.
        tune: Changes of section `tune`.
        changes: Changes of the plan.
    """
    values = read_yaml(REPOSITORY / "params.yaml")
    values["train"]["epochs"] = epochs
    values["tune"] |= {"pruner": "none", "pruner_epochs": 2} | (tune or {})
    content: dict[str, Any] = {
        "params": check_params(values, origin="params.yaml"),
        "origin": "params.yaml",
        "train": getattr(light_training, train),
        "identity": {"data": "a"},
        "address": parse_address(storage if "://" in storage else str(folder / storage)),
        "budget": Budget(trials),
        "jobs": jobs,
        "study": STUDY,
        "folder": folder / "tuning",
        "is_isolated": is_isolated,
    }
    return Plan(**{**content, **changes})


class LightSweep:
    """A light sweep as a process of a session of its own."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        # Long enough for two trials to meet, though one may start seconds after the other.
        settings = {"epochs": 20, **settings}
        self.folder = folder
        self._jobs = settings.get("jobs", 2)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tuning.light_sweep", json.dumps([str(folder), settings])],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def workers(self) -> list[int]:
        """Numbers of the processes of the workers that are there."""
        texts = [path.read_text() for path in (self.folder / "tuning" / "workers").glob("*.lock")]
        return [int(text) for text in texts if text and Path(f"/proc/{text}").exists()]

    def wait_for_epochs(self, number: int) -> None:
        """Wait until as many trials as there are jobs have so many epochs and are not over."""
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and self._process.poll() is None:
            paths = self.folder.glob("tuning/trials/*/*/*/epochs.txt")
            if sum(_read_epochs(path) >= number for path in paths) == self._jobs == len(self.workers()):
                return
            time.sleep(0.02)
        raise AssertionError(f"no {number} epochs in time: {self._process.poll()}")

    def kill(self) -> None:
        """SIGKILL for the sweep, its workers and their trials, all at once."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        self._process.send_signal(number)

    def end(self) -> tuple[int, dict[str, Any], str]:
        """Wait for its end; returns exit code, summary and what it said."""
        output, errors = self._process.communicate(timeout=90)
        lines = output.splitlines()
        return self._process.returncode, json.loads(lines[-1]) if lines else {}, errors


def _read_epochs(path: Path) -> int:
    try:
        return int(path.read_text())
    except FileNotFoundError:  # The trial is over.
        return 0


def main() -> None:
    """Run the sweep that the argument describes; the last line is its summary."""
    folder, settings = json.loads(sys.argv[1])
    try:
        summary, _ = run(light_plan(Path(folder), **settings))
    except FerflowError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(json.dumps(summary.to_json()) + "\n")
    sys.exit(128 + signal.Signals[summary.ended_by] if summary.ended_by.startswith("SIG") else 0)


if __name__ == "__main__":
    main()
