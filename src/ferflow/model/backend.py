"""Quiet, late loading of Keras and the settings that a whole process shares."""

from __future__ import annotations

import importlib.metadata
import json
import logging
import math
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from ferflow import heavy
from ferflow.errors import ModelError
from ferflow.extras import missing_package

_BACKENDS = ("tensorflow", "jax")
_CURE = "tensorflow or jax; set the variable KERAS_BACKEND to one of them"
_OUT_OF_MEMORY = re.compile(r"RESOURCE_EXHAUSTED|ResourceExhausted|[Oo]ut of memory|OOM when allocating")


def load_keras() -> Any:
    """Import Keras on the backend that `KERAS_BACKEND` names, without start-up chatter.

    TensorFlow is the backend where nothing else is set, and computes by oneDNN, which it leaves off by
    itself on processors without AVX-512 though it is faster there too (`python -m
    benchmarks.training_step`). Values that the user set win, but for those that `_as_networks_need` sets.

    Returns:
        The module `keras`.

    Raises:
        ModelError: Keras or the backend cannot be loaded, or ferflow does not train on that backend.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    with heavy.loading:
        if "keras" not in sys.modules:
            _load()
        keras = heavy.keras
    if keras.backend.backend() not in _BACKENDS:
        raise ModelError(f"the Keras backend is {keras.backend.backend()}, expected {_CURE}")
    return keras


def _load() -> None:
    """Load Keras for the first time in this process."""
    wanted = _wanted_backend()
    if wanted not in _BACKENDS:
        raise ModelError(f"the Keras backend is {wanted}, expected {_CURE}")
    try:
        with _stderr_held_back():
            if wanted == "tensorflow" and find_spec("tensorflow"):
                _ = heavy.tensorflow  # In its own way, before Keras does.
            _as_networks_need(heavy.keras)
    # Keras and TensorFlow raise all of these on values that they do not expect in the user's keras.json.
    except (ImportError, ValueError, TypeError, AttributeError, AssertionError, OSError) as error:
        if isinstance(error, ModuleNotFoundError) and missing_package(error):
            raise
        raise ModelError(
            f"Keras cannot be loaded ({type(error).__name__}: {error}); remove the variables KERAS_... and "
            "the file keras.json (in ~/.keras, or where KERAS_HOME says), which Keras writes anew"
        ) from error
    # As its native part: TensorFlow warns of each network that is compiled after some five others.
    logging.getLogger("tensorflow").setLevel(logging.ERROR)


def _wanted_backend() -> str:
    """The backend as Keras will choose it: by the variable, or by the user's keras.json.

    TensorFlow must not be loaded first for another one: it loads Keras while JAX is hidden from it.
    """
    if os.environ.get("KERAS_BACKEND"):
        return os.environ["KERAS_BACKEND"]
    home = os.path.expanduser("~")  # noqa: PTH111 (as Keras does: pathlib raises where there is none)
    base = home if os.access(home, os.W_OK) else "/tmp"  # noqa: S108 (as Keras does)
    folder = Path(os.environ.get("KERAS_HOME") or Path(base, ".keras"))
    try:
        return str(json.loads((folder / "keras.json").read_text(encoding="utf-8"))["backend"])
    except (OSError, ValueError, LookupError, TypeError):
        return _BACKENDS[0]


def _as_networks_need(keras: Any) -> None:
    """Set what the user's keras.json may set: another order of axes or arithmetic is another network."""
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)


def set_up_process(seed: int, precision: str, devices: int = 1) -> None:
    """Seed every generator and choose arithmetic and devices of the layers built from now on.

    Args:
        seed: Seed of Python, NumPy and the backend.
        precision: `train.precision`.
        devices: `train.devices`.

    Raises:
        ModelError: There are not so many devices, or the backend cannot share a batch out.
    """
    keras = load_keras()
    _as_networks_need(keras)  # Where somebody else loaded it.
    # Keras seeds TensorFlow too, which loads it on the backend JAX.
    with heavy.loading, _stderr_held_back():
        keras.utils.set_random_seed(seed)
    keras.config.set_dtype_policy(dtype_policy(precision))
    _share_out(devices)


