"""The strategies that the legs of a book make, named as option traders name them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from math import fsum

from engine.portfolio.book import CONTRACT_SIZE, Leg
from engine.portfolio.strategies.lots import Found, Lot, Part, Pool
from engine.portfolio.strategies.shapes import STAGES, WORD


@dataclass(frozen=True, slots=True)
class Position:
    """One strategy of one underlying, or what fits none.

    units   how often it stands there, positive; contracts of a single option, shares of plain shares
    parts   (index into the legs, signed quantity of that leg that belongs here); a leg may be spread over
            several positions, and over all of them its parts add up to its quantity
    """

    symbol: str
    strategy: str
    units: float
    parts: tuple[Part, ...]


def group(legs: Sequence[Leg]) -> tuple[Position, ...]:
    """The legs as strategies, by symbol and then by the nearest expiration.

    Legs that were entered together (`Leg.group`) are tried among themselves; what of them fits nothing
    joins the rest of the underlying. The order of the legs decides nothing. Adjusted contracts, futures
    and their options stand alone, each leg for itself. Source: docs/decisions/0015.
    """
    underlyings: defaultdict[tuple[str, float], list[Lot]] = defaultdict(list)
    positions: list[Position] = []
    for index, leg in enumerate(legs):
        lot = Lot(index, leg, leg.quantity)
        if lot.contract is None:
            positions.append(Position(leg.symbol, leg.kind, abs(leg.quantity), ((index, leg.quantity),)))
        else:
            # Shares are what standard contracts deliver; an option on another number pairs with its like.
            size = leg.multiplier if leg.is_option else CONTRACT_SIZE
            underlyings[leg.symbol, size].append(lot)
    for (symbol, _), lots in underlyings.items():
        positions += [Position(symbol, *found) for found in _of_one_underlying(lots)]
    return tuple(sorted(positions, key=lambda position: _place(position, legs)))


def _of_one_underlying(lots: list[Lot]) -> Iterator[Found]:
    entered: defaultdict[str, list[Lot]] = defaultdict(list)
    for lot in lots:
        entered[lot.leg.group].append(lot)
    rest = entered.pop("", [])
    for together in entered.values():
        pool = _through_the_stages(together)
        yield from pool.found
        rest += [lot for lots in pool.rest() for lot in lots]
    pool = _through_the_stages(rest)
    yield from pool.found
    for lots in pool.rest():
        parts = tuple((lot.index, lot.quantity) for lot in lots)
        yield Found(_single(lots[0]), abs(fsum(many for _, many in parts)), parts)


def _through_the_stages(lots: list[Lot]) -> Pool:
    pool = Pool(lots)
    for stage in STAGES:
        stage(pool)
    return pool


def _single(lot: Lot) -> str:
    right = lot.leg.right
    return f"{'long' if lot.quantity > 0 else 'short'} {WORD[right] if right else 'shares'}"


def _place(position: Position, legs: Sequence[Leg]) -> tuple[str, date, str, list[float], float]:
    parts = [legs[index] for index, _ in position.parts]
    nearest = min(leg.expiration or date.max for leg in parts)
    return (
        position.symbol,
        nearest,
        position.strategy,
        sorted(leg.strike or 0.0 for leg in parts),
        position.units,
    )
