"""Registries: what a parameter can name, such as a backbone, is a file of its own in a package.

The module's name is the entry's name, its docstring the description, and its `ENTRY` says the rest: which
keys it reads, and the function. Nothing is imported before it is asked for; the order is that of names.
"""

from __future__ import annotations

import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

from pydantic import create_model, model_validator
from pydantic.fields import FieldInfo

from ferflow.errors import ParamsError
from ferflow.params.section import Section


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What every entry of a registry says.

    Attributes:
        options: The keys of its section that it reads, with their ranges, and rules between them. A key with
            a default value may be left out of `params.yaml`.
    """

    options: type[Section]


Kind = TypeVar("Kind", bound=Entry)


class Registry(Generic[Kind]):
    """The entries of one kind.

    Args:
        package: Name of the package whose modules are the entries.
        kind: What their `ENTRY` is.
        key: The parameter that names one of them, or the section that takes the options of all.
    """

    def __init__(self, package: str, kind: type[Kind], *, key: str) -> None:
        self.package = package
        self.kind = kind
        self.key = key

    def names(self) -> tuple[str, ...]:
        """Names of the entries, in order; imports none of them."""
        return tuple(
            sorted(found.name for found in pkgutil.iter_modules(import_module(self.package).__path__))
        )

    def get(self, name: str) -> Kind:
        """An entry by its name.

        Raises:
            ParamsError: There is none, or its file has no `ENTRY` of this kind.
        """
        if name not in self.names():
            raise ParamsError(f"{self.key}: {name!r} found, expected {' or '.join(self.names())}")
        module = import_module(f"{self.package}.{name}")
        entry = getattr(module, "ENTRY", None)
        if not isinstance(entry, self.kind):
            raise ParamsError(
                f"{module.__file__}: ENTRY is {entry!r}, expected a {self.kind.__name__}; correct the file"
            )
        return entry

    def entries(self) -> dict[str, Kind]:
        """All entries by their names, in order."""
        return {name: self.get(name) for name in self.names()}

    def summary(self, name: str) -> str:
        """The first line of an entry's docstring."""
        self.get(name)
        return (inspect.getdoc(import_module(f"{self.package}.{name}")) or "").split("\n", 1)[0]

    def table(self) -> str:
        """The entries as a Markdown table: name, what it is, the keys that it reads."""
        rows = [f"| {self.key} | what it is | keys that it reads |", "|---|---|---|"]
        for name, entry in self.entries().items():
            keys = ", ".join(_shown(key, field) for key, field in entry.options.model_fields.items())
            rows.append(f"| `{name}` | {self.summary(name)} | {keys or _NONE} |")
        return "\n".join(rows) + "\n"


_NONE = "\N{EN DASH}"


def _shown(key: str, field: FieldInfo) -> str:
    return f"`{key}`" if field.is_required() else f"`{key}` ({field.default})"


def registry(package: str) -> Registry[Any]:
    """The registry of a package of entries."""
    found = import_module(package).REGISTRY
    assert isinstance(found, Registry)  # noqa: S101
    return found


class OpenSection(Section):
    """A section that has the keys of entries besides its own.

    What is validated has the keys of all entries, since a `params.yaml` holds every key; then the entry that
    a key names checks those that it reads. So a file may hold keys of other entries, of the right type.

    Attributes:
        packages: The names of the registries' packages.
    """

    packages: ClassVar[tuple[str, ...]] = ()

    @model_validator(mode="wrap")
    @classmethod
    def _with_keys_of_entries(cls, values: Any, handler: Callable[[Any], Self]) -> Self:
        whole = cls.whole()
        return handler(values) if cls is whole or isinstance(values, cls) else whole.model_validate(values)

    @model_validator(mode="after")
    def _chosen_entries_agree(self) -> Self:
        for package in self.packages:
            found = registry(package)
            choice = getattr(self, found.key.partition(".")[2], None)
            names = found.names() if choice is None else (choice,)
            for name in names:
                self.options(found.get(name).options)
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process makes the section with all keys itself: pickle could not find it by a name."""
        section = next(kind for kind in type(self).__mro__ if "__whole__" not in kind.__dict__)
        return getattr(section, "model_validate"), (self.model_dump(),)  # noqa: B009 (a class of Python's)

    @classmethod
    def whole(cls) -> type[Self]:
        """The section with the keys of all entries."""
        whole: type[Self] = _whole(cls, tuple((name, registry(name).names()) for name in cls.packages))
        return whole

    def options(self, kind: type[Options]) -> Options:
        """The keys that an entry reads."""
        return kind.model_validate({key: getattr(self, key) for key in kind.model_fields})


Options = TypeVar("Options", bound=Section)


@lru_cache
def _whole(section: type[OpenSection], packages: tuple[tuple[str, tuple[str, ...]], ...]) -> Any:
    """The section with the keys of all entries; `packages` says which there are now."""
    if "__whole__" in section.__dict__:
        return section
    fields: dict[str, Any] = {}
    for package, names in packages:
        found = registry(package)
        key = found.key.partition(".")[2]
        if key in section.model_fields:
            fields[key] = (Literal[names], section.model_fields[key])
        for entry in found.entries().values():
            new = entry.options.model_fields.items()
            fields |= {
                name: (field.annotation, field) for name, field in new if name not in section.model_fields
            }
    whole = create_model(section.__name__, __base__=section, __doc__=section.__doc__, **fields)
    whole.__whole__ = True  # type: ignore[attr-defined]
    return whole
