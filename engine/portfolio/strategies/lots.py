"""What is still free of one underlying, contract by contract, and how a strategy takes its legs from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from math import floor, fsum, inf
from typing import Literal, NamedTuple

from engine.portfolio.book import Leg, Right

Sign = int
"""1 for long, -1 for short."""
Side = list[tuple[float, float]]
"""(strike, how many) of one sign, strikes ascending, the number positive."""
Part = tuple[int, float]

ROUNDING = 1e-9
"""Less than this share of an amount is the rounding of a sum of fractional shares, not a holding."""
OFFSET = "offset"
"""Name of what long and short lots of one contract make: nothing is left open."""


class Contract(NamedTuple):
    """What makes two lots of one underlying the same thing."""

    expiration: date
    right: Right | Literal[""]
    strike: float


SHARES = Contract(date.max, "", 0.0)


@dataclass(frozen=True, slots=True)
class Lot:
    """A leg, or what is left of it: `index` is its place in the book, `quantity` signed."""

    index: int
    leg: Leg
    quantity: float

    @property
    def contract(self) -> Contract | None:
        """None for what takes part in no strategy: futures, adjusted contracts, options not described."""
        leg = self.leg
        if leg.kind == "shares":
            return SHARES
        if not leg.is_option or leg.expiration is None or leg.right is None or leg.strike is None:
            return None
        return Contract(leg.expiration, leg.right, leg.strike)


class Found(NamedTuple):
    """A strategy as it was taken from a pool."""

    strategy: str
    units: float
    parts: tuple[Part, ...]


class Pool:
    """Lots of one underlying, pooled by contract; a contract is held long or short, never both.

    Long and short lots of one contract close each other and leave at once, as an "offset". Lots are used
    up in an order that depends on what they are and not on where they stand in the book.
    """

    def __init__(self, lots: Iterable[Lot]) -> None:
        self.found: list[Found] = []
        self._lots: dict[Contract, list[Lot]] = {}
        self._held: defaultdict[tuple[date, str], dict[float, float]] = defaultdict(dict)
        pooled: defaultdict[Contract, list[Lot]] = defaultdict(list)
        for lot in sorted(lots, key=_order, reverse=True):
            if lot.contract is not None:
                pooled[lot.contract].append(lot)
        for contract in sorted(pooled):
            self._lots[contract] = self._net(pooled[contract])
            self._count(contract)

    def _net(self, lots: list[Lot]) -> list[Lot]:
        sides = [lot for lot in lots if lot.quantity > 0], [lot for lot in lots if lot.quantity < 0]
        smaller, larger = sorted(sides, key=_size)
        if smaller:
            closed = _size(smaller)
            parts = [(lot.index, lot.quantity) for lot in smaller]
            self.found.append(Found(OFFSET, closed, (*parts, *_take(larger, closed))))
        return larger

    def _count(self, contract: Contract) -> None:
        held = round(fsum(lot.quantity for lot in self._lots[contract]), 6)
        strikes = self._held[contract.expiration, contract.right]
        if held:
            strikes[contract.strike] = held
        else:
            strikes.pop(contract.strike, None)

    @property
    def shares(self) -> float:
        """Shares that are free, signed."""
        return self._held[SHARES.expiration, ""].get(0.0, 0.0)

    @property
    def expirations(self) -> list[date]:
        """Of the options that are free, ascending."""
        return sorted({expiration for (expiration, right), held in self._held.items() if right and held})

    def side(self, expiration: date, right: Right, sign: Sign) -> Side:
        """The free options of one expiration and right that are held long (1) or short (-1)."""
        held = self._held[expiration, right]
        return sorted((strike, abs(many)) for strike, many in held.items() if many * sign > 0)

    def net(self, expiration: date, right: Right) -> float:
        """Long less short contracts of one expiration and right."""
        return fsum(self._held[expiration, right].values())

    def form(self, strategy: str, shape: Mapping[Contract, float], most: float = inf) -> float:
        """Take as many whole units of a shape (contract -> signed quantity a unit) as are free.

        No more than `most`. Returns the units taken, 0 when it does not fit once.
        """
        units = most
        for contract, each in shape.items():
            held = self._held[contract.expiration, contract.right].get(contract.strike, 0.0)
            units = min(units, held / each)
        units = float(floor(units))
        if units < 1:
            return 0.0
        parts: list[Part] = []
        for contract, each in shape.items():
            parts += _take(self._lots[contract], abs(each) * units)
            self._count(contract)
        self.found.append(Found(strategy, units, tuple(parts)))
        return units

    def rest(self) -> Iterator[list[Lot]]:
        """The lots that no strategy took, by contract."""
        return (lots for lots in self._lots.values() if lots)


def _order(lot: Lot) -> tuple[bool, float, float, float, str, str]:
    """Cheapest first. Lots that are equal in all of this are alike, so their order does not matter."""
    leg = lot.leg
    price = leg.open_price
    return (price is None, price or 0.0, lot.quantity, leg.quantity, leg.contract, leg.group)


def _size(lots: list[Lot]) -> float:
    return abs(fsum(lot.quantity for lot in lots))


def _take(lots: list[Lot], amount: float) -> list[Part]:
    """Signed parts of the lots, the last first, that add up to `amount`; what they leave stays listed."""
    parts: list[Part] = []
    least = ROUNDING * amount
    while lots and amount > least:
        lot = lots.pop()
        many = abs(lot.quantity)
        used = many if many - amount <= least else amount
        signed = used if lot.quantity > 0 else -used
        parts.append((lot.index, signed))
        if used < many:
            lots.append(replace(lot, quantity=lot.quantity - signed))
        amount -= used
    return parts
