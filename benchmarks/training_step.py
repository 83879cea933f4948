"""How fast training is: `fit` against the bare compiled step, float32 against bfloat16, peak memory.

    python -m benchmarks.training_step                       # profile cpu at 48 and 96 px
    python -m benchmarks.training_step --profile paper --sizes 224 --steps 4
    KERAS_BACKEND=jax python -m benchmarks.training_step

The bare step is the same network, augmentation, loss and optimizer on one batch that never changes,
called in an empty loop: what is left to gain outside of it. Both take turns in one process, so that their
ratio does not depend on what else the machine does. Each size and precision is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Measure each size and precision and print a line each; with --json one more of JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", default=[48, 96], help="model.image_size")
    parser.add_argument("--precisions", nargs="+", default=["float32"], metavar="PRECISION")
    parser.add_argument("--steps", type=int, default=20, help="of a turn (default: 20)")
    parser.add_argument("--turns", type=int, default=5, help="of each of the two (default: 5)")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments)))
        return
    results = [
        _in_own_process(size, precision) for precision in arguments.precisions for size in arguments.sizes
    ]
    for result in results:
        print(
            f"{result['backend']:<11} {result['image_size']:>4} px  {result['precision']:<15}"
            f"{result['images_per_second']:>9,.0f} images/s, {result['ratio_to_bare_step']:.3f} of the bare "
            f"step, peak {result['peak_mib']:,.0f} MiB"
        )
    if arguments.json:
        lowest = min(result["ratio_to_bare_step"] for result in results)
        print(json.dumps({"ratio_to_bare_step": lowest, "results": results}))


def _in_own_process(size: int, precision: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.training_step", *sys.argv[1:], "--one"]
    command += ["--sizes", str(size), "--precisions", precision]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"training_step: failed at {size} px, {precision}; see above")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Time `fit` and the bare step in turns.

    Args:
        arguments: Of the command line; the first size and precision are measured.

    Returns:
        Backend, size, precision, images a second of `fit`, its ratio to the bare step, peak MiB.
    """
    from benchmarks.trainers import bare_step, fresh_trainer, keras, peak_mib, profile_params, random_images
    from ferflow.model.training import _fit_epoch, _StepProgress

    size, precision = arguments.sizes[0], arguments.precisions[0]
    changes = [*arguments.changes, f"model.image_size={size}", f"train.precision={precision}"]
    changes += ["model.weights=null"]
    with tempfile.TemporaryDirectory() as folder:
        params = profile_params(arguments.profile, changes, folder=Path(folder))
    trainer = fresh_trainer(params)
    images = random_images(arguments.steps * params.train.batch_size)
    bare = bare_step(trainer, random_images(params.train.batch_size))
    seconds = {"fit": 0.0, "bare": 0.0}
    for turn in range(arguments.turns + 1):
        progress = _StepProgress(arguments.steps)
        started = time.perf_counter()
        _fit_epoch(trainer, images, params=params, epoch=turn, progress=progress)
        fitted = time.perf_counter()
        bare(arguments.steps)
        ended = time.perf_counter()
        if turn:  # The first one compiles.
            seconds["fit"] += fitted - started
            seconds["bare"] += ended - fitted
    return {
        "backend": keras.backend.backend(),
        "profile": arguments.profile,
        "image_size": size,
        "batch_size": params.train.batch_size,
        "precision": precision,
        "images_per_second": arguments.turns * len(images.images) / seconds["fit"],
        "ratio_to_bare_step": seconds["bare"] / seconds["fit"],
        "peak_mib": peak_mib(),
    }


if __name__ == "__main__":
    main()
