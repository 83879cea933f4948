"""How a command ends: with one message without secrets, and an exit code, whatever was raised.

| what ended it | message | exit code |
|---|---|---|
| a `FerflowError` | what it says | 1 |
| a package of an extra is not installed | the package and its extra | 1 |
| the disk is full, or a place cannot be written | the place and the cure | 1 |
| Ctrl-C | none | 130 |
| the folder in which it was started is gone | that, and the cure | 1 |
| the reader of stdout went away | none | 1 |
| anything else: a fault of ferflow | one line that says where the traceback is kept | 1 |
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from ferflow.errors import FerflowError
from ferflow.extras import missing_package
from ferflow.files import output_error
from ferflow.progress import say
from ferflow.redaction import hide, hiding_streams

TRACEBACKS = Path(".ferflow/errors")

INTERRUPTED = 130
_FAILED = 1
# Of a message, in characters: a name may have 60,000, and hold the terminal for pages.
MAX_WORD = 200
MAX_MESSAGE = 4000
_MAX_REASON = 300
_TRACEBACKS_KEPT = 20
_PLACES = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


def exit_code_of(command: Callable[[], Any]) -> int:
    """Run a command to its end, say how it failed if it did, and return the exit code.

    Inside of it stdout and stderr show no secrets of the environment or of the command's arguments.
    """
    _open_closed()
    streams = sys.stdout, sys.stderr
    with hiding_streams(sys.argv[1:]):
        try:
            code = _run(command)
            sys.stdout.flush()
        except BaseException as error:  # the one net: nothing that a command raises passes it
            code = _end(error)
    _give_up_broken(streams)
    return code


def cut(text: str, *, most: int = MAX_MESSAGE) -> str:
    """A text with its longest words, and then itself, cut in the middle, so that it stays a message."""
    text = re.sub(rf"\S{{{MAX_WORD + 1},}}", lambda found: _middle_cut(found[0], MAX_WORD), text)
    return text if len(text) <= most else _middle_cut(text, most)


def _open_closed() -> None:
    """Have something at the three streams, where the caller has closed one (`>&-`): a file that is opened
    later would take its number, and get what libraries print.
    """
    for number, (name, mode) in enumerate((("stdin", "r"), ("stdout", "w"), ("stderr", "w"))):
        if getattr(sys, name) is not None:
            continue
        with contextlib.suppress(OSError):
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _run(command: Callable[[], Any]) -> int:
    try:
        command()
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            return error.code or 0
        _tell(str(error.code))
        return _FAILED
    return 0


def _end(error: BaseException) -> int:
    """Say what ended a command, and return its exit code."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, FerflowError):
        _tell(f"error: {cut(_text_of(error))}")
    elif isinstance(error, ModuleNotFoundError) and (message := missing_package(error)):
        _tell(f"error: {message}")
    elif isinstance(error, OSError) and error.errno == errno.EPIPE:
        pass  # nobody reads what would be said
    elif isinstance(error, FileNotFoundError) and not _has_folder():
        _tell(
            "error: the folder in which this was started is gone; go to one that is there (cd) and try again"
        )
    elif isinstance(error, OSError) and error.errno in _PLACES:
        _tell(f"error: {cut(str(output_error(Path(str(error.filename or 'the output')), error)))}")
    else:
        _tell(_fault(error))
    return _FAILED


def _has_folder() -> bool:
    """Whether the folder is there that relative paths begin in."""
    try:
        os.getcwd()  # noqa: PTH109
    except OSError:
        return False
    return True


def _fault(error: BaseException) -> str:
    """The message on an error that nobody foresaw."""
    reason = cut(" ".join(_text_of(error).split()), most=_MAX_REASON)
    what = f"{type(error).__name__}: {reason}" if reason else type(error).__name__
    if isinstance(error, MemoryError):
        what = f"out of memory ({what}); give it more, or fewer and smaller pictures"
    kept = _keep_traceback(error)
    where = f"the traceback is in {kept}" if kept else "the traceback could not be kept"
    return f"error: {what}. This is a fault of ferflow: {where}; please report it with that file"


def _keep_traceback(error: BaseException) -> Path | None:
    """Write the traceback, without secrets, to `.ferflow/errors/` or else the temporary folder."""
    try:
        text = hide("".join(traceback.format_exception(error)))
    except Exception as second:
        text = f"{type(error).__name__}; its traceback cannot be shown ({type(second).__name__})\n"
        text += "".join(traceback.format_tb(error.__traceback__))
    name = f"{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    for folder in (TRACEBACKS, Path(tempfile.gettempdir())):
        path = folder / (name if folder == TRACEBACKS else f"ferflow-{name}")
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            if folder == TRACEBACKS:
                _remove_oldest(folder)
            return path
    return None


def _remove_oldest(folder: Path) -> None:
    for path in sorted(folder.glob("*.txt"))[:-_TRACEBACKS_KEPT]:
        path.unlink(missing_ok=True)


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return ""


def _tell(message: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # stderr is closed, or nobody reads it
        say(message.encode(errors="backslashreplace").decode())


def _give_up_broken(streams: tuple[TextIO, TextIO]) -> None:
    """See that Python's own end does not complain of what could not be written."""
    for stream in streams:
        try:
            stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, stream.fileno())
                os.close(nowhere)


def _middle_cut(text: str, most: int) -> str:
    mark = f"[{len(text):,} characters]"
    kept = most - len(mark)
    head = kept * 2 // 3
    return f"{text[:head]}{mark}{text[-(kept - head) :]}"
