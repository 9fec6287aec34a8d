"""The year of one name in a picture: IV30 beside the movement, and where IV30 stands in its own record."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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
    WIDTH,
    apart,
    broken,
    canvas,
    headed,
    lock,
    months,
    png,
    span,
    step_above,
    write,
)
from bot.cards.facts import SIMULATED, day
from bot.cards.history import HistoryPoint
from bot.cards.table import fixed, plain
from bot.cards.text import clean, mono
from engine.arrays import FloatArray
from engine.screen.result import Row, Run

BAND = (20.0, 80.0)
BAND_MIN = 60
"""Fewer closes make no percentile (methodology 2); the picture says so."""
YEAR = 252
_FEW = 40
_LEAST_SPAN = 0.5
_BOX = (0.068, 0.12, 0.742, 0.7)
_UNDRAWABLE = 1e9


@dataclass(frozen=True, slots=True)
class _Series:
    """The stored year with the run's own point last; volatilities in percent, NaN where missing."""

    days: FloatArray
    iv30: FloatArray
    hv30: FloatArray
    hv90: FloatArray
    listed: FloatArray


def drawable(run: Run, history: Sequence[HistoryPoint], row: Row) -> bool:
    """Whether there is any volatility to draw."""
    series = _series(run, history, row)
    return bool(np.isfinite([series.iv30, series.hv30, series.hv90]).any())


def describe(run: Run, history: Sequence[HistoryPoint], row: Row) -> str:
    """The picture in words, for those who do not see it."""
    series = _series(run, history, row)
    last = ", ".join(text for text, _, _ in _latest(series))
    times = int(np.nansum(series.listed))
    market = f"{SIMULATED} market. " if run.simulated else ""
    return (
        f"{market}{clean(row.symbol, 20)}: implied and realized volatility over {len(series.days)} stored "
        f"closes up to {day(run.session)}, percent a year. Latest: {last or 'none'}. "
        f"{_record_text(series)}. Listed on {times} of these days."
    )


def vrp_chart(symbol: str, run: Run, history: Sequence[HistoryPoint], row: Row) -> bytes:
    """A PNG of 840 x 420 pixels: IV30, HV30 and HV90 in percent a year over the last 252 stored closes.

    The 20th to 80th percentile of the drawn IV30 is shaded and labelled, the latest values are written
    at their lines, and days on which the name was listed are marked along the foot. Points after the
    run's session are left out; the run's own values stand last. Missing values break the line. With a
    short record there is no band, and the picture says how many closes there are.
    """
    series = _series(run, history, row)
    with lock:
        figure, axes = canvas(_BOX)
        low, high = _limits(series)
        axes.set_xlim(*span(series.days))
        axes.set_ylim(low, high)
        _ticks(axes, series.days, low, high)
        _band(axes, series)
        _lines(axes, series)
        _listed(axes, series, low, high)
        _labels(figure, series, low, high)
        _captions(figure, symbol, run, series)
        return png(figure)


def _series(run: Run, history: Sequence[HistoryPoint], row: Row) -> _Series:
    stored = {point.session: point for point in history if point.session < run.session}
    own = HistoryPoint(run.session, row.number("iv30"), row.number("hv30"), row.number("hv90"), row.passed)
    points = [*(stored[session] for session in sorted(stored)), own][-YEAR:]
    return _Series(
        days=np.array([point.session.toordinal() for point in points], dtype=np.float64),
        iv30=_percent([point.iv30 for point in points]),
        hv30=_percent([point.hv30 for point in points]),
        hv90=_percent([point.hv90 for point in points]),
        listed=np.array([bool(point.passed) for point in points], dtype=np.float64),
    )


def _percent(values: Sequence[float | None]) -> FloatArray:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return 100.0 * np.where(np.abs(numbers) < _UNDRAWABLE, numbers, np.nan)


def _limits(series: _Series) -> tuple[float, float]:
    """Lowest and highest value with room for the foot and the labels.

    0 is not forced into view, but the span is at least half the highest value: noise must not fill it.
    """
    values = np.concatenate([series.iv30, series.hv30, series.hv90])
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 10.0
    low, high = float(finite.min()), float(finite.max())
    room = max(high - low, _LEAST_SPAN * high, 1.0)
    spare = (room - (high - low)) / 2
    return max(0.0, low - spare - 0.16 * room), high + spare + 0.08 * room


