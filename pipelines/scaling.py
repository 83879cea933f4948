"""What training and sweep take and cost, from images a second: `python -m pipelines.scaling`."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ferflow.errors import FerflowError
from ferflow.params import Params
from ferflow.profiles import load_profile
from ferflow.progress import say

# FER-2013's training folder; the validation share is taken from it.
_TRAINING_IMAGES = 28_709
_WORKERS = (1, 8, 64)
_SLOWEST = 0.001  # Images a second.


@dataclass(frozen=True)
class Speed:
    """What one device does.

    Attributes:
        train: Images a second that are fitted.
        predict: Images a second that are scored.
        start: Seconds from a pod's start to its first step.
        price: Of an hour.
    """

    train: float
    predict: float
    start: float
    price: float


@dataclass(frozen=True)
class Estimate:
    """What a job takes.

    Attributes:
        devices: How many are used.
        hours: From start to end.
        device_hours: Of all devices together.
        cost: Of them.
    """

    devices: int
    hours: float
    device_hours: float
    cost: float


def training(params: Params, speed: Speed, *, epochs: float | None = None) -> Estimate:
    """A training on one device.

    Args:
        params: The parameters.
        speed: Of the device.
        epochs: How many; None for `train.epochs`.
    """
    validated = round(_TRAINING_IMAGES * params.split.validation_share)
    epoch = (_TRAINING_IMAGES - validated) / speed.train + validated / speed.predict
    hours = (speed.start + (params.train.epochs if epochs is None else epochs) * epoch) / 3600
    return Estimate(1, hours, hours, hours * speed.price)


def sweep(params: Params, speed: Speed, *, trials: int, devices: int) -> Estimate:
    """A sweep on several devices, each of which takes one trial after the other.

    Args:
        params: The parameters; section `tune` says when trials are pruned.
        speed: Of a device.
        trials: How many.
        devices: How many.
    """
    trial = training(params, speed, epochs=epochs_of_a_trial(params)).hours
    hours = math.ceil(trials / devices) * trial
    return Estimate(devices, hours, trials * trial, trials * trial * speed.price)


def epochs_of_a_trial(params: Params) -> float:
    """Epochs that a trial has in the mean under successive halving; all of them under another pruner.

    At each rung one of `pruner_factor` trials goes on.
    """
    tune, epochs = params.tune, params.train.epochs
    if tune.pruner != "successive_halving":
        return epochs
    spent, share, done, rung = 0.0, 1.0, 0, tune.pruner_epochs
    while done < epochs:
        step = min(rung, epochs) - done
        spent += share * step
        done += step
        rung *= tune.pruner_factor
        share /= tune.pruner_factor
    return spent


def table(params: Params, speed: Speed, *, trials: int) -> str:
    """Training and sweep on 1, 8 and 64 devices, as Markdown."""
    rows = [("one training", training(params, speed))]
    rows += [
        (f"{trials:,} trials", sweep(params, speed, trials=trials, devices=number)) for number in _WORKERS
    ]
    lines = ["| | devices | hours | device hours | cost |", "|---|---:|---:|---:|---:|"]
    lines += [
        f"| {name} | {found.devices} | {_hours(found.hours)} | {_hours(found.device_hours)} | "
        f"{found.cost:,.2f} |"
        for name, found in rows
    ]
    return "\n".join(lines)


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


app = typer.Typer(pretty_exceptions_enable=False)


@app.command()
def estimate(
    train: Annotated[float, typer.Option(min=_SLOWEST, help="Images a second that one device fits.")],
    predict: Annotated[
        float | None, typer.Option(min=_SLOWEST, help="That it scores; twice as many without it.")
    ] = None,
    start: Annotated[float, typer.Option(min=0, help="Seconds from a pod's start to its first step.")] = 120,
    price: Annotated[float, typer.Option(min=0, help="Of an hour of one device.")] = 0,
    profile: Annotated[str, typer.Option(help="Profile that is trained.")] = "paper",
    trials: Annotated[int, typer.Option(min=1, help="Of the sweep.")] = 1000,
) -> None:
    """Print what a training and a sweep take on 1, 8 and 64 devices."""
    params = load_profile(profile, profiles=Path(__file__).parents[1] / "profiles")
    typer.echo(table(params, Speed(train, predict or 2 * train, start, price), trials=trials))


def main() -> None:
    """Run the command line; a user's error is one message and exit code 1."""
    try:
        app()
    except FerflowError as error:
        say(f"error: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
