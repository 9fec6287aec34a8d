"""The scorecard in a picture: hit rates with their intervals and mean gaps, against both baselines."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bot.cards.drawing import (
    FAINT,
    GRID,
    HEIGHT,
    HV_COLOUR,
    INK,
    IV_COLOUR,
    SMALL_POINTS,
    WIDTH,
    canvas,
    headed,
    lock,
    plain_axes,
    png,
    step_above,
    write,
)
from bot.cards.facts import SIMULATED
from bot.cards.scorecard_table import REGIME, SMALL, is_small, points, shown_name, whole_percent
from bot.cards.table import known, plain
from bot.cards.text import clean, mono
from engine.proof.result import UNIVERSE, Group

MOST_GROUPS = 14
"""Groups a picture holds and stays legible."""
_HITS = (0.2, 0.095, 0.435, 0.655)
_MEANS = (0.715, 0.095, 0.265, 0.655)
_LEAST_WIDTH = 0.2
_LEAST_POINTS = 1.0
_BASELINE_Y = 0.785
_COLUMN, _WIDE_COLUMN = 0.1, 0.45
"""Share of a panel's width that is added for the column of numbers at its right."""


def describe_outcomes(
    groups: Sequence[Group], baselines: Sequence[Group], least: int, title: str, simulated: bool
) -> str:
    """The picture in words, for those who do not see it."""
    market = f"{SIMULATED} market. " if simulated else ""
    told = "; ".join(_told(group, least) for group in groups)
    against = "; ".join(f"{clean(each.name, 20)} {_figures(each)}" for each in baselines if each.n)
    what = "hit rate with its 95 % interval and mean gap"
    return f"{market}{clean(title, 80)}: {what}. {told}. Against {against}."


def outcome_chart(
    groups: Sequence[Group], baselines: Sequence[Group], least: int, title: str, simulated: bool
) -> bytes:
    """A PNG of 840 x 420 pixels: hit rates on the left, mean gaps in points on the right, a line a group.

    Bars on the left are the intervals, full and dashed lines the universe and the benchmark. Small samples
    are drawn faint and starred. `groups` hold outcomes and are at most MOST_GROUPS.
    """
    shown = groups[:MOST_GROUPS]
    against = [each for each in baselines if each.n]
    with lock:
        figure, hits = canvas(_HITS)
        means = plain_axes(figure, _MEANS)
        names = [_starred(group, least) for group in shown]
        for axes, labels in ((hits, names), (means, [""] * len(shown))):
            axes.set_ylim(len(shown) - 0.4, -0.6)
            axes.set_yticks(range(len(shown)), labels)
            axes.grid(axis="x", color=GRID, linewidth=0.8)
        _hit_rates(hits, shown, against, least)
        _mean_gaps(means, shown, against, least)
        _baselines(figure, against)
        dashed = "".join(f" · dashed: {mono(each.name, 9)}" for each in against if each.name != UNIVERSE)
        below = f"left: hit rate % with 95 % interval · right: mean gap in points{dashed}"
        headed(figure, mono(title, 46), below, simulated)
        return png(figure)


def _hit_rates(axes: Axes, groups: Sequence[Group], against: Sequence[Group], least: int) -> None:
    ends = [end for group in groups for end in (group.ci_low, group.ci_high) if end is not None]
    rates = [each.hit_rate for each in (*groups, *against) if each.hit_rate is not None]
    low, high = _span([*ends, *rates], _LEAST_WIDTH)
    low, high = max(0.0, low), min(1.0, high)
    axes.set_xlim(low, high + _COLUMN * (high - low))
    step = step_above((high - low) / 5)
    _ticks(axes, low, high, step, 100.0)
    for place, group in enumerate(groups):
        colour = FAINT if is_small(group, least) else IV_COLOUR
        rate, start, end = (known(each) for each in (group.hit_rate, group.ci_low, group.ci_high))
        if rate is None or start is None or end is None:
            continue
        axes.barh(place, end - start, left=start, height=0.42, color=colour, alpha=0.45)
        axes.plot([rate], [place], marker="o", color=colour, markersize=7)
        _at_the_edge(axes, place, whole_percent(rate))
    _lines(axes, [(each.name, each.hit_rate) for each in against])


