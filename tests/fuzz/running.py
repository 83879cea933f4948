"""One target for some time, in a process with bounds of its own."""

from __future__ import annotations

import hashlib
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random
from types import FrameType

from ferflow.data.process_limits import limit_memory
from tests.fuzz.mutations import mutated
from tests.fuzz.targets import TARGETS, Target

FOUND = Path(__file__).parent / "found"
_MEMORY = 2 << 30
# For an input: the second is for one that waits for something, on however busy a machine.
_PROCESSOR_SECONDS, _SECONDS = 5, 60
_MOST_FOUND = 10


class _TooSlow(BaseException):
    """An input took too long; no parser can take it for one of its own errors."""


def is_fault(target: Target, content: bytes, folder: Path) -> bool:
    """Whether a parser neither reads nor refuses an input."""
    try:
        target.parse(content, folder)
    except target.refusals:
        return False
    except (Exception, _TooSlow):
        traceback.print_exc(limit=-4)
        return True
    return False


def fuzz(name: str, seconds: float, seed: int) -> None:
    """Try mutations of a target's seeds, keep what is a fault, and exit with 1 if anything was."""
    for ended in (signal.SIGPROF, signal.SIGALRM):
        signal.signal(ended, _stop)
    target, random = TARGETS[name], Random(seed)
    found, number, until = 0, 0, time.monotonic() + seconds
    last = FOUND / name / "last"
    last.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        seeds = target.seeds(folder)
        target.parse(seeds[0], folder)  # loads what it needs, which is not the input's doing
        limit_memory(_MEMORY)
        begun = time.process_time()
        while time.monotonic() < until and found < _MOST_FOUND:
            content = mutated(seeds, random)
            last.write_bytes(content)  # should the process itself not survive it
            _allow(_PROCESSOR_SECONDS, _SECONDS)
            is_bad = is_fault(target, content, folder)
            _allow(0, 0)
            number += 1
            if is_bad:
                found += 1
                (last.parent / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
    last.unlink(missing_ok=True)
    spent = time.process_time() - begun
    print(f"{name}: {number:,} inputs in {spent:.0f} s of processor time, {found} faults", flush=True)  # noqa: T201
    sys.exit(bool(found))


def _allow(processor_seconds: float, seconds: float) -> None:
    signal.setitimer(signal.ITIMER_PROF, processor_seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds)


def _stop(_: int, __: FrameType | None) -> None:
    raise _TooSlow
