"""Runs without a network or TensorFlow: what a worker of the tests writes and sends.

`python -m tests.tracking.light_runs ROOT WORKERS NUMBER` has workers write and send so many runs each, all at
once: forks of one process, as it takes longer to load MLflow than to send a dozen of runs.
"""

from __future__ import annotations

import multiprocessing
import sys
from pathlib import Path

from ferflow import heavy
from ferflow.tracking import names
from ferflow.tracking.outbox.journal import (
    EVALUATED,
    Journal,
    Record,
    Subset,
    Value,
    create_journal,
    new_key,
    now,
)
from ferflow.tracking.outbox.sent import Budget
from ferflow.tracking.outbox.upload import send

EPOCHS = 5


def light_run(root: Path, name: str, *, epochs: int = EPOCHS) -> Journal:
    """A journal of a run that ended, with values, figures, data sets and a file."""
    began = now()
    record = Record(
        new_key(),
        name,
        started=began,
        params={f"train.key_{number}": str(number) for number in range(20)},
        tags={names.TAG_PROFILE: "test"},
        description="a run of the tests",
    )
    journal = create_journal(root, record)
    for epoch in range(1, epochs + 1):
        values = dict.fromkeys(names.EPOCH_METRICS, 1 / epoch)
        journal.append(Value(began + epoch, epoch, values))
    source = journal.folder / "metrics.json"
    source.write_text("{}\n")
    journal.keep(source, names.METRICS)
    record.metrics = {names.TEST_ACCURACY: 0.5, names.LEAK_FREE_ACCURACY: 0.25}
    record.subsets = [Subset("test", "data/split/test.npz", "ab" * 32, 7)]
    record.run = "cd" * 32
    record.state, record.ended = EVALUATED, began + epochs + 1
    journal.write(record)
    journal.release()
    return journal


def work(root: Path, worker: int, number: int) -> None:
    """Write and send runs, one after the other."""
    for index in range(number):
        send(root, light_run(root, f"worker {worker} run {index}"), Budget())


def main(root: Path, num_workers: int, number: int) -> None:
    """Have workers work at the same time; ends with an error where one does."""
    _ = heavy.mlflow
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=(root, worker, number)) for worker in range(num_workers)]
    for process in workers:
        process.start()
    for process in workers:
        process.join()
    codes = [process.exitcode for process in workers]
    if any(codes):
        sys.exit(f"workers ended with {codes}")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
