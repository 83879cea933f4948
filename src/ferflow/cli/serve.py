"""The commands `serve` and `app`: the exported model over HTTP, and a page on it."""

from __future__ import annotations

from typing import Annotated

import typer

from ferflow import workflows
from ferflow.cli.model_options import DetectorOption, DeviceOption, ExportOption, Int8Option
from ferflow.serving.defaults import MAX_PIXELS
from ferflow.serving.limits import Limits

commands = typer.Typer()

_HOST = "127.0.0.1"

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
    max_pixels: PixelsOption = MAX_PIXELS,
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
    workflows.serve.serve(
        workflows.serve.Answerers(export, int8=int8, workers=workers, device=device, detector=detector),
        workflows.serve.Address(host, port, allow_host or ()),
        limits,
        with_page=False,
        on_ready=typer.echo,
    )


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
    workflows.serve.serve(
        workflows.serve.Answerers(export, int8=int8, device=device, detector=detector),
        workflows.serve.Address(host, port, allow_host or ()),
        Limits(max_bytes=max_bytes),
        with_page=True,
        on_ready=typer.echo,
    )