def num_devices() -> int:
    """How many devices share each batch; batches must be a multiple of it."""
    shared = load_keras().distribution.distribution()
    return 1 if shared is None else math.prod(shared.device_mesh.shape)


def _share_out(devices: int) -> None:
    """Have the devices share each batch of the networks built from now on; each holds all weights.

    The mean over a batch, also that of BatchNorm, is of the whole batch, so that only rounding differs.
    """
    keras = load_keras()
    if devices == 1:
        if num_devices() > 1:
            keras.distribution.set_distribution(None)
        return
    backend = keras.backend.backend()
    if backend != "jax":
        raise ModelError(
            f"train.devices is {devices}, but backend {backend} trains on one; export KERAS_BACKEND=jax, or "
            "set train.devices: 1"
        )
    found = keras.distribution.list_devices()
    if len(found) < devices:
        raise ModelError(
            f"train.devices is {devices}, but JAX has {len(found)} here ({', '.join(found)}); lower it, or "
            "give the machine more"
        )
    shared = keras.distribution.DataParallel(devices=found[:devices], auto_shard_dataset=False)
    keras.distribution.set_distribution(shared)


def dtype_policy(precision: str) -> str:
    """The Keras dtype policy that `train.precision` means on this machine.

    Args:
        precision: `float32`, `mixed_bfloat16`, or `auto`: the latter of the two where a GPU or the
            processor multiplies bfloat16 itself. A processor that does not is ten times slower with it.
    """
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if has_gpu() or cpu_has_bfloat16() else "float32"


def has_gpu() -> bool:
    """Whether the backend computes on a GPU."""
    return any(device.startswith("gpu") for device in load_keras().distribution.list_devices())


def gpu_memory() -> int | None:
    """Bytes of a GPU's memory that this process may use; None where the backend does not say."""
    if load_keras().backend.backend() != "jax":
        return None
    statistics = heavy.jax.local_devices()[0].memory_stats()
    return int(statistics["bytes_limit"]) if statistics and "bytes_limit" in statistics else None


def cpu_has_bfloat16(listing: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether Linux lists an instruction set for bfloat16 (x86: AVX512_BF16, AMX; Arm: BF16).

    Args:
        listing: Linux' list of processors; where there is none, the answer is no.
    """
    try:
        listed = listing.read_text(encoding="utf-8")
    except OSError:
        return False
    return not {"avx512_bf16", "amx_bf16", "bf16"}.isdisjoint(listed.split())


def backend_version() -> str:
    """Keras and its backend with their versions, such as `keras 3.15.1 tensorflow 2.21.0`."""
    keras = load_keras()
    name = keras.backend.backend()
    return f"keras {keras.__version__} {name} {importlib.metadata.version(name)}"


def use_xla() -> bool:
    """Whether a step gains by XLA: not on TensorFlow's CPU, which it makes ten times slower."""
    return has_gpu() or load_keras().backend.backend() != "tensorflow"


@contextmanager
def memory_errors(key: str, batch_size: int, image_size: int) -> Iterator[None]:
    """Turn a backend's report of exhausted memory into an error that names the cure.

    Args:
        key: The parameter that sets the batch size.
        batch_size: Its value.
        image_size: The network's `model.image_size`.

    Raises:
        ModelError: Memory was exhausted inside the block.
    """
    try:
        yield
    except (MemoryError, _backend_error()) as error:
        if not isinstance(error, MemoryError) and not _OUT_OF_MEMORY.search(
            f"{type(error).__name__} {error}"
        ):
            raise
        raise ModelError(
            f"memory is exhausted by {key} {batch_size} at model.image_size {image_size}; lower {key} "
            f"(try {max(1, batch_size // 2)}) or model.image_size"
        ) from error


def _backend_error() -> type[Exception]:
    """What the backend raises for a failed step, exhausted memory among it."""
    if load_keras().backend.backend() == "jax":
        return cast("type[Exception]", heavy.jax.errors.JaxRuntimeError)
    return cast("type[Exception]", heavy.tensorflow.errors.OpError)


@contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Keep what native libraries print while they load; show it only if loading fails.

    TensorFlow writes lines about oneDNN and absent GPUs before its own log level is in force.
    """
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(saved, held.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
