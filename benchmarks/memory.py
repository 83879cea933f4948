"""Peak memory of training, by profile: the begin of an epoch of FER-2013, its validation, a checkpoint.

    python -m benchmarks.memory                          # profiles sample, cpu, paper, best
    python -m benchmarks.memory --profiles paper --set train.batch_size=32
    KERAS_BACKEND=jax python -m benchmarks.memory        # of the GPU's memory, where there is one

Each profile is a process of its own. It holds as many images as FER-2013 has for training, takes a few
steps of `fit`, predicts some validation images and writes a checkpoint. What later epochs leave to Python's
garbage collector comes on top. Weights are drawn instead of fetched. The table is that of docs/training.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.runs import (
    add_result_flags,
    add_setting_flags,
    each_in_own_process,
    errors_for_people,
    finish,
    positive,
    profile_params,
)

_PROFILES = ("sample", "cpu", "paper", "best")


def main() -> None:
    """Measure every profile and print a Markdown table; with --json one more line of JSON."""
    arguments = _parser().parse_args()
    with errors_for_people():
        if arguments.one:
            print(json.dumps(measure(json.loads(arguments.one))))
            return
        settings = [
            {
                "profile": name,
                "changes": [*arguments.changes, "model.weights=null"],
                "steps": arguments.steps,
            }
            for name in arguments.profiles
        ]
        results = list(each_in_own_process("benchmarks.memory", settings))
        print(table(results))
        finish(
            {"peak_mib": {row["profile"]: row["peak_mib"] for row in results}, "results": results}, arguments
        )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--profiles", nargs="+", default=list(_PROFILES), metavar="PROFILE")
    parser.add_argument("--steps", type=positive, default=3, help="of training (default: 3)")
    add_setting_flags(parser)
    add_result_flags(parser)
    return parser


def measure(setting: dict[str, Any]) -> dict[str, Any]:
    """Begin an epoch in this process and report the peak of its memory.

    Args:
        setting: `profile`, `changes` and `steps`.

    Returns:
        Profile, backend, network, sizes, precision, parameters, peak MiB.

    Raises:
        ModelError: The batch does not fit into memory.
    """
    from benchmarks.trainers import EPOCH_IMAGES, begin_epoch, keras, peak_mib, random_images
    from ferflow.model.backend import dtype_policy, memory_errors
    from ferflow.model.network import parameter_counts

    params = profile_params(setting["profile"], setting["changes"])
    sizes = (params.train.batch_size, params.model.image_size)
    with tempfile.TemporaryDirectory() as name, memory_errors("train.batch_size", *sizes):
        begin_epoch(params, random_images(EPOCH_IMAGES), steps=setting["steps"], checkpoints=Path(name))
    peak = peak_mib()  # Before the network is built once more, to count.
    return {
        "profile": setting["profile"],
        "backend": keras.backend.backend(),
        "backbone": params.model.backbone,
        "image_size": params.model.image_size,
        "batch_size": params.train.batch_size,
        "precision": dtype_policy(params.train.precision),
        "parameters": parameter_counts(params.model).total,
        "peak_mib": peak,
    }


def table(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| profile | network | parameters | image size | batch size | precision | peak memory |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in results:
        lines.append(
            f"| `{row['profile']}` | {row['backbone']} | {row['parameters']:,} | {row['image_size']} px | "
            f"{row['batch_size']} | {row['precision']} | {row['peak_mib'] / 1024:.1f} GiB |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
