"""Options of commands that answer by an exported model: `predict`, `explain`, `evaluate`, `serve`, `app`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ferflow.serving.devices import Device

ExportOption = Annotated[
    Path | None,
    typer.Option(
        "--export",
        help="What `ferflow export` wrote; else export/ where there is one, else the built-in network.",
        metavar="FOLDER",
    ),
]
DetectorOption = Annotated[
    Path | None,
    typer.Option("--detector", help="YuNet's ONNX file, haar, or auto; else as the export says."),
]
DeviceOption = Annotated[Device, typer.Option("--device", help="Where the network computes.")]
Int8Option = Annotated[bool, typer.Option("--int8", help="Use the quantised network.")]
