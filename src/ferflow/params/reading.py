"""Reading parameters, and what is said of those that are wrong."""

from __future__ import annotations

import re
import reprlib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ferflow.errors import ParamsError
from ferflow.params.differences import whole_text
from ferflow.params.whole import Params
from ferflow.params.yaml_text import parse_yaml
from ferflow.progress import say

# Values in messages: the beginnings of long ones.
_SHOWN = reprlib.Repr()
_SHOWN.maxlevel, _SHOWN.maxstring, _SHOWN.maxother, _SHOWN.maxlong = 3, 120, 120, 60

_UNION_MEMBER = re.compile(r"(int|str|constrained-int|literal\[.*\])$")

# Keys that came after the first files were written, with the value that changes nothing.
_LATER_KEYS: dict[str, dict[str, Any]] = {
    "download": {"map": [], "votes": None},
    "train": {
        "targets": "labels",
        "teacher": None,
        "teacher_share": 0.5,
        "teacher_temperature": 2.0,
        "steps_per_dispatch": "auto",
        "device_data_mib": "auto",
    },
}


def load_params(path: Path) -> Params:
    """Read and check a parameter file.

    Raises:
        ParamsError: The file is missing, is not YAML, or a key or value is wrong.
    """
    return check_params(read_yaml(path), origin=str(path))


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML 1.2 mapping as plain Python values; of a profile, all keys.

    Raises:
        ParamsError: The file is missing, unreadable, not YAML, or not a mapping.
    """
    try:
        content = parse_yaml(whole_text(path))
    except FileNotFoundError:
        raise ParamsError(
            f"{path}: not found; run the command in the repository's folder; "
            "'ferflow profile sample' writes the file there"
        ) from None
    except (OSError, ValueError) as error:
        raise ParamsError(
            f"{path}: not readable as YAML ({_one_line(error)}); correct it, or run 'ferflow profile sample'"
        ) from error
    if not isinstance(content, dict):
        raise ParamsError(
            f"{path}: holds {type(content).__name__}, expected a mapping of sections; "
            "run 'ferflow profile sample'"
        )
    return content


def check_params(values: dict[str, Any], *, origin: str) -> Params:
    """Check values against the schema.

    Args:
        values: Nested plain values.
        origin: What the error calls the place they came from, such as a file name.

    Raises:
        ParamsError: Names every wrong key with its value and what is allowed.
    """
    try:
        return Params.model_validate(_with_later_keys(values, origin))
    except ValidationError as error:
        problems = [describe_problem(problem) for problem in error.errors()]
    raise ParamsError(f"{origin}: " + "\n  ".join(problems))


def _with_later_keys(values: dict[str, Any], origin: str) -> dict[str, Any]:
    """The values of a file that is older than some keys, with what these stood for before there were any."""
    filled, added = dict(values), []
    for section, later in _LATER_KEYS.items():
        if isinstance(found := values.get(section), dict) and (absent := later.keys() - found.keys()):
            filled[section] = {**found, **{key: later[key] for key in absent}}
            added += [f"{section}.{key}" for key in later if key in absent]
    if added:
        say(
            f"{origin}: is older than {', '.join(added)}, which are taken as before they existed; "
            "'ferflow profile NAME' writes a file with all keys"
        )
    return filled


def describe_problem(problem: Any) -> str:
    """One wrong key or value of a `ValidationError`: the key, what was found, what is allowed."""
    # A union adds the member it tried to the location, such as `int` or `literal['all']`; the entries of
    # `tune.space` add their kind after their place in the list.
    place = problem["loc"]
    parts = [
        str(part) for before, part in zip(("", *place), place, strict=False) if not _is_kind(before, part)
    ]
    is_unknown = problem["type"] in ("extra_forbidden", "missing")
    key = ".".join(part for part in parts if is_unknown or not _UNION_MEMBER.match(part))
    found = _SHOWN.repr(problem["input"])
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key (value {found}); remove it or correct its spelling"
    if problem["type"] == "missing":
        return f"{key}: missing; add it, or start from a profile with 'ferflow profile NAME'"
    if problem["type"] == "invalid_key":
        return f"{key}: a key that is no text; remove it, or put it in quotes"
    if problem["type"] == "model_type":
        return f"{key}: {found} found, expected its keys below it, indented by two blanks"
    if problem["type"] == "value_error":
        return f"{key}.{problem['ctx']['error']}"  # The text begins with a key of the section.
    message = problem["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return f"{key}: {found} found, expected {message}"


def _is_kind(before: str | int, part: str | int) -> bool:
    return isinstance(before, int) and part in ("float", "int", "choice")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
