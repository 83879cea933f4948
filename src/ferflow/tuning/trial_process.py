"""One trial in a process of its own, so that its memory is given back, whatever it does.

The process tells its parent of each epoch and waits for the answer; when the parent is gone, it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import connection
from pathlib import Path
from typing import Any

from ferflow.errors import FerflowError
from ferflow.locks import stage_lock
from ferflow.params import Params

# Trains with the parameters, keeps its checkpoints in the folder, calls back with the row of each epoch,
# and returns the best validation accuracy.
Train = Callable[[Params, Path, Callable[[dict[str, float]], None]], float]
# Is told an epoch, counted from 1, and its validation accuracy; answers whether to go on.
Report = Callable[[int, float], bool]

CHECKPOINTS = "checkpoints"

_SECONDS_BETWEEN_LOOKS = 0.5
_SECONDS_TO_END = 10
_EXIT_ORPHANED = 3


class Pruned(Exception):  # noqa: N818
    """The trial need not go on."""


class Interrupted(Exception):  # noqa: N818
    """The trial was ended from outside and can go on from its last epoch.

    Args:
        reason: In words.
    """


@dataclass(frozen=True)
class Task:
    """A trial that is to be run.

    Attributes:
        params: What it trains with.
        folder: The folder of its checkpoints and its log.
        train: The training function.
    """

    params: Params
    folder: Path
    train: Train

    @property
    def checkpoints(self) -> Path:
        """The folder of the checkpoints; of no use once the trial is over."""
        return self.folder / CHECKPOINTS


def run_here(task: Task, report: Report) -> float:
    """Run a trial in this process.

    Returns:
        The best validation accuracy.

    Raises:
        Pruned: The report answered so.
        FerflowError: The training failed.
    """

    def on_epoch(row: dict[str, float]) -> None:
        if not report(int(row["epoch"]), row["val_accuracy"]):
            raise Pruned

    return task.train(task.params, task.checkpoints, on_epoch)


def run_in_process(task: Task, report: Report, should_stop: Callable[[], bool]) -> float:
    """Run a trial in a process of its own.

    Args:
        task: What is run.
        report: Is told each epoch.
        should_stop: Is asked again and again; the trial is interrupted when it returns True.

    Returns:
        The best validation accuracy.

    Raises:
        Pruned: The report answered so.
        Interrupted: It was stopped, or the process was killed.
        FerflowError: The training failed.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_main, args=(task, there), name="ferflow-trial")
    process.start()
    there.close()
    try:
        return _listen(process, here, report, should_stop)
    finally:
        _end(process)
        here.close()


def _listen(process: Any, pipe: Any, report: Report, should_stop: Callable[[], bool]) -> float:
    while True:
        if should_stop():
            raise Interrupted("the sweep was stopped")
        if not connection.wait([pipe, process.sentinel], timeout=_SECONDS_BETWEEN_LOOKS):
            continue
        try:
            message: dict[str, Any] = pipe.recv()
        except (EOFError, ConnectionResetError):
            raise Interrupted(_death(process)) from None
        if "value" in message:
            return float(message["value"])
        if "error" in message:
            raise FerflowError(message["error"])
        goes_on = report(message["epoch"], message["accuracy"])
        pipe.send(goes_on)
        if not goes_on:
            raise Pruned


def _end(process: Any) -> None:
    if process.is_alive():
        process.terminate()
    process.join(_SECONDS_TO_END)
    if process.is_alive():
        process.kill()
        process.join()


def _death(process: Any) -> str:
    process.join(_SECONDS_TO_END)
    code = process.exitcode or 0
    if code == -signal.SIGKILL:
        return "its process was ended by SIGKILL: out of memory, or by hand"
    if code < 0:
        return f"its process was ended by {signal.Signals(-code).name}"
    return f"its process ended with exit code {code}"


def _main(task: Task, pipe: Any) -> None:
    """Main of the process: train, and tell the parent."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    log = _log_to(task.folder)

    def report(epoch: int, accuracy: float) -> bool:
        pipe.send({"epoch": epoch, "accuracy": accuracy})
        return bool(pipe.recv())

    try:
        # The process of an earlier attempt may still be writing its last checkpoint.
        with stage_lock("trial", directory=task.folder):
            pipe.send({"value": run_here(task, report)})
    except Pruned:
        pass
    except FerflowError as error:
        pipe.send({"error": str(error)})
    except MemoryError:
        pipe.send({"error": "memory is exhausted; lower train.batch_size or model.image_size"})
    except Exception as error:
        traceback.print_exc()
        lines = str(error).strip().splitlines() or [""]
        pipe.send({"error": f"{type(error).__name__}: {lines[0]} (see {log})"})


def _end_with_parent() -> None:
    """Wait until the parent is gone; then end at once: the last whole epoch is kept."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(_EXIT_ORPHANED)


def _log_to(folder: Path) -> Path:
    """Have all output of this process go to a file: the terminal belongs to the sweep."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "log.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    os.close(descriptor)
    return path
