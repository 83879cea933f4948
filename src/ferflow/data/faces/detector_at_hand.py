"""Which detector looks for faces in photos where none was named: YuNet if it can be had quickly, else Haar.

YuNet is fetched once into the user's cache. A fetch that does not succeed within seconds is given up, and
not tried again for some minutes, so that a machine without network answers as fast as one with it.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

from ferflow.data.cache import cache_folder
from ferflow.data.faces.detector import YUNET_URLS, bring, cache_file, cached
from ferflow.errors import DetectorError
from ferflow.progress import say

OFFLINE = "FERFLOW_OFFLINE"
_SECONDS_TO_FETCH = 4.0
_MINUTES_TO_FORGET = 10
# Measured, see docs/predict.md.
_COST = "it finds about 73 of 100 faces, YuNet 98"


def detector_at_hand() -> tuple[Path, bytes] | None:
    """YuNet's file and its bytes, fetched if need be; None, with a line that says why, without it."""
    content = cached()
    if content is None and _may_try():
        content = _fetch_within(_SECONDS_TO_FETCH)
        if content is None:
            _remember_failure()
    if content is None:
        say(f"face detector: OpenCV's Haar cascade, as YuNet {_why_absent()}; {_COST}")
        return None
    return cache_file(), content


def describe_detector() -> str:
    """Which detector looks for faces where none was named, as `ferflow doctor` says it; fetches nothing."""
    if cached() is not None:
        return f"YuNet, {cache_file()}"
    return f"OpenCV's Haar cascade, until YuNet is fetched: it {_why_absent()}; {_COST}"


def _why_absent() -> str:
    if os.environ.get(OFFLINE):
        return f"is not in {cache_folder()}, and {OFFLINE} is set"
    if not _may_try():
        return f"could not be fetched a moment ago (tried again after {_MINUTES_TO_FORGET} minutes)"
    return "is fetched by the next command that needs it"


def _may_try() -> bool:
    if os.environ.get(OFFLINE):
        return False
    try:
        age = time.time() - _failure_mark().stat().st_mtime
    except OSError:
        return True
    return not 0 <= age < 60 * _MINUTES_TO_FORGET


def _fetch_within(seconds: float) -> bytes | None:
    """The bytes if they are here in time; a name server that is silent can take longer than any timeout."""
    found: list[bytes] = []

    def work() -> None:
        try:
            found.append(bring(attempts=1, timeout=seconds / len(YUNET_URLS), urls=YUNET_URLS))
        except DetectorError:
            return  # The caller says it.

    thread = threading.Thread(target=work, name="fetch-detector", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else None


def _failure_mark() -> Path:
    return cache_folder() / "detector-not-fetched"


def _remember_failure() -> None:
    mark = _failure_mark()
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
    except OSError as error:
        say(f"{mark}: cannot be written ({error.strerror}), so the next command tries to fetch YuNet again")
