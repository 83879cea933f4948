"""The command `predict`: emotions of faces in pictures, videos or a webcam."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import typer

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
from ferflow.progress import say, track

if TYPE_CHECKING:
    from ferflow.serving.frames import Every
    from ferflow.serving.pipeline import Answer
    from ferflow.serving.predictor import Predictor
    from ferflow.serving.recorder import Recorder, Wishes
    from ferflow.serving.shots import Source
    from ferflow.serving.timeline import Timeline

commands = typer.Typer()

# Processes that decode pictures.
_MOST_DECODERS = 4

# Fewer files are done before a bar would help.
_TRACKED_FILES = 20
_SMOOTH = 0.5


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
    smooth: SmoothOption = _SMOOTH,
    webcam: WebcamOption = None,
    min_score: MinScoreOption = 0.6,
    device: DeviceOption = "auto",
    quiet: QuietOption = False,
    detector: DetectorOption = None,
    trusted: TrustedOption = False,
    max_pixels: MaxPixelsOption = 200_000_000,
) -> None:
    """Find the faces in pictures and say what they show.

    In JSON `probabilities` are the network's own; `confidence` is the highest of them after temperature
    scaling, so that of answers with confidence 0.8 about 80 % are right on images like the validation images.

    A picture without a face is an answer, too. In a folder a file that is no picture is named and skipped;
    exit code 1 if a file that was named, or every file, cannot be read.
    """
    from ferflow.data.decoding.decode_box import DecodeBox
    from ferflow.errors import SourceError
    from ferflow.machine import usable_cores
    from ferflow.serving.frames import parse_every
    from ferflow.serving.grouping import parse_grouping
    from ferflow.serving.predictor import Predictor
    from ferflow.serving.recorder import Wishes, form_of
    from ferflow.serving.shots import list_sources, webcam_source

    if not paths and webcam is None:
        raise SourceError("nothing to look at; name pictures, folders or videos, or use --webcam 0")
    wishes = Wishes(
        form=form_of(as_json=as_json, as_csv=as_csv, output=output),
        grouping=parse_grouping(mapping or [], classes),
        abstain_below=abstain_below,
        smooth=smooth,
        annotate=annotate,
        timeline=timeline,
    )
    frames = parse_every(every)
    if timeline is not None:
        _check_can_plot()
    sources, complaints = list_sources(paths or [], moving=animated)
    if webcam is not None:
        sources.append(webcam_source(webcam))
    box = None if trusted else DecodeBox(workers=min(usable_cores(), _MOST_DECODERS)).start()
    predictor = Predictor(
        export,
        precision="int8" if int8 else "float32",
        min_score=min_score,
        max_pixels=max_pixels,
        device=device,
        detector=detector,
        box=box,
    )
    if not quiet:
        say(f"model: {predictor.model.in_words()}")
    if predictor.model.warning:
        say(f"warning: {predictor.model.warning}")
    run = _Run(predictor, sources, wishes, is_quiet=quiet)
    run.complain(complaints)
    run.go(frames, whole=whole, output=output, max_pixels=max_pixels)
    if run.has_failed or run.num_shots == 0:
        raise typer.Exit(1)


class _Run:
    """All sources from the first to the last; what cannot be read is said and counted."""

    def __init__(
        self, predictor: Predictor, sources: list[Source], wishes: Wishes, *, is_quiet: bool
    ) -> None:
        self._predictor = predictor
        self._sources = sources
        self._wishes = wishes
        self._is_quiet = is_quiet
        self._num_skipped = 0
        self.num_shots = 0
        self.has_failed = False

    def complain(self, complaints: list[str]) -> None:
        """Say what is wrong with names."""
        for complaint in complaints:
            say(f"error: {complaint}")
            self.has_failed = True

    def go(self, every: Every, *, whole: bool, output: Path | None, max_pixels: int) -> None:
        """Answer all, write all; with an output file, what is there at the end is whole or the old one.

        Raises:
            SourceError: The webcam cannot be opened.
            OutputError: A result cannot be written.
        """
        from ferflow.serving.pipeline import answered, list_jobs, threads_for
        from ferflow.serving.recorder import OutputFile, Recorder

        with ExitStack() as open_:
            folder = Path(open_.enter_context(TemporaryDirectory(prefix="ferflow-")))
            lines = None if output is None else open_.enter_context(OutputFile(output))
            recorder = open_.enter_context(
                Recorder(
                    self._predictor,
                    self._wishes,
                    names=_names(self._sources),
                    say=typer.echo if lines is None else lines.say,
                    plot=_plot,
                )
            )
            is_drawn = self._wishes.annotate is not None
            jobs = list_jobs(
                self._tracked(output), every, folder=folder, with_others=is_drawn, max_pixels=max_pixels
            )
            answers = answered(
                jobs, self._predictor, whole=whole, keep_pixels=is_drawn, threads=threads_for(self._sources)
            )
            self._take_all(answers, recorder)
            self.num_shots = recorder.num_shots
            if self.num_shots == 0:
                raise typer.Exit(1)
        self._summarise(recorder, output)

    def _take_all(self, answers: Iterator[Answer], recorder: Recorder) -> None:
        try:
            for answer in answers:
                if answer.shot is not None:
                    recorder.take(answer.source, answer.shot, answer.faces)
                    continue
                self._num_skipped += 1
                if answer.source.is_named:
                    self.complain([str(answer.error)])
                elif not self._is_quiet:
                    say(f"skipped: {answer.error}")
        except KeyboardInterrupt:
            # That is how a webcam or a stream ends; of files it leaves nothing half done.
            if not any(source.is_live for source in self._sources):
                raise

    def _tracked(self, output: Path | None) -> Iterator[Source]:
        is_long = len(self._sources) >= _TRACKED_FILES and (output is not None or not sys.stdout.isatty())
        if self._is_quiet or not is_long:
            return iter(self._sources)
        return track(self._sources, total=len(self._sources), label="reading faces")

    def _summarise(self, recorder: Recorder, output: Path | None) -> None:
        if self._is_quiet:
            return
        counts = f"{_counted(recorder.num_shots, 'picture')}, {_counted(recorder.num_faces, 'face')}"
        if recorder.num_without:
            counts += f", {_counted(recorder.num_without, 'picture')} without a face"
        if self._num_skipped:
            counts += f", {_counted(self._num_skipped, 'file')} not readable as a picture"
        say(counts)
        places = (
            ("answers", output),
            ("annotated", self._wishes.annotate),
            ("timelines", self._wishes.timeline),
        )
        for name, place in places:
            if place is not None:
                say(f"{name}: {place}")


def _plot(timeline: Timeline, path: Path) -> None:
    from ferflow.reporting.timeline import plot_timeline

    plot_timeline(timeline.curves(), timeline.labels, path)


def _check_can_plot() -> None:
    from importlib.util import find_spec

    from ferflow.errors import OutputError

    if find_spec("matplotlib") is None:
        raise OutputError("--timeline: matplotlib is not installed, which draws it; install ferflow[video]")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _names(sources: list[Source]) -> list[str]:
    # A frame's name ends in its time.
    return [source.name + (" 000.00 s" if source.is_video else "") for source in sources]
