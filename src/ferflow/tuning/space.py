"""The search space: `tune.space` checked against the parameters, and its way to Optuna and back."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ferflow import heavy
from ferflow.errors import ParamsError
from ferflow.params import Params, check_params
from ferflow.params.tune import Choice, Entry

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

# Sections whose keys change what one training computes.
SECTIONS = ("model", "augment", "train")
_SIGNIFICANT_DIGITS = 4

Values = dict[str, Any]


class Space:
    """The keys that are searched, and the parameters that the others come from.

    Args:
        params: The parameters; their own values are the first trial.
        origin: Name of their file, for errors.

    Raises:
        ParamsError: A key is unknown or trains nothing, a bound or choice is one that the parameters
            refuse, or the value in the parameters lies outside of its range.
    """

    def __init__(self, params: Params, *, origin: str) -> None:
        self._params = params
        self._origin = origin
        self._entries: dict[str, Entry] = {entry.key: entry for entry in params.tune.space}
        self._values = params.model_dump()
        for entry in self._entries.values():
            self._check_key(entry)
        self._check_extremes()
        for entry in self._entries.values():
            self._check_own_value(entry)

    @property
    def keys(self) -> list[str]:
        """The keys that are searched."""
        return list(self._entries)

    def own_values(self) -> Values:
        """Key to the value that the parameters have now."""
        return {key: _find(self._values, key) for key in self._entries}

    def params_with(self, values: Mapping[str, Any]) -> Params:
        """The parameters with other values of some keys.

        Raises:
            ParamsError: The parameters refuse them.
        """
        content = self._params.model_dump()
        for key, value in values.items():
            *sections, last = key.split(".")
            _find(content, ".".join(sections))[last] = value
        shown = ", ".join(f"{key} {value}" for key, value in values.items())
        return check_params(content, origin=f"{self._origin} with {shown}")

    def distributions(self) -> dict[str, BaseDistribution]:
        """Key to what Optuna draws from."""
        found: dict[str, BaseDistribution] = {}
        for key, entry in self._entries.items():
            if isinstance(entry, Choice):
                choices = [_to_choice(choice) for choice in entry.choices]
                found[key] = heavy.optuna.distributions.CategoricalDistribution(choices)
            elif entry.kind == "int":
                found[key] = heavy.optuna.distributions.IntDistribution(entry.low, entry.high, log=entry.log)
            else:
                found[key] = heavy.optuna.distributions.FloatDistribution(
                    entry.low, entry.high, log=entry.log
                )
        return found

    def values_of(self, drawn: Mapping[str, Any]) -> Values:
        """What Optuna drew as values of the parameters: numbers of four significant digits, lists again.

        A trial trains with what `params.yaml` can hold in a form that people read.
        """
        return {key: _from_drawn(entry, drawn[key]) for key, entry in self._entries.items() if key in drawn}

    def drawn_from(self, values: Mapping[str, Any]) -> Values:
        """What Optuna has to be told to have it draw these values; keys and values outside are left out."""
        found = {}
        for key, entry in self._entries.items():
            if key in values and _is_inside(entry, values[key]):
                is_choice = isinstance(entry, Choice)
                found[key] = _to_choice(values[key]) if is_choice else values[key]
        return found

    def _check_key(self, entry: Entry) -> None:
        section = entry.key.split(".")[0]
        if section not in SECTIONS:
            raise ParamsError(
                f"{self._origin}: tune.space has {entry.key!r}, expected a key of {', '.join(SECTIONS)}: "
                "only those change what a training computes; remove it"
            )
        try:
            _find(self._values, entry.key)
        except KeyError:
            known = ", ".join(f"{section}.{key}" for key in self._values[section])
            raise ParamsError(
                f"{self._origin}: tune.space has the unknown key {entry.key!r}; use one of {known}"
            ) from None

    def _check_extremes(self) -> None:
        """Try every bound and choice alone, and then each pair of them, on the parameters."""
        extremes = [[(entry.key, value) for value in _extremes(entry)] for entry in self._entries.values()]
        for values in _alone_and_in_pairs(extremes):
            try:
                self.params_with(values)
            except ParamsError as error:
                raise ParamsError(
                    f"tune.space allows what the parameters refuse; narrow it: {error}"
                ) from None

    def _check_own_value(self, entry: Entry) -> None:
        value = _find(self._values, entry.key)
        if not _is_inside(entry, value):
            wanted = (
                f"one of {entry.choices}"
                if isinstance(entry, Choice)
                else f"a number from {entry.low:g} to {entry.high:g}"
            )
            raise ParamsError(
                f"{self._origin}: {entry.key} is {value!r}, but tune.space wants {wanted}: the first trial "
                "is the file's own setting; widen the space or change the value"
            )


def _alone_and_in_pairs(extremes: list[list[tuple[str, Any]]]) -> Iterator[Values]:
    for values in extremes:
        yield from ({key: value} for key, value in values)
    for first, second in itertools.combinations(extremes, 2):
        yield from (dict(pair) for pair in itertools.product(first, second))


def _extremes(entry: Entry) -> list[Any]:
    return entry.choices if isinstance(entry, Choice) else [entry.low, entry.high]


def _find(content: Any, key: str) -> Any:
    for part in key.split("."):
        if not isinstance(content, dict):
            raise KeyError(key)
        content = content[part]
    return content


def _is_inside(entry: Entry, value: Any) -> bool:
    if isinstance(entry, Choice):
        return any(_is_same(choice, value) for choice in entry.choices)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and entry.low <= value <= entry.high


def _to_choice(value: Any) -> Any:
    """A choice as Optuna keeps it: lists and mappings as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def _from_drawn(entry: Entry, drawn: Any) -> Any:
    if isinstance(entry, Choice):
        return next(choice for choice in entry.choices if _is_same(_to_choice(choice), drawn))
    if entry.kind == "int":
        return int(drawn)
    rounded = float(f"{drawn:.{_SIGNIFICANT_DIGITS}g}")
    return min(max(rounded, entry.low), entry.high)


def _is_same(left: Any, right: Any) -> bool:
    return type(left) is type(right) and left == right
