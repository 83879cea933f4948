"""How fast training is: `fit` against the bare compiled step, float32 against bfloat16, peak memory.

    python -m benchmarks.training_step                       # profile cpu at 48 and 96 px
    python -m benchmarks.training_step --precisions float32 mixed_bfloat16
    python -m benchmarks.training_step --profile paper --sizes 224 --steps 4 --turns 3
    KERAS_BACKEND=jax python -m benchmarks.training_step

The bare step is the same network, augmentation, loss and optimizer on one batch that never changes,
called in an empty loop: what is left to gain outside of it. Both take turns in one process, and the ratio
is the median of the turns', so that it depends less on what else the machine does; the ratio of processor
times depends on it least. Each size and precision is a process of its own. About 4 minutes on two idle cores.
"""

from __future__ import annotations

import argparse
import json
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

PRECISIONS = ("float32", "mixed_bfloat16")


def main() -> None:
    """Measure each size and precision and print a line each; with --json one more of JSON."""
    arguments = _parser().parse_args()
    if arguments.one:
        print(json.dumps(measure(json.loads(arguments.one))))
        return
    settings = [
        {
            "profile": arguments.profile,
            "changes": [
                *arguments.changes,
                f"model.image_size={size}",
                f"train.precision={precision}",
                "model.weights=null",
            ],
            "steps": arguments.steps,
            "turns": arguments.turns,
        }
        for precision in arguments.precisions
        for size in arguments.sizes
    ]
    with errors_for_people():
        results = []
        for result in each_in_own_process("benchmarks.training_step", settings):
            results.append(result)
            print(describe(result), flush=True)
        lowest = min(result["ratio_to_bare_step"] for result in results)
        finish({"ratio_to_bare_step": lowest, "results": results}, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--profile", default="cpu")
    parser.add_argument("--sizes", type=positive, nargs="+", default=[48, 96], help="model.image_size")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=["float32"])
    parser.add_argument("--steps", type=positive, default=12, help="of a turn (default: 12)")
    parser.add_argument("--turns", type=positive, default=15, help="of each of the two (default: 15)")
    add_setting_flags(parser)
    add_result_flags(parser)
    return parser


def measure(setting: dict[str, Any]) -> dict[str, Any]:
    """Time `fit` and the bare step in turns, in this process.

    Args:
        setting: `profile`, `changes`, `steps` and `turns`.

    Returns:
        The profile, and what `compare_with_bare_step` returns.
    """
    from benchmarks.trainers import compare_with_bare_step, fresh_trainer

    params = profile_params(setting["profile"], setting["changes"])
    trainer, network = fresh_trainer(params)
    figures = compare_with_bare_step(trainer, network, params, steps=setting["steps"], turns=setting["turns"])
    return {"profile": setting["profile"], **figures}


def describe(result: dict[str, Any]) -> str:
    """One line for a person."""
    low, high = result["ratios_of_turns"]
    return (
        f"{result['backend']:<11} {result['image_size']:>4} px  {result['precision']:<15}"
        f"{result['images_per_second']:>9,.0f} images/s, {result['ratio_to_bare_step']:.3f} of the bare step "
        f"({low:.3f} to {high:.3f}; {result['processor_ratio_to_bare_step']:.3f} by processor time), "
        f"peak {result['peak_mib']:,.0f} MiB"
    )


if __name__ == "__main__":
    main()
