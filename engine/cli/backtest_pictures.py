"""Pictures of a backtest: captured premium over time, the spread of outcomes, groups with their intervals.

Importing this loads matplotlib, half a second: only a report does.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from PIL import Image

from engine.arrays import FloatArray, IntArray
from engine.proof.result import Backtest, Curve, Group

WIDTH, HEIGHT, DPI = 720, 430, 100
TEXT_POINTS = 12.0
_LINE_GAP = 0.055
"""Share of the axes' height a line of text needs."""
_BARS = 44
_COLOURS = 64
"""Of the one picture: a third of the bytes, and nothing to be seen of it."""
_OUTSIDE = 0.002
"""Share of the outcomes beyond each end that the outermost bar gathers."""
_LEAST_WIDTH = 0.0025
"""Bars are a quarter of a point wide at the least."""
_GROUP_ID = re.compile(r'(?<=<g) id="[\w.]+"')
"""Nothing points to these, and two pictures on a page would share them."""


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours of a picture."""

    background: str
    ink: str
    faint: str
    grid: str
    universe: str
    listed: str
    benchmark: str
    loss: str


DARK = Palette("#2B2D31", "#F2F3F5", "#B5BAC1", "#3F4147", "#A3A8B0", "#7FB4FF", "#F2A65A", "#E06C75")
_STAND_INS = Palette(*(f"#0000f{place}" for place in range(8)))
"""Colours that stand for those of the page, which has two sets of them."""
_NAMES = ("background", "ink", "faint", "grid", "universe", "listed", "benchmark", "loss")


def cumulated(curve: Curve, horizon: int) -> FloatArray:
    """Captured premium up to each session, (sessions,): the running sum of mean gap / horizon, a fraction.

    A session without an observation adds nothing.
    """
    sums: FloatArray = np.cumsum(np.nan_to_num(curve.mean_gap)) / horizon
    return sums


def _outcomes(curves: Sequence[Curve]) -> slice:
    """From the first session with an outcome to the last."""
    known = np.flatnonzero(np.isfinite([curve.mean_gap for curve in curves]).any(axis=0))
    return slice(int(known[0]), int(known[-1]) + 1) if len(known) else slice(0, 0)


def rebinned(edges: FloatArray, counts: Sequence[IntArray]) -> tuple[FloatArray, list[IntArray]]:
    """The histogram in bars wide enough to be seen, each a whole number of bins.

    The outermost bars gather what lies beyond the middle 99.6 % of the first of `counts`. Returns the bars'
    edges (bars + 1,), the outermost of them where a bar of usual width would end, and the counts.
    """
    first = np.asarray(counts[0], dtype=np.float64)
    share = np.cumsum(first) / max(first.sum(), 1.0)
    low = int(np.searchsorted(share, _OUTSIDE, side="right"))
    high = max(int(np.searchsorted(share, 1.0 - _OUTSIDE)), low) + 1
    width = float(np.median(np.diff(edges)))
    every = max(math.ceil((high - low) / _BARS), math.ceil(_LEAST_WIDTH / width - 1e-9), 1)
    zero = int(np.searchsorted(edges, 0.0))
    low -= (low - zero) % every  # no bar holds losses and gains
    low += every if low < 0 else 0
    start = np.arange(low, max(high, low + 1), every)
    cuts = np.append(0, start[1:])
    bars = np.append(edges[start], edges[start[-1]] + every * width)
    return bars, [np.add.reduceat(np.asarray(each), cuts) for each in counts]


def quantile(edges: FloatArray, counts: IntArray, share: float) -> float | None:
    """The gap below which `share` of the outcomes lie, to a bin's upper edge; None without outcomes."""
    total = int(np.sum(counts))
    if not total:
        return None
    place = int(np.searchsorted(np.cumsum(counts), share * total))
    return float(edges[min(place, len(counts) - 1) + 1])


# --- the figures ----------------------------------------------------------------------------------


def draw_curves(axes: Axes, result: Backtest, horizon: int, colours: Palette) -> None:
    """Captured premium of universe, listed and benchmark in points, named at the lines' ends."""
    days = result.sessions.astype("datetime64[D]").astype(object)
    shown = _outcomes(result.curves)
    tints = (colours.universe, colours.listed, colours.benchmark)
    _dress(axes, colours)
    axes.axhline(0.0, color=colours.faint, linewidth=0.8)
    ends: list[tuple[float, str, str]] = []
    for curve, tint in zip(result.curves, tints, strict=False):
        if not np.isfinite(curve.mean_gap).any():
            continue
        line = 100.0 * cumulated(curve, horizon)[shown]
        axes.plot(days[shown], line, color=tint, linewidth=2.0, solid_joinstyle="round")
        ends.append((float(line[-1]), f"{_cut(curve.name, 12)} {_short(float(line[-1]))}", tint))
    locator: Any = AutoDateLocator(minticks=3, maxticks=7)  # type: ignore[no-untyped-call]
    formatter: Any = ConciseDateFormatter(locator, show_offset=False)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(formatter)
    axes.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(_signed))
    bottom, top = axes.get_ylim()
    ends.sort()
    places = _apart([(end - bottom) / (top - bottom) for end, _, _ in ends])
    for place, (_, text, tint) in zip(places, ends, strict=True):
        axes.text(1.015, place, text, color=tint, weight="bold", va="center", **_text(axes))
    if not ends:
        axes.text(0.5, 0.5, "no outcome is known yet", color=colours.faint, ha="center", **_text(axes))


