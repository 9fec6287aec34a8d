"""Which long goes with which short: pairing along a line of strikes or of expirations."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from engine.portfolio.book import Right
from engine.portfolio.strategies.lots import Contract, Pool, Side

Pairs = list[tuple[float, float, float]]
"""(one, other, how many), places on the line."""


class Spread(NamedTuple):
    """A long and a short option of one right, and how often they go together."""

    long: Contract
    short: Contract
    many: float

    @property
    def is_credit(self) -> bool:
        """Whether the short strike is the dearer one: the higher put, the lower call."""
        return (self.long.strike < self.short.strike) == (self.long.right == "P")

    @property
    def width(self) -> float:
        """Distance of the strikes."""
        return abs(self.long.strike - self.short.strike)


def nested(openers: Side, closers: Side) -> Pairs:
    """Each closer with the nearest free opener at or below it, as brackets close.

    That is what pairing the two nearest places first, again and again, comes to. It leaves no opener
    below a closer unpaired, and it is done in one pass.
    """
    line = sorted(
        [(place, 0, many) for place, many in openers] + [(place, 1, many) for place, many in closers]
    )
    pairs: Pairs = []
    opened: list[tuple[float, float]] = []
    for place, closes, many in line:
        if not closes:
            opened.append((place, many))
            continue
        while many > 0 and opened:
            opener, free = opened.pop()
            used = min(many, free)
            pairs.append((opener, place, used))
            many -= used
            if free > used:
                opened.append((opener, free - used))
    return pairs


def left(side: Side, used: list[tuple[float, float]]) -> Side:
    """What a side holds beyond what was used of it."""
    free = dict(side)
    for place, many in used:
        free[place] -= many
    return [(place, many) for place, many in free.items() if many > 0]


def opposed(longs: Side, shorts: Side, long_first: bool) -> Pairs:
    """Longs with shorts either way round, (long, short, how many); none is left that could be paired.

    Two ways are tried, long below short and short below long. First comes the way under which more
    pairs, then the narrower one, then long below short if `long_first` says so; the other takes the rest.
    A book of spreads of one kind so comes out as those spreads, not as others across them.
    """
    ways = {below: _agreement(_one_way(longs, shorts, below)) for below in (long_first, not long_first)}
    return both_ways(longs, shorts, max(ways, key=ways.__getitem__))


def both_ways(longs: Side, shorts: Side, long_below: bool) -> Pairs:
    """One way round as far as it goes, then the other for the rest; (long, short, how many)."""
    first = _one_way(longs, shorts, long_below)
    more_longs = left(longs, [(long, many) for long, _, many in first])
    more_shorts = left(shorts, [(short, many) for _, short, many in first])
    return first + _one_way(more_longs, more_shorts, not long_below)


def _one_way(longs: Side, shorts: Side, long_below: bool) -> Pairs:
    if long_below:
        return nested(longs, shorts)
    return [(long, short, many) for short, long, many in nested(shorts, longs)]


def _agreement(pairs: Pairs) -> tuple[float, float]:
    width = sum(abs(long - short) * many for long, short, many in pairs)
    return (sum(many for _, _, many in pairs), -round(width, 6))


def spreads(pool: Pool, expiration: date, right: Right) -> list[Spread]:
    """The verticals that the free options of one expiration and right make; credits go first in a tie."""
    pairs = opposed(
        pool.side(expiration, right, 1), pool.side(expiration, right, -1), long_first=right == "P"
    )
    return [
        Spread(Contract(expiration, right, long), Contract(expiration, right, short), many)
        for long, short, many in pairs
    ]


def guarded(pool: Pool, near: date, far: date, right: Right) -> list[Spread]:
    """Shorts of the near expiration with longs of the far one, at the same strike or further out."""
    pairs = _one_way(pool.side(far, right, 1), pool.side(near, right, -1), long_below=right == "P")
    return [
        Spread(Contract(far, right, long), Contract(near, right, short), many) for long, short, many in pairs
    ]
