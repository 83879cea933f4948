"""What the benchmarks share: profiles, flags, a process of its own for each figure, the machine, results."""

from __future__ import annotations

import argparse
import contextlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ferflow.errors import FerflowError
from ferflow.files import write_json
from ferflow.machine import usable_cores
from ferflow.params import Params, load_params
from ferflow.profiles import write_profile

_PROFILES = Path(__file__).resolve().parents[1] / "profiles"
_PACKAGES = ("numpy", "scipy", "keras", "tensorflow", "jax", "jaxlib")


def profile_params(name: str, changes: Iterable[str] = ()) -> Params:
    """A profile with changes such as `train.epochs=3`.

    Args:
        name: Of the profile.
        changes: `KEY=VALUE` pairs.

    Raises:
        ParamsError: The profile, a key or a value is wrong.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "params.yaml"
        write_profile(name, changes, profiles=_PROFILES, target=target)
        return load_params(target)


def drawn_faces(folder: Path) -> Path:
    """The split of profile sample's faces; made once."""
    split = folder / "data" / "split"
    if not (split / "manifest.csv").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_profile("sample", [], profiles=_PROFILES, target=folder / "params.yaml")
        for stage in ("download", "face-filter", "split"):
            subprocess.run([sys.executable, "-m", "ferflow", stage], cwd=folder, check=True)
    return split


def positive(text: str) -> int:
    """An argument that is a whole number from 1 on."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} found, expected a whole number from 1 on")
    return number


def add_setting_flags(parser: argparse.ArgumentParser) -> None:
    """Add --set, changes of a profile, and --one, by which a process of its own is told what it measures."""
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--one", help=argparse.SUPPRESS)


def add_result_flags(parser: argparse.ArgumentParser) -> None:
    """Add --json and --output, which `finish` obeys."""
    parser.add_argument("--json", action="store_true", help="print one line of JSON at the end")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures there as JSON")


@contextlib.contextmanager
def errors_for_people() -> Iterator[None]:
    """Turn an error that the user can mend into one line on stderr and exit code 1."""
    try:
        yield
    except FerflowError as error:
        sys.exit(f"error: {error}")


def _in_own_process(module: str, setting: dict[str, Any]) -> dict[str, Any]:
    """Run `python -m MODULE --one SETTING` and return the JSON of its last line.

    A figure is measured in a process of its own: peak memory, the arithmetic and what was compiled
    before belong to a process.

    Args:
        module: Such as `benchmarks.memory`.
        setting: What it measures; JSON types.
    """
    command = [sys.executable, "-m", module, "--one", json.dumps(setting)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{module}: failed with exit code {done.returncode} at {json.dumps(setting)}; see above")
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def each_in_own_process(module: str, settings: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Measure each setting in a process of its own; all profiles are checked before the first is measured.

    Args:
        module: Such as `benchmarks.memory`.
        settings: With `profile` and `changes`; JSON types.

    Raises:
        ParamsError: A profile, a key or a value is wrong.
    """
    for setting in settings:
        profile_params(setting["profile"], setting["changes"])
    for setting in settings:
        yield _in_own_process(module, setting)


def finish(result: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Add the machine to the figures, then print and write them as the flags say.

    Args:
        result: Figures; JSON types.
        arguments: With what `add_result_flags` added.
    """
    content = {**result, "machine": machine()}
    if arguments.output is not None:
        write_json(arguments.output, content)
    if arguments.json:
        print(json.dumps(content))


def machine() -> dict[str, Any]:
    """What was measured on: processor, usable cores, memory, load before it, versions."""
    return {
        "processor": _processor(),
        "cores": usable_cores(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "python": platform.python_version(),
        **{name: _version(name) for name in _PACKAGES},
    }


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    bfloat16 = any("avx512_bf16" in line or "amx_bf16" in line for line in lines)
    name = names[0] if names else platform.machine()
    return f"{name} with bfloat16 instructions" if bfloat16 else name


def resident_bytes(process: int | str = "self") -> int:
    """Memory of a process that is in use now, in bytes, by Linux' account."""
    for line in Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
