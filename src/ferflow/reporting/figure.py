"""The house style of figures, and their writing as PNG."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from ferflow.files import atomic_file

INK = "#1f2937"
BLUE, ORANGE, GREEN, GREY = "#2563a8", "#d9730d", "#2f8f6b", "#a3a9b3"

_STYLE = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#8a8f98",
    "axes.grid": True,
    "axes.labelcolor": "#30343b",
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "figure.constrained_layout.use": True,
    "font.size": 10,
    "grid.color": "#e4e6ea",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "xtick.color": "#50555d",
    "ytick.color": "#50555d",
}
_DOTS_PER_INCH = 130
_PNG_LEVEL = 3
# As `--card` of page.css, and what the colours of texts become on it.
_DARK_GROUND = "#1b1f28"
_LIGHT_INK = "#e7eaf0"
_ON_DARK = dict.fromkeys(("#000000", INK, "#30343b", "#50555d"), _LIGHT_INK) | {ORANGE: "#f2a65a"}


def save_figure(
    draw: Callable[[Figure], None], path: Path, *, size: tuple[float, float], is_dark_too: bool = False
) -> None:
    """Draw a figure and write it as PNG.

    The same drawing has the same bytes, whatever the user's matplotlibrc says.

    Args:
        draw: Fills the empty figure it is given.
        path: The PNG that is written.
        size: Width and height in inches.
        is_dark_too: Write it for dark ground, too, as `<name>-dark.png`: a page cannot turn round the
            colours of faces.

    Raises:
        OutputError: The file cannot be written.
    """
    with matplotlib.style.context(["default", _STYLE]):
        figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, facecolor="white")
        canvas: Any = FigureCanvasAgg(figure)
        draw(figure)
        _write(canvas, path)
        if is_dark_too:
            figure.set_facecolor(_DARK_GROUND)
            for text in figure.findobj(Text):
                colour = to_hex(text.get_color())
                text.set_color(_ON_DARK.get(colour, colour))
            _write(canvas, path.with_stem(f"{path.stem}-dark"))


def _write(canvas: Any, path: Path) -> None:
    """Lay the figure out where that was not done yet, and draw it once; `savefig` draws it twice.

    Nothing of it is transparent: without that channel, and at this level, it is packed in half the time.
    """
    canvas.draw()
    picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
    with atomic_file(path) as fresh:
        picture.save(fresh, "png", compress_level=_PNG_LEVEL, dpi=(_DOTS_PER_INCH, _DOTS_PER_INCH))
    canvas.figure.set_layout_engine("none")
