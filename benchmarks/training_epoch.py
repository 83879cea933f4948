"""What an epoch of `ferflow train` costs besides its steps: the whole epoch against its `fit`.

    python -m benchmarks.training_epoch                              # profile cpu, an epoch of FER-2013
    KERAS_BACKEND=jax python -m benchmarks.training_epoch --turns 3
    python -m benchmarks.training_epoch --set train.precision=float32 --steps 60

Each epoch fits so many steps, validates as many images as FER-2013 has for them, and ends when its
checkpoint is written: in training that goes on beside the next epoch. Both times are of the same epoch, as
the speed of a shared machine changes by a tenth from one minute to the next. About 6 minutes on two idle
cores.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.runs import (
    add_result_flags,
    add_setting_flags,
    each_in_own_process,
    errors_for_people,
    finish,
    positive,
    profile_params,
)

# Validation images of FER-2013 for each training image, with validation_share 0.1.
_VALIDATION_SHARE = 1 / 9


def main() -> None:
    """Measure and print a line; with --json one more of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--steps", type=positive, default=404, help="of an epoch (default: 404)")
    parser.add_argument("--turns", type=positive, default=5, help="measured epochs (default: 5)")
    add_setting_flags(parser)
    add_result_flags(parser)
    arguments = parser.parse_args()
    with errors_for_people():
        if arguments.one:
            print(json.dumps(measure(json.loads(arguments.one))))
            return
        setting = {
            "profile": arguments.profile,
            "changes": [*arguments.changes, "model.weights=null"],
            "steps": arguments.steps,
            "turns": arguments.turns,
        }
        (result,) = each_in_own_process("benchmarks.training_epoch", [setting])
    low, high = result["ratios_of_turns"]
    print(
        f"{result['backend']}: a whole epoch takes {result['epoch_to_fit']:.3f} of fit ({low:.3f} to "
        f"{high:.3f}; {result['processor_epoch_to_fit']:.3f} by processor time)"
    )
    finish(result, arguments)


def measure(setting: dict[str, Any]) -> dict[str, Any]:
    """Time whole epochs and the `fit` in them, in this process.

    Args:
        setting: `profile`, `changes`, `steps` and `turns`.

    Returns:
        Profile, backend, seconds of both, the median ratio with the lowest and highest of a turn, and the
        median ratio of processor times.
    """
    from benchmarks.trainers import fresh_trainer, keras, now, random_images
    from ferflow.model.checkpoint import CheckpointStore, CheckpointWriter, variables_to_arrays
    from ferflow.model.state import TrainingState
    from ferflow.model.training import StepProgress, build_epochs, fit_epoch, save_epoch, validate_epoch

    params = profile_params(setting["profile"], setting["changes"])
    trainer, network = fresh_trainer(params)
    number = setting["steps"] * params.train.batch_size
    epochs = build_epochs(trainer, network, random_images(number), params)
    validation = random_images(round(number * _VALIDATION_SHARE))
    state, progress = TrainingState(), StepProgress(1)
    wholes, fits = (np.zeros((setting["turns"] + 1, 2)) for _ in range(2))
    with (
        tempfile.TemporaryDirectory() as name,
        CheckpointWriter(CheckpointStore(Path(name), "benchmark")) as writer,
    ):
        for turn in range(setting["turns"] + 1):  # The first one compiles, and chooses the length of a call.
            started = now()
            row = fit_epoch(epochs, params=params, epoch=turn, progress=progress)
            fits[turn] = now() - started
            state.advance({"epoch": turn + 1, **row, **validate_epoch(epochs, validation)})
            save_epoch(state, trainer, variables_to_arrays("best", network.weights), writer)
            writer.wait()
            wholes[turn] = now() - started
    wholes, fits = wholes[1:], fits[1:]
    ratios = wholes / fits
    return {
        "profile": setting["profile"],
        "backend": keras.backend.backend(),
        "precision": params.train.precision,
        "steps": setting["steps"],
        "validation_images": len(validation.images),
        "epoch_seconds": float(np.median(wholes[:, 0])),
        "fit_seconds": float(np.median(fits[:, 0])),
        "epoch_to_fit": float(np.median(ratios[:, 0])),
        "ratios_of_turns": [float(ratios[:, 0].min()), float(ratios[:, 0].max())],
        "processor_epoch_to_fit": float(np.median(ratios[:, 1])),
    }


if __name__ == "__main__":
    main()
