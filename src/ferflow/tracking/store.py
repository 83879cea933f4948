"""The MLflow store: where it is, and a client of it that neither hangs nor trips over another one.

Without configuration the store is embedded: SQLite at `mlruns/mlflow.db`, artifacts beside it.
`MLFLOW_TRACKING_URI` names another one: a server, or a database such as PostgreSQL.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ferflow.errors import TrackingError
from ferflow.files import output_error, stage_lock
from ferflow.tracking import names

if TYPE_CHECKING:
    from mlflow import MlflowClient

DATABASE = Path("mlruns/mlflow.db")
ARTIFACTS = Path("mlruns/artifacts")

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
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
}
# What stores of artifacts raise, where their libraries are in use.
_CLOUD_ERRORS = {
    "botocore.exceptions": ("BotoCoreError", "ClientError"),
    "boto3.exceptions": ("Boto3Error",),
    "google.api_core.exceptions": ("GoogleAPIError",),
    "azure.core.exceptions": ("AzureError",),
}
# Seconds that a connection of SQLite waits for another one that writes.
_SQLITE_TIMEOUT = 60
# Seconds in which a database server must have answered.
_CONNECT_TIMEOUT = 5


def tracking_uri(root: Path) -> str:
    """Where runs are kept: `MLFLOW_TRACKING_URI`, or the SQLite database of the repository.

    Args:
        root: The repository's folder.
    """
    chosen = os.environ.get("MLFLOW_TRACKING_URI")
    return chosen or f"sqlite:///{(root / DATABASE).resolve()}?timeout={_SQLITE_TIMEOUT}"


def experiment_name() -> str:
    """`MLFLOW_EXPERIMENT_NAME`, or `ferflow`."""
    return os.environ.get("MLFLOW_EXPERIMENT_NAME") or names.EXPERIMENT


def client(root: Path) -> MlflowClient:
    """A client of the store, which is made and brought up to date where it is embedded.

    It sets MLflow's tracking URI, so that `mlflow.pyfunc.load_model("models:/...")` finds the same store.

    Args:
        root: The repository's folder; the embedded store lies in its `mlruns/`.

    Raises:
        TrackingError: MLflow is not installed, or the store cannot be reached or used.
        OutputError: The folder of the embedded store cannot be made.
    """
    mlflow = load_mlflow()
    uri = tracking_uri(root)
    if not uri.startswith(("http://", "https://")):
        folder = (root / ARTIFACTS).parent
        try:
            (root / ARTIFACTS).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(folder, error) from error
    else:
        folder = None
    # Processes that open a fresh database at once would each create its tables: one at a time.
    lock = nullcontext() if folder is None else stage_lock("migration", directory=folder)
    with lock, store_errors(uri):
        _select(mlflow, uri)
        _probe_database(uri)
        made: MlflowClient = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        _ensure_experiment(made, None if folder is None else root / ARTIFACTS)
    return made


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


def _select(mlflow: Any, uri: str) -> None:
    """Make a store the one that MLflow's functions use in this process, and in no other."""
    chosen = os.environ.get("MLFLOW_TRACKING_URI")
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    if chosen is None:  # MLflow sets the variable, and then it looks as if the user had.
        os.environ.pop("MLFLOW_TRACKING_URI", None)


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
        import mlflow
    except ImportError as error:
        raise TrackingError(
            f"MLflow is not installed ({error}); install ferflow[tracking], or run 'make install'"
        ) from error
    for chatty in ("mlflow", "alembic"):
        logging.getLogger(chatty).setLevel(logging.ERROR)
    return mlflow


@contextmanager
def store_errors(uri: str) -> Iterator[None]:
    """Turn what MLflow and the libraries below it raise into an error that names store and cure.

    Args:
        uri: The tracking URI.

    Raises:
        TrackingError: The store could not be reached or used inside the block.
    """
    try:
        yield
    except _failures() as error:
        raise TrackingError(
            f"{shown(uri)}: {_reason(error)}; see that the store runs, has space and is the one that "
            "MLFLOW_TRACKING_URI should name"
        ) from error


