"""Picture files of all kinds to upright pixels, in this process; `decode_box` does it in another one.

The size of the header is bounded before a decoder sees the file, and compared with the size that the
decoder itself reads. Pillow decodes, and prints nothing. JPEG and PNG can be decoded by OpenCV instead, to
the same pixels in half the time, but OpenCV prints what it finds wrong.
"""

from __future__ import annotations

import io
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageOps, features

from ferflow import heavy
from ferflow.data.decoding.picture_header import Header, read_header
from ferflow.data.decoding.png_rows import has_all_rows
from ferflow.data.decoding.upright import upright
from ferflow.errors import BadImageError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

    from ferflow.data.store import Images  # which imports what a process of the box has no use for

# A larger picture is reduced by 2, 4 or 8 so that it stays below: a face that the detector can find in it
# has more than the 48 px of the network even then. A JPEG is reduced while it is decoded: it spares memory.
FULL_PIXELS = 40_000_000
_SCALES = (1, 2, 4, 8)
# All other kinds are decoded whole: 4 bytes a pixel in Pillow, 16 where a decoder keeps canvases (WebP).
_MOST_WHOLE_PIXELS = {"WebP": 50_000_000}
MOST_WHOLE_PIXELS = 80_000_000
MOST_FRAMES = 10_000
_MOST_FRAMES_PIXELS = 20_000_000_000
_FRAME_SECONDS = 0.1
_MOVING = frozenset({"GIF", "WebP"})
_GREY_CHANNELS, _COLOUR_CHANNELS, _CMYK_CHANNELS = 1, 3, 4
_PNG_COLOUR_TYPE, _GREY_AND_ALPHA = 25, 4
_ADDRESS = re.compile(r"<\S+ object at 0x[0-9a-f]+>")  # Another one in each process.
_ANOTHER = "take another copy of it"
_HEIC_CURE = "install ferflow[heic] (pip install 'ferflow[heic]'), or convert it to JPEG"


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded picture.

    Attributes:
        pixels: (H, W) uint8 where the file is grey, else (H, W, 3), blue first; upright, 0-255.
        width: The width of the picture in the file, upright; `pixels` have it divided by `scale`, rounded up.
        height: The same.
        scale: 1, or 2, 4 or 8 where the picture was reduced.
    """

    pixels: Images
    width: int
    height: int
    scale: int


@contextmanager
def _reasons() -> Iterator[None]:
    """Have whatever a decoder raises be one reason with a way on; all damage has the same one."""
    try:
        yield
    except BadImageError as error:
        if ";" in str(error):
            raise
        raise BadImageError(f"{error}; {_ANOTHER}") from error
    except MemoryError:
        raise BadImageError("needs more memory to decode than there is; make it smaller") from None
    except Exception as error:  # Decoders raise whatever they like on damaged files.
        raise BadImageError(f"cannot be decoded: {_damage(error)}; {_ANOTHER}") from error


def _damage(error: Exception) -> str:
    said = _ADDRESS.sub("it", " ".join(str(error).split()))
    return f"damaged or cut short ({said[:120] or type(error).__name__})"


@_reasons()
def decode_picture(content: bytes, *, max_pixels: int, limit: str, by_opencv: bool = False) -> Picture:
    """Decode a picture file: upright, 8 bits a channel, without transparency.

    Args:
        content: The bytes of the file.
        max_pixels: Width times height that the file may claim.
        limit: What the message calls `max_pixels`.
        by_opencv: Whether OpenCV decodes JPEG and PNG: faster, but it writes to stderr.

    Raises:
        BadImageError: The file is damaged, cut short, of an unknown kind, or too large.
    """
    header = read_header(content)
    _check_size(header, header.width, header.height, max_pixels, limit)
    if header.kind == "JPEG":
        pixels, scale = _decode_jpeg(header, by_opencv)
        return _picture(upright(pixels, header.orientation), header, scale)
    # OpenCV makes colour of grey with transparency.
    if header.kind == "PNG" and by_opencv and header.content[_PNG_COLOUR_TYPE] != _GREY_AND_ALPHA:
        return _finished(_by_opencv(header, 1, (header.width, header.height)), header)
    with warnings.catch_warnings():  # What is odd in a file is no matter of its user's.
        warnings.simplefilter("ignore")
        return _decode_whole(header, max_pixels, limit)


def read_frames(content: bytes, *, max_pixels: int, limit: str) -> Iterator[tuple[float, Images]]:
    """The frames of an animated GIF or WebP, or the one picture of any other file.

    Args:
        content: The bytes of the file.
        max_pixels: Width times height that the file may claim.
        limit: What the message calls `max_pixels`.

    Yields:
        The time of the frame in seconds, from 0, and its pixels as of `Picture`.

    Raises:
        BadImageError: As of `decode_picture`, or the file has more than `MOST_FRAMES` frames; frames
            before the damage come first.
    """
    with _reasons():
        yield from _frames(content, max_pixels, limit)


def _frames(content: bytes, max_pixels: int, limit: str) -> Iterator[tuple[float, Images]]:
    header = read_header(content)
    if header.kind not in _MOVING:
        yield 0.0, decode_picture(content, max_pixels=max_pixels, limit=limit).pixels
        return
    _check_size(header, header.width, header.height, max_pixels, limit)
    image = _open(header, max_pixels, limit)
    most = min(MOST_FRAMES, 1 + _MOST_FRAMES_PIXELS // (header.width * header.height))
    seconds = 0.0
    for number in range(most + 1):
        try:
            image.seek(number)
        except EOFError:
            return
        if number == most:
            raise BadImageError(f"has more than {most:,} frames; cut it, or convert it to a video")
        _check_size(header, *image.size, max_pixels, limit)
        image.load()
        yield seconds, _pixels_of(image)
        seconds += image.info.get("duration", 0) / 1000 or _FRAME_SECONDS


def _check_size(header: Header, width: int, height: int, max_pixels: int, limit: str) -> None:
    """Compare a claimed size with the bounds; AVIF and HEIC claim theirs only to their decoders."""
    if header.kind in ("AVIF", "HEIC") and (width, height) == (0, 0):
        return
    if width < 1 or height < 1:
        raise BadImageError(f"claims {width}x{height} pixels")
    if width * height > max_pixels:
        claim = f"claims {width}x{height} pixels, more than {limit} {max_pixels}"
        raise BadImageError(f"{claim}; make it smaller, or raise the limit")
    most = _MOST_WHOLE_PIXELS.get(header.kind, MOST_WHOLE_PIXELS)
    if header.kind != "JPEG" and width * height > most:
        raise BadImageError(
            f"claims {width}x{height} pixels, more than the {most:,} of a {header.kind}, which cannot be "
            "reduced while it is decoded; convert it to JPEG or make it smaller"
        )


def _scale_of(width: int, height: int) -> int:
    """By how much a picture is reduced."""
    return next((scale for scale in _SCALES if width * height <= FULL_PIXELS * scale**2), _SCALES[-1])


def _picture(pixels: Images, header: Header, scale: int) -> Picture:
    width, height = header.width, header.height
    if header.orientation >= 5:  # turned by a quarter
        width, height = height, width
    return Picture(pixels, width, height, scale)


def _decode_jpeg(header: Header, by_opencv: bool) -> tuple[Images, int]:
    if header.bits != 8:
        raise BadImageError(f"a JPEG of {header.bits} bits a channel, expected 8; convert it")
    if header.channels not in (_GREY_CHANNELS, _COLOUR_CHANNELS, _CMYK_CHANNELS):
        raise BadImageError(f"a JPEG of {header.channels} channels, expected 1, 3 or 4; convert it")
    scale = _scale_of(header.width, header.height)
    size = -(-header.width // scale), -(-header.height // scale)
    if by_opencv and header.channels != _CMYK_CHANNELS:
        return _by_opencv(header, scale, size), scale
    mode = {_GREY_CHANNELS: "L", _COLOUR_CHANNELS: "RGB", _CMYK_CHANNELS: "CMYK"}[header.channels]
    stored = f"{mode};I" if header.is_inverted and mode == "CMYK" else mode
    # libjpeg compares the size with the one that it reads itself, before it takes any memory.
    image = Image.frombytes(mode, size, header.content, "jpeg", stored, "", scale, 0)
    return _pixels_of(image), scale


def _by_opencv(header: Header, scale: int, size: tuple[int, int]) -> Images:
    # Late: most pictures are decoded by Pillow alone, and OpenCV takes its time to load.
    import cv2

    grey = header.channels == _GREY_CHANNELS
    flags = {
        1: cv2.IMREAD_ANYCOLOR,
        2: cv2.IMREAD_REDUCED_GRAYSCALE_2 if grey else cv2.IMREAD_REDUCED_COLOR_2,
        4: cv2.IMREAD_REDUCED_GRAYSCALE_4 if grey else cv2.IMREAD_REDUCED_COLOR_4,
        8: cv2.IMREAD_REDUCED_GRAYSCALE_8 if grey else cv2.IMREAD_REDUCED_COLOR_8,
    }[scale]
    image = cv2.imdecode(np.frombuffer(header.content, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise BadImageError("cannot be decoded: damaged or cut short")
    if (image.shape[1], image.shape[0]) != size:
        raise _other_size(image.shape[1], image.shape[0])
    return np.asarray(image, np.uint8)


def _other_size(width: int, height: int) -> BadImageError:
    return BadImageError(f"damaged: decodes to {width}x{height} pixels, not to what its header claims")


def _decode_whole(header: Header, max_pixels: int, limit: str) -> Picture:
    """Any kind but JPEG, by Pillow."""
    image = _open_heic(header.content) if header.kind == "HEIC" else _open(header, max_pixels, limit)
    _check_size(header, *image.size, max_pixels, limit)
    _compare_sizes(header, *image.size)
    if header.kind == "PNG" and not has_all_rows(header.content):
        raise BadImageError("cannot be decoded: damaged or cut short")
    image.load()
    if header.kind != "PNG":  # Of a PNG the header was read here; of the others Pillow knows where it is.
        with suppress(SyntaxError, ValueError, TypeError, KeyError, OSError, struct.error):  # Odd EXIF data.
            ImageOps.exif_transpose(image, in_place=True)
    return _finished(_pixels_of(image), header)


def _compare_sizes(header: Header, width: int, height: int) -> None:
    """See that the decoder reads the size that was bounded; a GIF's frame may exceed its screen."""
    claimed = [(header.width, header.height)]
    if header.kind == "TIFF":  # Pillow gives the upright size.
        claimed.append((header.height, header.width))
    if header.kind not in ("GIF", "AVIF", "HEIC") and (width, height) not in claimed:
        raise _other_size(width, height)


