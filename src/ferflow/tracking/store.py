"""The MLflow store: where it is, and a client of it that neither hangs nor trips over another one.

Without configuration the store is embedded: SQLite at `mlruns/mlflow.db`, artifacts beside it.
`MLFLOW_TRACKING_URI` names another one: a server, or a database such as PostgreSQL.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ferflow import heavy
from ferflow.errors import FerflowError, TrackingError
from ferflow.files import output_error
from ferflow.locks import stage_lock
from ferflow.redaction import hide, register_url
from ferflow.tracking import names
from ferflow.tracking.address import (
    ARTIFACTS,
    DATABASE,
    VARIABLE,
    check_address,
    database_of,
    is_embedded,
    is_web,
    project_root,
    shown,
    stand_for,
    tracking_uri,
)
from ferflow.tracking.diagnosis import explain
from ferflow.tracking.experiment_view import VIEW_TAG, experiment_tags
from ferflow.tracking.read_only import copy_for_reading, is_read_only
from ferflow.tracking.relocation import TAG_HOME, settle

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = [
    "ARTIFACTS",
    "DATABASE",
    "client",
    "experiment_id",
    "open_existing",
    "shown",
    "store_errors",
    "tracking_uri",
]

# An unreachable server costs seconds. MLflow's own values (7 retries, 120 seconds) cost minutes.
_SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    # A request that timed out may have been served: what is sent again is looked up first, by `upload`.
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER": "0",
    # A server that passes a network of 100 MB on to its object store answers late.
    "MLFLOW_ARTIFACT_UPLOAD_DOWNLOAD_TIMEOUT": "30",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    # A redirected write arrives as a read, or with the password at another host: its place is told instead.
    "MLFLOW_ALLOW_HTTP_REDIRECTS": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# Seconds in which a database server must have answered.
_CONNECT_TIMEOUT = 5
# Of two threads that open a store at once, one would take what MLflow has just set for the user's choice.
_OPENING = threading.Lock()
_SET_BY_MLFLOW = (VARIABLE, "MLFLOW_REGISTRY_URI")


def experiment_name() -> str:
    """`MLFLOW_EXPERIMENT_NAME`, or `ferflow`."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or names.EXPERIMENT


def open_existing(root: Path, *, cure: str | None = None) -> MlflowClient:
    """A client of the store; an embedded one must be there, so that none is made in a wrong folder.

    Args:
        root: The repository's folder.
        cure: What to do where none is there; after what is wrong.

    Raises:
        TrackingError: There is no embedded store, or as of `client`.
    """
    if not os.environ.get(VARIABLE) and not (root / DATABASE).is_file():
        cure = cure or (
            "so no run is tracked here yet; run 'dvc repro' first, or go to the repository's folder, or set "
            "MLFLOW_TRACKING_URI"
        )
        raise TrackingError(f"{root / DATABASE}: not found, {cure}")
    return client(root)


def client(root: Path) -> MlflowClient:
    """A client of the store, which is made and brought up to date where it is embedded.

    An embedded store that this user cannot write is read, and what would write to it is an error.

    It sets MLflow's tracking URI, so that `mlflow.pyfunc.load_model("models:/...")` finds the same store.

    Args:
        root: The repository's folder; the embedded store lies in its `mlruns/`.

    Raises:
        TrackingError: MLflow is not installed, or the store cannot be reached or used.
        OutputError: The folder of the embedded store cannot be made.
    """
    mlflow = load_mlflow()
    uri = tracking_uri(root)
    register_url(uri)
    check_address(uri)
    if is_embedded(root, uri) and is_read_only(database_of(root)):
        copy = copy_for_reading(database_of(root))
        stand_for(copy, uri)
        with store_errors(copy):
            return _opened(mlflow, copy)
    artifacts = None if is_web(uri) else _artifacts_folder(root)
    # Processes that open a fresh database at once would each create its tables: one at a time.
    lock = nullcontext() if artifacts is None else stage_lock("migration", directory=artifacts.parent)
    with lock, store_errors(uri):
        is_own = is_embedded(root, uri)
        if is_own:
            settle(database_of(root))
        _probe_database(uri)
        made = _opened(mlflow, uri)
        _ensure_experiment(made, artifacts, is_own=is_own)
    return made