def _mean_gaps(axes: Axes, groups: Sequence[Group], against: Sequence[Group], least: int) -> None:
    means = [mean for each in (*groups, *against) if (mean := _in_points(each)) is not None]
    low, high = _span([0.0, *means], _LEAST_POINTS)
    axes.set_xlim(low, high + _WIDE_COLUMN * (high - low))
    _ticks(axes, low, high, step_above((high - low) / 3), 1.0)
    for place, group in enumerate(groups):
        mean = _in_points(group)
        if mean is None:
            continue
        colour = FAINT if is_small(group, least) else IV_COLOUR
        axes.barh(place, mean, height=0.6, color=colour)
        _at_the_edge(axes, place, points(group.mean_gap))
    axes.axvline(0.0, color=FAINT, linewidth=0.8)
    _lines(axes, [(each.name, _in_points(each)) for each in against])


def _span(values: Sequence[float], least: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    spare = max(least - (high - low), 0.0) / 2 + 0.04 * (high - low)
    return low - spare, high + spare


def _ticks(axes: Axes, low: float, high: float, step: float, scale: float) -> None:
    first, last = int(-(-low // step)), int(high // step)
    places = [number * step for number in range(first, last + 1)]
    axes.set_xticks(places, [plain(round(scale * place, 6)) for place in places])


def _lines(axes: Axes, levels: Sequence[tuple[str, float | None]]) -> None:
    for name, level in levels:
        if level is not None:
            axes.axvline(level, color=_colour(name), linewidth=1.6, linestyle=_style(name))


def _at_the_edge(axes: Axes, place: int, text: str) -> None:
    """A group's number in a column of its own, where no line runs."""
    axes.annotate(
        text,
        (1.0, place),
        xycoords=("axes fraction", "data"),
        ha="right",
        va="center",
        color=INK,
        size=SMALL_POINTS,
    )


def _baselines(figure: Figure, against: Sequence[Group]) -> None:
    """What the lines are, in their colours, above either panel: the universe left, the benchmark right."""
    for box, dress in ((_HITS, _rate_text), (_MEANS, lambda group: points(group.mean_gap))):
        left, _, width, _ = box
        for each in against:
            left_side = each.name == UNIVERSE
            x = left * WIDTH - 28 if left_side else (left + width) * WIDTH
            text = f"{mono(each.name, 9)} {dress(each)}"
            style = {"color": _colour(each.name), "ha": "left" if left_side else "right"}
            write(figure, x, _BASELINE_Y * HEIGHT, text, size=SMALL_POINTS, **style)


def _rate_text(group: Group) -> str:
    return f"{whole_percent(group.hit_rate)} %"


def _colour(name: str) -> str:
    return INK if name == UNIVERSE else HV_COLOUR


def _style(name: str) -> tuple[int, tuple[int, ...]] | str:
    return "-" if name == UNIVERSE else (0, (5, 4))


def _in_points(group: Group) -> float | None:
    mean = known(group.mean_gap)
    return None if mean is None else 100.0 * mean


def _starred(group: Group, least: int) -> str:
    return mono(shown_name(group.name), 15) + (SMALL if is_small(group, least) else "")


def _told(group: Group, least: int) -> str:
    small = " (small sample)" if is_small(group, least) else ""
    name = clean(group.name, 30).replace("_", " ").removeprefix(REGIME)
    return f"{name}{small} {_figures(group)}"


def _figures(group: Group) -> str:
    low, high = whole_percent(group.ci_low), whole_percent(group.ci_high)
    return f"{whole_percent(group.hit_rate)} % ({low} to {high}), {points(group.mean_gap)} points"
