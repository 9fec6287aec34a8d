"""Pictures of names beside each other: a pair's spread over the year, the names of a sector today."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bot.cards.drawing import (
    FAINT,
    GRID,
    HEIGHT,
    HV90_COLOUR,
    HV_COLOUR,
    INK,
    IV_COLOUR,
    SMALL_POINTS,
    WIDTH,
    apart,
    broken,
    canvas,
    headed,
    lock,
    months,
    plain_axes,
    png,
    span,
    step_above,
    write,
)
from bot.cards.facts import SIMULATED, day
from bot.cards.table import plain, ratio, signed
from bot.cards.text import clean, mono, plural
from engine.arrays import FloatArray
from engine.relative.pairs import PairRow, SpreadHistory
from engine.relative.sectors import SectorReport, SectorRow
from engine.screen.result import Run

YEAR = 252
_UPPER = (0.068, 0.475, 0.742, 0.36)
_LOWER = (0.068, 0.10, 0.742, 0.31)
_FEW = 40
_UNDRAWABLE = 1e6
_LEAST_SPAN = 0.2

MOST_BARS = 14
"""Names a picture of a sector holds; with more, those farthest from its mean."""
_BARS = (0.115, 0.10, 0.765, 0.66)
_Box = tuple[float, float, float, float]
_Label = tuple[float, str, str]
"""Height in the units of the axes, text, colour."""


@dataclass(frozen=True, slots=True)
class _Year:
    """Day numbers and the ratios of both legs, the run's own last; NaN where missing."""

    days: FloatArray
    a: FloatArray
    b: FloatArray
    spread: FloatArray


def pair_drawable(row: PairRow, run: Run, history: SpreadHistory | None) -> bool:
    """Whether there is any ratio to draw."""
    year = _year(row, run, history)
    return bool(np.isfinite([year.a, year.b]).any())


def describe_pair(row: PairRow, run: Run, history: SpreadHistory | None, limit: float) -> str:
    """The picture in words, for those who do not see it."""
    year = _year(row, run, history)
    a, b = clean(row.leg_a, 20), clean(row.leg_b, 20)
    return (
        f"{_market(run)}{a} and {b}: IV30 / HV252 of both and the spread {a} - {b} over "
        f"{plural(len(year.days), 'close')} up to {day(run.session)}. Latest: {signed(row.spread)} "
        f"({ratio(row.structural_a)} and {ratio(row.structural_b)}); dashed at {_either(limit)}. "
        f"{_counted(year)}."
    )


def pair_chart(row: PairRow, run: Run, history: SpreadHistory | None, limit: float) -> bytes:
    """A PNG of 840 x 420 pixels: the spread above, with the lines of convergence, both ratios below.

    `limit` is the spread beyond which there is convergence. `history` holds official closes before the
    run, of which the last 252 are drawn; the run's own values stand last. Missing values break the line.
    """
    year = _year(row, run, history)
    with lock:
        figure, upper = canvas(_UPPER)
        lower = plain_axes(figure, _LOWER)
        _spread(figure, upper, year, limit)
        _ratios(figure, lower, year, row)
        named = months(*span(year.days))
        lower.set_xticks([place for place, _ in named], [text for _, text in named])
        upper.set_xticks([place for place, _ in named], [""] * len(named))
        title = f"{mono(row.leg_a, 12)} / {mono(row.leg_b, 12)}  {day(run.session)}"
        spoken = f"above: spread {mono(row.leg_a, 12)} - {mono(row.leg_b, 12)} · below: IV30 / HV252"
        headed(figure, title, f"{spoken} · {_counted(year)}", run.simulated)
        return png(figure)


def _year(row: PairRow, run: Run, history: SpreadHistory | None) -> _Year:
    past = () if history is None else history.sessions
    kept = [place for place, session in enumerate(past) if session < run.session][-(YEAR - 1) :]
    sessions = [*(past[place] for place in kept), run.session]
    a, b = (
        _known([*(() if history is None else values[kept]), np.nan if own is None else own])
        for values, own in (
            (history.a if history is not None else np.empty(0), row.structural_a),
            (history.b if history is not None else np.empty(0), row.structural_b),
        )
    )
    return _Year(np.array([each.toordinal() for each in sessions], dtype=np.float64), a, b, a - b)


