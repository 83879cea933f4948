"""The face detector's file: YuNet, pinned by its checksum, from a path or from OpenCV Zoo."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferflow.errors import DetectorError
from ferflow.progress import say

YUNET_SHA256 = "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
YUNET_BYTES = 229_738
YUNET_URL = (
    "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/"
    "face_detection_yunet_2026may.onnx"
)
_CHUNK_BYTES = 1 << 16
_FIRST_PAUSE_SECONDS = 1.0
_BY_HAND = "fetch it by hand and set download.detector to its path, or set download.detector to haar"


@dataclass(frozen=True)
class Detector:
    """What the face filter is to use.

    Attributes:
        kind: `yunet`, with its file, or `haar`, whose cascades come with OpenCV.
        content: The ONNX file's bytes; None for haar.
    """

    kind: Literal["yunet", "haar"]
    content: bytes | None

    @property
    def sha256(self) -> str | None:
        """Of the file, as 64 hex digits; None for haar."""
        return hashlib.sha256(self.content).hexdigest() if self.content is not None else None


def load_detector(setting: str, *, attempts: int, timeout: float, url: str = YUNET_URL) -> Detector:
    """Bring the detector that `download.detector` names, and see that it is the pinned one.

    Args:
        setting: A path, `auto` (fetch) or `haar` (no file).
        attempts: How often a fetch is tried.
        timeout: Seconds for one try.
        url: Where `auto` fetches from.

    Raises:
        DetectorError: The file is missing, cannot be fetched, or is another one.
    """
    if setting == "haar":
        return Detector("haar", None)
    if setting == "auto":
        content, origin = fetch(url, attempts=attempts, timeout=timeout), url
    else:
        content, origin = _read(Path(setting)), setting
    found = hashlib.sha256(content).hexdigest()
    if found != YUNET_SHA256:
        pointer = (
            " (a Git LFS pointer, not the file)" if content.startswith(b"version https://git-lfs") else ""
        )
        raise DetectorError(
            f"{origin}: not the pinned detector{pointer}: {len(content):,} bytes with sha256 {found}, "
            f"expected {YUNET_BYTES:,} bytes with {YUNET_SHA256} (face_detection_yunet_2026may.onnx "
            f"of OpenCV Zoo); {_BY_HAND}"
        )
    return Detector("yunet", content)


def fetch(url: str, *, attempts: int, timeout: float) -> bytes:
    """Fetch a small file, trying again after a pause when the network or the server fails.

    Args:
        url: http or https.
        attempts: How often to try.
        timeout: Seconds for one try as a whole.

    Returns:
        Its bytes; no more than one beyond the detector's size.

    Raises:
        DetectorError: No try succeeded, or the server says that there is no such file.
    """
    pause = _FIRST_PAUSE_SECONDS
    for attempt in range(1, attempts + 1):
        try:
            return _fetch_once(url, timeout)
        except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
            reason = str(error) or type(error).__name__
            is_final = isinstance(error, urllib.error.HTTPError) and error.code in (401, 403, 404, 410)
            if is_final or attempt == attempts:
                raise DetectorError(
                    f"{url}: could not be fetched in {attempt} of {attempts} tries ({reason}); {_BY_HAND}"
                ) from error
            say(f"fetching the face detector failed ({reason}); trying again in {pause:g} s")
            time.sleep(pause)
            pause *= 2
    raise ValueError(f"attempts is {attempts}, expected at least 1")


def _fetch_once(url: str, timeout: float) -> bytes:
    if not url.startswith(("https://", "http://")):
        raise ValueError(f"{url}: expected http or https")
    deadline = time.monotonic() + timeout
    content = b""
    with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310 (checked above)
        # One byte more than expected is enough to see that it is another file.
        while chunk := response.read1(min(_CHUNK_BYTES, YUNET_BYTES + 1 - len(content))):
            content += chunk
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(content):,} bytes in {timeout:g} s")
    return content


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(YUNET_BYTES + 1)
    except FileNotFoundError:
        raise DetectorError(
            f"{path}: the face detector is missing (download.detector); place "
            "face_detection_yunet_2026may.onnx of OpenCV Zoo there, or set the key to auto or haar"
        ) from None
    except OSError as error:
        raise DetectorError(
            f"{path}: the face detector cannot be read ({error.strerror}); "
            "set download.detector to its file, auto or haar"
        ) from error
