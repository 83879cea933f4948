"""A contact sheet: many small images on one picture, each with a short caption below."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from ferflow.data.store import Images
from ferflow.labels import IMAGE_SIZE

_PAPER, _INK = 255, 40
# About `--card` and `--ink` of page.css in dark mode.
_DARK_PAPER, _LIGHT_INK = 31, 234
_MARGIN = 6
_LINE_HEIGHT = 13
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_FONT_SCALE = 0.34


def contact_sheet(
    images: Images, captions: Sequence[str], *, columns: int, scale: int, is_dark: bool = False
) -> NDArray[np.uint8]:
    """Lay images out in rows, from left to right and top to bottom.

    Args:
        images: (N, 48, 48) uint8, 0-255, grey; N may be 0.
        captions: N texts. A line break starts another line; a line too wide for its tile is cut
            and ends in `..`; a character outside printable ASCII is drawn as `?`.
        columns: Tiles a row; fewer images than that make a narrower sheet.
        scale: Whole factor by which each image is enlarged.
        is_dark: For a page in dark mode: light letters on dark ground.

    Returns:
        (H, W) uint8 sheet, white (or dark) where there is no image; one that says "none" where N is 0.

    Raises:
        ValueError: The captions do not match the images, or columns or scale is below 1.
    """
    if len(captions) != len(images):
        raise ValueError(f"{len(captions)} captions for {len(images)} images")
    if columns < 1 or scale < 1:
        raise ValueError(f"columns {columns} and scale {scale} must be 1 or more")
    side = IMAGE_SIZE * scale
    paper, ink = (_DARK_PAPER, _LIGHT_INK) if is_dark else (_PAPER, _INK)
    if len(images) == 0:
        return _empty_sheet(side, paper, ink)

    texts = [[_fit(line, side) for line in caption.splitlines()] for caption in captions]
    num_columns = min(columns, len(images))
    num_rows = -(-len(images) // num_columns)
    tile_height = side + _LINE_HEIGHT * max(len(lines) for lines in texts) + _MARGIN
    tile_width = side + _MARGIN
    size = (num_rows * tile_height + _MARGIN, num_columns * tile_width + _MARGIN)
    sheet = np.full(size, paper, np.uint8)
    for index, (image, lines) in enumerate(zip(images, texts, strict=True)):
        row, column = divmod(index, num_columns)
        top, left = _MARGIN + row * tile_height, _MARGIN + column * tile_width
        tile = cv2.resize(image, (side, side), interpolation=cv2.INTER_CUBIC)
        sheet[top : top + side, left : left + side] = tile
        for number, line in enumerate(lines, start=1):
            _write(sheet, line, (left, top + side + number * _LINE_HEIGHT - 3), ink)
    return sheet


def _empty_sheet(side: int, paper: int, ink: int) -> NDArray[np.uint8]:
    sheet = np.full((side + 2 * _MARGIN, side + 2 * _MARGIN), paper, np.uint8)
    left = (sheet.shape[1] - _text_width("none")) // 2
    _write(sheet, "none", (left, sheet.shape[0] // 2 + 4), ink)
    return sheet


def _write(sheet: NDArray[np.uint8], text: str, place: tuple[int, int], ink: int) -> None:
    cv2.putText(sheet, text, place, _FONT, _FONT_SCALE, ink, 1, cv2.LINE_AA)


def _fit(text: str, width: int) -> str:
    """The text in printable ASCII, cut so that it is at most `width` pixels wide."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text)
    if _text_width(plain) <= width:
        return plain
    while plain and _text_width(plain + "..") > width:
        plain = plain[:-1]
    return plain + ".."


def _text_width(text: str) -> int:
    (width, _), _ = cv2.getTextSize(text, _FONT, _FONT_SCALE, 1)
    return int(width)
