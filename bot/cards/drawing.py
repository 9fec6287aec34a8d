"""What every picture shares: size, colours, legible text, one lock, the same bytes for the same picture."""

from __future__ import annotations

import io
import math
import threading
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from bot.cards.facts import SIMULATED
from engine.arrays import FloatArray

WIDTH, HEIGHT, DPI = 840, 420, 100
BACKGROUND = "#2B2D31"
INK, FAINT, GRID = "#F2F3F5", "#B5BAC1", "#3F4147"
IV_COLOUR, HV_COLOUR, HV90_COLOUR = "#7FB4FF", "#F2A65A", "#A3A8B0"
SIMULATED_COLOUR = "#F0C24B"
TEXT_POINTS, SMALL_POINTS, TITLE_POINTS = 13.0, 12.0, 17.0
"""18 pixels at 100 dpi: capitals 13 pixels high, legible where the client shows half the size."""
LABEL_GAP = 22.0
"""Pixels a line of text needs."""
_QUICK_COMPRESSION = 1
_LONGEST_BREAK = 7

lock = threading.Lock()
"""Held while a figure is made: matplotlib's font and text caches are not meant for several threads."""


def canvas(box: tuple[float, float, float, float]) -> tuple[Figure, Axes]:
    """A dark figure of WIDTH x HEIGHT pixels with one plain axes.

    `box` is its left, bottom, width and height as fractions of the figure.
    """
    figure = Figure(figsize=(WIDTH / DPI, HEIGHT / DPI), dpi=DPI, facecolor=BACKGROUND)
    return figure, plain_axes(figure, box)


def plain_axes(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Axes without frame or ticks' marks in a box of the figure."""
    axes = figure.add_axes(box, facecolor=BACKGROUND)
    axes.tick_params(length=0, labelcolor=FAINT, labelsize=TEXT_POINTS, pad=6)
    axes.set_axisbelow(True)
    for side in axes.spines.values():
        side.set_visible(False)
    return axes


def write(figure: Figure, x: float, y: float, text: str, **style: Any) -> None:
    """Text at a pixel; a dollar sign is a dollar sign."""
    dress: dict[str, Any] = {"color": INK, "size": TEXT_POINTS} | style
    figure.text(x / WIDTH, y / HEIGHT, text, parse_math=False, **dress)


def headed(figure: Figure, title: str, below: str, simulated: bool) -> None:
    """The title, a fainter line of explanation under it, and the mark of a simulated market."""
    left, right = 20, WIDTH - 16
    write(figure, left, HEIGHT - 27, title, weight="bold", size=TITLE_POINTS)
    write(figure, left, HEIGHT - 54, below, color=FAINT, size=SMALL_POINTS)
    if simulated:
        amber = {"color": SIMULATED_COLOUR, "weight": "bold", "size": TITLE_POINTS, "ha": "right"}
        write(figure, right, HEIGHT - 27, SIMULATED, **amber)


def png(figure: Figure) -> bytes:
    """The figure as a PNG."""
    surface: Any = FigureCanvasAgg(figure)
    surface.draw()
    picture = Image.fromarray(np.asarray(surface.buffer_rgba())).convert("RGB")
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=_QUICK_COMPRESSION)
    return file.getvalue()


def step_above(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is not below `least`, which must be positive."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)


def months(first: float, last: float) -> list[tuple[float, str]]:
    """First days of months within the span, at most eight; the year beside each January or the first."""
    start, end = date.fromordinal(int(first)), date.fromordinal(int(last))
    count = (end.year - start.year) * 12 + end.month - start.month + 1
    every = 1 if count <= 8 else 2 if count <= 14 else -(-count // 7)
    found: list[tuple[float, str]] = []
    for offset in range(0, count, every):
        year, month = divmod(start.year * 12 + start.month - 1 + offset, 12)
        place = float(date(year, month + 1, 1).toordinal())
        if place < first:
            continue
        named = not found or month < every
        found.append((place, f"{date(year, month + 1, 1):%b}" + (f" {year}" if named else "")))
    return found or [(float(last), f"{end.day} {end:%b %Y}")]


def span(days: FloatArray) -> tuple[float, float]:
    """First and last day number, at least ten days apart."""
    first, last = float(days[0]), float(days[-1])
    return (first, last) if last - first >= 10 else (last - 10, last)


def broken(days: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The line with a hole wherever more than a week was not stored."""
    holes = np.flatnonzero(np.diff(days) > _LONGEST_BREAK) + 1
    return np.insert(days, holes, days[holes]), np.insert(values, holes, np.nan)


def apart(places: Sequence[float], floor: float) -> list[float]:
    """Ascending pixel heights at least a line apart, moved no further than needed, none below the foot."""
    groups: list[list[float]] = []
    for place in places:
        groups.append([place])
        while len(groups) > 1 and _foot(groups[-1], floor) < _foot(groups[-2], floor) + _height(groups[-2]):
            groups[-2:] = [groups[-2] + groups[-1]]
    return [_foot(group, floor) + LABEL_GAP * i for group in groups for i in range(len(group))]


def _foot(group: Sequence[float], floor: float) -> float:
    return max(floor, sum(group) / len(group) - LABEL_GAP * (len(group) - 1) / 2)


def _height(group: Sequence[float]) -> float:
    return LABEL_GAP * len(group)
