"""What stands under the figures of a book: what is left out of them, what comes near, how sure they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from bot.cards.portfolio_words import counted_name, leg_text, worded
from bot.cards.table import grouped
from bot.cards.text import escaped, listed, plural
from engine.portfolio.result import LegView, PositionView

UNVALUED = {
    "expired": "expired",
    "unknown underlying": "no such name in this market",
    "no quotes": "no quotes",
    "not listed": "not in the chain",
    "adjusted contract": "adjusted contracts are not valued",
    "future": "futures are not valued",
    "future option": "options on futures are not valued",
}
"""Why a leg has no value, in words."""
_MARKS = {
    "half of ask": "at half of the ask, where nobody bids",
    "model": "by the formulas, without a quote of use",
    "intrinsic": "at intrinsic value",
}
_VOLS = {
    "other right": "from the other right at the strike",
    "smile": "from the smile of the expiration",
    "term": "from other expirations",
    "iv30": "from the name's IV30",
}
_TOLD = re.compile(r"volatility (?!from a quote)|.*\bmarked (?:by|at) ")
"""Flags that say of one leg what the counts of marks and volatilities say of all."""
_AHEAD = re.compile(r"earnings in (\d+) days, before the nearest expiration")
_REMARK_LENGTH = 150
_NAMED = 4
_REMARKS = 6


def left_out(positions: Iterable[PositionView]) -> tuple[str, ...]:
    """The legs that could not be valued, by reason: a line each."""
    found: dict[str, list[LegView]] = {}
    for position in positions:
        for view in position.legs:
            if view.status != "valued":
                found.setdefault(view.status, []).append(view)
    return tuple(
        f"**Not valued** {plural(_legs(views), 'leg')}, {UNVALUED.get(status, escaped(status))}: "
        f"{listed((escaped(leg_text(view)) for view in views), _NAMED)}."
        for status, views in found.items()
    )


def _legs(views: Iterable[LegView]) -> int:
    """How many legs of the book these are: one that positions share is one object, with a part in each."""
    return len({id(view.leg) for view in views})


def sureness(positions: Sequence[PositionView]) -> tuple[str, ...]:
    """How many legs are marked, or have their volatility, by something else than their own quotes."""
    views = [(each.symbol, view) for each in positions for view in each.legs if view.status == "valued"]
    said = (
        ("Marks", _methods(views, _MARKS, lambda view: view.mark_method)),
        ("Volatility", _methods(views, _VOLS, lambda view: view.vol_method)),
    )
    return tuple(f"**{what}** {'; '.join(methods)}." for what, methods in said if methods)


def _methods(
    views: Sequence[tuple[str, LegView]], words: dict[str, str], of: Callable[[LegView], str]
) -> list[str]:
    """`2 of 5 legs from the smile of the expiration (IWM, KO)`, then `1 from ...`, a text a method."""
    found: dict[str, list[LegView]] = {}
    names: dict[str, list[str]] = {}
    for symbol, view in views:
        found.setdefault(of(view), []).append(view)
        names.setdefault(of(view), []).append(escaped(symbol, 20))
    whole = f" of {plural(_legs(view for _, view in views), 'leg')}"
    methods = [method for method in words if method in found]
    return [
        f"{grouped(_legs(found[method]))}{'' if place else whole} {words[method]} "
        f"({listed(dict.fromkeys(names[method]), _NAMED)})"
        for place, method in enumerate(methods)
    ]


def reports(positions: Iterable[PositionView]) -> tuple[str, ...]:
    """Names that report before a position's nearest expiration, the next first; where no rule says so yet."""
    days: dict[str, int] = {}
    for position in positions:
        if any(tag.name == "EARNINGS" for tag in position.triage):
            continue
        for found in filter(None, map(_AHEAD.fullmatch, position.flags)):
            days[position.symbol] = int(found[1])
    if not days:
        return ()
    ordered = sorted(days.items(), key=lambda each: (each[1], each[0]))
    said = listed((f"{escaped(symbol, 20)} {ahead}" for symbol, ahead in ordered), 2 * _NAMED)
    return (f"**Earnings before the nearest expiration, in days** {said}.",)


def remarks(positions: Iterable[PositionView]) -> tuple[str, ...]:
    """Every other fact once, with the names it is of; what a fact is explained by, where it is the same."""
    names: dict[str, list[str]] = {}
    whys: dict[str, list[str]] = {}
    for position in positions:
        # What could not be valued at all is told with its reason already.
        if not any(view.status == "valued" for view in position.legs):
            continue
        for flag in position.flags:
            if not (_TOLD.match(flag) or _AHEAD.fullmatch(flag)):
                fact, _, why = flag.partition(": ")
                names.setdefault(fact, []).append(escaped(position.symbol, 20))
                whys.setdefault(fact, []).append(why)
    said = []
    for fact, of in names.items():
        why = whys[fact][0] if len(set(whys[fact])) == 1 else ""
        text = worded(", ".join(filter(None, (fact, why))), _REMARK_LENGTH)
        said.append(f"{listed(dict.fromkeys(of), _NAMED)}: {text}")
    return (f"**Remarks** {'; '.join(said[:_REMARKS])}{_more(said)}.",) if said else ()


def lacking(positions: Iterable[PositionView]) -> tuple[str, ...]:
    """Positions with a value whose profit or loss, Alpha-Theta or weighted delta is not known, and why."""
    held = [each for each in positions if any(view.status == "valued" for view in each.legs)]
    options = [each for each in held if any(view.leg.is_option for view in each.legs)]
    kinds = (
        ("P/L", "no opening price, or no mark", [each for each in held if each.pl is None]),
        (
            "Alpha-Theta",
            "no IV30, or no realized volatility",
            [each for each in options if each.alpha_theta is None],
        ),
        ("Weighted delta", "no beta", [each for each in held if each.beta_delta is None]),
    )
    return tuple(
        f"**{what}** not known ({why}): {listed(dict.fromkeys(map(counted_name, found)), _NAMED)}."
        for what, why, found in kinds
        if found
    )


def _more(said: Sequence[str]) -> str:
    rest = len(said) - _REMARKS
    return f" and {rest} more" if rest > 0 else ""
