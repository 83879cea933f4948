"""Options of commands that read the parameter file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ParamsOption = Annotated[Path, typer.Option("--params", help="The parameter file.", metavar="FILE")]
