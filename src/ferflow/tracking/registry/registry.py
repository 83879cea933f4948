"""Registering a run's model, and the gate before the champion's place.

Alias `champion` is the version to use, `challenger` the newest one that was not promoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ferflow import heavy
from ferflow.errors import TrackingError
from ferflow.tracking import names
from ferflow.tracking.registry.aliases import (
    TAG_BEFORE,
    add_to_description,
    drop_challenger,
    holder,
    now,
    promote,
    registered_model,
    versions,
)
from ferflow.tracking.registry.gate import Contender, Decision, Rules, decide
from ferflow.tracking.registry.registry_lock import Guard, registry_lock
from ferflow.tracking.store import store_errors
from ferflow.tracking.tracked_run import FINISHED, TrackedRun, get_run, predictions_of

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

TAG_DECISION = "gate.decision"
TAG_FORCED = "gate.forced"

_MAX_LOOKS = 5  # at the champion's place before it is taken
_ABOUT = (
    "Facial emotion recognition by ferflow. Alias champion is the version to use; the gate's figures "
    "are in each version's tags and description."
)


@dataclass(frozen=True)
class Registration:
    """A registered version and what the gate said of it.

    Attributes:
        version: Its number.
        run: The run whose model it is.
        is_new: Whether this call registered it.
        is_champion: Whether it is champion now.
        champion: Number of the champion now; None where there is none.
        description: The decision in words.
    """

    version: str
    run: TrackedRun
    is_new: bool
    is_champion: bool
    champion: str | None
    description: str


def register(client: MlflowClient, run: TrackedRun, rules: Rules, *, is_forced: bool = False) -> Registration:
    """Register the model of a run and let the gate decide whether it becomes champion.

    The same model registered twice is the same version, with the decision it got the first time.

    Args:
        client: The client of the store.
        run: A finished, scored run with a model.
        rules: What the gate asks for.
        is_forced: Make it champion whatever the gate says; the version remembers that.

    Raises:
        TrackingError: The run lacks something, or the store cannot be reached.
        DataError: Predictions are damaged.
    """
    model_id = _model_of(client, run)
    contender = _contender(client, run, "")
    with registry_lock(client) as guard, store_errors(client.tracking_uri):
        _ensure_registered_model(client)
        version = _version_of(client, model_id)
        is_new = version is None
        if version is None:
            version = client.create_model_version(
                names.REGISTERED_MODEL,
                source=f"models:/{model_id}",
                run_id=run.run_id,
                model_id=model_id,
                description=run.description or run.name,
            )
        version = client.get_model_version(names.REGISTERED_MODEL, str(version.version))
        if TAG_DECISION not in version.tags:
            _judge(client, version, run, contender, rules, is_forced=is_forced, guard=guard)
        elif is_forced:
            _force(client, version, guard)
        return _registration(client, version, run, is_new=is_new)


def _judge(
    client: MlflowClient,
    version: ModelVersion,
    run: TrackedRun,
    contender: Contender,
    rules: Rules,
    *,
    is_forced: bool,
    guard: Guard,
) -> None:
    """Make a version challenger, decide, and write the decision down; its tag comes last.

    A process that dies on the way leaves no decision, and the next one judges again.
    """
    number = str(version.version)
    champion = holder(client, names.CHAMPION)
    if champion != number:
        guard()
        client.set_registered_model_alias(names.REGISTERED_MODEL, names.CHALLENGER, number)
    for _ in range(_MAX_LOOKS):
        # A champion without a decision is this version, promoted by a process that then died.
        rival = version.tags.get(TAG_BEFORE) if champion == number else champion
        decision = decide(
            _named(contender, f"Version {number}"), _rival(client, rival) if rival else None, rules
        )
        former, champion = champion, holder(client, names.CHAMPION)
        if champion == former:
            break  # Nobody else moved it meanwhile, on another machine.
    _write_decision(client, number, run, decision, is_forced=is_forced)
    if (decision.is_promoted or is_forced) and champion != number:
        promote(client, number, champion, guard)
    if holder(client, names.CHAMPION) == number:
        drop_challenger(client, number)
    client.set_model_version_tag(names.REGISTERED_MODEL, number, TAG_DECISION, decision.outcome.value)


def _write_decision(
    client: MlflowClient, number: str, run: TrackedRun, decision: Decision, *, is_forced: bool
) -> None:
    """Write all figures of a decision but the tag that says it is complete."""
    for name, figure in decision.figures().items():
        if f"gate.{name}" != TAG_DECISION:
            client.set_model_version_tag(names.REGISTERED_MODEL, number, f"gate.{name}", figure)
    words = decision.description()
    if is_forced and not decision.is_promoted:
        client.set_model_version_tag(names.REGISTERED_MODEL, number, TAG_FORCED, "true")
        words += " It was made champion by force."
    about = f"{run.description or run.name}\n\n{words}"
    client.update_model_version(names.REGISTERED_MODEL, number, about)


def _force(client: MlflowClient, version: ModelVersion, guard: Guard) -> None:
    """Make a version that was judged before champion all the same."""
    number, champion = str(version.version), holder(client, names.CHAMPION)
    if champion == number:
        return
    client.set_model_version_tag(names.REGISTERED_MODEL, number, TAG_FORCED, "true")
    promote(client, number, champion, guard)
    drop_challenger(client, number)
    add_to_description(client, number, f"It was made champion by force on {now()}.")


def _ensure_registered_model(client: MlflowClient) -> None:
    if registered_model(client) is not None:
        return
    try:
        client.create_registered_model(names.REGISTERED_MODEL, description=_ABOUT)
    except heavy.mlflow.exceptions.MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":  # Another machine was faster.
            raise


def _version_of(client: MlflowClient, model_id: str) -> ModelVersion | None:
    """The version of a logged model."""
    fitting = [version for version in versions(client) if version.source == f"models:/{model_id}"]
    return fitting[-1] if fitting else None


def _model_of(client: MlflowClient, run: TrackedRun) -> str:
    """The id of the run's logged model.

    Raises:
        TrackingError: The run has not ended well, or has no whole model.
    """
    if run.status != FINISHED:
        raise TrackingError(
            f"run {run.label}: is {run.status}, expected {FINISHED}; let it end, or choose another run"
        )
    with store_errors(client.tracking_uri):
        models = [client.get_logged_model(model_id) for model_id in run.model_ids]
    for model in reversed(models):
        if model.name == names.MODEL and model.status == "READY":
            return str(model.model_id)
    raise TrackingError(
        f"run {run.label}: holds no model; send it with 'ferflow track sync', or choose another run"
    )


def _contender(client: MlflowClient, run: TrackedRun, name: str) -> Contender:
    """A run as the gate sees it.

    Raises:
        TrackingError: The run does not say on which test set it was scored, or holds no predictions.
    """
    digest = run.tags.get(names.TAG_TEST)
    if not digest:
        raise TrackingError(
            f"run {run.label}: has no tag {names.TAG_TEST}, so its test set is not known; score it again "
            "with 'ferflow evaluate', or choose another run"
        )
    return Contender(name, predictions_of(client, run), digest, run.cost)


def _rival(client: MlflowClient, number: str) -> Contender:
    """The champion as the gate sees it."""
    version = client.get_model_version(names.REGISTERED_MODEL, number)
    return _contender(client, get_run(client, str(version.run_id)), f"version {number}")


def _named(contender: Contender, name: str) -> Contender:
    return Contender(name, contender.predictions, contender.test_digest, contender.cost)


def _registration(
    client: MlflowClient, version: ModelVersion, run: TrackedRun, *, is_new: bool
) -> Registration:
    champion = holder(client, names.CHAMPION)
    number = str(version.version)
    described = client.get_model_version(names.REGISTERED_MODEL, number).description or ""
    words = described.split("\n\n", 1)[-1].replace("\n", " ")
    return Registration(number, run, is_new, champion == number, champion, words)
