"""Encoded image files to 48x48 grey faces, by one rule.

The rule: a picture as `ferflow.data.decoding.pictures` decodes it (upright, 8 bits a channel, transparency
ignored); colour to grey by luma (ITU-R BT.601); the largest centred square; then resized to 48 px (by area
where it shrinks, bilinear where it grows). A grey image of 48x48 keeps its pixels exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ferflow.data.decoding.pictures import decode_picture

# The code inside models that were logged before November 2026 takes it from here.
from ferflow.errors import BadImageError as BadImageError
from ferflow.labels import IMAGE_SIZE

if TYPE_CHECKING:
    from ferflow.data.store import Images


def decode_face(content: bytes, *, max_pixels: int) -> Images:
    """Decode an image file and bring it to the size and colour of the data set.

    Args:
        content: The bytes of the file.
        max_pixels: Width times height that the header may claim.

    Returns:
        (48, 48) uint8, 0-255, grey.

    Raises:
        BadImageError: As of `decode_image`.
    """
    return to_grey_face(decode_image(content, max_pixels=max_pixels))


def decode_image(content: bytes, *, max_pixels: int, limit: str = "download.max_image_pixels") -> Images:
    """Decode an image file, upright, at its own size (from 40 megapixels on reduced) and colour.

    Args:
        content: The bytes of the file.
        max_pixels: Width times height that the header may claim.
        limit: What the message calls `max_pixels`.

    Returns:
        (H, W) uint8 where the file is grey, else (H, W, 3), blue first.

    Raises:
        BadImageError: The file is empty, damaged, cut short, of an unknown kind, or larger than `max_pixels`.
    """
    return decode_picture(content, max_pixels=max_pixels, limit=limit).pixels


def to_grey_face(image: Images) -> Images:
    """Colour to grey, centred square, 48 px: the part of the rule that concerns pixels.

    Args:
        image: (H, W) or (H, W, 3) uint8, blue first as OpenCV decodes.

    Returns:
        (48, 48) uint8.
    """
    grey = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    height, width = grey.shape
    side = min(height, width)
    if height != width:
        top, left = (height - side) // 2, (width - side) // 2
        grey = grey[top : top + side, left : left + side]
    if side != IMAGE_SIZE:
        method = cv2.INTER_AREA if side > IMAGE_SIZE else cv2.INTER_LINEAR
        grey = cv2.resize(grey, (IMAGE_SIZE, IMAGE_SIZE), interpolation=method)
    return np.ascontiguousarray(grey, dtype=np.uint8)
