"""What the answers of a cluster mean: each failure is one line with the cure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pipelines.connection import proxy_of
from pipelines.errors import PipelineError
from pipelines.sections import Server


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
    from urllib3.exceptions import HTTPError, NewConnectionError, ProxyError

    try:
        yield
    except ApiException as error:
        raise PipelineError(f"{server.host}: {_refusal(error, server, absent)}") from error
    except AttributeError as error:
        # The client fails on its own error where TLS failed: that one has no body.
        cause = error.__context__
        if not isinstance(cause, ApiException) or cause.status:
            raise
        raise PipelineError(f"{server.host}: {_tls_trouble(cause.reason) or cause.reason}") from error
    except (HTTPError, OSError) as error:
        if trouble := _tls_trouble(str(error)):
            raise PipelineError(f"{server.host}: {trouble}") from error
        # With a proxy in between, it is the proxy that is connected to.
        cause = getattr(error, "reason", None) or error
        if isinstance(cause, ProxyError | NewConnectionError) and (proxy := proxy_of(server)[0]):
            raise PipelineError(
                f"{server.host}: the proxy in between, {proxy}, cannot be reached ({_reason(error)}); "
                "correct server.proxy in pipelines/config.yaml, HTTP_PROXY or HTTPS_PROXY, or add the host "
                "to NO_PROXY"
            ) from error
        raise PipelineError(
            f"{server.host}: cannot be reached ({_reason(error)}); see that Kubeflow Pipelines runs, and "
            "that server.host in pipelines/config.yaml is its address or that the port-forward is open "
            "(kubectl port-forward -n kubeflow svc/ml-pipeline-ui 8080:80); a proxy in between is named by "
            "server.proxy, HTTPS_PROXY and NO_PROXY"
        ) from error
    except ValueError as error:  # An answer that is no JSON, or misses what the schema wants.
        raise PipelineError(
            f"{server.host}: answers, but not as Kubeflow Pipelines does ({_reason(error)}); see that "
            "server.host in pipelines/config.yaml is its address, not that of a login page; where it is, set "
            "server.authentication to cookie, headers or token"
        ) from error


def _tls_trouble(text: str) -> str:
    """What is wrong with the encryption, and the cure; empty where something else is."""
    if "CERTIFICATE_VERIFY_FAILED" in text or "certificate verify failed" in text:
        return (
            f"its TLS certificate is not trusted ({_last_words(text)}); give the authority's certificate as "
            "server.ca_certificate in pipelines/config.yaml, and in server.host the name that it is for"
        )
    if "WRONG_VERSION_NUMBER" in text or "wrong version number" in text or "UNKNOWN_PROTOCOL" in text:
        return (
            "answers without TLS; write http:// instead of https:// in server.host of "
            "pipelines/config.yaml, or give the port that speaks TLS"
        )
    if "SSL" in text or "TLS" in text:
        return (
            f"TLS failed ({_last_words(text)}); see server.host and server.ca_certificate in "
            "pipelines/config.yaml"
        )
    return ""


def _refusal(error: Any, server: Server, absent: str) -> str:
    """What an answer that is an error means, and the cure."""
    said = _said(error)
    if error.status == 401:
        return (
            f"wants to know who asks (401{said}); set server.authentication to token in "
            f"pipelines/config.yaml and export {server.token_variable}, or renew the token if it is old "
            "(kubectl create token ACCOUNT --audience pipelines.kubeflow.org); behind Dex or IAP use cookie "
            "or headers"
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
            f"leads to a login page ({error.status}); use a port-forward, or set server.authentication in "
            "pipelines/config.yaml: cookie with the cookie of a browser that is logged in (Dex; renew an old "
            "one), headers (IAP), or token"
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
    return _last_words(str(cause)) or type(error).__name__


def _last_words(text: str) -> str:
    """What stands after the last colon, in one line."""
    return " ".join(text.split()).rsplit(": ", 1)[-1].rstrip("\"')")[:160]
