"""Many pictures at once: some are decoded and looked at for faces while the faces of others are read.

Threads decode, find and cut out; OpenCV and ONNX Runtime let go of Python's lock meanwhile. The faces of
several pictures pass the network as one batch. Answers come in the order of the pictures, and no more
pictures are in memory than threads and a short queue hold. Which faces share a batch depends on the pictures
alone, so that the same pictures have the same answers to the last digit.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from ferflow.data.opencv_threads import single_threaded_opencv
from ferflow.errors import BadImageError
from ferflow.machine import usable_cores
from ferflow.serving.defaults import MAX_PIXELS
from ferflow.serving.face import Face
from ferflow.serving.frames import Every
from ferflow.serving.incoming import brought_here
from ferflow.serving.predictor import Predictor, Prepared
from ferflow.serving.shots import Shot, Source, read_frames, read_picture, read_webcam

# Pictures and faces of a batch, the first that is reached; the first picture is answered by itself.
_BATCH_SHOTS, _BATCH_FACES, _BATCH_PIXELS = 16, 32, 40_000_000
_MOST_THREADS = 8
# Pictures that wait, begun or done, where their pixels are let go.
_AHEAD = 8

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class Job:
    """A picture to be read, a frame that was, or why there is none.

    Attributes:
        source: What it is of.
        shot: The frame.
        error: Why the source cannot be read.
    """

    source: Source
    shot: Shot | None = None
    error: BadImageError | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What one picture or frame shows.

    Attributes:
        source: What it is of.
        shot: The picture; None with an error.
        faces: Its faces; empty with an error, and for frames that are not due.
        error: Why it cannot be read.
    """

    source: Source
    shot: Shot | None
    faces: list[Face]
    error: BadImageError | None = None


@dataclass(frozen=True, eq=False)
class _Ready:
    job: Job
    shot: Shot | None
    prepared: Prepared | None
    error: BadImageError | None = None

    @property
    def num_pixels(self) -> int:
        return 0 if self.shot is None else self.shot.pixels.size // 3

    @property
    def num_faces(self) -> int:
        return 0 if self.prepared is None else len(self.prepared.crops)


def list_jobs(
    sources: Iterable[Source],
    every: Every,
    *,
    folder: Path,
    with_others: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[Job]:
    """The pictures and frames of sources, in order.

    Args:
        sources: Files, addresses, webcams.
        every: Which frames of videos are due.
        folder: An empty one, for what is fetched.
        with_others: Those in between come, too.
        max_pixels: Width times height that an animation may claim.

    Raises:
        SourceError: A webcam cannot be opened.
    """
    for source in sources:
        try:
            here = brought_here(source, folder)
            if here.webcam is not None:
                frames = read_webcam(here, every, with_others=with_others)
            elif here.is_video:
                frames = read_frames(here, every, max_pixels=max_pixels, with_others=with_others)
            else:
                yield Job(here)
                continue
            for shot in frames:
                yield Job(here, shot)
        except BadImageError as error:
            yield Job(source, error=error)


def answered(
    jobs: Iterable[Job], predictor: Predictor, *, whole: bool, keep_pixels: bool, threads: int
) -> Iterator[Answer]:
    """The faces of pictures, in the order of the jobs.

    Args:
        jobs: What `list_jobs` gave.
        predictor: Finds and reads the faces.
        whole: Each picture is a cut-out face.
        keep_pixels: The answers keep the pixels, to be drawn on.
        threads: That prepare pictures; 1: this one does, and each picture is answered as it comes.
    """

    def prepare(job: Job) -> _Ready:
        return _prepared(job, predictor, whole=whole, keep_pixels=keep_pixels)

    most_shots = 1
    batch: list[_Ready] = []
    for ready in _in_order(prepare, jobs, threads, threads if keep_pixels else _AHEAD):
        batch.append(ready)
        if (
            len(batch) >= most_shots
            or sum(entry.num_faces for entry in batch) >= _BATCH_FACES
            or sum(entry.num_pixels for entry in batch) >= _BATCH_PIXELS
        ):
            yield from _read(batch, predictor)
            batch = []
            most_shots = 1 if threads == 1 else _BATCH_SHOTS
    yield from _read(batch, predictor)


def threads_for(sources: list[Source]) -> int:
    """Threads that prepare pictures: one for a single picture and for live frames, answered as they come."""
    is_single = len(sources) == 1 and not sources[0].is_video
    if is_single or any(source.is_live for source in sources):
        return 1
    return max(2, min(usable_cores(), _MOST_THREADS))


def _prepared(job: Job, predictor: Predictor, *, whole: bool, keep_pixels: bool) -> _Ready:
    """The part of a picture's work that needs no network."""
    if job.error is not None:
        return _Ready(job, None, None, job.error)
    try:
        shot = job.shot or read_picture(job.source, predictor)
        prepared = predictor.prepare(shot.pixels, whole=whole) if shot.is_due else None
    except BadImageError as error:
        return _Ready(job, None, None, error)
    return _Ready(job, shot if keep_pixels else shot.without_pixels(), prepared)


def _read(batch: list[_Ready], predictor: Predictor) -> Iterator[Answer]:
    """The network's part, for all pictures of a batch at once."""
    faces = iter(predictor.read_prepared(entry.prepared for entry in batch if entry.prepared is not None))
    for entry in batch:
        found = [] if entry.prepared is None else next(faces)
        yield Answer(entry.job.source, entry.shot, found, entry.error)


def _in_order(
    work: Callable[[Item], Result], items: Iterable[Item], threads: int, ahead: int
) -> Iterator[Result]:
    """Results of threads in the order of the items; `ahead` items at most are begun and not taken."""
    if threads == 1:
        yield from map(work, items)
        return
    waiting: deque[Future[Result]] = deque()
    with single_threaded_opencv():
        pool = ThreadPoolExecutor(threads, thread_name_prefix="prepare")
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                while waiting and (len(waiting) >= ahead or waiting[0].done()):
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
