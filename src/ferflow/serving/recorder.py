"""Where answers go: lines for people or programs, annotated pictures and videos, timelines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ferflow import serving
from ferflow.errors import OutputError, SourceError
from ferflow.files import atomic_file, output_error
from ferflow.serving.answers import Columns, as_csv, as_json, csv_header
from ferflow.serving.grouping import Grouping
from ferflow.serving.timeline import Timeline
from ferflow.serving.tracks import Tracker

if TYPE_CHECKING:
    from ferflow.serving.clip import Clip
    from ferflow.serving.face import Face
    from ferflow.serving.predictor import Predictor
    from ferflow.serving.shots import Shot, Source

Form = Literal["table", "json", "csv"]
Plot = Callable[[Timeline, Path], None]

_FORMS: dict[str, Form] = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json"}


@dataclass(frozen=True)
class Wishes:
    """What is to be made of the answers.

    Attributes:
        form: The form of the lines.
        grouping: The classes that are named.
        abstain_below: Confidence below which an answer is unsure.
        smooth: Time constant of the smoothing in videos, in seconds.
        annotate: Folder of annotated pictures and videos; None: none.
        timeline: Folder of tables and plots of videos; None: none.
    """

    form: Form
    grouping: Grouping
    abstain_below: float
    smooth: float
    annotate: Path | None = None
    timeline: Path | None = None


def form_of(*, as_json: bool, as_csv: bool, output: Path | None) -> Form:
    """The form that the options, or the name of the output file, ask for.

    Raises:
        SourceError: Both are asked for.
    """
    if as_json and as_csv:
        raise SourceError("--json and --csv: the lines have one form; choose one of the two")
    if as_json or as_csv:
        return "json" if as_json else "csv"
    return "table" if output is None else _FORMS.get(output.suffix.lower(), "table")


class Recorder:
    """Takes the answers one by one; a context, whose end completes what it wrote.

    Args:
        predictor: Gives the confidence of smoothed and merged probabilities.
        wishes: What is to be made of the answers.
        names: The names of the pictures that will come; they set the width of a column.
        say: Gets the lines.
        plot: Draws a timeline.
        inputs: What is read.
    """

    def __init__(
        self,
        predictor: Predictor,
        wishes: Wishes,
        *,
        names: Sequence[str],
        say: Callable[[str], None],
        plot: Plot,
        inputs: Inputs,
    ) -> None:
        self._predictor = predictor
        self._wishes = wishes
        self._columns = Columns(names)
        self._say = say
        self._plot = plot
        self._inputs = inputs
        self._video: _VideoRecord | None = None
        self._targets: set[Path] = set()
        self.num_shots = self.num_faces = self.num_without = 0

    def __enter__(self) -> Recorder:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._end_video(is_whole=kind is None)

    def take(self, source: Source, shot: Shot, faces: list[Face]) -> None:
        """Take the answer of a picture or a frame."""
        if self._video is not None and self._video.place != shot.place:
            self._end_video(is_whole=True)
        if source.is_video:
            if self._video is None:
                self._video = _VideoRecord(shot, self._predictor, self._wishes, self._inputs)
            faces = self._video.followed(shot, faces)
        named = [self._grouped(face) for face in faces]
        if shot.is_due:
            self._show(shot, named)
        if self._video is not None:
            self._video.add(shot, named)
        elif self._wishes.annotate is not None:
            self._write_picture(self._wishes.annotate / shot.place, shot, named)

    def _grouped(self, face: Face) -> Face:
        return self._wishes.grouping.regrouped(face, self._predictor.calibrated(face.probabilities))

    def _show(self, shot: Shot, faces: list[Face]) -> None:
        form, abstain_below = self._wishes.form, self._wishes.abstain_below
        labels = self._wishes.grouping.labels
        if form == "json":
            self._say(as_json(shot, faces, model=self._predictor.model, abstain_below=abstain_below))
        elif form == "csv":
            header = [] if self.num_shots else [csv_header(labels)]
            self._say("\n".join(header + as_csv(shot, faces, labels, abstain_below=abstain_below)))
        else:
            header = [] if self.num_shots else [self._columns.header()]
            self._say("\n".join(header + self._columns.lines(shot, faces, abstain_below=abstain_below)))
        self.num_shots += 1
        self.num_faces += len(faces)
        self.num_without += not faces

    def _write_picture(self, target: Path, shot: Shot, faces: list[Face]) -> None:
        self._inputs.check(target, option="--annotate")
        warning = self._predictor.model.warning
        abstain_below = self._wishes.abstain_below
        picture = serving.annotate.annotated(shot.pixels, faces, abstain_below=abstain_below, warning=warning)
        serving.annotate.write_picture(target, picture)

    def _end_video(self, *, is_whole: bool) -> None:
        video, self._video = self._video, None
        if video is not None:
            video.end(self._plot if is_whole else None)


class _VideoRecord:
    """The state of one video: who is who, its annotated copy, its timeline."""

    def __init__(self, shot: Shot, predictor: Predictor, wishes: Wishes, inputs: Inputs) -> None:
        self.place = shot.place
        self._inputs = inputs
        self._wishes = wishes
        self._warning = predictor.model.warning
        self._tracker = Tracker(predictor, smooth=wishes.smooth)
        self._timeline: Timeline | None = None
        if wishes.timeline is not None:
            self._timeline = Timeline(wishes.grouping.labels, abstain_below=wishes.abstain_below)
        self._clip: Clip | None = None
        self._open = ExitStack()
        if wishes.annotate is not None:
            target = wishes.annotate / shot.place
            inputs.check(target, option="--annotate")
            self._clip = self._open.enter_context(
                serving.clip.writing(target, rate=shot.rate or serving.clip.FALLBACK_RATE)
            )

    def followed(self, shot: Shot, faces: list[Face]) -> list[Face]:
        """The faces with their numbers; of a frame that is not due those that are expected."""
        seconds = shot.seconds or 0.0
        return self._tracker.follow(faces, seconds) if shot.is_due else self._tracker.between(seconds)

    def add(self, shot: Shot, faces: list[Face]) -> None:
        if self._clip is not None:
            picture = serving.annotate.annotated(
                shot.pixels, faces, abstain_below=self._wishes.abstain_below, warning=self._warning
            )
            self._clip.add(picture, shot.seconds or 0.0)
        if self._timeline is not None and shot.is_due:
            self._timeline.add(shot, faces)

    def end(self, plot: Plot | None) -> None:
        """Complete what was written; without a plot: give it up."""
        if plot is None:
            self._open.__exit__(InterruptedError, InterruptedError("given up"), None)
            return
        self._open.close()
        if self._timeline is not None and self._wishes.timeline is not None:
            base = self._wishes.timeline / self.place
            table, picture = base.with_suffix(".csv"), base.with_suffix(".png")
            for target in (table, picture):
                self._inputs.check(target, option="--timeline")
            self._timeline.write_csv(table)
            plot(self._timeline, picture)


class Inputs:
    """The files that are read, none of which a result may replace.

    Args:
        files: Their paths.
    """

    def __init__(self, files: Iterable[Path] = ()) -> None:
        self._known = {_identity(file) for file in files} - {None}

    def check(self, target: Path, *, option: str) -> None:
        """See that a result does not replace one of them.

        Raises:
            OutputError: It would.
        """
        if _identity(target) in self._known:
            raise OutputError(f"{target}: is the picture itself; choose another place for {option}")


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from all others, whatever it is called; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


class OutputFile:
    """A text file that is there when the context ends well, and not before.

    Args:
        path: The file.
        inputs: What is read.

    Raises:
        OutputError: The file is one of those that are read.
    """

    def __init__(self, path: Path, inputs: Inputs) -> None:
        inputs.check(path, option="--output")
        self._path = path
        self._open = ExitStack()

    def __enter__(self) -> OutputFile:
        fresh = self._open.enter_context(atomic_file(self._path))
        try:
            opened = fresh.open("w", encoding="utf-8", errors="replace", newline="\n")
        except OSError as error:
            self._open.close()
            raise output_error(self._path, error) from error
        self._file = self._open.enter_context(opened)
        return self

    def __exit__(self, *details: object) -> bool | None:
        return self._open.__exit__(*details)  # type: ignore[arg-type]

    def say(self, line: str) -> None:
        """Write a line, or several."""
        self._file.write(f"{line}\n")
