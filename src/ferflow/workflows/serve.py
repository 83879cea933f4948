"""Answer pictures over HTTP, with or without a page, until Ctrl-C."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import cv2

from ferflow import serving
from ferflow.data.decoding.decode_box import SECONDS, DecodeBox
from ferflow.errors import ServiceError
from ferflow.machine import usable_cores
from ferflow.progress import say
from ferflow.serving.devices import Device
from ferflow.serving.limits import Limits
from ferflow.serving.predictor import Predictor

_MOST_WORKERS = 4


@dataclass(frozen=True)
class Answerers:
    """What answers requests.

    Attributes:
        export: An export folder; None: `export/`, or the built-in network.
        int8: Whether the quantised network answers.
        workers: Pictures at once; None: one a core, at most 4.
        device: Where the network computes.
        detector: YuNet's ONNX file, `haar` or `auto`; None: as the export says.
    """

    export: Path | None = None
    int8: bool = False
    workers: int | None = None
    device: Device = "auto"
    detector: Path | None = None


@dataclass(frozen=True)
class Address:
    """Where requests are taken.

    Attributes:
        host: Address to listen on.
        port: 0: a free one.
        names: Further names that the service may be called by.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    names: Sequence[str] = ()


def serve(
    answerers: Answerers,
    address: Address,
    limits: Limits,
    *,
    with_page: bool,
    on_ready: Callable[[str], object],
) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Args:
        answerers: What answers.
        address: Where.
        limits: The limits of requests and connections.
        with_page: Whether there is a page for people, too.
        on_ready: Called once with a line that names the address and the model.

    Raises:
        ServiceError: FastAPI is not installed, or the address cannot be listened on.
        ModelError: The network is missing or damaged.
    """
    _check_installed()
    predictors = _open_predictors(answerers, limits)
    local_names = serving.server.LOCAL_NAMES
    service = serving.service.create_service(
        predictors, hosts={*local_names, address.host, *address.names}, limits=limits, with_page=with_page
    )
    bound = serving.server.open_port(address.host, address.port)
    if address.host not in local_names:
        say(
            f"warning: listening on {address.host}, so others on the network can use it; it asks for no "
            "password"
        )
    model = predictors[0].model
    if model.warning:
        say(f"warning: {model.warning}")
    line = f"{serving.server.address_of(bound)}  {model.in_words()} (Ctrl-C ends it)"
    serving.server.serve(service, bound, on_ready=lambda: on_ready(line), limits=limits)


def _open_predictors(answerers: Answerers, limits: Limits) -> list[Predictor]:
    """A predictor for each worker: the same one, of which several threads may ask at once.

    The threads of the network are those of the workers, and one more for each core that is left.
    """
    num_cores = usable_cores()
    number = answerers.workers or min(num_cores, _MOST_WORKERS)
    cv2.setNumThreads(max(1, num_cores // number))
    # What it says of damaged pictures is in the answer.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # A picture takes no longer than its request, so that its worker is free when the request is answered.
    box = DecodeBox(workers=number, seconds=min(SECONDS, limits.seconds), patience=limits.seconds).start()
    predictor = Predictor(
        answerers.export,
        precision="int8" if answerers.int8 else "float32",
        threads=max(1, num_cores - number + 1),
        max_pixels=limits.max_pixels,
        max_faces=limits.max_faces,
        device=answerers.device,
        detector=answerers.detector,
        box=box,
    )
    return [predictor] * number


def _check_installed() -> None:
    missing = [name for name in ("fastapi", "prometheus_client", "uvicorn") if find_spec(name) is None]
    if missing:
        raise ServiceError(
            f"{' and '.join(missing)}: not installed; install ferflow[serve], or run 'make install'"
        )
