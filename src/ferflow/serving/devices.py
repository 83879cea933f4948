"""Where the network computes: the processor, or what ONNX Runtime offers beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

from ferflow.errors import ModelError

Device = Literal["auto", "cpu", "cuda", "coreml", "directml", "openvino"]

_CPU = "CPUExecutionProvider"
_PROVIDERS: dict[Device, str] = {
    "cpu": _CPU,
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}
# What to install instead of `onnxruntime`; only one of these packages can be in an environment.
_CURES: dict[Device, str] = {
    "cuda": "'pip uninstall onnxruntime' and 'pip install onnxruntime-gpu' (Linux, Windows; NVIDIA)",
    "coreml": "'pip install onnxruntime' on macOS, whose package brings it",
    "directml": "'pip uninstall onnxruntime' and 'pip install onnxruntime-directml' (Windows)",
    "openvino": "'pip uninstall onnxruntime' and 'pip install onnxruntime-openvino' (Linux, Windows; Intel)",
}
# Devices that `auto` takes where they are offered: they come with packages that one installs for them alone.
# CoreML comes with every package for macOS and computes in another precision, so it has to be named.
_TAKEN_BY_AUTO: tuple[Device, ...] = ("cuda", "directml", "openvino")


def candidates(device: str, offered: Sequence[str]) -> list[Device]:
    """The devices to try, the best first.

    Args:
        device: One of `Device`.
        offered: Names of ONNX Runtime's providers that are installed.

    Returns:
        The device itself; for `auto` those that are offered, `cpu` last.

    Raises:
        ModelError: There is no such device, or its package is not installed.
    """
    if device == "auto":
        return [*(name for name in _TAKEN_BY_AUTO if _PROVIDERS[name] in offered), "cpu"]
    known = {name: name for name in get_args(Device)}
    if device not in known:
        raise ModelError(f"device is {device!r}, expected one of {', '.join(known)}")
    chosen: Device = known[device]
    if _PROVIDERS[chosen] not in offered:
        raise ModelError(
            f"device {chosen}: the installed ONNX Runtime does not offer it (it offers "
            f"{_readable(offered)}); {_CURES[chosen]}, or use --device cpu"
        )
    return [chosen]


def providers_of(device: Device) -> list[str]:
    """Names of ONNX Runtime's providers for a device; the processor does what it cannot."""
    return [_PROVIDERS[device]] if device == "cpu" else [_PROVIDERS[device], _CPU]


def unusable(device: Device, reason: str) -> ModelError:
    """The error for a device that is offered and does not start, as without its driver."""
    return ModelError(
        f"device {device}: cannot be started ({reason}); see that its driver and libraries are installed and "
        "fit the package of ONNX Runtime, or use --device cpu"
    )


def _readable(offered: Sequence[str]) -> str:
    names = [device for device, provider in _PROVIDERS.items() if provider in offered]
    return ", ".join(names) or "none of ours"