def _ticks(axes: Axes, days: FloatArray, low: float, high: float) -> None:
    """Few, plain ticks: the months below, round percents at the left."""
    named = months(*span(days))
    axes.set_xticks([place for place, _ in named], [text for _, text in named])
    step = step_above((high - low) / 6)
    places = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    axes.set_yticks(places, [plain(place) for place in places])
    axes.grid(axis="y", color=GRID, linewidth=0.8)


def _band_edges(series: _Series) -> tuple[float, float] | None:
    finite = series.iv30[np.isfinite(series.iv30)]
    if len(finite) < BAND_MIN:
        return None
    low, high = np.percentile(finite, BAND)
    return float(low), float(high)


def _band(axes: Axes, series: _Series) -> None:
    edges = _band_edges(series)
    if edges is not None:
        axes.axhspan(*edges, color=IV_COLOUR, alpha=0.13, linewidth=0)


def _lines(axes: Axes, series: _Series) -> None:
    marker = "o" if len(series.days) <= _FEW else ""
    for values, colour, width in (
        (series.hv90, HV90_COLOUR, 1.0),
        (series.hv30, HV_COLOUR, 1.6),
        (series.iv30, IV_COLOUR, 2.2),
    ):
        days, line = broken(series.days, values)
        axes.plot(days, line, color=colour, linewidth=width, marker=marker, markersize=4)
        axes.plot(series.days[-1:], values[-1:], color=colour, marker="o", markersize=5, clip_on=False)


def _listed(axes: Axes, series: _Series, low: float, high: float) -> None:
    days = series.days[series.listed > 0]
    foot = low + 0.035 * (high - low)
    height = np.full(len(days), foot)
    axes.plot(days, height, linestyle="", marker="|", markersize=9, color=INK, clip_on=False)


def _labels(figure: Figure, series: _Series, low: float, high: float) -> None:
    """Latest values and band edges at the right, pushed apart where they would overlap."""
    wanted = [(level, text, colour) for text, level, colour in _latest(series)]
    edges = _band_edges(series)
    if edges is not None:
        wanted += [
            (edge, f"{rank:.0f}th pct {_short(edge)}", FAINT) for rank, edge in zip(BAND, edges, strict=True)
        ]
    wanted.sort(key=lambda label: label[0])
    left, bottom, width, height = _BOX
    places = [(bottom + height * (level - low) / (high - low)) * HEIGHT for level, _, _ in wanted]
    for (_, text, colour), place in zip(wanted, apart(places, bottom * HEIGHT), strict=True):
        write(figure, (left + width) * WIDTH + 12, place, text, color=colour, va="center")


def _captions(figure: Figure, symbol: str, run: Run, series: _Series) -> None:
    marks = ["% a year"]
    if _band_edges(series) is not None:
        marks.append(f"shaded: {BAND[0]:.0f}th to {BAND[1]:.0f}th percentile of IV30")
    marks.append(_record_text(series))
    if series.listed.any():
        marks.append("ticks: days listed")
    title = f"{mono(symbol, 12)}  {day(run.session)}"
    headed(figure, title, " · ".join(marks), run.simulated)


def _latest(series: _Series) -> list[tuple[str, float, str]]:
    """Text, height and colour of each line's end; `?` where the last session has no value."""
    found = []
    for name, values, colour in (
        ("IV30", series.iv30, IV_COLOUR),
        ("HV30", series.hv30, HV_COLOUR),
        ("HV90", series.hv90, HV90_COLOUR),
    ):
        finite = values[np.isfinite(values)]
        if len(finite):
            text = f"{name} {_short(values[-1])}"
            found.append((text, float(finite[-1]), colour))
    return found


def _short(percents: float) -> str:
    return fixed(percents, 1, 5)


def _record_text(series: _Series) -> str:
    n = int(np.isfinite(series.iv30).sum())
    return f"n={n}" if n >= BAND_MIN else f"n={n}, history is being built"
