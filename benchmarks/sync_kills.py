"""SIGKILL at random moments of `ferflow track sync`: is anything lost or doubled in the store?

    python -m benchmarks.sync_kills [--kills 100] [--seed 0] [--json]

In a folder of its own runs of three epochs and one file are sent to MLflow's embedded store by processes
that are killed at a random moment, each going on where the one before was. At the end every run is there
once, with each parameter, each value of each epoch once, and the bytes of its file. Each process is forked
from one that has loaded the libraries.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.runs import add_result_flags, errors_for_people, finish, positive
from ferflow.errors import DataError
from ferflow.tracking import names, store
from ferflow.tracking.outbox.journal import EVALUATED, Record, Value, all_journals, create_journal
from ferflow.tracking.outbox.sent import Sent, is_complete
from ferflow.tracking.outbox.sync import sync

_EPOCHS = 3
_PARAMS = {f"train.key_{number}": str(number) for number in range(20)}
_FILE = "reports/metrics.json"


def main() -> None:
    """Kill, count and print; exit code 1 if a run is another one than was written."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--kills", type=positive, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    add_result_flags(parser)
    arguments = parser.parse_args()
    for name in ("MLFLOW_TRACKING_URI", "FERFLOW_TRACKING"):
        os.environ.pop(name, None)
    with errors_for_people(), tempfile.TemporaryDirectory(prefix="ferflow-sync-kills-") as folder:
        result = measure(Path(folder), kills=arguments.kills, seed=arguments.seed)
    print(
        f"{result['kills']} kills while {result['runs']} runs were sent, {result['ended']} ends before the "
        f"kill: {len(result['faults'])} faults",
        *result["faults"][:5],
        sep="\n  ",
    )
    finish(result, arguments)
    sys.exit(bool(result["faults"]))


def measure(root: Path, *, kills: int, seed: int) -> dict[str, Any]:
    """Send runs by processes that are killed.

    Args:
        root: An empty folder.
        kills: How many.
        seed: Of the moments.

    Returns:
        Number of kills, of processes that ended before, of runs, and what is not as it was written.
    """
    import mlflow  # noqa: F401  (loaded before the processes are forked)

    _write_run(root, 0)
    _live(root, None)  # makes the database
    _write_run(root, 1)
    started = time.monotonic()
    _live(root, None)
    seconds = time.monotonic() - started
    moments = random.Random(seed)  # noqa: S311 (moments, no secrets)
    number, killed, ended = 2, 0, 0
    while killed < kills:
        if all(is_complete(journal) for journal in all_journals(root)):
            _write_run(root, number)
            number += 1
        was_killed = _live(root, moments.uniform(0, seconds))
        killed += was_killed
        ended += not was_killed
    _live(root, None)
    return {"kills": killed, "ended": ended, "runs": number, "faults": _faults(root, number)}


def _write_run(root: Path, number: int) -> None:
    record = Record(f"{number:08}", f"run {number}", started=1000 * number + 1000, params=dict(_PARAMS))
    journal = create_journal(root, record)
    for epoch in range(1, _EPOCHS + 1):
        journal.append(Value(record.started + epoch, epoch, dict.fromkeys(names.EPOCH_METRICS, 1 / epoch)))
    source = journal.folder / "metrics.json"
    source.write_text(f"{number}\n", encoding="utf-8")
    journal.keep(source, _FILE)
    record.metrics = {names.TEST_ACCURACY: 0.5}
    record.state, record.ended = EVALUATED, record.started + 10
    journal.write(record)
    journal.release()


def _live(root: Path, seconds: float | None) -> bool:
    """Send in a forked process; returns whether it was killed."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if not sync(root)[1] else 1
        finally:
            os._exit(code)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise DataError("a run could not be sent by a process that nobody killed; see above")
    return os.WIFSIGNALED(status)


def _faults(root: Path, number: int) -> list[str]:
    """What the store has too little or too much, in words."""
    client = store.client(root)
    experiment = store.experiment_id(client)
    found = client.search_runs([experiment], max_results=number + 100)
    faults = [f"{len(found)} runs, expected {number}"] if len(found) != number else []
    runs = {run.info.run_id: run for run in found}
    for journal in all_journals(root):
        sent = Sent.load(journal)
        run = None if sent is None else runs.get(sent.run_id)
        if run is None:
            faults.append(f"{journal.key}: is not there")
            continue
        held = {key: value for key, value in run.data.params.items() if key in _PARAMS}
        if held != _PARAMS or run.info.status != "FINISHED":
            faults.append(f"{journal.key}: {run.info.status} with {len(held)} parameters")
        for name in names.EPOCH_METRICS:
            history = [
                (point.step, point.value) for point in client.get_metric_history(run.info.run_id, name)
            ]
            if sorted(history) != [(epoch, 1 / epoch) for epoch in range(1, _EPOCHS + 1)]:
                faults.append(f"{journal.key}: {name} is {history}")
        path = Path(client.download_artifacts(run.info.run_id, _FILE, dst_path=str(root)))
        if path.read_text(encoding="utf-8") != f"{int(journal.key)}\n":
            faults.append(f"{journal.key}: {_FILE} is another one")
    return faults


if __name__ == "__main__":
    main()
