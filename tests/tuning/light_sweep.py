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
from ferflow.locks import is_held
from ferflow.params import check_params, read_yaml
from ferflow.tuning.storage import parse_address
from ferflow.tuning.study import Budget
from ferflow.tuning.sweep import Plan, run
from tests.conftest import REPOSITORY
from tests.tuning import light_training

STUDY = "light"

_HELD = f"tuning/trials/*/*/{light_training.HELD}"
_SECONDS = 120  # Enough on any machine: no test waits for it.


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
    """A light sweep as a process of a session of its own.

    Args:
        folder: Of storage, workers and trials.
        is_held: Whether its trials stop in the middle until `release`, so that a death finds them there
            however slow the machine is.
        settings: Of `light_plan`.
    """

    def __init__(self, folder: Path, *, is_held: bool = False, **settings: Any) -> None:
        self.folder = folder
        self._jobs = settings.get("jobs", 2)
        self._killed: set[int] = set()
        for path in folder.glob(_HELD):
            path.unlink()
        if is_held:
            (folder / light_training.HOLD).touch()
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.tuning.light_sweep", json.dumps([str(folder), settings])],
            cwd=REPOSITORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def workers(self) -> list[str]:
        """Names of the workers that are there: their processes hold their locks."""
        return [path.stem for path in (self.folder / "tuning" / "workers").glob("*.lock") if is_held(path)]

    def wait_until_held(self) -> list[int]:
        """Wait until each worker's trial is held; those that were killed count no more.

        Returns:
            Numbers of the processes of the workers.
        """
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            held = {int(path.read_text()) for path in self.folder.glob(_HELD)} - self._killed
            if len(held) == self._jobs:
                return sorted(held)
            time.sleep(0.02)
        raise AssertionError(f"no {self._jobs} trials are held in time: {self._process.poll()}")

    def release(self) -> None:
        """Let the trials go on."""
        (self.folder / light_training.HOLD).unlink()

    def kill_workers(self, *workers: int) -> None:
        """SIGKILL for workers; their trials end by themselves."""
        self._killed.update(workers)
        for worker in workers:
            os.kill(worker, signal.SIGKILL)

    def kill(self) -> None:
        """SIGKILL for the sweep, its workers and their trials, all at once; then let trials go on."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.communicate()
        (self.folder / light_training.HOLD).unlink(missing_ok=True)

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the command alone."""
        self._process.send_signal(number)

    def end(self) -> tuple[int, dict[str, Any], str]:
        """Wait for its end; returns exit code, summary and what it said."""
        output, errors = self._process.communicate(timeout=_SECONDS)
        lines = output.splitlines()
        return self._process.returncode, json.loads(lines[-1]) if lines else {}, errors


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
