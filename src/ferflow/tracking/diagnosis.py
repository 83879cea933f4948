"""What went wrong with a store, and the cure that is true of it.

MLflow and the libraries below it hide the reason in texts of their own; here each known one becomes what was
found and what to do. Bodies of answers and addresses with passwords are never printed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

from ferflow import heavy
from ferflow.tracking.address import VARIABLE, is_web, shown
from ferflow.tracking.signs import ADDRESS, ANY, NO_MLFLOW, SERVER_FAILS, SIGNS, STATUS, WEB_PAGE, Finding

_MAX_CHARACTERS = 200
_FAMILIES = ("mlflow", "requests", "urllib3", "sqlalchemy", "botocore", "boto3", "google", "azure", "psycopg")
_STATUS_PATTERNS = (
    r"failed with error code (\d{3})\b",
    r"\b(\d{3}) (?:Client|Server) Error",
    r"too many (\d{3}) error",
)


def explain(error: BaseException, uri: str) -> Finding:
    """What an error of a store means, and the cure.

    Args:
        error: As MLflow or a library below it raised it.
        uri: The tracking URI.
    """
    texts = [f"{type(entry).__name__}: {entry}" for entry in _chain(error)]
    text = "\n".join(texts)
    status = _status(error, text)
    if status is not None and (found := _of_status(status, text, uri)) is not None:
        return found
    if re.search(r"<html|<!doctype", text, re.IGNORECASE):
        return WEB_PAGE
    for sign, finding in SIGNS:
        if re.search(sign, text):
            return finding
    if not _is_of_a_library(error):
        return _strange(error)
    return Finding(_first_line(error, uri), ANY)


def _strange(error: BaseException) -> Finding:
    """An error that no library raises on purpose: it could not make sense of an answer, or of a value."""
    variable = re.search(r"MLFLOW_[A-Z_]+", str(error))
    if variable and variable[0] != VARIABLE:
        return Finding(
            f"{variable[0]} is {os.environ.get(variable[0], '')!r}, which MLflow cannot use",
            "correct that variable, or unset it",
        )
    return Finding(f"{NO_MLFLOW.found} ({type(error).__name__})", NO_MLFLOW.cure)


def _of_status(status: int, text: str, uri: str) -> Finding | None:
    if "HTTP request" in text and "HTTPS" in text:
        return None  # A server that says which scheme it speaks.
    if status == 401:
        return _unknown_user()
    if status == 403:
        return _refused(text)
    if 300 <= status < 400:
        return _redirected(uri, status)
    if status in STATUS:
        return STATUS[status]
    if status >= 500:
        return SERVER_FAILS
    if re.search(r"<html|<!doctype", text, re.IGNORECASE):
        return Finding(f"a web page with status {status} came where MLflow's answer should be", ADDRESS)
    return None


def _unknown_user() -> Finding:
    given = [
        name
        for name in ("MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN")
        if os.environ.get(name)
    ]
    if given:
        return Finding("it does not accept who you say you are (401)", f"correct {' and '.join(given)}")
    return Finding(
        "it asks who you are (401)",
        "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN",
    )


def _refused(text: str) -> Finding:
    if "Invalid Host header" in text:
        return Finding(
            "the server refuses that name (403)",
            "name it, with its port, in --allowed-hosts of the server (docs/cluster.md)",
        )
    return Finding(
        "it refuses this user or this name (403)",
        "have its owner allow this user to write, and name the host, with its port, in --allowed-hosts of "
        "the server (docs/cluster.md)",
    )


def _redirected(uri: str, status: int) -> Finding:
    target = _target_of(uri)
    if target is None:
        return Finding(f"it sends elsewhere ({status})", f"{ADDRESS} itself")
    return Finding(
        f"it sends elsewhere ({status}), to {target}",
        f"if that is the MLflow server, write its address in {VARIABLE}; if it is a login page, sign in by "
        "MLFLOW_TRACKING_TOKEN",
    )


def _target_of(uri: str) -> str | None:
    """Where a server sends its visitors, as it may be printed."""
    if not is_web(uri):
        return None
    try:
        address = f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/get-by-name"
        with heavy.requests.get(address, timeout=5, allow_redirects=False, stream=True) as answer:
            target = answer.headers.get("Location")
            full = heavy.requests.compat.urljoin(address, target) if target else None
    except (heavy.requests.RequestException, ValueError):
        return None
    return shown(full).split("/api/2.0/")[0] if full else None


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and those that it came from."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        following = following.__cause__ or following.__context__


def _status(error: BaseException, text: str) -> int | None:
    """The HTTP status that an error is about, where it says one."""
    for entry in _chain(error):
        code = getattr(getattr(entry, "response", None), "status_code", None)
        if isinstance(code, int):
            return code
        name = getattr(entry, "error_code", None)
        if name in ("UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED"):
            return 401
        if name == "PERMISSION_DENIED":
            return 403
    for pattern in (
        r"failed with error code (\d{3})\b",
        r"\b(\d{3}) (?:Client|Server) Error",
        r"too many (\d{3}) error",
    ):
        if match := re.search(pattern, text):
            return int(match[1])
    return None


def _is_of_a_library(error: BaseException) -> bool:
    """Whether a store's library raised an error on purpose."""
    families = (
        "mlflow",
        "requests",
        "urllib3",
        "sqlalchemy",
        "botocore",
        "boto3",
        "google",
        "azure",
        "psycopg",
    )
    module = type(error).__module__.split(".")[0]
    return module in families or isinstance(error, OSError)


def _first_line(error: BaseException, uri: str) -> str:
    text = str(error).strip().split("\n", 1)[0].replace(uri, shown(uri))
    # An address with a user in it that is not the store's own, such as one that the server named.
    text = re.sub(r"([a-z][a-z0-9+.-]*://)[^\s'\"]*@", r"\1", text)
    return text[:_MAX_CHARACTERS] or type(error).__name__
