"""Pictures turned upright, as EXIF's orientation says how the camera was held."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ferflow.data.store import Images  # which imports what a process of the box has no use for

# EXIF's orientations to what turns a picture upright: mirrored first, then quarter turns to the left.
_TURNS = {2: (True, 0), 3: (False, 2), 4: (True, 2), 5: (True, 1), 6: (False, 3), 7: (True, 3), 8: (False, 1)}


def upright(pixels: Images, orientation: int) -> Images:
    """Turn a picture.

    Args:
        pixels: (H, W) or (H, W, 3) uint8.
        orientation: EXIF's, 1 (upright) to 8; others count as 1.
    """
    if orientation not in _TURNS:
        return pixels
    is_mirrored, num_turns = _TURNS[orientation]
    turned = np.rot90(pixels[:, ::-1] if is_mirrored else pixels, num_turns)
    return np.ascontiguousarray(turned)
