"""One picture is read: from a file, its bytes, or pixels that are there already."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ferflow.data.decoding import pictures
from ferflow.data.store import Images
from ferflow.errors import BadImageError

Picture = str | Path | bytes | pictures.Picture | NDArray[np.uint8]

MAX_BYTES = 200_000_000


class Decode(Protocol):
    """What decodes the bytes of a file: `decode_picture`, or a process that does."""

    def __call__(self, content: bytes, /, *, max_pixels: int, limit: str) -> pictures.Picture:
        """The picture, upright."""


def read_picture(image: Picture, decode: Decode, *, number: int, max_pixels: int) -> pictures.Picture:
    """Read a picture: upright, and reduced where it has more than 40 megapixels.

    Args:
        image: The picture; one that was read already is given back.
        decode: Decodes the bytes of a file.
        number: Its number, to name it by where it has no path.
        max_pixels: Width times height that it may claim.

    Raises:
        BadImageError: It cannot be read; the message names it.
    """
    if isinstance(image, pictures.Picture):
        return image
    if isinstance(image, np.ndarray):
        pixels = _checked(image, number)
        return pictures.Picture(pixels, pixels.shape[1], pixels.shape[0], scale=1)
    name = f"picture {number}" if isinstance(image, bytes) else str(image)
    try:
        content = image if isinstance(image, bytes) else _read(Path(image))
        return decode(content, max_pixels=max_pixels, limit="the limit of")
    except BadImageError as error:
        raise BadImageError(f"{name}: {error}") from error
    except OSError as error:
        raise BadImageError(f"{name}: cannot be read ({error.strerror}); see its permissions") from error


def _read(path: Path) -> bytes:
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise BadImageError("is a folder, pipe or device, expected a picture; name a file")
    num_bytes = found.st_size
    if num_bytes > MAX_BYTES:
        raise BadImageError(f"has {num_bytes:,} bytes, more than the limit of {MAX_BYTES:,}; make it smaller")
    return path.read_bytes()


def _checked(image: NDArray[Any], number: int) -> Images:
    is_picture = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not is_picture or image.size == 0:
        raise BadImageError(
            f"picture {number}: is {image.dtype} {image.shape}, expected uint8 (H, W) or (H, W, 3)"
        )
    return np.ascontiguousarray(image)