def _known(values: Sequence[float]) -> FloatArray:
    numbers = np.array(values, dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(numbers) < _UNDRAWABLE, numbers, np.nan)


def _spread(figure: Figure, axes: Axes, year: _Year, limit: float) -> None:
    low, high = _limits([year.spread, np.array([-limit, limit])])
    _frame(axes, year, low, high)
    axes.axhline(0.0, color=FAINT, linewidth=0.8)
    for level in (-limit, limit):
        axes.axhline(level, color=HV90_COLOUR, linewidth=1.2, linestyle=(0, (5, 4)))
    _line(axes, year.days, year.spread, INK)
    labels = [(level, signed(level), HV90_COLOUR) for level in (-limit, limit)]
    _label(figure, _UPPER, (low, high), [*labels, *_latest("spread", year.spread, INK, signed)])


def _ratios(figure: Figure, axes: Axes, year: _Year, row: PairRow) -> None:
    low, high = _limits([year.a, year.b])
    _frame(axes, year, low, high)
    if low < 1.0 < high:
        axes.axhline(1.0, color=FAINT, linewidth=0.8)
    labels: list[_Label] = []
    for symbol, values, colour in ((row.leg_b, year.b, HV_COLOUR), (row.leg_a, year.a, IV_COLOUR)):
        _line(axes, year.days, values, colour)
        labels += _latest(mono(symbol, 8), values, colour, ratio)
    _label(figure, _LOWER, (low, high), labels)


def _limits(series: Sequence[FloatArray]) -> tuple[float, float]:
    values = np.concatenate(series)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 1.0
    low, high = float(finite.min()), float(finite.max())
    spare = max(_LEAST_SPAN - (high - low), 0.0) / 2 + 0.08 * (high - low)
    return low - spare, high + spare


def _frame(axes: Axes, year: _Year, low: float, high: float) -> None:
    axes.set_xlim(*span(year.days))
    axes.set_ylim(low, high)
    step = step_above((high - low) / 4)
    places = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    axes.set_yticks(places, [plain(round(float(place), 6)) for place in places])
    axes.grid(axis="y", color=GRID, linewidth=0.8)


def _line(axes: Axes, days: FloatArray, values: FloatArray, colour: str) -> None:
    marker = "o" if len(days) <= _FEW else ""
    axes.plot(*broken(days, values), color=colour, linewidth=1.8, marker=marker, markersize=4)
    axes.plot(days[-1:], values[-1:], color=colour, marker="o", markersize=5, clip_on=False)


def _latest(name: str, values: FloatArray, colour: str, dress: Any) -> list[_Label]:
    """The text of a line's end, `?` where the run itself has no value; nothing for an empty line."""
    finite = values[np.isfinite(values)]
    return [(float(finite[-1]), f"{name} {dress(float(values[-1]))}", colour)] if len(finite) else []


def _label(figure: Figure, box: _Box, limits: tuple[float, float], wanted: Sequence[_Label]) -> None:
    """Texts at the right of a box, at their heights, pushed apart where they would overlap."""
    left, bottom, width, height = box
    low, high = limits
    ordered = sorted(wanted, key=lambda label: label[0])
    places = [(bottom + height * (level - low) / (high - low)) * HEIGHT for level, _, _ in ordered]
    for (_, text, colour), place in zip(ordered, apart(places, bottom * HEIGHT), strict=True):
        write(figure, (left + width) * WIDTH + 12, place, text, color=colour, va="center")


def _counted(year: _Year) -> str:
    return f"n={int(np.isfinite(year.spread).sum())}"


def _either(limit: float) -> str:
    return f"{signed(-limit)} and {signed(limit)}"


def _market(run: Run) -> str:
    return f"{SIMULATED} market. " if run.simulated else ""


def describe_sector(report: SectorReport, run: Run) -> str:
    """The picture in words, for those who do not see it."""
    names = "; ".join(
        f"{clean(row.symbol, 20)} {ratio(row.vrp_structural)} ({signed(row.delta)})"
        for row in _extremes(report)
    )
    return (
        f"{_market(run)}{clean(report.sector, 40)}, {day(run.session)}: {_column(report)} of its names "
        f"around their mean {ratio(report.mean)}{_beside(report)}. {names}."
    )


