"""One file of a source, and how its name is written and refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from ferflow.errors import SourceError


@dataclass(frozen=True)
class Member:
    """One file of a source.

    Attributes:
        name: Path inside the source with `/`; bytes that are no UTF-8 and characters that
            cannot be printed are written as escapes (backslash, x, two hex digits).
        content: Its bytes.
        problem: Why it has none, where a file of a folder cannot be read.
    """

    name: str
    content: bytes
    problem: str = ""


def printable(name: bytes) -> str:
    """A name as text that can be printed and stored: other bytes and characters become escapes."""
    text = name.decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in text
    )


def refuse_kind(path: Path, name: str, kind: str) -> NoReturn:
    """Refuse what is neither file nor folder.

    Raises:
        SourceError: Always.
    """
    raise SourceError(
        f"{path}: {name} is {kind}, expected files and folders only; take it out or copy its file"
    )


def unreadable(path: Path, error: OSError) -> SourceError:
    """What is said of a file or folder that the system does not give."""
    if isinstance(error, FileNotFoundError):
        return SourceError(f"{path}: not found; set download.path to the archive or folder")
    return SourceError(f"{path}: cannot be read ({error.strerror or error}); see its permissions")
