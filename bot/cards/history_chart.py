"""A name's past in one picture: IV30 and its movement above, the premium with its thresholds below."""

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
from bot.cards.table import fixed, plain, ratio
from bot.cards.text import clean, mono, plural
from engine.arrays import BoolArray, FloatArray
from engine.record.names import NameHistory
from engine.rules import Rules

_UPPER = (0.068, 0.445, 0.742, 0.375)
_LOWER = (0.068, 0.10, 0.742, 0.285)
_FEW = 40
_UNDRAWABLE = 1e6
_LEAST_POINTS, _LEAST_RATIO = 2.0, 0.3
"""Smallest height of either part: noise must not fill it."""
IMPORTED_COLOUR = "#C3A6F0"
_SHADE = 0.12
_LONGEST_HOLE = 7
_Label = tuple[float, str, str]
"""Height in the units of the axes, text, colour."""


@dataclass(frozen=True, slots=True)
class _Past:
    """Day numbers and values of every close, NaN where missing; volatilities in percent."""

    days: FloatArray
    iv30: FloatArray
    imported: FloatArray
    hv30: FloatArray
    structural: FloatArray
    tactical: FloatArray
    listed: BoolArray


def ratio_columns(rules: Rules) -> tuple[str, str]:
    """The structural and the tactical ratio of the rules' lens; of a consensus those of the quarter."""
    return ("structural_252", "tactical_20") if rules.lens == "yearly" else ("vrp_structural", "vrp_tactical")


def thresholds(rules: Rules) -> tuple[float, float]:
    """The thresholds that belong to `ratio_columns`."""
    lens = rules.lenses["yearly" if rules.lens == "yearly" else "quarterly"]
    return lens.vrp_structural_threshold, lens.vrp_tactical_threshold


def history_drawable(history: NameHistory) -> bool:
    """Whether there is any volatility to draw."""
    return any(close.iv30 is not None or close.number("hv30") is not None for close in history.closes)


def describe_history(history: NameHistory, rules: Rules) -> str:
    """The picture in words, for those who do not see it."""
    past = _past(history, rules)
    ends = ", ".join(text for _, text, _ in (*_upper_labels(past), *_lower_labels(past)))
    imported = int(np.isfinite(past.imported).sum())
    parts = (
        f"{SIMULATED} market." if history.realm == "simulated" else "",
        f"{clean(history.symbol, 20)}: {plural(len(past.days), 'stored close')} up to "
        f"{day(history.closes[-1].session)}, {imported} of them imported.",
        f"Latest: {ends or 'none'}. Listed on {int(past.listed.sum())} of these days.",
        f"Earnings: {', '.join(day(each) for each in history.earnings)}." if history.earnings else "",
    )
    return " ".join(filter(None, parts))


def history_chart(history: NameHistory, rules: Rules) -> bytes:
    """A PNG of 840 x 420 pixels.

    Above IV30 and HV30 in percent a year, imported IV30 as dots; below both ratios of the rules' lens with
    their thresholds dashed. Sessions on which the name was listed are shaded, earnings marked. Missing values
    and holes of over a week break the lines. `history` holds at least one close.
    """
    past = _past(history, rules)
    with lock:
        figure, upper = canvas(_UPPER)
        lower = plain_axes(figure, _LOWER)
        _volatilities(figure, upper, past)
        _premium(figure, lower, past, rules)
        for axes in (upper, lower):
            _shade(axes, past)
        _earnings(figure, (upper, lower), history, past)
        named = months(*span(past.days))
        lower.set_xticks([place for place, _ in named], [text for _, text in named])
        upper.set_xticks([place for place, _ in named], [""] * len(named))
        headed(figure, *_captions(history, past, rules), history.realm == "simulated")
        return png(figure)


def _past(history: NameHistory, rules: Rules) -> _Past:
    closes = history.closes
    structural, tactical = ratio_columns(rules)
    own = [None if close.imported else close.iv30 for close in closes]
    brought = [close.iv30 if close.imported else None for close in closes]
    return _Past(
        days=np.array([close.session.toordinal() for close in closes], dtype=np.float64),
        iv30=100.0 * _known(own),
        imported=100.0 * _known(brought),
        hv30=100.0 * _known([close.number("hv30") for close in closes]),
        structural=_known([close.number(structural) for close in closes]),
        tactical=_known([close.number(tactical) for close in closes]),
        listed=np.array([close.listed for close in closes], dtype=bool),
    )


def _known(values: Sequence[float | None]) -> FloatArray:
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(numbers) < _UNDRAWABLE, numbers, np.nan)


# --- the two parts --------------------------------------------------------------------------------


def _volatilities(figure: Figure, axes: Axes, past: _Past) -> None:
    limits = _limits([past.iv30, past.imported, past.hv30], _LEAST_POINTS)
    _frame(axes, past.days, limits)
    _line(axes, past.days, past.hv30, HV_COLOUR, 1.4)
    _line(axes, past.days, past.iv30, IV_COLOUR, 2.0)
    axes.plot(past.days, past.imported, linestyle="", marker="o", markersize=2.6, color=IMPORTED_COLOUR)
    _label(figure, _UPPER, limits, _upper_labels(past))


def _premium(figure: Figure, axes: Axes, past: _Past, rules: Rules) -> None:
    structural, tactical = thresholds(rules)
    marks = np.array([structural, tactical])
    limits = _limits([past.structural, past.tactical, marks], _LEAST_RATIO)
    _frame(axes, past.days, limits)
    for level, colour in ((structural, HV90_COLOUR), (tactical, INK)):
        axes.axhline(level, color=colour, linewidth=1.1, linestyle=(0, (5, 4)))
    _line(axes, past.days, past.structural, HV90_COLOUR, 1.4)
    _line(axes, past.days, past.tactical, INK, 1.8)
    dashed = [
        (structural, f"limit {ratio(structural)}", HV90_COLOUR),
        (tactical, f"limit {ratio(tactical)}", INK),
    ]
    _label(figure, _LOWER, limits, [*dashed, *_lower_labels(past)])


