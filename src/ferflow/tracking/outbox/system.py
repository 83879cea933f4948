"""What training asks of the machine, sampled in a thread of its own; names as MLflow's own samples have."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

_MEGABYTE = 1e6
_FIRST_PAUSE = 2.0
# Pauses grow with the time that has passed, so that a long training has some hundred samples, too.
_PAUSE_SHARE = 1 / 200
_SECONDS_FOR_GPU = 10
_GPU_FIELDS = ("utilization.gpu", "memory.used", "power.draw")
_GPU_NAMES = ("utilization_percentage", "memory_usage_megabytes", "power_usage_watts")


class Sampler(threading.Thread):
    """Calls back with a sample every few seconds.

    Args:
        on_sample: Takes the number of the sample, from 1, and its values by name.
    """

    def __init__(self, on_sample: Callable[[int, dict[str, float]], None]) -> None:
        super().__init__(name="ferflow-samples", daemon=True)
        self._on_sample = on_sample
        self._ended = threading.Event()

    def run(self) -> None:
        """Sample until `end`."""
        began = time.monotonic()
        before = cpu_times()
        number = 0
        while not self._ended.wait(max(_FIRST_PAUSE, (time.monotonic() - began) * _PAUSE_SHARE)):
            after = cpu_times()
            number += 1
            self._on_sample(number, {**cpu_use(before, after), **memory_use(), **gpu_use()})
            before = after

    def end(self) -> None:
        """Take no more samples."""
        self._ended.set()
        self.join(_SECONDS_FOR_GPU)


def cpu_times() -> tuple[float, float, float, float]:
    """(clock, seconds of this process, busy seconds of the machine, all its seconds) so far."""
    used = os.times()
    busy = total = 0.0
    try:
        fields = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]
        ticks = [float(value) for value in fields]
        total = sum(ticks)
        busy = total - ticks[3] - ticks[4]  # idle and waiting for disks
    except (OSError, ValueError, IndexError):  # Not Linux.
        pass
    return time.monotonic(), used.user + used.system, busy, total


def cpu_use(
    before: tuple[float, float, float, float], after: tuple[float, float, float, float]
) -> dict[str, float]:
    """Shares between two `cpu_times`; 100 % of the process is one core."""
    clock, own, busy, total = (late - early for early, late in zip(before, after, strict=True))
    found = {"system/process_cpu_percentage": round(100 * own / max(clock, 1e-9), 1)}
    if total > 0:
        found["system/cpu_utilization_percentage"] = round(100 * busy / total, 1)
    return found


def memory_use() -> dict[str, float]:
    """Memory of the process and of the machine; nothing where there is no /proc."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except (OSError, ValueError, IndexError):
        return {}
    kilobytes = {line.split(":")[0]: int(line.split()[1]) for line in lines if len(line.split()) > 1}
    total = kilobytes["MemTotal"]
    used = total - kilobytes.get("MemAvailable", kilobytes.get("MemFree", 0))
    return {
        "system/process_memory_megabytes": round(pages * os.sysconf("SC_PAGE_SIZE") / _MEGABYTE, 1),
        "system/system_memory_usage_megabytes": round(used * 1024 / _MEGABYTE, 1),
        "system/system_memory_usage_percentage": round(100 * used / total, 1),
    }


def gpu_use() -> dict[str, float]:
    """Use, memory and power of each NVIDIA GPU, as `nvidia-smi` tells; nothing without it."""
    if shutil.which("nvidia-smi") is None:
        return {}
    query = [f"--query-gpu={','.join(_GPU_FIELDS)}", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(
            ["nvidia-smi", *query], capture_output=True, text=True, check=False, timeout=_SECONDS_FOR_GPU
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    found = {}
    for index, line in enumerate(done.stdout.splitlines() if done.returncode == 0 else []):
        for name, value in zip(_GPU_NAMES, line.split(","), strict=False):
            try:
                found[f"system/gpu_{index}_{name}"] = float(value)
            except ValueError:  # "[N/A]"
                continue
    return found
