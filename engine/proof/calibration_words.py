"""A calibration in words, bars and cells: the same on a terminal and on a card."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from engine.proof.calibration import (
    BAND_CANDIDATES,
    BAND_MEAN,
    BAND_PASS_RATE,
    BAND_SD,
    EDGES,
    LONG_RUN_RATIO,
    Calibration,
    Direction,
    Distribution,
    LensFigures,
    Trigger,
)
from engine.proof.lenses import Move
from engine.proof.whatif import WhatIf

Number = Callable[[float | None, int], str]
"""A number with so many decimals, in the reader's dress; `?` for None."""

NOTHING_CHANGED = "Nothing was changed: a threshold moves only when a person moves it."
CONTRADICTION = (
    "The triggers contradict each other: one asks to raise thresholds, another to lower them. No threshold "
    "follows from the two together."
)
COLUMNS = (
    *("symbol", "iv30", "hv90", "hv252", "vrp_structural", "structural_252", "ratio"),
    *("structural_quarterly", "tactical_quarterly", "structural_yearly", "tactical_yearly"),
    *("passes_quarterly", "passes_yearly", "candidate"),
)
_KEYS = {
    "vrp_structural_threshold": "structural",
    "vrp_structural_rich_threshold": "rich",
    "vrp_tactical_threshold": "tactical",
}
_DOING: Mapping[Direction, str] = {"raise": "raising", "lower": "lowering"}
_MOST_NAMED = 8


def plain(value: float | None, decimals: int = 2) -> str:
    """A number for a terminal."""
    return "?" if value is None else f"{round(value, decimals) + 0.0:,.{decimals}f}"


def shortest(value: float, number: Number, most: int = 4) -> str:
    """A threshold with two decimals, or with more where it has them: 1.10, 1.265."""
    places = next((p for p in range(2, most) if abs(round(value, p) - value) < 1e-9), most)
    return number(value, places)


def counted(value: float, number: Number) -> str:
    """A count of names a close: whole where it is, with one decimal where it is a mean."""
    return number(value, 0 if float(value).is_integer() else 1)


def own_figures(c: Calibration) -> LensFigures:
    """The figures of the lens in force, of the quarterly one under consensus."""
    return c.yearly if c.lens == "yearly" else c.quarterly


def context(number: Number = plain) -> str:
    """What a ratio is to be read beside."""
    return (
        f"The long-run median of HV252/HV90 on the S&P 500 is {number(LONG_RUN_RATIO, 2)}, so a ratio below "
        f"{number(1.1, 2)} is the ordinary state; the {number(1.3, 2)} of the method ({number(1.27, 2)} when "
        "reckoned anew) is one day of 13 names. The figures are reported, a person decides."
    )


def ratio_words(c: Calibration, number: Number = plain) -> str:
    """Both means, their ratio, the median name's ratio and the reference, in one sentence."""
    if c.ratio is None:
        return "No name has both IV30/HV90 and IV30/HV252, so there is no ratio of the two lenses."
    return (
        f"Mean IV30/HV90 {number(c.mean_quarterly, 3)} over mean IV30/HV252 {number(c.mean_yearly, 3)} is "
        f"{number(c.ratio, 3)}; the median name's own ratio is {number(c.median_ratio, 3)}, the reference "
        f"{number(c.reference_ratio, 2)}."
    )


def band_words(c: Calibration, number: Number = plain) -> str:
    """What the method calls success, and what was found."""
    figures = own_figures(c)
    share, spread = figures.structural.share, figures.distribution
    low, high = (number(100 * each, 0) for each in BAND_PASS_RATE)
    rate = number(None if share is None else 100 * share, 0)
    return (
        f"Success in the method: {BAND_CANDIDATES[0]} to {BAND_CANDIDATES[1]} candidates, {low} to {high} % "
        f"pass the structural gate, VRP about {number(BAND_MEAN, 1)} with a deviation about "
        f"{number(BAND_SD, 1)}. Here: {counted(c.candidates, number)} candidates, {rate} %, "
        f"{number(spread.mean, 2)} and {number(spread.sd, 2)}."
    )