def draw_histogram(axes: Axes, result: Backtest, colours: Palette) -> None:
    """Share of outcomes by gap, in percent a bar: the universe filled (losses in red), the listed a line."""
    names = list(result.counts)
    bars, counts = rebinned(result.edges, [result.counts[name] for name in names])
    shares = [100.0 * each / max(int(each.sum()), 1) for each in counts]
    points = 100.0 * bars
    _dress(axes, colours)
    middle = (points[:-1] + points[1:]) / 2
    loss = middle < 0
    width = 0.92 * np.diff(points)
    for chosen, tint in ((loss, colours.loss), (~loss, colours.universe)):
        axes.bar(middle[chosen], shares[0][chosen], width[chosen], color=tint, alpha=0.55, linewidth=0)
    if len(shares) > 1 and counts[1].sum():
        axes.stairs(shares[1], points, color=colours.listed, linewidth=2.0)
    axes.axvline(0.0, color=colours.faint, linewidth=0.8)
    axes.set_ylim(0.0, 1.25 * max(float(each.max()) for each in shares) or 1.0)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(_signed))
    _tail_words(axes, result, names, colours)


def _tail_words(axes: Axes, result: Backtest, names: Sequence[str], colours: Palette) -> None:
    """One outcome in twenty was worse than this, and the worst: the end of the picture hides neither."""
    tints = (colours.universe, colours.listed)
    for line, (name, tint) in enumerate(zip(names, tints, strict=False)):
        counts = result.counts[name]
        twentieth = quantile(result.edges, counts, 0.05)
        if twentieth is None:
            continue
        group = named(result, name)
        worst = "" if group is None or group.worst is None else f", worst {100 * group.worst:+.1f}"
        text = f"{_cut(name, 12)}: 1 in 20 below {100 * twentieth:+.1f}{worst}"
        axes.text(0.0, 0.995 - line * 0.08, text, color=tint, weight="bold", va="top", **_text(axes))


def draw_intervals(axes: Axes, groups: Sequence[Group], base: Group | None, colours: Palette) -> None:
    """Hit rates in percent with their intervals, a line a group; the universe's rate stands upright."""
    shown = [group for group in groups if group.hit_rate is not None]
    _dress(axes, colours)
    axes.grid(visible=False, axis="y")
    axes.grid(visible=True, axis="x", color=colours.grid, linewidth=0.8)
    if base is not None and base.hit_rate is not None:
        axes.axvline(100 * base.hit_rate, color=colours.universe, linewidth=1.5, linestyle=(0, (4, 3)))
    for row, group in enumerate(shown):
        low, high = group.ci_low, group.ci_high
        if low is not None and high is not None:
            axes.plot([100 * low, 100 * high], [row, row], color=colours.listed, linewidth=2.5, alpha=0.6)
        axes.plot([100 * (group.hit_rate or 0.0)], [row], "o", color=colours.listed, markersize=7)
    axes.set_yticks(range(len(shown)), [_cut(group.name, 24) for group in shown], parse_math=False)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlim(0.0, 100.0)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g} %"))
    if not shown:
        axes.text(0.5, 0.5, "no outcome is known yet", color=colours.faint, ha="center", **_text(axes))


def named(result: Backtest, name: str) -> Group | None:
    """A group or a baseline of the scorecard by its name."""
    groups = (*result.scorecard.groups, *result.scorecard.baselines)
    return next((group for group in groups if group.name == name), None)


# --- on a page or in one file ---------------------------------------------------------------------


def curves_svg(result: Backtest, horizon: int) -> str:
    """The equity as an SVG element without a colour of its own."""
    figure, axes = _figure((0.09, 0.09, 0.69, 0.88))
    draw_curves(axes, result, horizon, _STAND_INS)
    return _svg(figure, "equity")


def histogram_svg(result: Backtest) -> str:
    """The distribution of gaps as an SVG element without a colour of its own."""
    figure, axes = _figure((0.085, 0.09, 0.895, 0.88))
    draw_histogram(axes, result, _STAND_INS)
    return _svg(figure, "distribution")


