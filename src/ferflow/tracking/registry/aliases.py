"""Who is champion: the aliases of the registered model, and the way back to the champion before.

Aliases hold one version each, so there are never two champions. Which versions were champion is written
in one tag of the registered model, oldest first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ferflow import heavy
from ferflow.errors import TrackingError
from ferflow.reporting.outline import Table
from ferflow.tracking import names
from ferflow.tracking.registry.gate import REFUSED, Outcome
from ferflow.tracking.store import store_errors
from ferflow.tracking.text_table import render

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel

TAG_SINCE = "champion.since"
TAG_BEFORE = "champion.before"
TAG_ROLLED_BACK = "champion.rolled_back_to"
TAG_HISTORY = "champion.history"

# Decisions of the gate after which a version is no candidate any more.
_REFUSALS = {outcome.value for outcome in (*REFUSED, Outcome.WORSE)}
_MAX_HISTORY = 200  # champions that are remembered


@dataclass(frozen=True)
class Rollback:
    """A champion taken back: numbers of the version that was champion and of the one that is."""

    former: str
    champion: str


def versions(client: MlflowClient) -> list[ModelVersion]:
    """All versions with their tags, newest first; none where nothing is registered.

    Raises:
        TrackingError: The store cannot be reached.
    """
    found: list[ModelVersion] = []
    token = None
    while True:
        with store_errors(client.tracking_uri):
            page = client.search_model_versions(f"name = '{names.REGISTERED_MODEL}'", page_token=token)
        found += page
        token = page.token
        if not token:
            return sorted(found, key=lambda version: int(version.version), reverse=True)


def version_table(client: MlflowClient) -> str:
    """The versions as a table for people, newest first.

    Raises:
        TrackingError: The store cannot be reached.
    """
    found = versions(client)
    if not found:
        return f"{names.REGISTERED_MODEL}: no version yet; register a run with 'ferflow register'"
    with store_errors(client.tracking_uri):
        model = registered_model(client)
    aliases = model.aliases if model else {}
    columns = ["version", "standing", "run", "leak-free accuracy", "p", "decision"]
    rows = [
        [
            str(version.version),
            standing(version, aliases) or "-",
            str(version.run_id)[:8],
            _figure(version.tags.get("gate.accuracy"), lambda value: f"{value:.1%}"),
            _figure(version.tags.get("gate.p_value"), _chance),
            version.tags.get("gate.decision", "not judged")
            + (" (forced)" if "gate.forced" in version.tags else ""),
        ]
        for version in found
    ]
    return render(Table(names.REGISTERED_MODEL, columns, rows))


def standing(version: ModelVersion, aliases: Mapping[str, str | int]) -> str:
    """What a version is: its aliases, but that the gate refused it counts more than a mere `challenger`.

    Args:
        version: One of the registered model.
        aliases: Alias to the number of the version that has it.
    """
    held = sorted(alias for alias, number in aliases.items() if str(number) == str(version.version))
    others = [alias for alias in held if alias != names.CHALLENGER]
    if names.CHALLENGER in held:
        refused = version.tags.get("gate.decision") in _REFUSALS
        others.append("refused" if refused else names.CHALLENGER)
    return ", ".join(others)


def _figure(value: str | None, show: Callable[[float], str]) -> str:
    """A figure of the gate, in one format for all versions; what is no number stays as it is."""
    try:
        return "-" if value is None else show(float(value))
    except ValueError:
        return value or "-"


def _chance(p_value: float) -> str:
    return "<0.001" if p_value < 0.0005 else f"{p_value:.3f}"


def promote(client: MlflowClient, number: str, champion: str | None, guard: Callable[[], None]) -> None:
    """Move alias `champion`, and remember who held it.

    Args:
        client: The client of the store.
        number: The number of the version that becomes champion.
        champion: Number of the one that is champion now.
        guard: What `registry_lock` gave; called just before the alias is moved.
    """
    name = names.REGISTERED_MODEL
    history = _history(client, champion) if champion else []
    if champion:
        client.set_model_version_tag(name, number, TAG_BEFORE, champion)
    client.set_model_version_tag(name, number, TAG_SINCE, now())
    guard()
    client.set_registered_model_alias(name, names.CHAMPION, number)
    _remember(client, [*history, number])


def drop_challenger(client: MlflowClient, number: str) -> None:
    """Take alias `challenger` from a version, where it has it."""
    if holder(client, names.CHALLENGER) == number:
        client.delete_registered_model_alias(names.REGISTERED_MODEL, names.CHALLENGER)


def rollback(client: MlflowClient, guard: Callable[[], None] = lambda: None) -> Rollback:
    """Make the version champion that was before the present one.

    The caller holds the registry's lock, and gives its guard.

    Raises:
        TrackingError: There is no champion, none was before it, or the store cannot be reached.
    """
    with store_errors(client.tracking_uri):
        champion = holder(client, names.CHAMPION)
        if champion is None:
            raise TrackingError(
                f"{names.REGISTERED_MODEL}: has no champion to roll back; "
                "register a run with 'ferflow register'"
            )
        history = _history(client, champion)
        present = {str(version.version) for version in versions(client)}
        earlier = [number for number in history[:-1] if number in present]
        while earlier[-1:] == [champion]:
            earlier.pop()
        if not earlier:
            raise TrackingError(
                f"{names.REGISTERED_MODEL}: version {champion} is champion and none was before it; "
                "see 'ferflow registry list', or promote one with 'ferflow register RUN --force'"
            )
        target = earlier[-1]
        name = names.REGISTERED_MODEL
        guard()
        client.set_registered_model_alias(name, names.CHAMPION, target)
        _remember(client, earlier)
        client.set_model_version_tag(name, champion, TAG_ROLLED_BACK, target)
        add_to_description(client, champion, f"Rolled back to version {target} on {now()}.")
        client.set_model_version_tag(name, target, TAG_SINCE, now())
        add_to_description(client, target, f"Champion again since {now()}, after version {champion}.")
        return Rollback(former=champion, champion=target)


def add_to_description(client: MlflowClient, number: str, sentence: str) -> None:
    """Add a line to what is said of a version."""
    present = client.get_model_version(names.REGISTERED_MODEL, number).description or ""
    client.update_model_version(names.REGISTERED_MODEL, number, f"{present}\n{sentence}".strip())


def _history(client: MlflowClient, champion: str) -> list[str]:
    """Numbers of all champions, oldest first; the last is the present one.

    An alias that was moved by hand, or by a process that died before it noted it, is added.
    """
    model = registered_model(client)
    text = model.tags.get(TAG_HISTORY, "") if model else ""
    history = [number for number in text.split(",") if number]
    if history[-1:] == [champion]:
        return history
    if history[-2:-1] == [champion]:
        return history[:-1]
    return [*history, champion]


def _remember(client: MlflowClient, history: list[str]) -> None:
    text = ",".join(history[-_MAX_HISTORY:])
    client.set_registered_model_tag(names.REGISTERED_MODEL, TAG_HISTORY, text)


def holder(client: MlflowClient, alias: str) -> str | None:
    """Number of the version that has an alias; None where no version has it."""
    model = registered_model(client)
    number = model.aliases.get(alias) if model else None
    return None if number is None else str(number)


def registered_model(client: MlflowClient) -> RegisteredModel | None:
    """The registered model with its tags and aliases; None where nothing was ever registered."""
    try:
        return client.get_registered_model(names.REGISTERED_MODEL)
    except heavy.mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        return None


def now() -> str:
    """The time in words, such as `2026-11-25 07:40 UTC`."""
    return datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
