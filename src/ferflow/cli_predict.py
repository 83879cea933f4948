"""The command `predict`: emotions of faces in pictures, videos or a webcam; part of `ferflow.cli`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ferflow import layout
from ferflow.progress import say, track
from ferflow.serving.devices import Device

if TYPE_CHECKING:
    from ferflow.serving.predictor import Face, Predictor
    from ferflow.serving.shots import Shot, Source

commands = typer.Typer()

# Pictures that share a batch: so many, or so many pixels.
_BATCH_SHOTS, _BATCH_PIXELS = 16, 40_000_000
# Fewer files are done before a bar would help.
_TRACKED_FILES = 20


@commands.command(rich_help_panel="The model at work")
def predict(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(help="Pictures, folders of them, videos, - for a pipe.", metavar="PATH"),
    ] = None,
    export: Annotated[
        Path, typer.Option("--export", help="What `ferflow export` wrote.", metavar="FOLDER")
    ] = layout.EXPORT,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, one line a picture.")] = False,
    annotate: Annotated[
        Path | None, typer.Option("--annotate", help="Write pictures with boxes there.", metavar="FOLDER")
    ] = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Each picture is one face, cut out already; look for none.")
    ] = False,
    int8: Annotated[bool, typer.Option("--int8", help="Use the quantised network.")] = False,
    abstain_below: Annotated[
        float, typer.Option("--abstain-below", min=0, max=1, help="Confidence below which to say unsure.")
    ] = 0.0,
    every: Annotated[int, typer.Option("--every", min=1, help="Take every Nth frame.", metavar="N")] = 10,
    webcam: Annotated[
        int | None, typer.Option("--webcam", min=0, help="Number of a webcam, until Ctrl-C.")
    ] = None,
    min_score: Annotated[
        float, typer.Option("--min-score", min=0.01, max=1, help="Detector's score from which a face counts.")
    ] = 0.6,
    device: Annotated[Device, typer.Option("--device", help="Where the network computes.")] = "auto",
    max_pixels: Annotated[
        int, typer.Option("--max-pixels", min=1, help="Largest width times height of a picture.")
    ] = 200_000_000,
) -> None:
    """Find the faces in pictures and say what they show.

    A picture without a face is an answer, too. In a folder a file that is no picture is named and skipped;
    exit code 1 if a file that was named, or every file, cannot be read.
    """
    from ferflow.errors import SourceError
    from ferflow.serving.predictor import Predictor
    from ferflow.serving.shots import list_sources

    if not paths and webcam is None:
        raise SourceError("nothing to look at; name pictures, folders or videos, or use --webcam 0")
    predictor = Predictor(
        export,
        precision="int8" if int8 else "float32",
        min_score=min_score,
        max_pixels=max_pixels,
        device=device,
    )
    sources, complaints = list_sources(paths or [])
    reader = _Reader(predictor, sources, complaints, every)
    shots = reader.shots() if webcam is None else reader.webcam(webcam)
    printer = _Printer(_names(sources), as_json, abstain_below, annotate)
    with suppress(KeyboardInterrupt):
        # A webcam's frames are answered one by one, as they come.
        for batch in _batches(shots, 1 if webcam is not None else _BATCH_SHOTS):
            pixels = [shot.pixels for shot in batch]
            answers = (
                [[face] for face in predictor.whole_images(pixels)]
                if whole
                else predictor.predict_many(pixels)
            )
            for shot, faces in zip(batch, answers, strict=True):
                printer.show(shot, faces)
    printer.summarise(reader.num_skipped)
    if reader.has_failed or printer.num_shots == 0:
        raise typer.Exit(1)


class _Reader:
    """The shots of all sources; what cannot be read is said and counted."""

    def __init__(
        self, predictor: Predictor, sources: list[Source], complaints: list[str], every: int
    ) -> None:
        self._predictor = predictor
        self._sources = sources
        self._every = every
        self.num_skipped = 0
        self.has_failed = bool(complaints)
        for complaint in complaints:
            say(f"error: {complaint}")

    def shots(self) -> Iterator[Shot]:
        from ferflow.data.images import BadImageError
        from ferflow.serving.shots import read_shots

        is_long = len(self._sources) >= _TRACKED_FILES and not sys.stdout.isatty()
        sources = (
            track(self._sources, total=len(self._sources), label="reading faces")
            if is_long
            else self._sources
        )
        for source in sources:
            try:
                yield from read_shots(source, self._predictor, every=self._every)
            except BadImageError as error:
                say(f"error: {error}" if source.is_named else f"skipped: {error}")
                self.has_failed |= source.is_named
                self.num_skipped += 1

    def webcam(self, device: int) -> Iterator[Shot]:
        from ferflow.serving.shots import read_webcam

        yield from self.shots()
        yield from read_webcam(device, every=self._every)


class _Printer:
    """Prints the answers, and writes the annotated pictures."""

    def __init__(self, names: list[str], as_json: bool, abstain_below: float, annotate: Path | None) -> None:
        from ferflow.serving.answers import Columns

        self._columns = Columns(names)
        self._as_json = as_json
        self._abstain_below = abstain_below
        self._annotate = annotate
        self.num_shots = self._num_faces = self._num_without = 0

    def show(self, shot: Shot, faces: list[Face]) -> None:
        from ferflow.serving.answers import as_json

        if self._as_json:
            typer.echo(as_json(shot, faces, abstain_below=self._abstain_below))
        else:
            if self.num_shots == 0:
                typer.echo(self._columns.header())
            typer.echo("\n".join(self._columns.lines(shot, faces, abstain_below=self._abstain_below)))
        self.num_shots += 1
        self._num_faces += len(faces)
        self._num_without += not faces
        if self._annotate is not None:
            self._write(self._annotate / shot.place, shot, faces)

    def summarise(self, num_skipped: int) -> None:
        counts = f"{_counted(self.num_shots, 'picture')}, {_counted(self._num_faces, 'face')}"
        if self._num_without:
            counts += f", {_counted(self._num_without, 'picture')} without a face"
        if num_skipped:
            counts += f", {_counted(num_skipped, 'file')} not readable as a picture"
        say(counts)
        if self._annotate is not None and self.num_shots:
            say(f"annotated pictures: {self._annotate}")

    def _write(self, target: Path, shot: Shot, faces: list[Face]) -> None:
        from ferflow.errors import OutputError
        from ferflow.serving.annotate import annotated, write_picture

        if shot.file is not None and target.exists() and target.samefile(shot.file):
            raise OutputError(f"{target}: is the picture itself; choose another folder for --annotate")
        write_picture(target, annotated(shot.pixels, faces, abstain_below=self._abstain_below))


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _names(sources: list[Source]) -> list[str]:
    from ferflow.serving.shots import readable

    # A frame's name ends in its time.
    return [readable(source.path) + (" 000.00 s" if source.is_video else "") for source in sources]


def _batches(shots: Iterator[Shot], most: int) -> Iterator[list[Shot]]:
    batch: list[Shot] = []
    for shot in shots:
        batch.append(shot)
        if len(batch) >= most or sum(entry.pixels.size for entry in batch) >= 3 * _BATCH_PIXELS:
            yield batch
            batch = []
    if batch:
        yield batch
