"""The options of `ferflow predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

PathsArgument = Annotated[
    list[str] | None,
    typer.Argument(
        help="Pictures, folders of them, videos, addresses (http, https, rtsp), - for standard input.",
        metavar="PATH",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, one line a picture.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV, one line a face.")]
OutputOption = Annotated[
    Path | None,
    typer.Option("--output", help="Write the answers there; .csv and .json choose the form.", metavar="FILE"),
]
AnnotateOption = Annotated[
    Path | None,
    typer.Option("--annotate", help="Write pictures and videos with boxes there.", metavar="FOLDER"),
]
TimelineOption = Annotated[
    Path | None,
    typer.Option(
        "--timeline", help="Write a plot and a CSV of each video's emotions there.", metavar="FOLDER"
    ),
]
WholeOption = Annotated[
    bool, typer.Option("--whole", help="Each picture is one face, cut out already; look for none.")
]
AbstainOption = Annotated[
    float, typer.Option("--abstain-below", min=0, max=1, help="Confidence below which to say unsure.")
]
MapOption = Annotated[
    list[str] | None,
    typer.Option("--map", help="Count an emotion as a class; 'NAME=' leaves it out.", metavar="NAME=CLASS"),
]
ClassesOption = Annotated[
    str | None,
    typer.Option(
        "--classes", help="'valence': positive, neutral, negative; or the classes to keep.", metavar="NAMES"
    ),
]
AnimatedOption = Annotated[
    bool, typer.Option("--animated", help="Read all frames of GIF and WebP, as of a video; else the first.")
]
EveryOption = Annotated[
    str, typer.Option("--every", help="Take every Nth frame, or one each so many seconds.", metavar="N|Ns")
]
SmoothOption = Annotated[
    float, typer.Option("--smooth", min=0, help="Seconds over which videos are smoothed; 0: not.")
]
WebcamOption = Annotated[
    int | None, typer.Option("--webcam", min=0, max=999, help="Number of a webcam, until Ctrl-C.")
]
MinScoreOption = Annotated[
    float, typer.Option("--min-score", min=0.01, max=1, help="Detector's score from which a face counts.")
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Say nothing but the answers and errors.")]
TrustedOption = Annotated[
    bool, typer.Option("--trusted", help="Decode in this process, without limits on memory and time.")
]
MaxPixelsOption = Annotated[
    int, typer.Option("--max-pixels", min=1, help="Largest width times height of a picture.")
]
