"""The commands `serve` and `app`: the exported model over HTTP, and a page on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferflow.cli.model_options import DetectorOption, DeviceOption, ExportOption, Int8Option
from ferflow.progress import say

if TYPE_CHECKING:
    from ferflow.serving.devices import Device
    from ferflow.serving.limits import Limits
    from ferflow.serving.predictor import Predictor

commands = typer.Typer()

_HOST = "127.0.0.1"
_MOST_WORKERS = 4

HostOption = Annotated[
    str,
    typer.Option("--host", help="Address to listen on; another than this machine's own is open to others."),
]
NamesOption = Annotated[
    list[str] | None,
    typer.Option("--allow-host", help="A further name that it may be called by. Repeatable.", metavar="NAME"),
]
PortOption = Annotated[int, typer.Option("--port", min=0, max=65535, help="0: a free one.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, max=64, help="Pictures at once; else one a core, at most 4.")
]
BytesOption = Annotated[int, typer.Option("--max-bytes", min=1, help="Largest upload.")]
PixelsOption = Annotated[int, typer.Option("--max-pixels", min=1, help="Largest width times height.")]
FacesOption = Annotated[int, typer.Option("--max-faces", min=1, help="Most faces in a picture.")]
WaitingOption = Annotated[int, typer.Option("--max-waiting", min=0, help="Most requests that wait.")]
ConnectionsOption = Annotated[
    int, typer.Option("--max-connections", min=16, help="Most open at once; an idle one makes room.")
]
BufferedOption = Annotated[
    int,
    typer.Option(
        "--max-buffered", min=1, help="Bytes of all uploads on their way; a stalled one makes room."
    ),
]
HeadOption = Annotated[
    float, typer.Option("--head-seconds", min=0.1, help="Longest time for the head of a request.")
]
BodyOption = Annotated[
    float, typer.Option("--body-seconds", min=0.1, help="Longest time without progress of an upload.")
]
SecondsOption = Annotated[float, typer.Option("--seconds", min=0.1, help="Longest time for a request.")]


@commands.command(rich_help_panel="The model at work")
def serve(
    export: ExportOption = None,
    host: HostOption = _HOST,
    port: PortOption = 8000,
    allow_host: NamesOption = None,
    int8: Int8Option = False,
    workers: WorkersOption = None,
    max_bytes: BytesOption = 16_000_000,
    max_pixels: PixelsOption = 200_000_000,
    max_faces: FacesOption = 50,
    max_waiting: WaitingOption = 16,
    seconds: SecondsOption = 30.0,
    max_connections: ConnectionsOption = 512,
    max_buffered: BufferedOption = 64_000_000,
    head_seconds: HeadOption = 10.0,
    body_seconds: BodyOption = 10.0,
    device: DeviceOption = "auto",
    detector: DetectorOption = None,
) -> None:
    """Answer pictures over HTTP, until Ctrl-C: POST /predict, POST /explain, /health, /metrics, /model.

    curl --data-binary @photo.jpg http://127.0.0.1:8000/predict
    """
    from ferflow.serving.limits import Limits

    _check_installed()
    limits = Limits(
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        max_faces=max_faces,
        max_waiting=max_waiting,
        seconds=seconds,
        max_connections=max_connections,
        max_buffered=max_buffered,
        head_seconds=head_seconds,
        body_seconds=body_seconds,
    )
    predictors = _predictors(export, limits, int8=int8, workers=workers, device=device, detector=detector)
    _run(predictors, limits, host=host, port=port, names=allow_host or [], with_page=False)


@commands.command(rich_help_panel="The model at work")
def app(
    export: ExportOption = None,
    host: HostOption = _HOST,
    port: PortOption = 8000,
    allow_host: NamesOption = None,
    int8: Int8Option = False,
    max_bytes: BytesOption = 16_000_000,
    device: DeviceOption = "auto",
    detector: DetectorOption = None,
) -> None:
    """Open a page that reads faces in pictures or the webcam, until Ctrl-C.

    The page shows boxes, seven bars a face and what the network looked at. It has the service's
    addresses, too.
    """
    from ferflow.serving.limits import Limits

    _check_installed()
    limits = Limits(max_bytes=max_bytes)
    predictors = _predictors(export, limits, int8=int8, workers=None, device=device, detector=detector)
    _run(predictors, limits, host=host, port=port, names=allow_host or [], with_page=True)


def _predictors(
    export: Path | None,
    limits: Limits,
    *,
    int8: bool,
    workers: int | None,
    device: Device,
    detector: Path | None,
) -> list[Predictor]:
    """A predictor for each worker: the same one, of which several threads may ask at once.

    The threads of the network are those of the workers, and one more for each core that is left.
    """
    import cv2

    from ferflow.data.decoding.decode_box import SECONDS, DecodeBox
    from ferflow.machine import usable_cores
    from ferflow.serving.predictor import Predictor

    num_cores = usable_cores()
    number = workers or min(num_cores, _MOST_WORKERS)
    cv2.setNumThreads(max(1, num_cores // number))
    # What it says of damaged pictures is in the answer.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    # A picture takes no longer than its request, so that its worker is free when the request is answered.
    box = DecodeBox(workers=number, seconds=min(SECONDS, limits.seconds), patience=limits.seconds).start()
    predictor = Predictor(
        export,
        precision="int8" if int8 else "float32",
        threads=max(1, num_cores - number + 1),
        max_pixels=limits.max_pixels,
        max_faces=limits.max_faces,
        device=device,
        detector=detector,
        box=box,
    )
    return [predictor] * number


def _run(
    predictors: list[Predictor], limits: Limits, *, host: str, port: int, names: list[str], with_page: bool
) -> None:
    from ferflow.serving.server import LOCAL_NAMES, address_of, open_port
    from ferflow.serving.server import serve as serve_on
    from ferflow.serving.service import create_service

    service = create_service(
        predictors, hosts={*LOCAL_NAMES, host, *names}, limits=limits, with_page=with_page
    )
    bound = open_port(host, port)
    if host not in LOCAL_NAMES:
        say(f"warning: listening on {host}, so others on the network can use it; it asks for no password")
    model = predictors[0].model
    if model.warning:
        say(f"warning: {model.warning}")
    line = f"{address_of(bound)}  {model.in_words()} (Ctrl-C ends it)"
    serve_on(service, bound, on_ready=lambda: typer.echo(line), limits=limits)


def _check_installed() -> None:
    from importlib.util import find_spec

    from ferflow.errors import ServiceError

    missing = [name for name in ("fastapi", "uvicorn") if find_spec(name) is None]
    if missing:
        raise ServiceError(
            f"{' and '.join(missing)}: not installed; install ferflow[serve], or run 'make install'"
        )