def sector_chart(report: SectorReport, run: Run) -> bytes:
    """A PNG of 840 x 420 pixels: a bar a name, from the sector's mean to the name's own ratio.

    Full lines mark the sector's mean, dashed ones the market's median. Beyond MOST_BARS names the ones
    nearest to the mean are left out, and the picture says so.
    """
    shown = _extremes(report)
    with lock:
        figure, axes = canvas(_BARS)
        low, high = _width(report, shown)
        axes.set_xlim(low, high)
        axes.set_ylim(len(shown) - 0.4, -0.6)
        step = step_above((high - low) / 6)
        places = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        axes.set_xticks(places, [plain(round(float(place), 6)) for place in places])
        axes.set_yticks(range(len(shown)), [mono(row.symbol, 8) for row in shown])
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        for place, row in enumerate(shown):
            _bar(axes, place, row, report.mean)
        axes.axvline(report.mean, color=INK, linewidth=1.4)
        if report.market_median is not None:
            axes.axvline(report.market_median, color=HV90_COLOUR, linewidth=1.4, linestyle=(0, (5, 4)))
        _marks(figure, report, low, high)
        headed(figure, *_sector_captions(report, run, len(shown)), run.simulated)
        return png(figure)


def _extremes(report: SectorReport) -> tuple[SectorRow, ...]:
    """The names farthest from the mean, in the order of the report."""
    far = sorted(report.rows, key=lambda row: -abs(row.delta))[:MOST_BARS]
    kept = {row.symbol for row in far}
    return tuple(row for row in report.rows if row.symbol in kept)


def _width(report: SectorReport, shown: Sequence[SectorRow]) -> tuple[float, float]:
    """The least and the largest ratio with room for the numbers at the ends of the bars."""
    levels = [report.mean, *(row.vrp_structural for row in shown)]
    levels += [] if report.market_median is None else [report.market_median]
    low, high = min(levels), max(levels)
    room = max(high - low, _LEAST_SPAN)
    return low - 0.14 * room, high + 0.14 * room


def _bar(axes: Axes, place: int, row: SectorRow, mean: float) -> None:
    colour = IV_COLOUR if row.delta > 0 else HV_COLOUR
    axes.barh(place, row.delta, left=mean, height=0.62, color=colour)
    right = row.delta >= 0
    axes.annotate(
        signed(row.delta),
        (row.vrp_structural, place),
        xytext=(5 if right else -5, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        va="center",
        color=INK,
        size=SMALL_POINTS,
    )


def _marks(figure: Figure, report: SectorReport, low: float, high: float) -> None:
    """What the two lines are, written above them; the left one to its left where they are close."""
    left, bottom, width, height = _BARS
    wanted = [(report.mean, f"sector mean {ratio(report.mean)}", INK)]
    if report.market_median is not None:
        wanted.append((report.market_median, f"market median {ratio(report.market_median)}", HV90_COLOUR))
    wanted.sort()
    for place, (level, text, colour) in enumerate(wanted):
        x = (left + width * (level - low) / (high - low)) * WIDTH
        aside = {"ha": "left"} if place == len(wanted) - 1 else {"ha": "right"}
        shift = 4 if aside["ha"] == "left" else -4
        write(
            figure, x + shift, (bottom + height) * HEIGHT + 10, text, color=colour, size=SMALL_POINTS, **aside
        )


def _sector_captions(report: SectorReport, run: Run, shown: int) -> tuple[str, str]:
    rest = report.n - shown
    parts = [f"{_column(report)}, bars from the sector's mean", f"n={report.n}"]
    parts += [f"{rest} nearest to the mean left out"] if rest > 0 else []
    return f"{mono(report.sector, 24)}  {day(run.session)}", " · ".join(parts)


def _column(report: SectorReport) -> str:
    return "IV30 / HV252" if report.column == "structural_252" else "IV30 / HV90"


def _beside(report: SectorReport) -> str:
    median = report.market_median
    return "" if median is None else f", the market's median {ratio(median)}"
