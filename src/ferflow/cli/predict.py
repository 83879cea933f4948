"""The command `predict`: emotions of faces in pictures, videos or a webcam."""

from __future__ import annotations

import typer

from ferflow import workflows
from ferflow.cli.model_options import (
    DetectorOption,
    DeviceOption,
    ExportOption,
    Int8Option,
)
from ferflow.cli.predict_options import (
    AbstainOption,
    AnimatedOption,
    AnnotateOption,
    ClassesOption,
    CsvOption,
    EveryOption,
    JsonOption,
    MapOption,
    MaxPixelsOption,
    MinScoreOption,
    OutputOption,
    PathsArgument,
    QuietOption,
    SmoothOption,
    TimelineOption,
    TrustedOption,
    WebcamOption,
    WholeOption,
)
from ferflow.serving.defaults import MAX_PIXELS, MIN_SCORE

commands = typer.Typer()


@commands.command(rich_help_panel="The model at work")
def predict(
    paths: PathsArgument = None,
    export: ExportOption = None,
    as_json: JsonOption = False,
    as_csv: CsvOption = False,
    output: OutputOption = None,
    annotate: AnnotateOption = None,
    timeline: TimelineOption = None,
    whole: WholeOption = False,
    int8: Int8Option = False,
    abstain_below: AbstainOption = 0.0,
    mapping: MapOption = None,
    classes: ClassesOption = None,
    animated: AnimatedOption = False,
    every: EveryOption = "10",
    smooth: SmoothOption = 0.5,
    webcam: WebcamOption = None,
    min_score: MinScoreOption = MIN_SCORE,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
    detector: DetectorOption = None,
    trusted: TrustedOption = False,
    max_pixels: MaxPixelsOption = MAX_PIXELS,
) -> None:
    """Find the faces in pictures and say what they show.

    In JSON `probabilities` are the network's own; `confidence` is the highest of them after temperature
    scaling, so that of answers with confidence 0.8 about 80 % are right on images like the validation images.

    A picture without a face is an answer, too. In a folder a file that is no picture is named and skipped;
    exit code 1 if a file that was named, or every file, cannot be read.
    """
    reading = workflows.predict.Reading(
        export=export,
        int8=int8,
        whole=whole,
        animated=animated,
        every=every,
        min_score=min_score,
        device=device,
        detector=detector,
        trusted=trusted,
        max_pixels=max_pixels,
    )
    telling = workflows.predict.Telling(
        as_json=as_json,
        as_csv=as_csv,
        output=output,
        annotate=annotate,
        timeline=timeline,
        abstain_below=abstain_below,
        mapping=tuple(mapping or ()),
        classes=classes,
        smooth=smooth,
        quiet=quiet,
    )
    found = workflows.predict.predict(paths, webcam=webcam, reading=reading, telling=telling, tell=typer.echo)
    if not found.is_whole:
        raise typer.Exit(1)