def intervals_svg(groups: Sequence[Group], base: Group | None) -> str:
    """Hit rates with intervals as an SVG element without a colour of its own."""
    known = sum(group.hit_rate is not None for group in groups)
    figure, axes = _figure((0.3, 0.12, 0.66, 0.85), height=90 + 32 * max(known, 4))
    draw_intervals(axes, groups, base, _STAND_INS)
    return _svg(figure, "intervals")


def sheet_png(result: Backtest, horizon: int, lines: Sequence[str], groups: Sequence[Group]) -> bytes:
    """One dark picture: title and words, captured premium, distribution, hit rates with intervals.

    `lines` is the title first, then the words under it. The width is 1,000 pixels.
    """
    known = sum(group.hit_rate is not None for group in groups)
    foot = 70 + 28 * max(known, 4)
    head = 64 + 24 * (len(lines) - 1)
    tall = head + 380 + 340 + foot + 40
    figure = Figure(figsize=(10.0, tall / DPI), dpi=DPI, facecolor=DARK.background)
    for place, text in enumerate(lines):
        style: dict[str, Any] = (
            {"size": 18.0, "weight": "bold", "color": DARK.ink} if not place else {"color": DARK.faint}
        )
        y = tall - 32 - (24 * place + 8 * (place > 0))
        figure.text(0.02, y / tall, text, parse_math=False, **({"size": TEXT_POINTS} | style))
    spans = ((head, 380), (head + 380, 340), (head + 720, foot + 20))
    titles = (
        f"Captured premium, points of volatility: mean gap a session / {horizon}, added up",
        "Gaps, points of volatility: share of outcomes",
        "Share of observations with IV30 above the movement after, 95 % interval",
    )
    boxes = []
    for (top, height), title, left, width in zip(
        spans, titles, (0.075, 0.075, 0.24), (0.745, 0.905, 0.72), strict=True
    ):
        figure.text(0.02, (tall - top - 22) / tall, title, color=DARK.ink, size=13.0, parse_math=False)
        boxes.append((left, (tall - top - height + 36) / tall, width, (height - 74) / tall))
    axes = [figure.add_axes(box, facecolor=DARK.background) for box in boxes]
    draw_curves(axes[0], result, horizon, DARK)
    draw_histogram(axes[1], result, DARK)
    draw_intervals(axes[2], groups, named(result, "universe"), DARK)
    file = io.BytesIO()
    surface: Any = FigureCanvasAgg(figure)
    surface.draw()
    picture = Image.fromarray(np.asarray(surface.buffer_rgba())).convert("RGB")
    picture.quantize(_COLOURS).save(file, "PNG", optimize=True)
    return file.getvalue()


def _figure(box: tuple[float, float, float, float], height: int = HEIGHT) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="none")
    return figure, figure.add_axes(box, facecolor="none")


def _dress(axes: Axes, colours: Palette) -> None:
    """No frame, quiet horizontal lines, faint legible numbers."""
    axes.tick_params(length=0, labelcolor=colours.faint, labelsize=TEXT_POINTS, pad=6)
    axes.set_axisbelow(True)
    axes.grid(visible=True, axis="y", color=colours.grid, linewidth=0.8)
    axes.margins(x=0.01)
    for side in axes.spines.values():
        side.set_visible(False)


def _text(axes: Axes) -> dict[str, Any]:
    return {"transform": axes.transAxes, "size": TEXT_POINTS, "parse_math": False}


def _apart(places: Sequence[float]) -> list[float]:
    """Ascending heights at least a line apart, pushed upward, then back under the top."""
    found: list[float] = []
    for place in places:
        found.append(max(place, found[-1] + _LINE_GAP) if found else place)
    for index in reversed(range(len(found))):
        most = 1.0 if index == len(found) - 1 else found[index + 1] - _LINE_GAP
        found[index] = min(found[index], most)
    return found


def _signed(value: float, _: int) -> str:
    return f"{value:+,g}" if value else "0"


def _short(points: float) -> str:
    return f"{points:+.1f}" if abs(points) < 100 else f"{points:+,.0f}"


def _cut(text: str, most: int) -> str:
    plain = "".join(letter if letter.isprintable() else "?" for letter in text)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def _svg(figure: Figure, salt: str) -> str:
    """The figure's <svg> element: text as text, the same bytes each time, colours by their page's names."""
    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": salt, "font.family": "sans-serif"}):
        surface: Any = FigureCanvasSVG(figure)
        surface.print_svg(file, metadata={"Date": None, "Creator": None})
    text = file.getvalue()
    text = _GROUP_ID.sub("", text[text.index("<svg") :])
    for name in _NAMES:
        text = text.replace(getattr(_STAND_INS, name), f"var(--{name})")
    return text
