"""Frames of videos, webcams and network streams, as many as are asked for."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ferflow.data.decoding import pictures
from ferflow.data.store import Images
from ferflow.errors import BadImageError, SourceError
from ferflow.serving.clip import FALLBACK_RATE

_SECONDS = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*s")
# A frame whose time is this close before the next one due is taken: times are rounded in files.
_NEARLY = 1e-3
_MOST_RATE = 240.0
_STREAM_MILLISECONDS = 10_000


@dataclass(frozen=True)
class Every:
    """Which frames are looked at: every Nth, or one each so many seconds.

    Attributes:
        frames: N; None where it is by time.
        seconds: The time between two looks; None where it is by number.
    """

    frames: int | None = None
    seconds: float | None = None


@dataclass(frozen=True, eq=False)
class Frame:
    """A frame of a video.

    Attributes:
        number: From 0.
        seconds: Its time.
        pixels: (H, W, 3) uint8, blue first.
        is_due: It is to be looked at; else it is only there for the annotated video.
    """

    number: int
    seconds: float
    pixels: Images
    is_due: bool


def parse_every(text: str) -> Every:
    """Read `10` (every 10th frame) or `0.5s` (a frame each half second).

    Raises:
        SourceError: It is neither.
    """
    stripped = text.strip()
    if stripped.isascii() and stripped.isdecimal() and int(stripped) > 0:
        return Every(frames=int(stripped))
    match = _SECONDS.fullmatch(stripped)
    if match and 0 < float(match[1]) < math.inf:
        return Every(seconds=float(match[1]))
    raise SourceError(
        f"--every {text!r}: expected a number of frames, 1 or more, or of seconds, above 0 and with an 's' "
        "behind, such as 10 or 0.5s"
    )


class Video:
    """An opened video, webcam or stream.

    Args:
        place: Name of the file, number of the webcam or address of the stream.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, place: str | int) -> None:
        # FFmpeg's own words would come among ours.
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
        self._is_live = isinstance(place, int) or "://" in place
        self._capture = _opened(place)
        if self._capture is None:
            raise OSError(f"{place}: cannot be opened")
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.rate = rate if math.isfinite(rate) and 0 < rate <= _MOST_RATE else FALLBACK_RATE

    def frames(self, every: Every, *, with_others: bool = False) -> Iterator[Frame]:
        """The frames that are due, in order; the video is closed behind the last.

        Args:
            every: Which are.
            with_others: Yield those in between, too.
        """
        assert self._capture is not None  # noqa: S101
        due = _Due(every)
        started = time.monotonic()
        try:
            number = 0
            while self._capture.grab():
                seconds = (
                    time.monotonic() - started
                    if self._is_live
                    else self._capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
                )
                is_due = due.is_due(number, seconds)
                if is_due or with_others:
                    was_read, pixels = self._capture.retrieve()
                    if was_read:
                        yield Frame(number, seconds, np.asarray(pixels, np.uint8), is_due)
                number += 1
        finally:
            self._capture.release()


class Animation:
    """An animated GIF or WebP, frame by frame as a video is.

    Args:
        path: The file.
        name: Its name, for messages.
        max_pixels: Width times height that it may claim.
    """

    rate = FALLBACK_RATE

    def __init__(self, path: Path, *, name: str, max_pixels: int) -> None:
        self._path, self._name, self._max_pixels = path, name, max_pixels

    def frames(self, every: Every, *, with_others: bool = False) -> Iterator[Frame]:
        """The frames that are due, in order; see `Video.frames`.

        Raises:
            BadImageError: The file cannot be read; the message has the name.
        """
        due = _Due(every)
        try:
            content = self._path.read_bytes()
            found = pictures.read_frames(content, max_pixels=self._max_pixels, limit="the limit of")
            for number, (seconds, pixels) in enumerate(found):
                is_due = due.is_due(number, seconds)
                if is_due or with_others:
                    yield Frame(number, seconds, pixels, is_due)
        except BadImageError as error:
            raise BadImageError(f"{self._name}: {error}") from error
        except OSError as error:
            raise BadImageError(f"{self._name}: cannot be read ({error.strerror})") from error


class _Due:
    def __init__(self, every: Every) -> None:
        self._every = every
        self._next = 0.0

    def is_due(self, number: int, seconds: float) -> bool:
        if self._every.frames is not None:
            return number % self._every.frames == 0
        step = self._every.seconds or 1.0
        if number and seconds < self._next - _NEARLY:
            return False
        self._next = (math.floor((seconds + _NEARLY) / step) + 1) * step
        return True


def open_file(path: Path, *, name: str) -> Video:
    """A video file, opened.

    Raises:
        BadImageError: It cannot be; the message has the name.
    """
    try:
        str(path).encode()
        return Video(str(path))
    except UnicodeEncodeError:
        raise BadImageError(f"{name}: its name is not UTF-8, as videos need; rename it") from None
    except OSError:
        raise BadImageError(f"{name}: cannot be opened as a video; convert it to MP4 or AVI") from None


def open_stream(address: str, *, name: str) -> Video:
    """A stream on the network, opened.

    Raises:
        BadImageError: It does not answer within 10 seconds, or is no video.
    """
    try:
        return Video(address)
    except OSError:
        raise BadImageError(
            f"{name}: the stream cannot be opened within {_STREAM_MILLISECONDS // 1000} s; see the address, "
            "that the camera is on, and its user name and password"
        ) from None


def open_webcam(device: int) -> Video:
    """A webcam, opened.

    Raises:
        SourceError: It cannot be.
    """
    try:
        return Video(device)
    except OSError:
        raise SourceError(
            f"webcam {device} cannot be opened; see that it is plugged in, that no other program has it and "
            f"that /dev/video{device} may be read, or try another number"
        ) from None


def _opened(place: str | int) -> cv2.VideoCapture | None:
    """The opened video, or None; without OpenCV's own words on stderr."""
    before = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        if isinstance(place, str) and "://" in place:
            limits = [
                cv2.CAP_PROP_OPEN_TIMEOUT_MSEC,
                _STREAM_MILLISECONDS,
                cv2.CAP_PROP_READ_TIMEOUT_MSEC,
                _STREAM_MILLISECONDS,
            ]
            video = cv2.VideoCapture(place, cv2.CAP_FFMPEG, limits)
        else:
            video = cv2.VideoCapture(place)
    finally:
        cv2.utils.logging.setLogLevel(before)
    return video if video.isOpened() else None
