"""A registered version with what lies behind it: its run, its network, its reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferflow.errors import TrackingError
from ferflow.files import sha256_of
from ferflow.limits import parse_json
from ferflow.tracking import names
from ferflow.tracking.outbox.logged_model import NETWORK
from ferflow.tracking.registry.aliases import holder, versions
from ferflow.tracking.store import load_mlflow, shown, store_errors
from ferflow.tracking.tracked_run import TrackedRun, get_run

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

_ALIASES = (names.CHAMPION, names.CHALLENGER)
_PATH = f"artifacts/{NETWORK}"


@dataclass(frozen=True)
class RegisteredVersion:
    """A version of the registered model.

    Attributes:
        number: Its number.
        model_id: The id of the logged model that it is.
        run: The run that trained it.
    """

    number: str
    model_id: str
    run: TrackedRun

    @property
    def label(self) -> str:
        """What messages call it."""
        return f"{names.REGISTERED_MODEL} version {self.number}"


def find_version(client: MlflowClient, wanted: str) -> RegisteredVersion:
    """The version of an alias or a number.

    Args:
        client: The client of the store.
        wanted: `champion`, `challenger` or a number.

    Raises:
        TrackingError: There is no such version, or the store cannot be reached.
    """
    known = versions(client)
    if not known:
        raise TrackingError(
            f"{names.REGISTERED_MODEL}: no version yet in {shown(client.tracking_uri)}; register a run with "
            "'ferflow register'"
        )
    number: str | None = wanted
    if wanted in _ALIASES:
        with store_errors(client.tracking_uri):
            number = holder(client, wanted)
        if number is None:
            raise TrackingError(
                f"{names.REGISTERED_MODEL}: no version is {wanted}; name one by its number "
                "(see 'ferflow registry list')"
            )
    for version in known:
        if str(version.version) == number:
            return _read(client, version)
    listed = ", ".join(str(version.version) for version in known[:10])
    raise TrackingError(
        f"{names.REGISTERED_MODEL}: has no version {wanted!r}, but {listed}; give one of these, or "
        f"{' or '.join(_ALIASES)}"
    )


def fetch_network(client: MlflowClient, version: RegisteredVersion, folder: Path) -> Path:
    """Bring the `.keras` file of a version.

    Args:
        client: The client of the store.
        version: The version.
        folder: Where to.

    Raises:
        TrackingError: The store does not hold it, it is damaged, or the store cannot be reached.
    """
    mlflow = load_mlflow()
    with store_errors(client.tracking_uri):
        model = client.get_logged_model(version.model_id)
        held = [item.path for item in client.list_logged_model_artifacts(version.model_id, "artifacts")]
    if _PATH not in held:
        raise TrackingError(
            f"{version.label}: the store holds no {_PATH} of it in {model.artifact_location}; if the project "
            "was copied, copy its mlruns/artifacts, too; else train and register it again, or choose another "
            "version"
        )
    with store_errors(client.tracking_uri):
        path = Path(
            mlflow.artifacts.download_artifacts(
                artifact_uri=f"{model.artifact_location}/{_PATH}",
                dst_path=str(folder),
                tracking_uri=client.tracking_uri,
            )
        )
    expected, found = model.tags.get(names.TAG_MODEL), sha256_of(path)
    if expected is not None and found != expected:
        raise TrackingError(
            f"{version.label}: its {_PATH} has sha256 {found}, expected {expected}; the store's copy is "
            "damaged: train and register it again, or export another version"
        )
    return path


def fetch_reports(client: MlflowClient, run: TrackedRun, folder: Path) -> dict[str, dict[str, Any]]:
    """The reports of a run that are JSON: name, such as `metrics.json`, to content.

    Args:
        client: The client of the store.
        run: The run.
        folder: Where they may be put meanwhile.

    Raises:
        TrackingError: One is damaged, or the store cannot be reached.
    """
    found = {}
    with store_errors(client.tracking_uri):
        held = [item.path for item in client.list_artifacts(run.run_id, names.REPORTS)]
        for name in held:
            if not name.endswith(".json"):
                continue
            path = Path(client.download_artifacts(run.run_id, name, dst_path=str(folder)))
            try:
                found[path.name] = dict(parse_json(path.read_text(encoding="utf-8")))
            except (ValueError, TypeError) as error:
                raise TrackingError(
                    f"run {run.label}: its {name} is damaged ({error}); score it again with "
                    "'ferflow evaluate', or choose another version"
                ) from error
    return found


def _read(client: MlflowClient, version: ModelVersion) -> RegisteredVersion:
    number, source = str(version.version), str(version.source)
    model_id = source.removeprefix("models:/")
    if model_id == source or not version.run_id:
        raise TrackingError(
            f"{names.REGISTERED_MODEL} version {number}: was not registered by ferflow (its source is "
            f"{source}); register a run with 'ferflow register', or choose another version"
        )
    return RegisteredVersion(number, model_id, get_run(client, str(version.run_id)))


def lineage_of(run: TrackedRun) -> dict[str, str]:
    """The tags of a run that say where it comes from; not those that MLflow keeps for itself."""
    own = (names.TAG_JOURNAL, names.TAG_EVALUATION, names.TAG_DERIVED)
    return {
        name: text for name, text in run.tags.items() if not name.startswith("mlflow.") and name not in own
    }
