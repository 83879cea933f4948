"""Curves for a terminal: dots of Braille signs, a colour and a name for each line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from ferflow.watching.state import Chart, Line, Watched

# Told apart without red and green, on dark and on light ground.
STYLES = ("bright_blue", "yellow", "magenta", "cyan", "white", "blue", "bright_magenta", "bright_cyan")
_BRAILLE = 0x2800
# The bit of each of the 2 x 4 dots of a sign, by row and column.
_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
_MARKS = "\N{BLACK CIRCLE}"


def show(found: Iterator[list[Watched]]) -> None:
    """Print each look in the place of the one before; elsewhere than on a terminal, beneath it."""
    console = Console()
    if not console.is_terminal:
        for watched in found:
            console.print(shown(watched, width=console.width))
        return
    with Live(console=console, auto_refresh=False) as live:
        for watched in found:
            live.update(shown(watched, width=console.width), refresh=True)


def shown(watched: Sequence[Watched], *, width: int, height: int = 10) -> RenderableType:
    """What a terminal shows.

    Args:
        watched: Trainings and sweeps.
        width: Columns that there are.
        height: Lines of a chart.
    """
    parts: list[RenderableType] = []
    for item in watched:
        parts += [Text(item.title, style="bold"), *(Text(f"  {fact}") for fact in item.facts)]
        for chart in item.charts:
            parts.append(_chart(chart, width=width, height=height))
        parts.append(Text())
    return Group(*parts)


def _chart(chart: Chart, *, width: int, height: int) -> RenderableType:
    low, high = bounds(chart.lines)
    labels = [value_text(high, chart), *[""] * (height - 2), value_text(low, chart)]
    indent = max(map(len, labels))
    columns = max(10, min(width - indent - 4, 100))
    rows = canvas(chart, columns=columns, height=height, low=low, high=high)
    lines = [
        Text.assemble(f"  {label:>{indent}} \N{BOX DRAWINGS LIGHT VERTICAL}", *row)
        for label, row in zip(labels, rows, strict=True)
    ]
    axis = f"epoch 1{' ' * max(1, columns - 7 - len(str(chart.epochs)))}{chart.epochs}"
    legend: list[str | tuple[str, str]] = [f"  {chart.title}  "]
    for number, line in enumerate(chart.lines):
        style = STYLES[number % len(STYLES)]
        legend += [(f"{_MARKS} ", style), f"{line.name} {value_text(line.points[-1][1], chart)}  "]
    return Group(Text.assemble(*legend), *lines, Text(" " * (indent + 4) + axis, style="dim"))


def bounds(lines: Sequence[Line]) -> tuple[float, float]:
    """The lowest and the highest value of all lines; apart from each other in any case."""
    values = [value for line in lines for _, value in line.points]
    low, high = min(values, default=0.0), max(values, default=1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def value_text(value: float, chart: Chart) -> str:
    """A value of a chart as people write it."""
    return f"{value:.1%}" if chart.is_share else f"{value:.3f}"


def canvas(
    chart: Chart, *, columns: int, height: int, low: float, high: float
) -> list[list[tuple[str, str]]]:
    """The signs of a chart: rows of (sign, style).

    Where two lines meet, the sign has the dots of both and the colour of the later one.
    """
    dots = [[0] * columns for _ in range(height)]
    owners = [[0] * columns for _ in range(height)]
    right, bottom = 2 * columns - 1, 4 * height - 1
    for number, line in enumerate(chart.lines):
        places = [
            ((epoch - 1) / max(1, chart.epochs - 1) * right, (high - value) / (high - low) * bottom)
            for epoch, value in line.points
        ]
        for x, y in _joined(places):
            column, row = min(max(round(x), 0), right), min(max(round(y), 0), bottom)
            dots[row // 4][column // 2] |= _DOTS[row % 4][column % 2]
            owners[row // 4][column // 2] = number
    return [
        [
            (chr(_BRAILLE | bits) if bits else " ", STYLES[owner % len(STYLES)])
            for bits, owner in zip(signs, owning, strict=True)
        ]
        for signs, owning in zip(dots, owners, strict=True)
    ]


def _joined(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """The places with what lies between them, a dot apart."""
    found = list(places[:1])
    for (x, y), (next_x, next_y) in pairwise(places):
        steps = max(1, round(max(abs(next_x - x), abs(next_y - y))))
        found += [
            (x + (next_x - x) * step / steps, y + (next_y - y) * step / steps) for step in range(1, steps + 1)
        ]
    return found
