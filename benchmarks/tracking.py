"""What tracking costs a training: seconds of the processor, and seconds that an epoch waits.

    python -m benchmarks.tracking [--epochs 32] [--epoch-seconds 75]

A training that only sleeps is recorded, in a temporary folder with arrays of the size of FER-2013 and an
embedded store: what the processor did in between is tracking's. Then that is put against a training of
profile `cpu`: some 40 minutes on two cores that nothing else uses (docs/results/cpu.md).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from ferflow import paths
from ferflow.data.store import write_arrays, write_csv
from ferflow.files import write_json
from ferflow.labels import EMOTIONS
from ferflow.profiles import load_profile
from ferflow.tracking import names
from ferflow.tracking.outbox.recording import recorded_training
from ferflow.tracking.outbox.system import cpu_times, cpu_use, memory_use

_PROFILES = Path(__file__).resolve().parents[1] / "profiles"
_NUM_IMAGES = {"train": 28_709, "val": 3_589, "test": 3_589}


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--epochs", type=int, default=32, help="of the training that is compared with")
    parser.add_argument("--epoch-seconds", type=float, default=75.0, help="that one of them takes")
    parser.add_argument("--recorded", type=int, default=10, help="epochs that are recorded here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        measured = measure(Path(name), arguments.recorded)
    print(json.dumps({**measured, "share": share(measured, arguments.epochs, arguments.epoch_seconds)}))


def share(measured: dict[str, float], epochs: int, epoch_seconds: float) -> float:
    """What tracking takes of a training, 0-1.

    Args:
        measured: As `measure` gives it.
        epochs: Of the training.
        epoch_seconds: That one of them takes.
    """
    training = epochs * epoch_seconds
    # The pauses between samples grow with time: 200 samples in 400 seconds, then one in each 0.5 % more.
    samples = 200 + 200 * float(np.log(max(training / 400, 1)))
    cost = (
        measured["once_seconds"] + epochs * measured["epoch_seconds"] + samples * measured["sample_seconds"]
    )
    return cost / training


def measure(root: Path, epochs: int, *, pause: float = 3.0) -> dict[str, float]:
    """Record a training that sleeps.

    Args:
        root: An empty folder, or one with an embedded store.
        epochs: How many of them.
        pause: Seconds of sleep after each.

    Returns:
        Seconds of the processor: `once_seconds` for what happens once (beginning, loading MLflow, making
        the store, the end), `epoch_seconds` for each epoch, `sample_seconds` for each sample; and
        `longest_wait`, the seconds that the slowest call after an epoch took.
    """
    for subset, number in _NUM_IMAGES.items():
        images = np.zeros((number, 48, 48), np.uint8)
        labels = np.arange(number, dtype=np.uint8) % len(EMOTIONS)
        write_arrays(root / paths.SPLIT / f"{subset}.npz", {"images": images, "labels": labels})
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    write_csv(root / paths.REPORTS / "history.csv", {name: [] for name in ("epoch", *names.EPOCH_METRICS)})
    report = {"run": "", "model_sha256": "", "backend": "", "params": {}, "val_accuracy": 0.5}
    report |= {"best_epoch": 1, "epochs_run": epochs, "parameters": {"total": 1}}
    write_json(root / paths.REPORTS / "train.json", report)
    waits, spent = [], [time.process_time()]
    with recorded_training(root, load_profile("cpu", profiles=_PROFILES)) as on_epoch:
        for epoch in range(1, epochs + 1):
            began = time.perf_counter()
            on_epoch({"epoch": epoch, **dict.fromkeys(names.EPOCH_METRICS, 1 / epoch)})
            waits.append(time.perf_counter() - began)
            time.sleep(pause)
            spent.append(time.process_time())
    total = time.process_time() - spent[0]
    # The first epochs pay for MLflow and the store.
    per_epoch = float(np.median(np.diff(spent)))
    return {
        "once_seconds": total - epochs * per_epoch,
        "epoch_seconds": per_epoch,
        "sample_seconds": _sample_seconds(),
        "longest_wait": max(waits),
    }


def _sample_seconds(number: int = 200) -> float:
    began = time.process_time()
    for _ in range(number):
        before = cpu_times()
        cpu_use(before, cpu_times())
        memory_use()
    return (time.process_time() - began) / number


if __name__ == "__main__":
    main()
