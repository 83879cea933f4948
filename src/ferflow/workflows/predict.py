"""Find the faces in pictures, videos or a webcam and say what they show."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

from ferflow import reporting
from ferflow.data.decoding.decode_box import DecodeBox
from ferflow.errors import OutputError, SourceError
from ferflow.machine import usable_cores
from ferflow.progress import say, track
from ferflow.serving.defaults import MAX_PIXELS, MIN_SCORE
from ferflow.serving.devices import Device
from ferflow.serving.frames import Every, parse_every
from ferflow.serving.grouping import parse_grouping
from ferflow.serving.pipeline import Answer, answered, list_jobs, threads_for
from ferflow.serving.predictor import Predictor
from ferflow.serving.recorder import Inputs, OutputFile, Recorder, Wishes, form_of
from ferflow.serving.shots import Source, list_sources, webcam_source
from ferflow.serving.timeline import Timeline

Tell = Callable[[str], None]
# Processes that decode pictures.
_MOST_DECODERS = 4
# Fewer files are done before a bar would help.
_TRACKED_FILES = 20


@dataclass(frozen=True)
class Reading:
    """How pictures are read.

    Attributes:
        export: An export folder that answers; None: `export/`, or the built-in network.
        int8: Whether the quantised network answers.
        whole: Whether each picture is one face, cut out already.
        animated: Whether all frames of GIF and WebP are read.
        every: Which frames of videos are taken: each Nth, or one each so many seconds.
        min_score: The detector's score from which a face counts, 0-1.
        device: Where the network computes.
        detector: YuNet's ONNX file, `haar` or `auto`; None: as the export says.
        trusted: Whether pictures are decoded in this process, without limits on memory and time.
        max_pixels: Largest width times height of a picture.
    """

    export: Path | None = None
    int8: bool = False
    whole: bool = False
    animated: bool = False
    every: str = "10"
    min_score: float = MIN_SCORE
    device: Device = "auto"
    detector: Path | None = None
    trusted: bool = False
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True)
class Telling:
    """How answers are told.

    Attributes:
        as_json: Whether a line is JSON.
        as_csv: Whether a line is CSV.
        output: The file that takes the lines; its ending chooses the form, too.
        annotate: Folder of annotated pictures and videos.
        timeline: Folder of plots and tables of videos.
        abstain_below: Confidence below which an answer is unsure, 0-1.
        mapping: Entries such as `NAME=CLASS`: an emotion counts as a class.
        classes: `valence`, or the classes to keep.
        smooth: Seconds over which videos are smoothed; 0: not.
        quiet: Whether nothing is said but answers and errors.
    """

    as_json: bool = False
    as_csv: bool = False
    output: Path | None = None
    annotate: Path | None = None
    timeline: Path | None = None
    abstain_below: float = 0.0
    mapping: tuple[str, ...] = ()
    classes: str | None = None
    smooth: float = 0.5
    quiet: bool = False

    def wishes(self) -> Wishes:
        """The same, checked.

        Raises:
            SourceError: Options contradict each other, or a class is unknown.
            OutputError: What draws timelines is not installed.
        """
        return Wishes(
            form=form_of(as_json=self.as_json, as_csv=self.as_csv, output=self.output),
            grouping=parse_grouping(list(self.mapping), self.classes),
            abstain_below=self.abstain_below,
            smooth=self.smooth,
            annotate=self.annotate,
            timeline=self.timeline,
        )


@dataclass(frozen=True)
class PredictReport:
    """What was read.

    Attributes:
        num_shots: Pictures and frames that were read.
        has_failed: Whether something that was named could not be read.
    """

    num_shots: int
    has_failed: bool

    @property
    def is_whole(self) -> bool:
        """Whether something was read, and everything that was named."""
        return self.num_shots > 0 and not self.has_failed


def predict(
    paths: Sequence[str] | None,
    *,
    webcam: int | None = None,
    reading: Reading | None = None,
    telling: Telling | None = None,
    tell: Tell,
) -> PredictReport:
    """Read pictures, folders of them, videos, addresses or a webcam.

    Args:
        paths: What is read; `-` for standard input; None where a webcam is all.
        webcam: Number of a webcam, until Ctrl-C.
        reading: How pictures are read.
        telling: How answers are told.
        tell: Takes each line of the answers, where no file does.

    Raises:
        SourceError: There is nothing to read, or a wish is contradictory.
        ModelError: The network is missing or damaged.
        OutputError: A result cannot be written.
    """
    reading, telling = reading or Reading(), telling or Telling()
    if not paths and webcam is None:
        raise SourceError("nothing to look at; name pictures, folders or videos, or use --webcam 0")
    wishes = telling.wishes()
    frames = parse_every(reading.every)
    if telling.timeline is not None:
        _check_can_plot()
    sources, complaints, remarks = list_sources(list(paths or ()), moving=reading.animated)
    if webcam is not None:
        sources.append(webcam_source(webcam))
    predictor = _open_predictor(reading)
    if not telling.quiet:
        say(f"model: {predictor.model.in_words()}")
    if predictor.model.warning:
        say(f"warning: {predictor.model.warning}")
    run = _Run(predictor, sources, wishes, tell=tell, is_quiet=telling.quiet)
    run.complain(complaints)
    for remark in () if telling.quiet else remarks:
        say(remark)
    with suppress(_NothingError):
        run.go(frames, whole=reading.whole, output=telling.output, max_pixels=reading.max_pixels)
    return PredictReport(run.num_shots, run.has_failed)


def _open_predictor(reading: Reading) -> Predictor:
    box = None
    if not reading.trusted:
        box = DecodeBox(workers=min(usable_cores(), _MOST_DECODERS)).start()
    return Predictor(
        reading.export,
        precision="int8" if reading.int8 else "float32",
        min_score=reading.min_score,
        max_pixels=reading.max_pixels,
        device=reading.device,
        detector=reading.detector,
        box=box,
    )


class _NothingError(Exception):
    """Nothing was read: an output file that is there stays as it is."""


class _Run:
    """All sources from the first to the last; what cannot be read is said and counted."""

    def __init__(
        self, predictor: Predictor, sources: list[Source], wishes: Wishes, *, tell: Tell, is_quiet: bool
    ) -> None:
        self._predictor = predictor
        self._sources = sources
        self._wishes = wishes
        self._tell = tell
        self._is_quiet = is_quiet
        self._num_skipped = 0
        self.num_shots = 0
        self.has_failed = False

    def complain(self, complaints: list[str]) -> None:
        """Say what is wrong with names."""
        for complaint in complaints:
            say(f"error: {complaint}")
        self.has_failed |= bool(complaints)

    def go(self, every: Every, *, whole: bool, output: Path | None, max_pixels: int) -> None:
        """Answer all, write all; with an output file, what is there at the end is whole or the old one.

        Raises:
            SourceError: The webcam cannot be opened.
            OutputError: A result cannot be written.
        """
        with ExitStack() as open_:
            folder = Path(open_.enter_context(TemporaryDirectory(prefix="ferflow-")))
            inputs = Inputs(source.path for source in self._sources if source.is_file)
            lines = None if output is None else open_.enter_context(OutputFile(output, inputs))
            recorder = open_.enter_context(
                Recorder(
                    self._predictor,
                    self._wishes,
                    names=_names(self._sources),
                    say=self._tell if lines is None else lines.say,
                    plot=_plot,
                    inputs=inputs,
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
                raise _NothingError
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
        return track(self._sources, total=len(self._sources), label="reading faces", unit="sources")

    def _summarise(self, recorder: Recorder, output: Path | None) -> None:
        if self._is_quiet:
            return
        counts = f"{_counted(recorder.num_shots, 'picture')}, {_counted(recorder.num_faces, 'face')}"
        if recorder.num_without:
            counts += f", {_counted(recorder.num_without, 'picture')} without a face"
        if self._num_skipped:
            counts += f", {_counted(self._num_skipped, 'file')} not readable as a picture"
        say(counts)
        places = {"answers": output, "annotated": self._wishes.annotate, "timelines": self._wishes.timeline}
        for name, place in places.items():
            if place is not None:
                say(f"{name}: {place}")


def _plot(timeline: Timeline, path: Path) -> None:
    reporting.timeline.plot_timeline(timeline.curves(), timeline.labels, path)


def _check_can_plot() -> None:
    if find_spec("matplotlib") is None:
        raise OutputError("--timeline: matplotlib is not installed, which draws it; install ferflow[video]")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _names(sources: list[Source]) -> list[str]:
    # A frame's name ends in its time.
    return [source.name + (" 000.00 s" if source.is_video else "") for source in sources]
