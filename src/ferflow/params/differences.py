"""Profiles: a file each that says only what differs from `base.yaml` beside it.

The base holds every key with its comment. What comes out is a whole parameter file, since DVC reads only
whole ones (decision 0014). Lines are merged, not values, so that comments and their places stay.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ferflow.errors import ParamsError
from ferflow.params.yaml_text import parse_yaml

BASE = "base.yaml"
# Places at which a comment may start: the first one with two blanks before it is taken.
_COMMENT_COLUMNS = (28, 36, 44, 52)
_KEY = re.compile(r"( *)([a-z_0-9]+):(?= |$)")


def is_profile(path: Path) -> bool:
    """Whether a file says only what differs from the base beside it."""
    return path.name != BASE and path.with_name(BASE).is_file()


def whole_text(path: Path) -> str:
    """The text of a parameter file; of a profile, with the keys of the base that it does not name.

    In the base, NAME stands for the name of the profile.

    Raises:
        ParamsError: A profile is not YAML, or is written in another way than the base.
        OSError: The file cannot be read.
        UnicodeDecodeError: It is not text.
    """
    text = path.read_text(encoding="utf-8")
    if not is_profile(path):
        return text
    base = path.with_name(BASE).read_text(encoding="utf-8").replace("NAME", path.stem)
    changes = _values(text, path)
    merged = _merged(base, text)
    try:
        is_whole = parse_yaml(merged) == _over(_values(base, path.with_name(BASE)), changes)
    except ValueError:
        is_whole = False
    if not is_whole:
        raise ParamsError(
            f"{path}: is not written as {BASE} is: sections without indentation, below them a key a line, "
            "indented by two blanks, each once; rewrite it that way"
        )
    return merged


def with_key(text: str, key: str, line: str) -> str:
    """The text of a profile with a key that it did not name.

    Args:
        text: The text of the profile.
        key: With its section, such as `train.epochs`.
        line: `KEY: VALUE`, without indentation.
    """
    section = key.split(".")[0]
    lines = text.rstrip("\n").split("\n")
    if not any(present.startswith(f"{section}:") for present in lines):
        lines += ["", f"{section}:"]
    _insert(lines, section, [f"  {line}"])
    return "\n".join(lines) + "\n"


def _merged(base: str, text: str) -> str:
    """The lines of the base, with those of the other text in place of the keys that it names."""
    header, others = _parts(text)
    own_header, blocks = _parts(base)
    lines = [*header, *(line for line in own_header if line not in header)]
    for key, block in blocks.items():
        other = others.pop(key, None)
        lines += block if other is None else _in_place_of(block, other)
    # Keys that the base has not, such as options of an entry, go to the end of their sections.
    for key, block in others.items():
        _insert(lines, key.split(".")[0], block)
    return "\n".join(lines) + "\n"


def _parts(text: str) -> tuple[list[str], dict[str, list[str]]]:
    """The comment lines at the top, and each key, with the name of its section, to its lines."""
    header: list[str] = []
    blocks: dict[str, list[str]] = {}
    section = key = ""
    for line in text.rstrip("\n").split("\n"):
        found = _KEY.match(line)
        if found and not found[1]:
            section = key = found[2]
        elif found and len(found[1]) == 2 and section:
            key = f"{section}.{found[2]}"
        elif not key:
            header += [line] if line.strip() else []
            continue
        blocks.setdefault(key, []).append(line)
    return header, blocks


def _in_place_of(block: list[str], other: list[str]) -> list[str]:
    """The lines of a key in a profile; the comment of the base where the profile gives none."""
    gaps = block[len(_without_gap(block)) :]
    first, *following = _without_gap(other)
    _, mark, comment = block[0].partition(" # ")
    if mark and " # " not in first:
        place = next((column for column in _COMMENT_COLUMNS if column >= len(first) + 2), len(first) + 2)
        first = f"{first:{place}}# {comment}"
    return [first, *following, *gaps]


def _without_gap(block: list[str]) -> list[str]:
    """The lines of a key without the blank lines after it."""
    end = len(block)
    while end > 1 and not block[end - 1].strip():
        end -= 1
    return block[:end]


def _insert(lines: list[str], section: str, block: list[str]) -> None:
    """Put a key at the end of its section, or a new section at the end."""
    heads = [number for number, line in enumerate(lines) if line.split(":")[0] == section]
    if not heads:
        lines += block
        return
    end = heads[0] + 1
    while end < len(lines) and lines[end].startswith(" "):
        end += 1
    lines[end:end] = _without_gap(block)


def _values(text: str, path: Path) -> dict[str, Any]:
    try:
        content = parse_yaml(text)
    except ValueError as error:
        raise ParamsError(f"{path}: not readable as YAML ({error}); correct it") from error
    if not isinstance(content, dict):
        raise ParamsError(
            f"{path}: holds {type(content).__name__}, expected a mapping of sections; correct it"
        )
    return content


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """The values of the base with those that a profile changes, section by section."""
    merged = dict(base)
    for key, value in changes.items():
        are_sections = isinstance(value, dict) and isinstance(base.get(key), dict)
        merged[key] = {**base[key], **value} if are_sections else value
    return merged
