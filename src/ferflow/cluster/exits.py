"""How a step ends that cannot do its work, and what is told when a run is over."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from http.client import HTTPException
from typing import ParamSpec, TypeVar
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from ferflow.cluster.workspace import PipelineRun
from ferflow.errors import FerflowError
from ferflow.progress import say

_WEBHOOK_SECONDS = 10

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def readable(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make an error that a user can correct one line, and exit code 1."""

    @wraps(function)
    def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except FerflowError as error:
            say(f"error: {error}")
            sys.exit(1)

    return checked


def report_end(run: PipelineRun, *, state: str, message: str, tells_success: bool = False) -> None:
    """Tell how a run ended; of one that did not end well the webhook of `FERFLOW_WEBHOOK` is told, too.

    Kubeflow 2.17 gives the state of its metadata store, where success is `COMPLETE` or `CACHED`; older
    ones say `RUNNING` of a sweep that went well, or nothing at all. That is told as what it is: unclear.

    Args:
        run: The pipeline's run.
        state: As Kubeflow gives it.
        message: What went wrong; often empty.
        tells_success: Whether the webhook is told of success, too.
    """
    result = _result_of(state)
    text = f"ferflow run {run.run_id}: {result}{f' ({message})' if message else ''}"
    say(f"{text} {run.link}".strip())
    address = os.environ.get("FERFLOW_WEBHOOK", "").strip()
    if not address or (result == "succeeded" and not tells_success):
        return
    told = {
        "text": f"{text}\n{run.link}".strip(),  # What Slack, Mattermost and Teams' workflows show.
        "run_id": run.run_id,
        "result": result,
        "state": state,
        "link": run.link,
    }
    try:
        request = Request(  # noqa: S310
            _web_address(address),
            data=json.dumps(told).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urlopen(request, timeout=_WEBHOOK_SECONDS):  # noqa: S310
            pass
    except (OSError, HTTPException, ValueError) as error:
        # The address is a secret, and some messages repeat it.
        status = ""
        if isinstance(error, HTTPError):
            status = f", status {error.code}"
            error.close()  # It is the server's answer as well, with its socket.
        say(
            f"the webhook could not be told ({type(error).__name__}{status}); see that FERFLOW_WEBHOOK, from "
            "secrets.webhook, is the address of one that pods reach"
        )


def _result_of(state: str) -> str:
    """`succeeded`, `unclear`, or the state in small letters."""
    if state in ("SUCCEEDED", "COMPLETE", "CACHED"):
        return "succeeded"
    if state in ("FAILED", "CANCELED", "CANCELLED", "ERROR"):
        return state.lower()
    return "unclear" if not state else f"unclear: Kubeflow says {state}"


def _web_address(address: str) -> str:
    """The address, if it is one of the web.

    Raises:
        ValueError: It is not.
    """
    if not address.startswith(("http://", "https://")):
        raise ValueError("no http:// or https:// address")
    return address
