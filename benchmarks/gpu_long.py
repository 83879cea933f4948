"""One run on a lent GPU: timings of two networks, then both trained until a deadline, scored and packed.

    bash benchmarks/gpu_run.sh                  # all of it; see there
    python -m benchmarks.gpu_long probe compact --split SPLIT --work WORK
    python -m benchmarks.gpu_long train compact --split SPLIT --work WORK --until 1795709000

`train` is the train stage's `train_network` with the rate of `benchmarks.gpu_training.ScheduleByTime`.
`history.csv` holds each epoch's rate.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.gpu_training import (
    ScheduleByTime,
    pack_folders,
    score_views,
    train_by_time,
    twelve_views,
    weights_of,
    write_history,
    write_in_parts,
)
from benchmarks.runs import profile_params
from ferflow.data.subsets import LabelledImages, load_subset
from ferflow.params import Params
from ferflow.progress import say

# Of profile best, without mixup, which cost 1.5 points at this length (docs/results/h100.md).
RECIPE = ["train.batch_size=128", "train.learning_rate=0.1", "augment.erasing=0.25", "augment.mixup=0.0"]
_COMPACT = [
    "model.backbone=resnet_v2",
    "model.widths=[32,64,128,256]",
    "model.depths=[2,2,2,2]",
    "model.dropout_head=0.2",
    "train.epochs=300",
]
JOBS = {
    "compact": [*RECIPE, *_COMPACT],
    "compact-2": [*RECIPE, *_COMPACT, "seed=20132"],
    "resnet50v2": [*RECIPE, "model.dropout_head=0.3", "train.epochs=100"],
}
_REDUCED = ["train.batch_size=32", "train.epochs=3", "model.image_size=32"]
_REDUCED_IMAGES = 300  # Of each subset, from all classes.
_SMALL = ["model.backbone=resnet_v2", "model.widths=[4,8]", "model.depths=[1,1]"]
_WHOLE = "epoch a call"
# Rounded, of an earlier run of `benchmarks.trainers.step_flops` at 48 px: to trace a network again takes
# a GPU's time.
_FLOPS_OF_AN_IMAGE = {"compact": 1.7e9, "resnet50v2": 17.0e9}
_SCORING_SECONDS = 45.0  # Of compiling twelve views and running them, for ResNet50V2.
_SHORTEST_SECONDS = 100.0  # A second run that would have less is not begun.


def main() -> None:
    """Probe or train; figures go to the work folder, results to $OUT."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("task", choices=("probe", "train"))
    parser.add_argument("jobs", nargs="+", choices=sorted(JOBS), help="one after the other")
    parser.add_argument("--split", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--until", type=float, default=0, help="train: the end, in seconds since 1970")
    parser.add_argument(
        "--others", type=int, default=0, help="probe: how many others compile at the same time"
    )
    parser.add_argument("--reduced", action="store_true", help="tiny networks and few images: a trial")
    arguments = parser.parse_args()
    os.environ.setdefault("KERAS_BACKEND", "jax")
    for place, name in enumerate(arguments.jobs):
        folder = arguments.work / name
        folder.mkdir(parents=True, exist_ok=True)
        params = job_params(name, reduced=arguments.reduced)
        data = load_data(arguments.split, reduced=arguments.reduced)
        if arguments.task == "probe":
            probe(name, folder, params, data, others=arguments.others)
            continue
        left = arguments.until - time.time()
        if place and left < _SHORTEST_SECONDS * (not arguments.reduced):
            say(f"[{name}] not begun: {left:.0f} s left")
            continue
        train(name, folder, params, data, until=arguments.until)


def job_params(name: str, *, reduced: bool = False) -> Params:
    """Parameters of a job: profile best with its changes. The rate is set by `train`, hence `plateau`."""
    changes = [*JOBS[name], "train.schedule=plateau", "train.plateau_patience=100000"]
    if reduced:
        changes += [*_REDUCED, *_SMALL]
    return profile_params("best", changes)


def load_data(split: Path, *, reduced: bool = False) -> dict[str, Any]:
    """The subsets, which test images have a copy elsewhere, and which rows of its file `train` has."""
    from ferflow.data.store import read_arrays

    data: dict[str, Any] = {name: load_subset(split / f"{name}.npz") for name in ("train", "val", "test")}
    data["leaked"] = read_arrays(split / "test.npz", ("leaked",))["leaked"]
    rows = {
        name: np.linspace(0, len(data[name].labels) - 1, _REDUCED_IMAGES).astype(int)
        if reduced
        else np.arange(len(data[name].labels))
        for name in ("train", "val", "test")
    }
    for name, chosen in rows.items():
        data[name] = LabelledImages(data[name].images[chosen], data[name].labels[chosen])
    return {**data, "leaked": data["leaked"][rows["test"]], "training_rows": rows["train"]}


def probe(name: str, folder: Path, params: Params, data: dict[str, Any], *, others: int) -> None:
    """Time the bare step, `fit`, and whole epochs, alone on the GPU; writes probe.json.

    Args:
        name: Of the job.
        folder: Of its results.
        params: Of the job.
        data: Of `load_data`.
        others: Processes that compile at the same time; nothing is timed before they are done, too.
    """
    from benchmarks.trainers import bare_step
    from ferflow.model.backend import set_up_process
    from ferflow.model.network import build_network
    from ferflow.model.training import build_epochs, build_trainer

    started = time.time()
    batch_size = params.train.batch_size
    num_steps = -(-len(data["train"].images) // batch_size)
    set_up_process(params.seed, params.train.precision)
    network = build_network(params.model)
    trainer = build_trainer(network, params, num_images=len(data["train"].images))
    ways = {_WHOLE: params}
    if name != "resnet50v2":  # Each way is compiled, ResNet50V2 for half a minute.
        ways |= {"25 steps a call": with_steps(params, 25), "a step a call": with_steps(params, 1)}
    epochs = {way: build_epochs(trainer, network, data["train"], its) for way, its in ways.items()}
    batch = LabelledImages(data["train"].images[:batch_size], data["train"].labels[:batch_size])
    take_bare = bare_step(trainer, batch)
    take_bare(2)
    for its in epochs.values():
        its.fit(0, lambda _: None)
    epochs[_WHOLE].predict(data["val"].images)
    say(f"[{name}] compiled in {time.time() - started:.0f} s")
    (folder.parent / f"{name}.compiled").touch()
    while len(list(folder.parent.glob("*.compiled"))) <= others:
        time.sleep(0.2)
    times: dict[str, list[float]] = {}
    with (folder.parent / "probe.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for turn in (1, 2):
            _time(times, "bare step", partial(take_bare, num_steps))
            for way, its in epochs.items():
                _time(times, f"fit, {way}", partial(its.fit, turn, lambda _: None))
            _time(times, "validation", partial(epochs[_WHOLE].predict, data["val"].images))
        times["whole epoch"] = whole_epochs(trainer, network, epochs[_WHOLE], params, folder, data["val"])
    report = probe_report(name, params, times, num_steps=num_steps)
    (folder / "probe.json").write_text(json.dumps(report, indent=1))
    say(f"[{name}] probe {json.dumps(report)}")


def probe_report(
    name: str, params: Params, times: dict[str, list[float]], *, num_steps: int
) -> dict[str, Any]:
    """Medians of the times, and what they mean."""
    import jax

    from benchmarks.gpu import peak_of
    from benchmarks.trainers import peak_mib
    from ferflow.model.backend import dtype_policy

    medians = {key: float(np.median(values)) for key, values in times.items()}
    device = jax.devices()[0].device_kind
    peak = peak_of(device, dtype_policy(params.train.precision))
    flops = _FLOPS_OF_AN_IMAGE[name] * params.train.batch_size * num_steps
    return {
        "job": name,
        "device": device,
        "steps": num_steps,
        "batch_size": params.train.batch_size,
        "seconds_of_an_epoch": {key: round(value, 4) for key, value in medians.items()},
        "turns": {key: [round(value, 4) for value in values] for key, values in times.items()},
        "fit_to_bare_step": round(medians["bare step"] / medians[f"fit, {_WHOLE}"], 4),
        "mfu": {key: round(flops / medians[key] / peak, 4) for key in medians} if peak else None,
        "peak_mib": peak_mib(),
    }


def with_steps(params: Params, number: int) -> Params:
    """Parameters with another `train.steps_per_dispatch`."""
    return params.model_copy(update={"train": params.train.model_copy(update={"steps_per_dispatch": number})})


def _time(times: dict[str, list[float]], key: str, call: Any) -> None:
    started = time.perf_counter()
    call()
    times.setdefault(key, []).append(time.perf_counter() - started)


def whole_epochs(
    trainer: Any, network: Any, epochs: Any, params: Params, folder: Path, validation: LabelledImages
) -> list[float]:
    """Seconds of three epochs as in `train_network`: fit, validation, checkpoint beside the next one."""
    from ferflow.model.checkpoint import CheckpointStore, CheckpointWriter, variables_to_arrays
    from ferflow.model.state import TrainingState
    from ferflow.model.training import StepProgress, fit_epoch, save_epoch, validate_epoch

    state, progress, seconds = TrainingState(), StepProgress(1), []
    best = variables_to_arrays("best", network.weights)
    with CheckpointWriter(CheckpointStore(folder / "probe", "probe")) as writer:
        for epoch in range(4):
            started = time.perf_counter()
            row = fit_epoch(epochs, params=params, epoch=epoch, progress=progress)
            if state.advance({"epoch": epoch + 1, **row, **validate_epoch(epochs, validation)}):
                best = variables_to_arrays("best", network.weights)
            save_epoch(state, trainer, best, writer)
            seconds.append(time.perf_counter() - started)
    progress.close()
    return seconds[1:]  # The first one has no checkpoint beside it.


def train(name: str, folder: Path, params: Params, data: dict[str, Any], *, until: float) -> None:
    """Train until the schedule is through, score the validation and test images, pack the results."""
    from ferflow.model.backend import backend_version

    schedule = ScheduleByTime(name, params, until=until, scoring_seconds=_SCORING_SECONDS)
    done = train_by_time(name, params, data["train"], data["val"], folder=folder, schedule=schedule)
    weights, trained = weights_of(done.network), time.time()
    write_history(folder / "history.csv", done.rows)
    pack(name, folder, weights, 1.0)  # In case that the time ends while it is scored.
    views = twelve_views(done.network, np.concatenate([data["val"].images, data["test"].images]))
    figures = score_views(name, views, data)
    report = {
        "job": name,
        "changes": JOBS[name],
        "params": params.model_dump(include={"seed", "model", "augment", "train"}),
        "backend": backend_version(),
        "schedule": "half cosine by epoch and time, warm-up 4 epochs; rates in history.csv",
        "epochs_run": len(done.rows),
        "best_epoch": done.best_epoch,
        "val_accuracy": done.best_accuracy,
        "seconds": {"training": round(done.seconds, 1), "scoring": round(time.time() - trained, 1)},
        "views": figures,
    }
    (folder / "train.json").write_text(json.dumps(report, indent=1))
    np.savez(folder / "probabilities.npz", views=views.astype(np.float16))
    pack(name, folder, weights, max(figure["val"] for figure in figures.values()))


def pack(name: str, folder: Path, weights: bytes, val_accuracy: float) -> None:
    """Put the results into $OUT: one tar file, and the weights, if validation likes them."""
    output = Path(os.environ.get("OUT", folder))
    files = ("train.json", "probe.json", "history.csv", "probabilities.npz")
    pack_folders(output / f"{name}.tar", [folder], files, lock=folder / "pack.lock")
    if name != "resnet50v2" or val_accuracy > _STORED_RESNET50V2:
        write_in_parts(output / f"{name}.f16", weights)
    else:
        for part in output.glob(f"{name}.f16.*"):
            part.unlink()
    say(f"[{name}] packed")


# Best validation accuracy of the ResNet50V2 that there is already: weights that are no better stay.
_STORED_RESNET50V2 = 0.6923


if __name__ == "__main__":
    main()
