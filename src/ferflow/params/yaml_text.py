"""YAML 1.2 as plain Python values, within limits, whatever somebody wrote."""

from __future__ import annotations

from copy import deepcopy
from functools import lru_cache
from typing import Any

from ferflow import heavy
from ferflow.limits import MAX_YAML_VALUES


def parse_yaml(text: str) -> Any:
    """The plain values of a YAML text, which the caller may change.

    A text that is read again is parsed once: a command reads its parameters more than once, and every profile
    to see whether they were edited; to parse one takes longer than all else that is done with it.

    Raises:
        ValueError: It is no YAML, a value is none of its type, or aliases stand for too many values; the
            text says which, in one line.
    """
    try:
        return deepcopy(_parsed(text))
    except RecursionError:
        raise ValueError("nested too deeply, or an alias stands for what it is in") from None


@lru_cache(maxsize=64)
def _parsed(text: str) -> Any:
    try:
        # Pure: the parser in C, where it is installed, takes other texts and has no bound of nesting.
        content = heavy.ruamel.yaml.YAML(typ="safe", pure=True).load(text)
        num_values = _num_values(content, {})
    except RecursionError:
        raise
    except Exception as error:  # Of values such as `!!int x` and `2026-13-45` it raises what Python raises.
        raise ValueError(" ".join(str(error).split()) or type(error).__name__) from error
    if num_values > MAX_YAML_VALUES:
        raise ValueError(f"stands for {num_values:,} values, more than {MAX_YAML_VALUES:,}: too many aliases")
    return content


def _num_values(value: Any, known: dict[int, int]) -> int:
    """How many values there are, those behind an alias counted each time that they come."""
    if not isinstance(value, dict | list):
        return 1
    if id(value) not in known:
        inner = value.values() if isinstance(value, dict) else value
        known[id(value)] = 1 + sum(_num_values(entry, known) for entry in inner)
    return known[id(value)]
