"""How a step ends that cannot do its work, and what is told when a run is over."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar
from urllib.request import Request, urlopen

from ferflow.cluster.workspace import PipelineRun
from ferflow.errors import FerflowError
from ferflow.progress import say

_WEBHOOK_SECONDS = 10

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def readable(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Make an error that a user can mend one line, and exit code 1."""

    @wraps(function)
    def checked(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except FerflowError as error:
            say(f"error: {error}")
            sys.exit(1)

    return checked


def report_end(run: PipelineRun, *, state: str, message: str) -> None:
    """Tell how a run ended; of one that failed the webhook of `FERFLOW_WEBHOOK` is told, too."""
    text = f"ferflow run {run.run_id}: {state}{f' ({message})' if message else ''}"
    say(f"{text} {run.link}".strip())
    address = os.environ.get("FERFLOW_WEBHOOK", "")
    if state == "SUCCEEDED" or not address.startswith(("http://", "https://")):
        return
    told = {"text": f"{text}\n{run.link}".strip(), "run_id": run.run_id, "state": state}
    request = Request(address, data=json.dumps(told).encode(), headers={"Content-Type": "application/json"})  # noqa: S310
    try:
        with urlopen(request, timeout=_WEBHOOK_SECONDS):  # noqa: S310
            pass
    except OSError as error:
        say(f"the webhook could not be told ({error})")