def shown(uri: str) -> str:
    """A tracking URI as it may be printed: without the password and the options."""
    parts = urlsplit(uri)
    if not parts.password:
        return uri.split("?")[0]
    place = f"{parts.username}@{parts.hostname}{f':{parts.port}' if parts.port else ''}"
    return f"{parts.scheme}://{place}{parts.path}"


def _probe_database(uri: str) -> None:
    """Connect to a database server once, as MLflow tries for two minutes to."""
    if uri.startswith(("http://", "https://", "sqlite:")):
        return
    import sqlalchemy

    engine = sqlalchemy.create_engine(uri, connect_args={"connect_timeout": _CONNECT_TIMEOUT})
    engine.connect().close()
    engine.dispose()


def _failures() -> tuple[type[Exception], ...]:
    """What a store that is down, slow, full or damaged makes its clients raise."""
    from mlflow.exceptions import MlflowException
    from requests.exceptions import RequestException
    from sqlalchemy.exc import SQLAlchemyError

    clouds = [
        getattr(sys.modules[module], name)
        for module, names_ in _CLOUD_ERRORS.items()
        if module in sys.modules
        for name in names_
    ]
    # An import error: the driver of a database is not installed.
    return (MlflowException, RequestException, SQLAlchemyError, OSError, ImportError, *clouds)


def _reason(error: Exception) -> str:
    """What went wrong, in one short line."""
    text = str(error).strip().split("\n", 1)[0]
    for sign, meaning in _MEANINGS:
        if sign in text:
            return meaning
    return text[:200] or type(error).__name__


_SERVER_FAILS = "the server fails (its disk may be full; its log says why)"
# What the first line of a library's error means, where that is hidden in it.
_MEANINGS = (
    ("Invalid Host header", "the server refuses that name (403): name it, with its port, in --allowed-hosts"),
    ("Connection refused", "nothing answers there (connection refused)"),
    ("Name or service not known", "there is no such host"),
    ("Temporary failure in name resolution", "there is no such host, or no network"),
    ("timed out", "no answer in time"),
    ("timeout", "no answer in time"),
    ("Remote end closed", "the server closed the connection"),
    ("Connection reset", "the server closed the connection"),
    ("error responses", _SERVER_FAILS),
    ("500 Server Error", _SERVER_FAILS),
    ("No space left on device", "its disk is full"),
    ("database or disk is full", "its disk is full"),
    ("database is locked", "another process keeps the database busy"),
)


def _ensure_experiment(client: MlflowClient, artifacts: Path | None) -> None:
    """Create the experiment where it is missing, and give it the view that the UI opens with."""
    from mlflow.exceptions import MlflowException

    name = experiment_name()
    tags = _experiment_tags()
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        location = None if artifacts is None else artifacts.resolve().as_uri()
        try:
            client.create_experiment(name, artifact_location=location, tags=tags)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":  # Another process was faster.
                raise
        return
    # A view that is there may be one that the user saved over it.
    if experiment.lifecycle_stage == "active" and _VIEW_TAG not in experiment.tags:
        client.set_experiment_tag(experiment.experiment_id, _VIEW_TAG, tags[_VIEW_TAG])


_VIEW_TAG = f"mlflow.sharedViewState.{names.VIEW}"


def _experiment_tags() -> dict[str, str]:
    view = {
        "orderByKey": f"metrics.`{names.LEAK_FREE_ACCURACY}`",
        "orderByAsc": False,
        "selectedColumns": list(names.VIEW_COLUMNS),
    }
    # As MLflow's UI saves a view: its state is JSON inside JSON. The menu Views lists it by its name.
    saved = {"name": names.VIEW_NAME, "createdAt": 0, "updatedAt": 0, "state": json.dumps(view)}
    return {
        "mlflow.experimentKind": "custom_model_development",
        "mlflow.experiment.primaryMetric.name": names.LEAK_FREE_ACCURACY,
        "mlflow.experiment.primaryMetric.greaterIsBetter": "True",
        names.TAG_DESCRIPTION: (
            "Facial emotion recognition by ferflow. Compare runs by leak_free_accuracy: test images that "
            "have a copy in the training images do not count in it."
        ),
        _VIEW_TAG: json.dumps(saved),
    }
