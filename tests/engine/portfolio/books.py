"""Small books written as a trader would note them: `-2 60P, +1 jan 65C, 100 shares @ 61.2`."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

from engine.portfolio.book import Leg, Right
from engine.portfolio.strategies import Position, group

MONTHS = {"dec": date(2026, 12, 18), "jan": date(2027, 1, 15), "feb": date(2027, 2, 19)}


def a_leg(text: str, symbol: str = "KO", together: str = "") -> Leg:
    """One leg; without a month it is December's, `@` comes before what it was opened at."""
    words, _, price = text.strip().partition(" @ ")
    quantity, *month, what = words.split()
    paid = float(price) if price else None
    if what == "shares":
        return Leg(symbol, "shares", float(quantity), open_price=paid, multiplier=1.0, group=together)
    right: Right = "P" if what[-1] == "P" else "C"
    day = MONTHS[month[0] if month else "dec"]
    return Leg(symbol, "option", float(quantity), day, float(what[:-1]), right, paid, group=together)


def a_book(text: str, together: str = "") -> list[Leg]:
    """Legs separated by commas."""
    return [a_leg(each, together=together) for each in text.split(",")]


def names(legs: Sequence[Leg]) -> list[str]:
    """What the book consists of: `short strangle`, `2 short put`, in alphabetical order."""
    return sorted(named(each) for each in group(legs))


def named(position: Position) -> str:
    """The strategy, with its units in front when it is not one."""
    return position.strategy if position.units == 1 else f"{position.units:g} {position.strategy}"


def content(position: Position, legs: Sequence[Leg]) -> tuple[object, ...]:
    """A position told by what it is made of, not by where its legs stand."""
    parts = Counter((legs[place].text, legs[place].group, many) for place, many in position.parts)
    return (position.symbol, position.strategy, position.units, frozenset(parts.items()))
