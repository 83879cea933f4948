"""Profiles: what differs from `profiles/base.yaml`, a file each, and their way into `params.yaml`."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from ferflow.errors import ParamsError
from ferflow.files import atomic_file
from ferflow.params import Params, check_params, load_params, read_yaml, whole_text
from ferflow.params.differences import BASE, is_profile, with_key
from ferflow.params.entries import OpenSection
from ferflow.params.yaml_text import parse_yaml
from ferflow.paths import PROFILES


def load_profile(name: str, *, profiles: Path) -> Params:
    """Read and check a profile.

    Raises:
        ParamsError: There is no such profile, or a key or value is wrong.
    """
    return load_params(_find(name, profiles))


def profile_names(profiles: Path) -> list[str]:
    """Names of the profiles in a folder, in order."""
    return sorted(path.stem for path in profiles.glob("*.yaml") if path.name != BASE)


def write_profile(name: str, changes: Iterable[str], *, profiles: Path, target: Path) -> Path | None:
    """Write a profile with changes as the parameter file; comments and order are kept.

    A parameter file that no profile equals was edited by hand: it is kept beside as `.bak1` and so on.

    Args:
        name: Name of the profile.
        changes: `KEY=VALUE` pairs such as `train.epochs=3`; the value is YAML.
        profiles: Folder of the profiles.
        target: The parameter file.

    Returns:
        Where the former, edited parameter file was kept, or None.

    Raises:
        ParamsError: The profile, a key or a value is wrong; nothing is written.
        OutputError: The file cannot be written.
    """
    source = _find(name, profiles)
    read_yaml(source)
    changes = list(changes)
    text = _with_options(whole_text(source), [change.partition("=")[0] for change in changes])
    content = _commented_yaml().load(text)
    for change in changes:
        _set(content, change)
    text = _checked_text(content, origin=f"profile {name} with --set")
    backup = _keep_edits(target, profiles)
    with atomic_file(target) as fresh:
        fresh.write_text(text, encoding="utf-8")
    return backup


def change_values(path: Path, values: Mapping[str, Any]) -> None:
    """Change keys of a parameter file; comments and order are kept. A profile is given those that it lacks.

    Args:
        path: The file.
        values: Dotted key to its new value.

    Raises:
        ParamsError: The file is no parameter file, or a key or a value is wrong; it is left as it was.
        OutputError: It cannot be written.
    """
    load_params(path)
    whole = _commented_yaml().load(_with_options(whole_text(path), values))
    for key, value in values.items():
        place, last = _place_of(whole, key)
        if place is None:
            raise ParamsError(f"{path}: unknown key {key!r}; see {PROFILES / BASE} for the keys")
        place[last] = _in_one_line(value)
    text = _checked_text(whole, origin=f"{path} with {', '.join(values)}")
    if is_profile(path):
        text = _profile_text(path, values)
    with atomic_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def _with_options(text: str, keys: Iterable[str]) -> str:
    """The text of a parameter file, with those keys that it may leave out, such as `augment.cutmix`."""
    for key in keys:
        section, _, last = key.partition(".")
        field = Params.model_fields.get(section)
        kind = field.annotation if field is not None else None
        is_absent = _place_of(parse_yaml(text), key)[0] is None
        if is_absent and isinstance(kind, type) and issubclass(kind, OpenSection):
            text = with_key(text, key, f"{last}: null") if last in kind.whole().model_fields else text
    return text


def _profile_text(path: Path, values: Mapping[str, Any]) -> str:
    """The text of a profile with other values of some keys."""
    text = path.read_text(encoding="utf-8")
    for key, value in values.items():
        content = _commented_yaml().load(text)
        place, last = _place_of(content, key)
        if place is None:
            text = with_key(text, key, _dumped({last: _in_one_line(value)}).strip())
        else:
            place[last] = _in_one_line(value)
            text = _dumped(content)
    return text


def _dumped(content: Any) -> str:
    buffer = io.StringIO()
    _commented_yaml().dump(content, buffer)
    return buffer.getvalue()


def _in_one_line(value: Any) -> Any:
    """Lists and mappings in the style of the profiles: `{key: value}`."""
    if not isinstance(value, dict | list):
        return value
    commented = CommentedMap(value) if isinstance(value, dict) else CommentedSeq(value)
    commented.fa.set_flow_style()
    return commented


def _commented_yaml() -> YAML:
    """A reader and writer that keeps comments and the style of the profiles."""
    yaml = YAML()
    yaml.width = 1000
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml


def _checked_text(content: Any, *, origin: str) -> str:
    """The text of a parameter file, whose values are checked."""
    text = _dumped(content)
    check_params(parse_yaml(text), origin=origin)
    return text


def _place_of(content: Any, key: str) -> tuple[Any, str]:
    """The mapping that holds a dotted key, or None, and the key's last part."""
    *sections, last = key.split(".")
    place = content
    for section in sections:
        place = place.get(section) if hasattr(place, "get") else None
    return (place if hasattr(place, "get") and last in place else None), last


def _find(name: str, profiles: Path) -> Path:
    path = profiles / f"{name}.yaml"
    if not path.is_file() or path.name == BASE:
        known = ", ".join(profile_names(profiles))
        cure = f"known are {known}" if known else "run the command in the repository's folder"
        raise ParamsError(f"{path}: there is no profile {name!r}; {cure}")
    return path


def _set(content: Any, change: str) -> None:
    key, equals, text = change.partition("=")
    place, last = _place_of(content, key)
    if not equals:
        raise ParamsError(f"--set {change}: no value given; give KEY=VALUE such as train.epochs=3")
    if place is None or (hasattr(place[last], "get") and place is content):
        raise ParamsError(f"--set {change}: unknown key {key!r}; see {PROFILES / BASE} for the keys")
    try:
        place[last] = parse_yaml(text)
    except ValueError as error:
        raise ParamsError(
            f"--set {change}: the value is not YAML ({error}); put the value in quotes"
        ) from error


def _keep_edits(target: Path, profiles: Path) -> Path | None:
    if not target.is_file():
        return None
    try:
        present = read_yaml(target)
    except ParamsError:
        present = {}
    # First the one that it was most likely written from.
    names = sorted(profile_names(profiles), key=lambda name: name != present.get("profile"))
    if any(present == read_yaml(profiles / f"{name}.yaml") for name in names):
        return None
    content = target.read_bytes()
    backup = next(
        path
        for number in itertools.count(1)
        if not (path := target.with_name(f"{target.name}.bak{number}")).exists()
        or path.read_bytes() == content
    )
    with atomic_file(backup) as fresh:
        fresh.write_bytes(content)
    return backup
