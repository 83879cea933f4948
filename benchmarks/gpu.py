"""How fast training is on a GPU, with JAX: `fit`, the bare step, and the share of the device's peak.

    python -m benchmarks.gpu --output benchmarks/results/gpu-h200.json
    python -m benchmarks.gpu --profile best --sizes 48 96 --batch-size 256
    python -m benchmarks.gpu --reduced                   # a small network, on any machine

Each image size and precision is a process of its own, measured as `benchmarks.training_step` does. MFU
(model FLOPs utilisation) is the floating-point operations of the training step, by XLA's cost analysis,
times steps a second, over the dense peak of the device; unknown devices have none. Peak memory is that of
the device, the bare step's own copy of weights and optimizer included; `benchmarks.memory` has none of that.

TensorFlow is not needed. See docs/gpu.md.
"""

from __future__ import annotations

import argparse
import json
import os
from typing import Any, NamedTuple

from benchmarks.runs import (
    add_result_flags,
    add_setting_flags,
    each_in_own_process,
    errors_for_people,
    finish,
    positive,
    profile_params,
)
from benchmarks.training_step import PRECISIONS, describe
from ferflow.errors import ModelError


class Peak(NamedTuple):
    """Dense peak of a device by precision, in operations a second."""

    mixed_bfloat16: float
    float32: float


# By a part of the name that JAX gives the device, the first that fits. From NVIDIA's data sheets "H100
# Tensor Core GPU", "H200 Tensor Core GPU" and "A100 Tensor Core GPU", without sparsity (half of what is
# printed for H100 and H200). float32 is TF32's peak: XLA's default precision multiplies in it.
PEAKS = {
    "H200 NVL": Peak(835.5e12, 417.5e12),
    "H200": Peak(989.5e12, 494.5e12),
    "H100 PCIe": Peak(756.5e12, 378e12),
    "H100 NVL": Peak(835.5e12, 417.5e12),
    "H100": Peak(989.5e12, 494.5e12),
    "A100": Peak(312e12, 156e12),
}

_REDUCED = {"profile": "sample", "sizes": [48, 64], "steps": 2, "turns": 1}
_FULL = {"profile": "paper", "sizes": [48, 96, 224], "steps": 100, "turns": 5}


def main() -> None:
    """Measure each size and precision and print a line each; with --json one more of JSON."""
    arguments = _parser().parse_args()
    with errors_for_people():
        if os.environ.setdefault("KERAS_BACKEND", "jax") != "jax":
            raise ModelError(f"KERAS_BACKEND: {os.environ['KERAS_BACKEND']} found, expected jax; unset it")
        if arguments.one:
            print(json.dumps(measure(json.loads(arguments.one))))
            return
        results = []
        for result in each_in_own_process("benchmarks.gpu", _settings(arguments)):
            results.append(result)
            print(f"{describe(result)}, {_describe_mfu(result)}", flush=True)
    lowest = min(result["ratio_to_bare_step"] for result in results)
    finish({"device": results[0]["device"], "ratio_to_bare_step": lowest, "results": results}, arguments)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--profile", help="default: paper, without ImageNet weights")
    parser.add_argument("--sizes", type=positive, nargs="+", help="default: 48 96 224")
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--batch-size", type=positive, help="default: the profile's")
    parser.add_argument("--steps", type=positive, help="of a turn (default: 100)")
    parser.add_argument("--turns", type=positive, help="of each of the two (default: 5)")
    parser.add_argument("--reduced", action="store_true", help="profile sample, few steps: a trial run")
    add_setting_flags(parser)
    add_result_flags(parser)
    return parser


def _settings(arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """What to measure."""
    defaults: dict[str, Any] = _REDUCED if arguments.reduced else _FULL
    chosen = {name: getattr(arguments, name) or value for name, value in defaults.items()}
    changes = ["model.weights=null", *arguments.changes]
    if arguments.batch_size:
        changes.append(f"train.batch_size={arguments.batch_size}")
    return [
        {
            "profile": chosen["profile"],
            "changes": [*changes, f"model.image_size={size}", f"train.precision={precision}"],
            "steps": chosen["steps"],
            "turns": chosen["turns"],
        }
        for size in chosen["sizes"]
        for precision in arguments.precisions
    ]


def measure(setting: dict[str, Any]) -> dict[str, Any]:
    """Time `fit` and the bare step in turns, in this process.

    Args:
        setting: `profile`, `changes`, `steps` and `turns`.

    Returns:
        Profile and device, what `compare_with_bare_step` returns, operations of a step, and the MFU of
        `fit` and of the bare step, None where one of the two numbers it needs is unknown.
    """
    import jax

    from benchmarks.trainers import compare_with_bare_step, fresh_trainer, step_flops

    params = profile_params(setting["profile"], setting["changes"])
    trainer, network = fresh_trainer(params)
    figures = compare_with_bare_step(trainer, network, params, steps=setting["steps"], turns=setting["turns"])
    device = jax.devices()[0].device_kind
    flops, peak = step_flops(trainer, params), peak_of(device, params.train.precision)
    steps_per_second = {
        "mfu": figures["images_per_second"] / params.train.batch_size,
        "bare_mfu": figures["bare_images_per_second"] / params.train.batch_size,
    }
    return {
        "profile": setting["profile"],
        "device": device,
        **figures,
        "flops_per_step": flops,
        "peak_flops": peak,
        **{name: flops * rate / peak if flops and peak else None for name, rate in steps_per_second.items()},
    }


def peak_of(device: str, precision: str) -> float | None:
    """Dense peak of a device in operations a second; None where it is not known, as of a part of one.

    Args:
        device: Name that JAX gives it.
        precision: `float32` or `mixed_bfloat16`.
    """
    if "MIG" in device:
        return None
    peaks = [peak for part, peak in PEAKS.items() if part in device]
    return float(getattr(peaks[0], precision)) if peaks else None


def _describe_mfu(result: dict[str, Any]) -> str:
    if result["flops_per_step"] is None:
        return "no MFU: this JAX has no cost analysis"
    if result["mfu"] is None:
        return f"no MFU: the peak of {result['device']!r} is not known"
    return f"MFU {result['mfu']:.1%}, of the bare step {result['bare_mfu']:.1%}"


if __name__ == "__main__":
    main()
