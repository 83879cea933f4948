"""The page that shows trainings and sweeps while they run; the browser asks for it anew by itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ferflow.files import atomic_file
from ferflow.reporting.templates import load_template
from ferflow.watching.state import Chart, Watched
from ferflow.watching.terminal import bounds, value_text

# Of a chart, in units of its own.
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640, 240, 60, 28


def write_watch_page(path: Path, watched: Sequence[Watched], *, seconds: float) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        watched: Trainings and sweeps.
        seconds: After which the browser asks again; it does not once nothing runs any more.

    Raises:
        OutputError: The page cannot be written.
    """
    is_running = any(item.is_running for item in watched)
    text = load_template("watch.html").render(
        watched=[{"item": item, "charts": [_drawn(chart) for chart in item.charts]} for item in watched],
        refresh=max(1, round(seconds)) if is_running else None,
    )
    with atomic_file(path) as fresh:
        fresh.write_text(text, encoding="utf-8")


def _drawn(chart: Chart) -> dict[str, object]:
    """Places of a chart's lines and ticks in its picture."""
    low, high = bounds(chart.lines)
    wide, tall = _WIDTH - _LEFT - 8, _HEIGHT - _BOTTOM - 8

    def place(epoch: float, value: float) -> str:
        x = _LEFT + (epoch - 1) / max(1, chart.epochs - 1) * wide
        return f"{x:.1f},{8 + (high - value) / (high - low) * tall:.1f}"

    ticks = [low + (high - low) * part / 4 for part in range(5)]
    return {
        "title": chart.title,
        "epochs": chart.epochs,
        "size": (_WIDTH, _HEIGHT),
        "left": _LEFT,
        "ticks": [
            {"y": 8 + (high - value) / (high - low) * tall, "text": value_text(value, chart)}
            for value in ticks
        ],
        "lines": [
            {
                "name": line.name,
                "points": " ".join(place(*point) for point in line.points),
                "end": place(*line.points[-1]).split(","),
                "last": value_text(line.points[-1][1], chart),
                "best": value_text(
                    (max if chart.is_share else min)(value for _, value in line.points), chart
                ),
                "epoch": f"{line.points[-1][0]:.0f}",
            }
            for line in chart.lines
        ],
    }