def _limits(series: Sequence[FloatArray], least: float) -> tuple[float, float]:
    values = np.concatenate(series)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return 0.0, 10.0
    low, high = float(finite.min()), float(finite.max())
    spare = max(least - (high - low), 0.0) / 2 + 0.1 * (high - low)
    # No volatility lies below zero; what was stored so all the same is drawn where it lies.
    return (low - spare if low < 0 else max(0.0, low - spare)), high + spare


def _frame(axes: Axes, days: FloatArray, limits: tuple[float, float]) -> None:
    low, high = limits
    axes.set_xlim(*span(days))
    axes.set_ylim(low, high)
    step = step_above((high - low) / 4)
    places = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
    axes.set_yticks(places, [plain(round(float(place), 6)) for place in places])
    axes.grid(axis="y", color=GRID, linewidth=0.8)


def _line(axes: Axes, days: FloatArray, values: FloatArray, colour: str, width: float) -> None:
    marker = "o" if len(days) <= _FEW else ""
    axes.plot(*broken(days, values), color=colour, linewidth=width, marker=marker, markersize=4)
    finite = np.isfinite(values)
    # A day whose neighbours are missing makes no line.
    before, after = np.append(False, finite[:-1]), np.append(finite[1:], False)
    alone = finite & ~before & ~after
    axes.plot(days[alone], values[alone], linestyle="", color=colour, marker="o", markersize=3)
    axes.plot(days[-1:], values[-1:], color=colour, marker="o", markersize=5, clip_on=False)


def _shade(axes: Axes, past: _Past) -> None:
    """Every stretch of listed closes as one band; a single day stays wide enough to be seen."""
    edges = np.flatnonzero(np.diff(np.append(np.append(False, past.listed), False).astype(np.int8)))
    first, last = span(past.days)
    half = max(0.5, (last - first) / 1000)
    for begin, end in zip(edges[::2], edges[1::2] - 1, strict=True):
        for part in _unbroken(past.days[begin : end + 1]):
            axes.axvspan(part[0] - half, part[-1] + half, color=INK, alpha=_SHADE, linewidth=0)


def _unbroken(days: FloatArray) -> list[FloatArray]:
    """Listed days, parted where more than a week was not stored."""
    return np.split(days, np.flatnonzero(np.diff(days) > _LONGEST_HOLE) + 1)


def _earnings(figure: Figure, both: Sequence[Axes], history: NameHistory, past: _Past) -> None:
    left, bottom, width, height = _UPPER
    first, last = span(past.days)
    for report in history.earnings:
        place = float(report.toordinal())
        if not first <= place <= last:
            continue
        for axes in both:
            axes.axvline(place, color=FAINT, linewidth=1.0, linestyle=(0, (1, 2)))
        x = (left + width * (place - first) / (last - first)) * WIDTH
        write(figure, x, (bottom + height) * HEIGHT + 4, "E", color=FAINT, size=SMALL_POINTS, ha="center")


def _label(
    figure: Figure,
    box: tuple[float, float, float, float],
    limits: tuple[float, float],
    wanted: Sequence[_Label],
) -> None:
    """Texts at the right of a part, at their heights, pushed apart where they would overlap."""
    left, bottom, width, height = box
    low, high = limits
    ordered = sorted(wanted, key=lambda label: label[0])
    places = [(bottom + height * (level - low) / (high - low)) * HEIGHT for level, _, _ in ordered]
    for (_, text, colour), place in zip(ordered, apart(places, bottom * HEIGHT), strict=True):
        write(figure, (left + width) * WIDTH + 12, place, text, color=colour, va="center")


# --- words ----------------------------------------------------------------------------------------


def _upper_labels(past: _Past) -> list[_Label]:
    own = _end("IV30", past.iv30, IV_COLOUR)
    brought = _end("imported", past.imported, IMPORTED_COLOUR) if not own else []
    return [*own, *brought, *_end("HV30", past.hv30, HV_COLOUR)]


def _lower_labels(past: _Past) -> list[_Label]:
    return [
        *_end("structural", past.structural, HV90_COLOUR, True),
        *_end("tactical", past.tactical, INK, True),
    ]


def _end(name: str, values: FloatArray, colour: str, is_ratio: bool = False) -> list[_Label]:
    """The text of a line's end, `?` where the last close has no value; nothing for an empty line."""
    finite = values[np.isfinite(values)]
    if not len(finite):
        return []
    last = float(values[-1])
    return [(float(finite[-1]), f"{name} {ratio(last) if is_ratio else fixed(last, 1, 5)}", colour)]


def _captions(history: NameHistory, past: _Past, rules: Rules) -> tuple[str, str]:
    windows = rules.lenses["yearly" if rules.lens == "yearly" else "quarterly"]
    parts = [
        f"% a year · below: IV30/HV{windows.structural_window}, /HV{windows.tactical_window}",
        "shaded: listed" if past.listed.any() else "",
        "E: earnings" if history.earnings else "",
        "dots: imported" if np.isfinite(past.imported).any() else "",
        f"n={int(np.isfinite(past.iv30).sum() + np.isfinite(past.imported).sum())}",
    ]
    title = f"{mono(history.symbol, 12)}  {day(history.closes[-1].session)}"
    return title, " · ".join(filter(None, parts))
