"""A scorecard on a terminal: its tables, and what they mean in footnotes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.box import Box
from rich.console import Group as Together
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from engine.console import MISSING
from engine.proof.result import Group, Scorecard

NO_CLAIM = (
    "It tells whether IV30 stood above the movement that followed; it is no claim of profit. "
    "Costs and the way to the end of a window are not in it. Information, not advice."
)
_RULED = Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")
_TITLES = ("Group", "n", "Eff. n", "Hit %", "95 % interval", "Mean", "Median", "Worst", "Over universe")
_NAMED = 8


def scorecard_sheet(card: Scorecard, title: str = "Scorecard") -> RenderableType:
    """Heading, groups with the baselines below a rule, whipsaw and footnotes; gaps in points."""
    parts: list[RenderableType] = [_heading(card, title), Text()]
    if any(group.n for group in card.groups):
        parts += [groups_table(card.groups, card.baselines, _least(card.settings)), Text()]
    else:
        parts.append(Text("No observation has an outcome yet."))
    parts.append(Text("\n".join(whipsaw_words(card))))
    return Together(*parts, Text(), Text("\n".join(footnotes(card)), style="dim"))


def groups_table(groups: Sequence[Group], baselines: Sequence[Group] = (), least: float = 0.0) -> Table:
    """A line a group, baselines below a rule; an effective n below `least` has a star."""
    table = Table(box=_RULED, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for title in _TITLES:
        table.add_column(title, justify="left" if title == "Group" else "right", no_wrap=True)
    for place, group in enumerate((*groups, *baselines), start=1):
        table.add_row(*_cells(group, least), end_section=bool(baselines) and place == len(groups))
    return table


def points(gap: float | None) -> str:
    """A gap as points of volatility with its sign: 0.0411 is +4.11; `?` for missing."""
    # Rounded first, so that nothing shows as -0.00.
    return MISSING if gap is None else f"{round(100 * gap, 2) + 0.0:+.2f}"


def whipsaw_words(card: Scorecard) -> list[str]:
    """A sentence a lens."""
    within = card.settings.get("whipsaw_sessions", MISSING)
    lines = []
    for each in card.whipsaw:
        if each.share is None:
            lines.append(f"Whipsaw, {each.lens} lens: no listed name with {within} sessions after it yet.")
        else:
            share = f"{100 * each.share:.1f} % of {each.n:,} listed name-days"
            lines.append(f"Whipsaw, {each.lens} lens: {share} left the list within {within} sessions.")
    return lines


def footnotes(card: Scorecard) -> list[str]:
    """What the figures mean, which are thin, what is not in them yet and what never will be."""
    horizon, least = card.settings.get("horizon_sessions", MISSING), _least(card.settings)
    lines = [
        f"Gap: IV30 at entry less the movement of the next {horizon} sessions, sqrt(252 mean r^2), in points "
        "of volatility; a hit is a gap above 0. Over universe: mean less that of all names on the same days.",
        "Windows overlap and names move together: eff. n is how many independent observations a group is "
        "worth, and the Wilson interval of the hit rate is taken at it.",
    ]
    small = [group.name for group in card.groups if 0 < group.effective_n < least]
    if small:
        lines.append(f"*: small sample, worth fewer than {least:g} independent observations: {_some(small)}.")
    if card.settings.get("median", "exact") != "exact":
        lines.append(f"Medians are {card.settings['median']}.")
    if card.waiting:
        lines.append(f"Waiting for the end of their window: {card.waiting:,} observations.")
    if card.lost:
        reasons = ", ".join(f"{reason} {count:,}" for reason, count in card.lost.items())
        lines.append(f"Without an outcome for good: {reasons}.")
    return [*lines, NO_CLAIM]


def _heading(card: Scorecard, title: str) -> Text:
    text = Text(title, style="bold")
    every = card.groups[0] if card.groups else None
    if card.first is None or card.last is None or every is None:
        return text
    text.append(f" · {card.first} to {card.last}")
    counts = (every.n, "observation"), (every.names, "name"), (every.sessions, "session")
    told = [f"{count:,} {noun}" + ("" if count == 1 else "s") for count, noun in counts]
    spread = f"{told[0]} of {told[1]} on {told[2]}"
    parts = [f"{card.settings[key]} {key}" for key in ("lens", "profile") if key in card.settings]
    return text.append("\n" + " · ".join([spread, *parts]), style="not bold")


def _cells(group: Group, least: float) -> tuple[Text | str, ...]:
    if group.n == 0:
        return (Text(group.name, style="dim"), "0", *[MISSING] * (len(_TITLES) - 2))
    star = "*" if group.effective_n < least else " "
    interval = f"{_percent(group.ci_low)}..{_percent(group.ci_high)}"
    return (
        Text(group.name),  # As Text: a ticker of a file is no markup.
        f"{group.n:,}",
        f"{group.effective_n:,.0f}{star}",
        _percent(group.hit_rate),
        interval,
        *map(points, (group.mean_gap, group.median_gap, group.worst, group.over_universe)),
    )


def _percent(share: float | None) -> str:
    return MISSING if share is None else f"{100 * share:.1f}"


def _least(settings: Mapping[str, Any]) -> float:
    return float(settings.get("small_sample_below", 0.0))


def _some(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
