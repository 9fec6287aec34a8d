"""The shapes that have a name, each taken from a pool wherever it fits. The order of STAGES decides.

Every function takes all of its kind that the pool holds and leaves the rest. docs/decisions/0015.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from itertools import pairwise

from engine.portfolio.book import CONTRACT_SIZE, Right
from engine.portfolio.strategies.lots import SHARES, Contract, Pool, Side, Sign
from engine.portfolio.strategies.pairing import Spread, both_ways, guarded, nested, opposed, spreads

RIGHTS: tuple[Right, Right] = ("P", "C")
SIGNS: tuple[Sign, Sign] = (1, -1)
WORD: dict[Right, str] = {"P": "put", "C": "call"}


def butterflies(pool: Pool) -> None:
    """Two in the middle against one on either side: equal wings first, the nearest first."""
    for broken in (False, True):
        for expiration in pool.expirations:
            for right in RIGHTS:
                _butterflies(pool, expiration, right, 1, broken)
                _butterflies(pool, expiration, right, -1, broken)


def _butterflies(pool: Pool, expiration: date, right: Right, wing: Sign, broken: bool) -> None:
    kind = "broken-wing butterfly" if broken else "butterfly"
    name = f"short {kind}" if wing < 0 else kind if broken else f"long {kind}"
    bodies = pool.side(expiration, right, -1 if wing > 0 else 1)
    for body in [strike for strike, many in bodies if many >= 2]:
        while (found := _wings(pool.side(expiration, right, wing), body, broken)) is not None:
            low, high = (Contract(expiration, right, strike) for strike in found)
            middle = Contract(expiration, right, body)
            if not pool.form(name, {low: wing, middle: -2 * wing, high: wing}):
                break


def _wings(side: Side, body: float, broken: bool) -> tuple[float, float] | None:
    below = {round(body - strike, 6): strike for strike, _ in side if strike < body}
    above = {round(strike - body, 6): strike for strike, _ in side if strike > body}
    if broken:
        return (below[min(below)], above[min(above)]) if below and above else None
    equal = below.keys() & above.keys()
    return (below[min(equal)], above[min(equal)]) if equal else None


def irons(pool: Pool) -> None:
    """A spread of puts and a spread of calls, both for a credit or both for a debit, not overlapping."""
    for expiration in pool.expirations:
        puts, calls = (spreads(pool, expiration, right) for right in RIGHTS)
        _join(pool, [p for p in puts if p.is_credit], [c for c in calls if c.is_credit], _iron)
        _join(pool, [p for p in puts if not p.is_credit], [c for c in calls if not c.is_credit], _iron)


def _iron(put: Spread, call: Spread) -> str:
    fly = _inner(put) == _inner(call)
    return ("" if put.is_credit else "long ") + ("iron fly" if fly else "iron condor")


def _inner(spread: Spread) -> float:
    """The strike that faces the other spread; the short one where long and short share it."""
    strikes = (spread.short.strike, spread.long.strike)
    return max(strikes) if spread.short.right == "P" else min(strikes)


def _join(pool: Pool, puts: list[Spread], calls: list[Spread], name: Callable[[Spread, Spread], str]) -> None:
    """Put spreads with call spreads that do not overlap: the most alike in width, then the innermost."""
    free = {spread: spread.many for spread in (*puts, *calls)}
    pairs = [
        (round(abs(put.width - call.width), 6), _inner(call) - _inner(put), put, call)
        for put in puts
        for call in calls
        if _inner(call) >= _inner(put)
    ]
    for _, _, put, call in sorted(pairs):
        if many := min(free[put], free[call]):
            shape = {put.long: 1, put.short: -1, call.short: -1, call.long: 1}
            taken = pool.form(name(put, call), shape, most=many)
            free[put] -= taken
            free[call] -= taken


def lizards(pool: Pool) -> None:
    """A short option and, beyond it, a credit spread of the other right; at one strike it is the big one.

    The short option is one that neither a long of its own kind nor the shares at hand go with.
    """
    for expiration in pool.expirations:
        for right in RIGHTS:
            hedging = pool.shares if right == "P" else -pool.shares
            credits = [each for each in spreads(pool, expiration, right) if each.is_credit]
            if hedging < CONTRACT_SIZE:
                for spread in sorted(credits, key=_inner, reverse=right == "P"):
                    _lizards(pool, spread)


def _lizards(pool: Pool, spread: Spread) -> None:
    against = spread.short
    single: Right = "P" if against.right == "C" else "C"
    naked = -pool.net(against.expiration, single)
    singles = [strike for strike, _ in pool.side(against.expiration, single, -1)]
    inside = [k for k in singles if (k <= against.strike if single == "P" else k >= against.strike)]
    many = min(spread.many, naked)
    for strike in sorted(inside, key=lambda k: abs(k - against.strike)):
        kind = "big lizard" if strike == against.strike else "jade lizard"
        shape = {Contract(against.expiration, single, strike): -1, against: -1, spread.long: 1}
        many -= pool.form(kind if single == "P" else f"reverse {kind}", shape, most=many)


def doubles(pool: Pool) -> None:
    """Short put and call, guarded by a later long put and call: at the same strikes or further out."""
    near = [day for day in pool.expirations if _both(pool, day, -1)]
    far = [day for day in pool.expirations if _both(pool, day, 1)]
    months = [(long - short, short, long) for short in near for long in far if short < long]
    for _, short, long in sorted(months):
        puts, calls = (guarded(pool, short, long, right) for right in RIGHTS)
        _join(pool, puts, calls, _double)


def _both(pool: Pool, expiration: date, sign: Sign) -> bool:
    return all(pool.side(expiration, right, sign) for right in RIGHTS)


def _double(put: Spread, call: Spread) -> str:
    same = put.long.strike == put.short.strike and call.long.strike == call.short.strike
    return "double calendar" if same else "double diagonal"


def covered(pool: Pool) -> None:
    """Round lots of shares with the options written on them or bought for them, nearest expiration first.

    Of the puts only what is not hedged by other puts of the expiration joins, and of the calls that
    protect a short sale likewise.
    """
    if pool.shares >= CONTRACT_SIZE:
        for expiration in pool.expirations:
            _on_both_sides(pool, expiration)
        _with_shares(pool, "covered call", 1, "C", -1)
        _protected(pool, "protective put", 1, "P")
    elif pool.shares <= -CONTRACT_SIZE:
        _with_shares(pool, "covered put", -1, "P", -1)
        _protected(pool, "protective call", -1, "C")


def _on_both_sides(pool: Pool, expiration: date) -> None:
    surplus = pool.net(expiration, "P")
    if not surplus:
        return
    name, sign = ("collar", 1) if surplus > 0 else ("covered strangle", -1)
    many = abs(surplus)
    for put, call, paired in nested(pool.side(expiration, "P", sign), pool.side(expiration, "C", -1)):
        shape = {
            SHARES: CONTRACT_SIZE,
            Contract(expiration, "P", put): sign,
            Contract(expiration, "C", call): -1,
        }
        many -= pool.form(name, shape, most=min(many, paired))


def _with_shares(pool: Pool, name: str, held: Sign, right: Right, sign: Sign) -> None:
    for expiration in pool.expirations:
        for strike, _ in _nearest_first(pool.side(expiration, right, sign), right):
            pool.form(name, {SHARES: held * CONTRACT_SIZE, Contract(expiration, right, strike): sign})


def _protected(pool: Pool, name: str, held: Sign, right: Right) -> None:
    for expiration in pool.expirations:
        surplus = pool.net(expiration, right)
        for strike, _ in _nearest_first(pool.side(expiration, right, 1), right):
            shape = {SHARES: held * CONTRACT_SIZE, Contract(expiration, right, strike): 1}
            surplus -= pool.form(name, shape, most=surplus)


def _nearest_first(side: Side, right: Right) -> Side:
    """From the strike nearest to the money outwards, as if all were out of it."""
    return sorted(side, reverse=right == "P")


def ratios(pool: Pool) -> None:
    """One against two further out, with no other strike held between them."""
    for expiration in pool.expirations:
        for right in RIGHTS:
            _ratios(pool, expiration, right, 1, f"{WORD[right]} ratio spread")
            _ratios(pool, expiration, right, -1, f"{WORD[right]} ratio backspread")


def _ratios(pool: Pool, expiration: date, right: Right, sign: Sign, name: str) -> None:
    """One of `sign` nearer to the money against two of the other sign.

    3 against 5 are 2 of them, and the third is left for a vertical: no single option stays behind.
    """
    held = [(strike, many, 1) for strike, many in pool.side(expiration, right, 1)]
    held += [(strike, many, -1) for strike, many in pool.side(expiration, right, -1)]
    line = sorted(held, reverse=right == "P")
    for (near, one, near_sign), (far, two, far_sign) in pairwise(line):
        if near_sign == sign != far_sign and two > one:
            shape = {Contract(expiration, right, near): sign, Contract(expiration, right, far): -2 * sign}
            pool.form(name, shape, most=two - one)


def verticals(pool: Pool) -> None:
    """One long and one short of one right and expiration."""
    for expiration in pool.expirations:
        for right in RIGHTS:
            for spread in spreads(pool, expiration, right):
                bull = spread.long.strike < spread.short.strike
                name = f"{'bull' if bull else 'bear'} {WORD[right]} spread"
                pool.form(name, {spread.long: 1, spread.short: -1}, most=spread.many)


def strangles(pool: Pool) -> None:
    """A put and a call held the same way; the call below the put makes it an inverted strangle."""
    for expiration in pool.expirations:
        for sign, way in ((-1, "short"), (1, "long")):
            puts, calls = (pool.side(expiration, right, sign) for right in RIGHTS)
            for put, call, many in nested(puts, calls):
                name = f"{way} {'straddle' if put == call else 'strangle'}"
                _pair(pool, expiration, put, call, sign, name, many)
            puts, calls = (pool.side(expiration, right, sign) for right in RIGHTS)
            for call, put, many in nested(calls, puts):
                _pair(pool, expiration, put, call, sign, f"{way} inverted strangle", many)


def _pair(pool: Pool, expiration: date, put: float, call: float, sign: Sign, name: str, many: float) -> None:
    shape = {Contract(expiration, "P", put): sign, Contract(expiration, "C", call): sign}
    pool.form(name, shape, most=many)


def calendars(pool: Pool) -> None:
    """One strike and right, short in one expiration and long in another.

    A short is paired with the next later long, which outlives it; what is left pairs the other way.
    """
    for right in RIGHTS:
        strikes: dict[float, tuple[Side, Side]] = {}
        for expiration in pool.expirations:
            for sides, sign in ((0, 1), (1, -1)):
                for strike, many in pool.side(expiration, right, sign):
                    strikes.setdefault(strike, ([], []))[sides].append((float(expiration.toordinal()), many))
        for strike, (longs, shorts) in sorted(strikes.items()):
            for long, short, many in both_ways(longs, shorts, long_below=False):
                far, near = (Contract(date.fromordinal(int(day)), right, strike) for day in (long, short))
                pool.form(_across("calendar", far, near), {near: -1, far: 1}, most=many)


def diagonals(pool: Pool) -> None:
    """One right, short in one expiration and long in another: expirations as in calendars, then strikes."""
    for right in RIGHTS:
        longs, shorts = (_by_day(pool, right, sign) for sign in SIGNS)
        for long_day, short_day, _ in both_ways(longs, shorts, long_below=False):
            bought_for, sold_for = (date.fromordinal(int(day)) for day in (long_day, short_day))
            bought, sold = pool.side(bought_for, right, 1), pool.side(sold_for, right, -1)
            for long, short, many in opposed(bought, sold, right == "P"):
                far, near = Contract(bought_for, right, long), Contract(sold_for, right, short)
                pool.form(_across("diagonal", far, near), {near: -1, far: 1}, most=many)


def _by_day(pool: Pool, right: Right, sign: Sign) -> Side:
    """(day, contracts of all strikes) of one right held one way."""
    held = [(day, pool.side(day, right, sign)) for day in pool.expirations]
    return [(float(day.toordinal()), sum(many for _, many in side)) for day, side in held if side]


def _across(kind: str, long: Contract, short: Contract) -> str:
    return kind if short.expiration < long.expiration else f"short {kind}"


STAGES: tuple[Callable[[Pool], None], ...] = (
    butterflies,
    irons,
    lizards,
    doubles,
    covered,
    lizards,
    ratios,
    verticals,
    strangles,
    calendars,
    diagonals,
)
"""The largest and the most particular first; what a stage takes is gone for those after it.

Lizards come again because the shares have then taken the calls they cover.
"""
