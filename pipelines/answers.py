"""What the answers of a cluster mean: each failure is one line with the cure."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipelines.errors import PipelineError
from pipelines.settings import Server


@contextmanager
def readable_errors(server: Server, absent: str = "") -> Iterator[None]:
    """Turn what the generated client raises into one line with the cure.

    Args:
        server: That is asked.
        absent: What a 404 means here.

    Raises:
        PipelineError: The server could not be reached, or refused.
    """
    from kfp_server_api import ApiException
    from urllib3.exceptions import HTTPError

    try:
        yield
    except ApiException as error:
        raise PipelineError(f"{server.host}: {_refusal(error, server, absent)}") from error
    except (HTTPError, OSError) as error:
        raise PipelineError(
            f"{server.host}: cannot be reached ({_reason(error)}); see that Kubeflow Pipelines runs, and "
            "that server.host in pipelines/config.yaml is its address or that the port-forward is open "
            "(kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80)"
        ) from error
    except ValueError as error:  # An answer that is no JSON, or misses what the schema wants.
        raise PipelineError(
            f"{server.host}: answers, but not as Kubeflow Pipelines does ({_reason(error)}); see that "
            "server.host in pipelines/config.yaml is its address, not that of a login page"
        ) from error


def read_token(server: Server) -> str:
    """The token that the settings name.

    Raises:
        PipelineError: It is not there.
    """
    if server.authentication == "token":
        token = os.environ.get(server.token_variable, "").strip()
        if not token:
            raise PipelineError(
                f"{server.token_variable}: is not set, but server.authentication in pipelines/config.yaml is "
                f"token; export {server.token_variable} with a token of the cluster"
            )
        return token
    if server.authentication == "service_account":
        try:
            return Path(server.token_file).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise PipelineError(
                f"{server.token_file}: cannot be read ({_reason(error)}), but server.authentication in "
                "pipelines/config.yaml is service_account; run this in a pod that mounts the token, or use "
                "authentication: token"
            ) from error
    return ""


def _refusal(error: Any, server: Server, absent: str) -> str:
    """What an answer that is an error means, and the cure."""
    said = _said(error)
    if error.status == 401:
        return (
            f"wants to know who asks (401{said}); set server.authentication to token in "
            f"pipelines/config.yaml and export {server.token_variable}, or renew the token if it is old"
        )
    if error.status == 403:
        place = f"in namespace {server.namespace}" if server.namespace else "without a namespace"
        return (
            f"does not let this account do that {place} (403{said}); ask for the role kubeflow-edit there, "
            "or set server.namespace in pipelines/config.yaml to your own"
        )
    names_namespace = "namespace" in said.lower()
    if names_namespace and error.status in (400, 404, 500):
        if server.namespace is None:
            return (
                f"wants a namespace ({error.status}{said}): it serves several users; set server.namespace in "
                "pipelines/config.yaml to yours, or give --namespace"
            )
        return (
            f"does not know namespace {server.namespace!r} ({error.status}{said}); set server.namespace in "
            "pipelines/config.yaml to one that exists, or to null on a single-user installation"
        )
    if error.status == 404:
        return absent or (
            f"has no Kubeflow Pipelines of version 2 at that address (404{said}); see server.host in "
            "pipelines/config.yaml"
        )
    if error.status in (301, 302, 303, 307, 308):
        return (
            f"leads to a login page ({error.status}); use a port-forward, or server.authentication: token in "
            "pipelines/config.yaml"
        )
    return f"refuses ({error.status}{said}); the log of its pod ml-pipeline says more"


def _said(error: Any) -> str:
    """The server's own words, as a part of a line; nothing where it sent a page."""
    try:
        content = json.loads(error.body or "")
    except ValueError:
        return ""
    text = content.get("message") or content.get("error") or "" if isinstance(content, dict) else ""
    line = " ".join(str(text).split())
    return f": {line[:200]}" if line else ""


def _reason(error: Exception) -> str:
    """What went wrong, in one short line."""
    cause = getattr(error, "reason", None) or error
    line = " ".join(str(cause).split())
    return line.rsplit(": ", 1)[-1][:160] or type(error).__name__
