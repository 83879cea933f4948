"""Processes that write the same result at the same time: how many of their writes fail?

    python -m benchmarks.rivals [--rivals 8] [--times 1000] [--kind KIND] [--json]

For each kind of result and state file, --rivals processes write it, --times times all together, in a folder
of their own. None may fail, what is there at the end is whole, and no temporary file is left.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runs import add_result_flags, finish, positive
from ferflow.data.store import read_arrays, read_csv, write_arrays, write_csv
from ferflow.files import atomic_directory, write_json
from ferflow.model.checkpoint import CheckpointStore
from ferflow.params import load_params
from ferflow.profiles import write_profile
from ferflow.tracking.outbox.journal import KILLED, Journal, Record, Value, create_journal
from ferflow.tracking.outbox.sent import Sent
from ferflow.tracking.outbox.sync import statuses

_PROFILES = Path(__file__).resolve().parents[1] / "profiles"

Write = Callable[[Path, int], None]
Check = Callable[[Path], object]


def main() -> None:
    """Write and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rivals", type=positive, default=8)
    parser.add_argument("--times", type=positive, default=1000, help="writes of each kind, all together")
    parser.add_argument("--kind", choices=list(KINDS), action="append", help="repeatable; else all")
    add_result_flags(parser)
    arguments = parser.parse_args()
    result: dict[str, Any] = {"rivals": arguments.rivals, "times": arguments.times, "failures": {}}
    for kind in arguments.kind or KINDS:
        with tempfile.TemporaryDirectory(prefix="ferflow-rivals-") as folder:
            failures = compete(kind, Path(folder), rivals=arguments.rivals, times=arguments.times)
        result["failures"][kind] = failures
        print(f"{kind}: {len(failures)} of {arguments.times} failed", *failures[:3], sep="\n  ")
    finish(result, arguments)
    sys.exit(any(result["failures"].values()))


def compete(kind: str, folder: Path, *, rivals: int, times: int) -> list[str]:
    """Have processes write one kind of result, and say what failed.

    Args:
        kind: One of `KINDS`.
        folder: An empty one.
        rivals: Number of processes.
        times: Number of writes, all together.
    """
    with multiprocessing.get_context("spawn").Pool(rivals) as pool:
        found = pool.map(partial(_try, kind, folder), range(times), chunksize=1)
    failures = [text for text in found if text]
    try:
        KINDS[kind][1](folder)
    except Exception as error:  # whatever it is, the result is not whole
        failures.append(f"at the end: {type(error).__name__}: {error}")
    return failures + [f"left: {path.name}" for path in folder.rglob("*.tmp-*")]


def _try(kind: str, folder: Path, number: int) -> str:
    try:
        KINDS[kind][0](folder, number)
    except Exception as error:  # each is counted
        return f"{type(error).__name__}: {error}"
    return ""


def _write_folder(folder: Path, number: int) -> None:
    with atomic_directory(folder / "result") as fresh:
        for name in ("a", "b"):
            (fresh / name).write_text(str(number), encoding="utf-8")


def _check_folder(folder: Path) -> None:
    texts = [(folder / "result" / name).read_text(encoding="utf-8") for name in ("a", "b")]
    if texts[0] != texts[1]:
        raise ValueError(f"of two writers: {texts}")


def _write_params(folder: Path, number: int) -> None:
    write_profile("sample", [f"seed={number}"], profiles=_PROFILES, target=folder / "params.yaml")


def _journal(folder: Path) -> Journal:
    journal = Journal(folder / ".ferflow" / "tracking" / "20260101-000000-aaaa")
    journal.folder.mkdir(parents=True, exist_ok=True)
    return journal


def _write_sent(folder: Path, number: int) -> None:
    Sent("a place", num_values=number, params=["key"] * 500).save(_journal(folder))


def _check_sent(folder: Path) -> None:
    if Sent.load(_journal(folder)) is None:
        raise ValueError("sent.json is damaged")


def _append_value(folder: Path, number: int) -> None:
    _journal(folder).append(Value(number, number, {"loss": 1.5, "accuracy": 0.5}))


def _check_values(folder: Path) -> None:
    steps = [value.step for value in _journal(folder).values()]
    if sorted(steps) != list(range(len(steps))):
        raise ValueError(f"{len(steps)} lines, and not each once")


def _save_checkpoint(folder: Path, number: int) -> None:
    CheckpointStore(folder, "f" * 16).save(number, {"model": np.full(10_000, number)}, {"epoch": number})


def _check_checkpoint(folder: Path) -> None:
    found = CheckpointStore(folder, "f" * 16).load()
    if found is None or (found[0]["model"] != found[1]["epoch"]).any():
        raise ValueError("no whole checkpoint")


def _close_killed(folder: Path, number: int) -> None:
    """A run whose process died, and eight commands that look at it at once."""
    if number % 50 == 0:
        create_journal(folder, Record(f"{number:08}", "a run", started=1000)).release()
    statuses(folder)


def _check_closed(folder: Path) -> None:
    open_runs = [status.key for status in statuses(folder) if status.state != KILLED]
    if open_runs:
        raise ValueError(f"not closed: {open_runs}")


# Kind of file to how it is written and how it is seen to be whole.
KINDS: dict[str, tuple[Write, Check]] = {
    "report": (
        lambda folder, number: write_json(folder / "metrics.json", {"number": [number] * 1000}),
        lambda folder: json.loads((folder / "metrics.json").read_text(encoding="utf-8")),
    ),
    "folder": (_write_folder, _check_folder),
    "arrays": (
        lambda folder, number: write_arrays(folder / "images.npz", {"images": np.full(10_000, number)}),
        lambda folder: read_arrays(folder / "images.npz", ("images",)),
    ),
    "index": (
        lambda folder, number: write_csv(folder / "index.csv", {"file": [str(number)] * 1000}),
        lambda folder: read_csv(folder / "index.csv", ("file",)),
    ),
    "params": (_write_params, lambda folder: load_params(folder / "params.yaml")),
    "run": (
        lambda folder, number: _journal(folder).write(Record("a", "a run", params={"number": str(number)})),
        lambda folder: _journal(folder).read(),
    ),
    "sent": (_write_sent, _check_sent),
    "values": (_append_value, _check_values),
    "checkpoint": (_save_checkpoint, _check_checkpoint),
    "killed runs": (_close_killed, _check_closed),
}


if __name__ == "__main__":
    main()
