"""Packages in one breath, `55P/65C` or `50P/55P/65C/70C`: which legs they are and how one price is shared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from engine.portfolio.book import Right
from engine.portfolio.reading.typed import RefusalError, right_of

Way = Literal["credit", "debit"]
_STRIKE = re.compile(r"\$?([CP])?\$?([0-9]{1,7}(?:\.[0-9]{0,4})?|\.[0-9]{1,4})([A-Z]{1,5})?")


@dataclass(frozen=True, slots=True)
class Part:
    """One leg of a package: how often it is held when the package is bought once, negative is sold."""

    right: Right
    strike: float
    ratio: int


@dataclass(frozen=True, slots=True)
class Package:
    """What a list of strikes means. `way` is what a bought one costs or brings; None where it depends."""

    name: str
    parts: tuple[Part, ...]
    way: Way | None


_WORD_RIGHTS: dict[str, tuple[tuple[Right, ...], tuple[int, ...]]] = {
    "straddle": (("P", "C"), (0, 0)),
    "strangle": (("P", "C"), (0, 1)),
    "iron condor": (("P", "P", "C", "C"), (0, 1, 2, 3)),
    "iron fly": (("P", "P", "C", "C"), (0, 1, 1, 2)),
}
"""Words that say the rights of bare strikes, and which of them each leg takes: `55/65 strangle`."""
_SAME = {
    "straddle": {"straddle"},
    "strangle": {"strangle"},
    "vertical": {"vertical"},
    "butterfly": {"butterfly"},
    "condor": {"condor"},
    "iron condor": {"iron condor", "condor"},
    "iron fly": {"iron fly"},
    "single": set[str](),
}
"""What a person may call each package."""


def package(text: str, word: str | None) -> Package:
    """The package of one token of strikes: `60P`, `55P/65C`, `560/570P`, `55/65` with the word strangle.

    A bare strike takes the right of the next one that has one. Raises RefusalError where the strikes are
    no package, or not the one the word names.
    """
    strikes = [_strike(piece) for piece in text.split("/")]
    rights = [right for right, _ in strikes]
    if word in _WORD_RIGHTS and not any(rights):
        strikes = _by_word(word, [strike for _, strike in strikes])
    for place in range(len(strikes) - 2, -1, -1):
        right, strike = strikes[place]
        strikes[place] = (right or strikes[place + 1][0], strike)
    known = [(right, strike) for right, strike in strikes if right is not None]
    if len(known) != len(strikes):
        raise RefusalError("a strike has no right: write 60P for a put, 60C for a call")
    found = _recognised(known)
    if word is not None and word not in _SAME[found.name]:
        raise RefusalError(f"the strikes are no {word}" + _instead(found))
    return found


def _instead(found: Package) -> str:
    if found.name == "single":
        return ": there is one leg only"
    return f" but {'an' if found.name[0] in 'aeiou' else 'a'} {found.name}"


def _strike(piece: str) -> tuple[Right | None, float]:
    match = _STRIKE.fullmatch(piece)
    if match is None:
        raise RefusalError("a strike cannot be read: write 60P, or 55P/65C for several")
    before, digits, after = match.groups()
    right = right_of(before or after or "")
    if (before and after) or (after and right is None):
        raise RefusalError("a strike's right is C or P, such as 60P")
    return right, float(digits)


def _by_word(word: str, strikes: Sequence[float]) -> list[tuple[Right | None, float]]:
    rights, places = _WORD_RIGHTS[word]
    wanted = max(places) + 1
    if len(strikes) != wanted:
        amount = "one strike" if wanted == 1 else f"{wanted} strikes"
        raise RefusalError(f"a {word} without rights has {amount}".replace("a iron", "an iron"))
    return [(right, strikes[place]) for right, place in zip(rights, places, strict=True)]


def _recognised(strikes: Sequence[tuple[Right, float]]) -> Package:
    rights = "".join(right for right, _ in strikes)
    if len(set(strikes)) != len(strikes):
        raise RefusalError("two of its legs are the same contract")
    if len(strikes) == 1:
        return Package("single", (Part(*strikes[0], 1),), "debit")
    if rights in {"PC", "CP"}:
        return _pair(strikes)
    if rights in {"PP", "CC"}:
        return _vertical(strikes)
    ordered = sorted(strikes, key=lambda each: each[1])
    if rights in {"PPP", "CCC"}:
        return _with("butterfly", ordered, (1, -2, 1))
    if rights in {"PPPP", "CCCC"}:
        return _with("condor", ordered, (1, -1, -1, 1))
    if sorted(rights) == ["C", "C", "P", "P"]:
        return _iron(strikes)
    raise RefusalError("these strikes are no package known here: write every leg with its own quantity")


def _pair(strikes: Sequence[tuple[Right, float]]) -> Package:
    name = "straddle" if strikes[0][1] == strikes[1][1] else "strangle"
    return _with(name, strikes, (1, 1))


def _vertical(strikes: Sequence[tuple[Right, float]]) -> Package:
    (right, first), (_, second) = strikes
    # Of two puts the higher strike costs more, of two calls the lower.
    first_dearer = (first > second) == (right == "P")
    return _with("vertical", strikes, (1, -1), "debit" if first_dearer else "credit")


def _iron(strikes: Sequence[tuple[Right, float]]) -> Package:
    """Bought: the inner strikes bought, the outer sold; so a sold one is what everybody means by it."""
    low_put, high_put = sorted(strike for right, strike in strikes if right == "P")
    low_call, high_call = sorted(strike for right, strike in strikes if right == "C")
    if high_put > low_call:
        raise RefusalError("in an iron condor the puts lie below the calls: 50P/55P/65C/70C")
    ordered: list[tuple[Right, float]] = [("P", low_put), ("P", high_put), ("C", low_call), ("C", high_call)]
    return _with("iron fly" if high_put == low_call else "iron condor", ordered, (-1, 1, 1, -1))


def _with(
    name: str, strikes: Sequence[tuple[Right, float]], ratios: Sequence[int], way: Way | None = "debit"
) -> Package:
    parts = tuple(Part(right, strike, ratio) for (right, strike), ratio in zip(strikes, ratios, strict=True))
    # A bought butterfly or condor with unequal wings may bring money as well as cost it.
    even = name not in {"butterfly", "condor"} or _even([part.strike for part in parts])
    return Package(name, parts, way if even else None)


def _even(strikes: Sequence[float]) -> bool:
    return abs((strikes[1] - strikes[0]) - (strikes[-1] - strikes[-2])) < 1e-9


def shared(price: Decimal, ratios: Sequence[float], way: Way) -> tuple[float, ...]:
    """A package's price by leg, so that the whole is exact.

    A credit is shared evenly over what is sold, a debit over what is bought, in its own last decimal (at
    least cents), the first ones taking what is left over; the other legs stand at 0. So
    sum(ratio * price) = -credit or +debit. Ratios are those of the legs as held; price of one package.
    Raises RefusalError when nothing is sold for a credit, or bought for a debit.
    """
    sign = -1 if way == "credit" else 1
    bearers = [place for place, ratio in enumerate(ratios) if ratio * sign > 0]
    if not bearers:
        raise RefusalError(f"a {way} needs a leg that is {'sold' if way == 'credit' else 'bought'}")
    exponent = price.as_tuple().exponent
    unit = Decimal(1).scaleb(min(exponent if isinstance(exponent, int) else 0, -2))
    even, left = divmod(int(price / unit), len(bearers))
    prices = [0.0] * len(ratios)
    for count, place in enumerate(bearers):
        whole = (even + (count < left)) * unit
        prices[place] = float(whole / Decimal(str(abs(ratios[place]))))
    return tuple(prices)