def _artifacts_folder(root: Path) -> Path:
    """The folder of artifacts of a store that is a database, made where it is missing."""
    folder = project_root(root) / ARTIFACTS
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder.parent, error) from error
    return folder


def check_writing(root: Path) -> None:
    """Write to the store what it holds already.

    Args:
        root: The repository's folder.

    Raises:
        TrackingError: It cannot be reached, or cannot be written.
    """
    made = client(root)
    number = experiment_id(made)
    with store_errors(made.tracking_uri):
        made.set_experiment_tag(number, VIEW_TAG, made.get_experiment(number).tags[VIEW_TAG])


def experiment_id(client: MlflowClient) -> str:
    """The id of the experiment.

    Raises:
        TrackingError: It is not there, was deleted, or the store cannot be reached.
    """
    name = experiment_name()
    uri = client.tracking_uri
    with store_errors(uri):
        experiment = client.get_experiment_by_name(name)
    if experiment is None or experiment.lifecycle_stage != "active":
        found = "is not" if experiment is None else "was deleted"
        raise TrackingError(
            f"experiment {name!r} {found} in {shown(uri)}; set MLFLOW_EXPERIMENT_NAME to another one, or "
            "restore it (mlflow experiments restore)"
        )
    return str(experiment.experiment_id)


def _opened(mlflow: Any, uri: str) -> MlflowClient:
    """Make a store the one that MLflow's functions use in this process, and in no other."""
    with _OPENING:
        chosen = {name: os.environ.get(name) for name in _SET_BY_MLFLOW}
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        # MLflow sets the variables, and then it looks as if the user had.
        for name, value in chosen.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
    made: MlflowClient = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    return made


def load_mlflow() -> Any:
    """Import MLflow, with waiting times set for people and its chatter turned off.

    Values of the environment that the user set win.

    Returns:
        The module `mlflow`.

    Raises:
        TrackingError: It is not installed.
    """
    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        mlflow = heavy.mlflow
    except ImportError as error:
        raise TrackingError(
            f"MLflow is not installed ({error}); install ferflow[tracking], or run 'make install'"
        ) from error
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    return mlflow


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn whatever MLflow and the libraries below it raise into an error that names store and cure.

    One net for all of it: answers that are no answers make their clients fail in ways that no list names.

    Args:
        uri: The tracking URI.

    Raises:
        TrackingError: The store could not be reached or used inside the block.
    """
    try:
        yield
    except FerflowError:
        raise
    except Exception as error:
        finding = explain(error, uri)
        raise TrackingError(hide(f"{shown(uri)}: {finding.found}; {finding.cure}")) from error


def _probe_database(uri: str) -> None:
    """Connect to a database server once, as MLflow tries for two minutes to."""
    if not uri.startswith(("postgres", "mysql")):
        return

    engine = heavy.sqlalchemy.create_engine(uri, connect_args={"connect_timeout": _CONNECT_TIMEOUT})
    try:
        engine.connect().close()
    finally:
        engine.dispose()


def _ensure_experiment(client: MlflowClient, artifacts: Path | None, *, is_own: bool) -> None:
    """Create the experiment where it is missing, and give it the view that the UI opens with."""
    name = experiment_name()
    tags = experiment_tags()
    if is_own and artifacts is not None:
        tags[TAG_HOME] = artifacts.resolve().parent.as_uri()
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = None if artifacts is None else artifacts.resolve().as_uri()
        try:
            client.create_experiment(name, artifact_location=location, tags=tags)
        except heavy.mlflow.exceptions.MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # Another process was faster.
                raise
        return
    if experiment.lifecycle_stage != "active":
        return
    # A view that is there may be one that the user saved over it.
    for tag in {VIEW_TAG, TAG_HOME} & tags.keys() - experiment.tags.keys():
        client.set_experiment_tag(experiment.experiment_id, tag, tags[tag])
