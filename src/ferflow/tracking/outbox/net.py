"""The net under tracking: whatever is raised or hangs in it, the stage goes on.

The work runs in a thread of its own. What it raises becomes one line; when its time is over the stage goes on
without it, and the thread ends with the process at the latest.
"""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable
from typing import Generic, TypeVar

from ferflow.errors import FerflowError
from ferflow.progress import say

Result = TypeVar("Result")


def sheltered(
    action: Callable[[], Result], *, seconds: float, tell: Callable[[str], str], hint: str = ""
) -> Result | None:
    """Do something that must not stop a stage.

    Ctrl-C is no failure of tracking: it is raised in the thread that waits.

    Args:
        action: What is done.
        seconds: How long it may take.
        tell: Makes the line for people from the reason of a failure.
        hint: What being slow means, such as `the store is slow`.

    Returns:
        What it gave; None where it failed or took too long.
    """
    result, reason = within(action, seconds=seconds, hint=hint)
    if reason is not None:
        _say(lambda: tell(reason))
    return result


def within(
    action: Callable[[], Result], *, seconds: float, hint: str = ""
) -> tuple[Result | None, str | None]:
    """Do something that may fail in any way, or hang.

    Args:
        action: What is done.
        seconds: How long it may take.
        hint: What being slow means.

    Returns:
        What it gave and None, or None and why it gave nothing.
    """
    attempt = _Attempt(action)
    try:
        attempt.start()
        is_over = attempt.ended.wait(seconds)
    except Exception as error:  # No memory for a thread, or too many of them.
        attempt.error, is_over = error, True
    if not is_over:
        return None, f"{hint or 'it is slow'}: not done after {seconds:.0f} s"
    if attempt.error is not None:
        return None, reason_of(attempt.error)
    return attempt.result, None


def failure_of(action: Callable[[], object]) -> BaseException | None:
    """Do something in a thread that must go on; what it raised, or None."""
    try:
        action()
    except BaseException as error:  # The one net: see the module.
        return error
    return None


def reason_of(error: BaseException) -> str:
    """An error in one line: a user's own message, or what was raised and where."""
    try:
        text = " ".join(str(error).split())
    except Exception:
        text = ""
    if isinstance(error, FerflowError):
        return text
    if isinstance(error, OSError) and text:
        return text[:300]
    frames = traceback.extract_tb(error.__traceback__)
    place = f" in {frames[-1].name}" if frames else ""
    return f"{type(error).__name__}{place}{f': {text[:300]}' if text else ''}"


class _Attempt(threading.Thread, Generic[Result]):
    """A thread that keeps what its action gave or raised."""

    def __init__(self, action: Callable[[], Result]) -> None:
        super().__init__(name="ferflow-tracking", daemon=True)
        self._action = action
        self.result: Result | None = None
        self.error: BaseException | None = None
        self.ended = threading.Event()

    def run(self) -> None:
        """Do it."""

        def act() -> None:
            self.result = self._action()

        self.error = failure_of(act)
        self.ended.set()


def _say(line: Callable[[], str]) -> None:
    with contextlib.suppress(Exception):  # stderr may be closed or full: no reason to stop either.
        say(line())