def trigger_words(trigger: Trigger, c: Calibration, number: Number = plain) -> str:
    """What fired, against which limit, and what it suggests."""
    if trigger.name == "drift":
        percent = number(100 * abs(trigger.value / c.reference_ratio - 1), 1)
        return (
            f"The ratio {number(trigger.value, 3)} has drifted {percent} % from the reference "
            f"{number(c.reference_ratio, 2)}, beyond {number(trigger.limit, 3)}: a reason for this full "
            "diagnostic; no threshold follows from it."
        )
    is_ratio = trigger.name.startswith("ratio")
    value = number(trigger.value, 3) if is_ratio else counted(trigger.value, number)
    limit = number(trigger.limit, 2 if is_ratio else 0)
    side = "above" if trigger.direction == "raise" else "below"
    subject = f"The ratio {value} is" if is_ratio else f"{value} candidates are"
    return (
        f"{subject} {side} {limit}: the method suggests {_DOING[trigger.direction]} "
        f"{_moves(trigger.moves, number)}. {_effect(trigger, c, number)}"
    )


def _moves(moves: Sequence[Move], number: Number) -> str:
    lenses = dict.fromkeys(move.lens for move in moves)
    parts = []
    for lens in lenses:
        steps = (
            f"{_KEYS[move.key]} {shortest(move.before, number)} to {shortest(move.after, number)}"
            for move in moves
            if move.lens == lens
        )
        parts.append(f"the {lens} thresholds ({', '.join(steps)})")
    return " and ".join(parts)


def _effect(trigger: Trigger, c: Calibration, number: Number) -> str:
    if c.lens == "yearly" and all(move.lens != "yearly" for move in trigger.moves):
        return "The yearly lens in force does not use them."
    assert trigger.candidates is not None
    return (
        f"With them {counted(trigger.candidates, number)} names would pass every gate instead of "
        f"{counted(c.candidates, number)}."
    )


def silence_words(c: Calibration) -> str:
    """Why there is no trigger, or that none fired; empty when one did."""
    if c.silence is not None:
        return c.silence
    return "" if c.fired else "No trigger fires: the thresholds need no look by these rules."


def missing_words(c: Calibration) -> str:
    """What was left out, by the first input lacking; empty when nothing was."""
    unit = "name" if len(c.days) == 1 else "name-day"
    parts = [f"{count} without {name}" for name, count in c.missing.items()]
    words = f"Left out of the ratio, by {unit}: {', '.join(parts)}. " if parts else ""
    if c.fallen_back and c.lens == "quarterly":
        words += f"{c.fallen_back} without HV90 judged by the yearly lens in the list. "
    return words.rstrip()


def disagreement_words(c: Calibration) -> tuple[str, ...]:
    """Names of the newest close that pass both premium gates under one lens only."""
    found = []
    for lens in ("quarterly", "yearly"):
        names = c.one_lens_only("quarterly" if lens == "quarterly" else "yearly")
        found.append(f"Pass under the {lens} lens only: {len(names)}{_named(names)}.")
    return tuple(found)


def what_if_words(each: WhatIf, number: Number = plain) -> str:
    """Its thresholds and whom they would hold for."""
    parts = (
        f"{part.label}: {'?' if part.threshold is None else shortest(part.threshold, number, 3)}, "
        f"{counted(part.passing, number)} of {counted(part.n, number)}"
        for part in each.parts
    )
    return "; ".join(parts)


def changed_words(each: WhatIf) -> str:
    """Names whose structural verdict would change; `none`."""
    parts = []
    if each.gained:
        parts.append(f"{len(each.gained)} more{_named(each.gained)}")
    if each.lost:
        parts.append(f"{len(each.lost)} fewer{_named(each.lost)}")
    return "; ".join(parts) or "the same names"


def _named(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_MOST_NAMED])
    rest = len(names) - _MOST_NAMED
    return f" ({shown}{f' and {rest} more' if rest > 0 else ''})" if names else ""


def bars(found: Distribution, width: int, number: Number = plain) -> tuple[str, ...]:
    """The histogram as lines of at most `width` columns: lower edge of the bin, bar, count."""
    edges = [number(edge, 2) for edge in EDGES]
    labels = [f"<{edges[0]}", *edges[:-1], f">={edges[-1]}"]
    digits = len(str(max(found.counts)))
    room, most = width - 8 - digits, max(*found.counts, 1)
    filled = [(room * count + most - 1) // most for count in found.counts]
    return tuple(
        f"{label:>6} {'#' * fill:<{room}} {count:>{digits}}"
        for label, fill, count in zip(labels, filled, found.counts, strict=True)
    )


def cells(c: Calibration) -> Iterable[tuple[object, ...]]:
    """A line a name in the order of COLUMNS; volatilities as fractions, missing None."""
    for each in c.names:
        yield (
            *(each.symbol, each.iv30, each.hv90, each.hv252, each.quarterly, each.yearly, each.ratio),
            *(each.structural_quarterly, each.tactical_quarterly),
            *(each.structural_yearly, each.tactical_yearly),
            *(each.passes("quarterly"), each.passes("yearly"), each.candidate),
        )
