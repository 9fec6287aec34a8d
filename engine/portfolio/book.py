"""What a person holds: legs, and what reading them yields."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

Right = Literal["C", "P"]
Kind = Literal["shares", "option", "adjusted option", "future", "future option"]
FileFormat = Literal["notation", "plain", "tastytrade", "schwab", "account"]

MOST_LEGS = 500
"""Legs one book may hold."""
CONTRACT_SIZE = 100.0


@dataclass(frozen=True, slots=True)
class Leg:
    """One line of a book.

    symbol      ticker of the underlying as the screen knows it: AAPL, BRK.B, ^SPX, /ES
    quantity    contracts or shares, negative is short, never 0; only shares may be fractional
    expiration, strike, right  of an option, None for shares and futures
    open_price  per share at which the leg was opened, >= 0, always positive whichever way; None not known
    multiplier  currency per 1.00 of price: 100 for standard options, 1 for shares
    contract    the OCC or the broker's symbol, "" where it was not given
    group       legs that were entered or filled together share one; "" for none
    """

    symbol: str
    kind: Kind
    quantity: float
    expiration: date | None = None
    strike: float | None = None
    right: Right | None = None
    open_price: float | None = None
    multiplier: float = CONTRACT_SIZE
    contract: str = ""
    group: str = ""

    @property
    def is_option(self) -> bool:
        """Whether it is a standard option that can be valued."""
        return self.kind == "option"

    def has_value(self, session: date) -> bool:
        """Whether a market of `session` could value it: shares and standard options that are not over."""
        over = self.expiration is not None and self.expiration < session
        return self.kind in ("shares", "option") and not over

    @property
    def text(self) -> str:
        """The leg in plain notation: `-2 KO 2026-12-18 60P @ 1.15`, `100 KO @ 61.2`."""
        what = [f"{self.quantity:.10g}", self.symbol]
        if self.expiration is not None:
            what.append(self.expiration.isoformat())
        if self.strike is not None:
            what.append(f"{self.strike:.10g}{self.right or ''}")
        if self.open_price is not None:
            what.append(f"@ {self.open_price:.8g}")
        return " ".join(what)


def held_of(legs: Sequence[Leg]) -> dict[str, frozenset[tuple[date, float]]]:
    """Expiration and strike of the standard options of a book, by underlying."""
    held: dict[str, set[tuple[date, float]]] = {}
    for leg in legs:
        if leg.is_option and leg.expiration is not None and leg.strike is not None:
            held.setdefault(leg.symbol, set()).add((leg.expiration, leg.strike))
    return {symbol: frozenset(contracts) for symbol, contracts in held.items()}


@dataclass(frozen=True, slots=True)
class Rejected:
    """One line that cannot be used: its number from 1 (of the file, or of the entry) and the reason."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Accepted:
    """One line that can be used; `remark` is what a reader should know about it, "" for nothing."""

    line: int
    leg: Leg
    remark: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a text or a file holds, a verdict a line."""

    format: FileFormat
    accepted: tuple[Accepted, ...]
    rejected: tuple[Rejected, ...]
    notes: tuple[str, ...] = ()

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The legs that can be kept, in their order."""
        return tuple(each.leg for each in self.accepted)
