"""The face detector's file: YuNet, pinned by its checksum, from a path, the user's cache or the network."""

from __future__ import annotations

import hashlib
import http.client
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ferflow.data.cache import cache_folder
from ferflow.errors import DetectorError, OutputError
from ferflow.files import atomic_file
from ferflow.progress import say

YUNET_SHA256 = "ebafce4e3c118d6554634be5c27ab333b4c047a9a8c3faf1d7cf93101c22f0f0"
YUNET_BYTES = 229_738
YUNET_FILE = "face_detection_yunet_2026may.onnx"
# OpenCV Zoo at a fixed commit (its large files lie on a server of their own), and OpenCV's copy elsewhere.
YUNET_URLS = (
    "https://media.githubusercontent.com/media/opencv/opencv_zoo/47534e27c9851bb1128ccc0102f1145e27f23f98/"
    f"models/face_detection_yunet/{YUNET_FILE}",
    f"https://huggingface.co/opencv/face_detection_yunet/resolve/main/{YUNET_FILE}",
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


def load_detector(
    setting: str, *, attempts: int, timeout: float, urls: Sequence[str] = YUNET_URLS
) -> Detector:
    """Bring the detector that `download.detector` names, and see that it is the pinned one.

    Args:
        setting: A path, `auto` (from the user's cache, or fetched into it) or `haar` (no file).
        attempts: How often a fetch is tried.
        timeout: Seconds for one try.
        urls: Where `auto` fetches from, the first one first.

    Raises:
        DetectorError: The file is missing, cannot be fetched, or is another one.
    """
    if setting == "haar":
        return Detector("haar", None)
    if setting == "auto":
        return Detector("yunet", bring(attempts=attempts, timeout=timeout, urls=urls))
    content = _read(Path(setting))
    problem = not_pinned(content)
    if problem is not None:
        raise DetectorError(
            f"{setting}: {problem}, expected {YUNET_BYTES:,} bytes with {YUNET_SHA256} ({YUNET_FILE} of "
            f"OpenCV Zoo); {_BY_HAND}"
        )
    return Detector("yunet", content)


def cache_file() -> Path:
    """Where the detector is kept for this user."""
    return cache_folder() / YUNET_FILE


def bring(*, attempts: int, timeout: float, urls: Sequence[str] = YUNET_URLS) -> bytes:
    """The pinned detector: from the user's cache, or fetched and kept there for the next time.

    Raises:
        DetectorError: It is not in the cache and cannot be fetched.
    """
    content = cached()
    if content is None:
        content = fetch(urls, attempts=attempts, timeout=timeout)
        keep(content)
    return content


def cached() -> bytes | None:
    """The pinned detector from the user's cache; None where it is not there or is another file."""
    try:
        content = _read_some(cache_file())
    except OSError:
        return None
    return content if not_pinned(content) is None else None


def keep(content: bytes) -> None:
    """Put the detector into the user's cache, whole or not at all; a read-only one is passed over."""
    try:
        with atomic_file(cache_file()) as fresh:
            fresh.write_bytes(content)
    except OutputError as error:
        say(f"the face detector is not kept for the next time: {error}")


def not_pinned(content: bytes) -> str | None:
    """What is wrong with a detector's file; None where it is the pinned one."""
    found = hashlib.sha256(content).hexdigest()
    if found == YUNET_SHA256:
        return None
    pointer = " (a Git LFS pointer, not the file)" if content.startswith(b"version https://git-lfs") else ""
    return f"not the pinned detector{pointer}: {len(content):,} bytes with sha256 {found}"


def fetch(urls: Sequence[str], *, attempts: int, timeout: float) -> bytes:
    """Fetch the pinned detector from the first source that has it; all of them again after a pause.

    Args:
        urls: http or https.
        attempts: How often to try each.
        timeout: Seconds for one try as a whole.

    Raises:
        DetectorError: No source has the file, or none could be reached.
    """
    pause = _FIRST_PAUSE_SECONDS
    remaining, reasons = list(urls), dict.fromkeys(urls, "")
    for attempt in range(1, attempts + 1):
        for url in tuple(remaining):
            try:
                content = _fetch_once(url, timeout)
            except (OSError, http.client.HTTPException) as error:  # URLError and timeouts are OSErrors
                reasons[url] = str(error) or type(error).__name__
                is_final = False
                if isinstance(error, urllib.error.HTTPError):
                    is_final = error.code in (401, 403, 404, 410)
                    error.close()  # It is the server's answer as well, with its socket.
            else:
                problem = not_pinned(content)
                if problem is None:
                    return content
                reasons[url], is_final = f"{problem}, expected {YUNET_SHA256}", True
            if is_final:
                remaining.remove(url)
        if attempt == attempts or not remaining:
            break
        say(f"fetching the face detector failed ({reasons[remaining[0]]}); trying again in {pause:g} s")
        time.sleep(pause)
        pause *= 2
    said = "; ".join(f"{url}: {reason}" for url, reason in reasons.items())
    raise DetectorError(
        f"the face detector could not be fetched in {attempt} of {attempts} tries ({said}); {_BY_HAND}"
    )


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
        return _read_some(path)
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


def _read_some(path: Path) -> bytes:
    """No more than what is needed to see that it is another file."""
    with path.open("rb") as stream:
        return stream.read(YUNET_BYTES + 1)