def _finished(decoded: Images, header: Header) -> Picture:
    """A picture that was decoded whole: turned upright, and reduced where it is large."""
    pixels = upright(decoded, header.orientation)
    height, width = pixels.shape[:2]
    scale = _scale_of(width, height)
    if scale > 1:
        pixels = np.asarray(Image.fromarray(pixels).reduce(scale), np.uint8)
    return Picture(pixels, width, height, scale)


def _open(header: Header, max_pixels: int, limit: str) -> ImageFile:
    if header.kind == "AVIF" and not features.check("avif"):
        raise BadImageError("an AVIF, which this Pillow cannot decode; install Pillow 11.3 or later")
    image = Image.open(io.BytesIO(header.content), formats=(header.kind.upper(),))
    _check_size(header, *image.size, max_pixels, limit)
    return image


def _open_heic(content: bytes) -> Image.Image:
    try:
        pillow_heif = heavy.pillow_heif
    except ImportError:
        raise BadImageError(f"a HEIC, as iPhones take them; {_HEIC_CURE}") from None
    try:
        file = pillow_heif.open_heif(io.BytesIO(content), convert_hdr_to_8bit=True)
        if file.size[0] * file.size[1] <= MOST_WHOLE_PIXELS:
            image: Image.Image = file.to_pillow()
            return image
    except Exception as error:  # Of all kinds the one whose decoder takes least of what there is.
        raise BadImageError(f"a HEIC that cannot be decoded: {_damage(error)}; convert it to JPEG") from error
    raise BadImageError(f"claims {file.size[0]}x{file.size[1]} pixels; convert it to JPEG or make it smaller")


def _pixels_of(image: Image.Image) -> Images:
    """(H, W) or (H, W, 3) uint8 of a loaded picture, blue first; of 16 bits the upper eight, without alpha.

    Raises:
        BadImageError: Its values are real numbers or of 32 bits, which have no known range.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        return (np.asarray(image) >> 8).astype(np.uint8)
    if mode in ("I", "F"):
        raise BadImageError("32 bits a channel, expected 8 or 16; convert it")
    if mode in ("1", "L", "LA", "La"):
        grey = image if mode == "L" else image.convert("L")
        return np.asarray(grey).copy()
    colour = image if mode in ("RGB", "RGBX") else image.convert("RGB")
    packed = colour.tobytes("raw", "BGR")
    return np.frombuffer(packed, np.uint8).reshape(colour.height, colour.width, 3).copy()
