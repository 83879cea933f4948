"""Annotated videos: an MP4 that plays in a browser.

With PyAV (the extra `video`) it is H.264, which plays everywhere; its packages bring FFmpeg with x264, which
is under the GPL. Without it OpenCV's own FFmpeg writes VP9, which browsers play and some players do not.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from ferflow import heavy
from ferflow.data.store import Images
from ferflow.errors import OutputError
from ferflow.files import atomic_file

# Ticks a second: what MP4 files have by custom.
_CLOCK = 90_000
# H.264: the constant quality that is x264's own choice, and its speed.
_QUALITY, _SPEED = "23", "veryfast"
# Frames a second where nobody knows.
FALLBACK_RATE = 25.0


class Clip(Protocol):
    """A video that is being written."""

    def add(self, picture: Images, seconds: float) -> None:
        """Add a frame, (H, W, 3) uint8, blue first; all are of one size.

        Args:
            picture: The frame.
            seconds: Its time, later than that of the frame before.
        """


def has_h264() -> bool:
    """PyAV is installed."""
    return find_spec("av") is not None


@contextmanager
def writing(path: Path, *, rate: float) -> Iterator[Clip]:
    """Yield a clip that takes its place at `path` when the block ends well.

    Args:
        path: The MP4.
        rate: Frames a second.

    Raises:
        OutputError: It cannot be written.
    """
    with atomic_file(path) as fresh:
        clip = _H264(fresh, path, rate) if has_h264() else _Vp9(fresh, path, rate)
        try:
            yield clip
        except BaseException:
            clip.abandon()
            raise
        clip.close()


class _H264:
    """By PyAV; frames keep their own times."""

    def __init__(self, fresh: Path, path: Path, rate: float) -> None:
        self._path = path
        try:
            # The index goes first, so that a browser can play before all of it is there.
            self._container = heavy.av.open(str(fresh), "w", format="mp4", options={"movflags": "+faststart"})
        except (heavy.av.FFmpegError, OSError) as error:
            raise self._error(error) from error
        self._rate = Fraction(rate).limit_denominator(1001)
        self._stream: Any = None
        self._last = -1

    def add(self, picture: Images, seconds: float) -> None:
        if self._stream is None:
            self._stream = self._opened(_even(picture))
        even = _even(_sized(picture, (self._stream.width, self._stream.height)))
        frame = heavy.av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="bgr24")
        frame.pts = self._last = max(self._last + 1, round(seconds * _CLOCK))
        frame.time_base = Fraction(1, _CLOCK)
        self._encode(frame)

    def close(self) -> None:
        if self._stream is not None:
            self._encode(None)
        self._container.close()

    def abandon(self) -> None:
        self._container.close()

    def _opened(self, picture: Images) -> Any:
        stream: Any = self._container.add_stream("libx264", rate=self._rate)
        stream.height, stream.width = picture.shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.time_base = stream.codec_context.time_base = Fraction(1, _CLOCK)
        stream.options = {"crf": _QUALITY, "preset": _SPEED}
        return stream

    def _encode(self, frame: Any) -> None:
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        except (heavy.av.FFmpegError, OSError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> OutputError:
        return OutputError(
            f"{self._path}: the video cannot be written ({error}); see the disk and the folder"
        )


class _Vp9:
    """By OpenCV; the frames follow one another at one rate."""

    def __init__(self, fresh: Path, path: Path, rate: float) -> None:
        self._fresh, self._path, self._rate = fresh, path, rate
        self._writer: cv2.VideoWriter | None = None
        self._size = (0, 0)

    def add(self, picture: Images, seconds: float) -> None:  # noqa: ARG002 it has a rate instead
        even = _even(picture)
        if self._writer is None:
            self._size = (even.shape[1], even.shape[0])
            code = cv2.VideoWriter.fourcc(*"vp09")
            self._writer = cv2.VideoWriter(str(self._fresh), code, self._rate, self._size)
            if not self._writer.isOpened():
                raise OutputError(
                    f"{self._path}: OpenCV cannot write a video there; see the disk and the folder, or "
                    "install ferflow[video]"
                )
        self._writer.write(_sized(even, self._size))

    def close(self) -> None:
        self.abandon()
        if not self._fresh.is_file():
            raise OutputError(f"{self._path}: OpenCV wrote no video; install ferflow[video]")

    def abandon(self) -> None:
        if self._writer is not None:
            self._writer.release()


def _sized(picture: Images, size: tuple[int, int]) -> Images:
    """The picture at the size of the first one, where a stream has changed its own."""
    if max(abs(picture.shape[1] - size[0]), abs(picture.shape[0] - size[1])) <= 1:
        return picture
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _even(picture: Images) -> Images:
    """Without a last odd row or column: colour is stored for two by two pixels."""
    height, width = picture.shape[:2]
    if height < 2 or width < 2:
        picture = np.repeat(np.repeat(picture, 2, axis=0), 2, axis=1)
        height, width = picture.shape[:2]
    return np.ascontiguousarray(picture[: height - height % 2, : width - width % 2])
