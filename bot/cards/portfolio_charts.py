"""A book's profit and loss over the benchmark's move and its volatility, in one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from bot.cards.drawing import (
    BACKGROUND,
    FAINT,
    HEIGHT,
    INK,
    SMALL_POINTS,
    WIDTH,
    canvas,
    headed,
    lock,
    png,
    step_above,
    write,
)
from bot.cards.facts import SIMULATED, day
from bot.cards.portfolio_words import money, money_text
from bot.cards.table import fixed, plain
from bot.cards.text import clean, mono
from engine.arrays import FloatArray
from engine.portfolio.result import Analysis, Stress, StressLine, Surface

LOSS, NEUTRAL, GAIN = "#E0752D", "#3A3D44", "#4A90E2"
"""Orange and blue, told apart with every kind of colour vision; zero is nearly the background."""
_MAP = LinearSegmentedColormap.from_list("book", ("#FFB27A", LOSS, NEUTRAL, GAIN, "#A8D0FF"), N=256)
_BOX = (0.085, 0.125, 0.775, 0.70)
_STEPS = 5
"""Bands of colour on each side of zero; each reaches about twice as far as the one before."""
_LIMIT = 1e12
_LETTER, _LINE = 9.4, 19.0
"""Pixels of a letter and of a line of the small text, for finding room."""
_GAP = 10.0
_EVEN = 1e-6


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    bottom: float
    right: float
    top: float

    def meets(self, other: _Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.top <= other.bottom or other.top <= self.bottom)

    def within(self, other: _Box) -> bool:
        across = self.left >= other.left and self.right <= other.right
        return across and self.bottom >= other.bottom and self.top <= other.top


def drawable(stress: Stress) -> bool:
    """Whether there is a surface with at least two moves, two levels of volatility and a number."""
    surface = stress.surface
    return surface is not None and min(surface.pl.shape) >= 2 and bool(np.isfinite(_cells(surface)).any())


def describe(analysis: Analysis, benchmark: str, simulated: bool) -> str:
    """The picture in words, for those who do not see it."""
    surface = analysis.stress.surface
    if surface is None or not drawable(analysis.stress):
        return ""
    cells = _cells(surface)
    points = "; ".join(f"{clean(line.label, 40)} {money_text(line.pl)}" for line in analysis.stress.lines)
    return (
        f"{f'{SIMULATED} market. ' if simulated else ''}Profit and loss of the book at once, "
        f"{day(analysis.session)}, over {clean(benchmark, 20)} from {_span(100 * surface.moves)} % and the "
        f"VIX from {_span(surface.vol_points)} points: between {money_text(float(np.nanmin(cells)))} and "
        f"{money_text(float(np.nanmax(cells)))}. Scenarios: {points or 'none'}."
    )


def stress_chart(analysis: Analysis, benchmark: str, simulated: bool) -> bytes:
    """A PNG of 840 x 420 pixels: the surface as bands of colour, scenarios as labelled points.

    Across is the benchmark's move in percent, up the change of its volatility index in points; the line
    is where the book neither gains nor loses. What could not be revalued stays empty. Raises ValueError
    when there is nothing to draw (`drawable`).
    """
    surface = analysis.stress.surface
    if surface is None or not drawable(analysis.stress):
        raise ValueError("there is no surface to draw")
    cells = _cells(surface)
    with lock:
        figure, axes = canvas(_BOX)
        moves, points = 100 * surface.moves, surface.vol_points
        axes.set_xlim(float(moves.min()), float(moves.max()))
        axes.set_ylim(float(points.min()), float(points.max()))
        levels = _levels(cells)
        _bands(axes, moves, points, cells, levels)
        _ticks(axes)
        _scale(figure, levels)
        _scenarios(figure, axes, analysis.stress.lines)
        headed(figure, *_captions(analysis, benchmark), simulated)
        return png(figure)


def _cells(surface: Surface) -> FloatArray:
    """The surface with what cannot be drawn as NaN."""
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(surface.pl) < _LIMIT, surface.pl, np.nan)


def _span(values: FloatArray) -> str:
    return f"{plain(float(values.min()))} to {plain(float(values.max()))}"


def _levels(cells: FloatArray) -> FloatArray:
    """Zero with levels 1, 2, 5 times powers of ten on both sides, the outmost beyond every cell.

    Symmetric, so that a colour means one amount whichever way, and wider with the distance from zero: a
    book's gain is small beside what a crash takes, and both are to be seen.
    """
    reach = [step_above(max(float(np.nanmax(np.abs(cells))), _EVEN))]
    while len(reach) < _STEPS:
        reach.insert(0, step_above(reach[0] / 2.51))
    return np.array([*(-level for level in reversed(reach)), 0.0, *reach])


def _bands(axes: Axes, moves: FloatArray, points: FloatArray, cells: FloatArray, levels: FloatArray) -> None:
    shown = np.ma.masked_invalid(cells)
    axes.contourf(moves, points, shown, levels=levels, colors=_colours(levels))
    if float(np.nanmin(cells)) < 0 < float(np.nanmax(cells)):
        axes.contour(moves, points, shown, levels=[0.0], colors=[INK], linewidths=[2.2])


def _colours(levels: FloatArray) -> list[tuple[float, float, float, float]]:
    """A colour a band, evenly from the greatest loss to the greatest gain."""
    return [_MAP(float(place)) for place in np.linspace(0.0, 1.0, len(levels) - 1)]


def _ticks(axes: Axes) -> None:
    for low, high, put, most in (
        (*axes.get_xlim(), axes.set_xticks, 10),
        (*axes.get_ylim(), axes.set_yticks, 6),
    ):
        step = step_above((high - low) / most)
        places = step * np.arange(np.ceil(low / step), np.floor(high / step) + 1)
        put(places, [f"{'+' if place > 0 else ''}{plain(round(place, 6))}" for place in places])


def _scale(figure: Figure, levels: FloatArray) -> None:
    """The colours at the right, the money between two of them written beside."""
    left, bottom, width, height = _BOX
    bar = figure.add_axes((left + width + 0.02, bottom, 0.018, height))
    bar.imshow(np.array([_colours(levels)]).swapaxes(0, 1), aspect="auto", origin="lower")
    bar.set_axis_off()
    for place, level in enumerate(levels):
        y = (bottom + height * place / (len(levels) - 1)) * HEIGHT
        style = {"size": SMALL_POINTS, "va": "center", "color": FAINT if level else INK}
        write(figure, (left + width + 0.046) * WIDTH, y, money(float(level), 5), **style)


def _scenarios(figure: Figure, axes: Axes, lines: Sequence[StressLine]) -> None:
    """Each scenario within the picture as a point, its label where there is room for it."""
    frame = _frame()
    places = [(line, *_pixel(axes, 100 * line.move, line.vol_points)) for line in lines]
    inside = [(line, x, y) for line, x, y in places if _Box(x, y, x, y).within(frame)]
    taken = [_Box(x - 6, y - 6, x + 6, y + 6) for _, x, y in inside]
    halo = [withStroke(linewidth=3.0, foreground=BACKGROUND)]
    for line, x, y in inside:
        axes.plot(
            [100 * line.move], [line.vol_points], "o", color=INK, markersize=8,
            markeredgecolor=BACKGROUND, markeredgewidth=1.5, clip_on=False, zorder=4,
        )  # fmt: skip
        text = f"{mono(clean(line.label, 22), 22)} {money(line.pl, 7)}"
        box = _room(text, x, y, frame, taken)
        if box is not None:
            taken.append(box)
            style = {"size": SMALL_POINTS, "va": "center", "path_effects": halo, "zorder": 5}
            write(figure, box.left, (box.bottom + box.top) / 2, text, **style)


def _frame() -> _Box:
    left, bottom, width, height = _BOX
    return _Box(left * WIDTH, bottom * HEIGHT, (left + width) * WIDTH, (bottom + height) * HEIGHT)


def _pixel(axes: Axes, x: float, y: float) -> tuple[float, float]:
    frame = _frame()
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    across = frame.left + (x - left) / (right - left) * (frame.right - frame.left)
    return across, frame.bottom + (y - low) / (high - low) * (frame.top - frame.bottom)


def _room(text: str, x: float, y: float, frame: _Box, taken: Sequence[_Box]) -> _Box | None:
    """Where a label fits: beside its point, else above or below it; None where nothing is free."""
    wide, half = _LETTER * len(text), _LINE / 2
    for left, middle in (
        (x + _GAP, y),
        (x - _GAP - wide, y),
        (x - wide / 2, y + _LINE),
        (x - wide / 2, y - _LINE),
        (x + _GAP, y + _LINE),
        (x + _GAP, y - _LINE),
        (x - _GAP - wide, y + _LINE),
        (x - _GAP - wide, y - _LINE),
    ):
        box = _Box(left, middle - half, left + wide, middle + half)
        if box.within(frame) and not any(box.meets(other) for other in taken):
            return box
    return None


def _captions(analysis: Analysis, benchmark: str) -> tuple[str, str]:
    name = mono(clean(benchmark, 12), 12)
    return (
        f"Book over {name} and VIX  {day(analysis.session)}",
        f"P/L at once · across: {name} % · up: VIX points (now {fixed(analysis.stress.vix, 1)}) · "
        "white line: zero",
    )
