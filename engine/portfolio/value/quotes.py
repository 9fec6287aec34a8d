"""Where each leg stands in the market: its underlying, its contract, and what the quotes say it is worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Chains, Panel
from engine.portfolio.book import Leg
from engine.portfolio.occ import spellings

NONE = -1
"""No such name, expiry or strike."""
YEAR = 365.0
SAME_STRIKE = 0.0005
"""Strikes are multiples of 0.001: two closer than this are one."""
WIDE_SHARE, WIDE_LEAST = 0.5, 0.10
"""A quote whose spread is above this share of the mid, and above this much money, is called wide."""

HALF_OF_ASK = "half of ask"
STALE_SHARE = 0.01
"""Spot and quotes are not of one second: so much of the spot an ask may fall short of the least value."""


@dataclass(frozen=True, slots=True)
class Contracts:
    """The options of a book in the panel's chains, an element a leg.

    row, expiry, place  of the name, of the expiry columns and of the strike columns; NONE where there is none
    days, years         calendar days and ACT/365 to settlement, negative once settled; NaN without expiration
    dated               whether years could be read off a listed expiry (else days / 365)
    """

    row: IntArray
    expiry: IntArray
    place: IntArray
    days: FloatArray
    years: FloatArray
    dated: bool

    def take(self, index: IntArray) -> Contracts:
        """Some of the legs."""
        return Contracts(
            self.row[index],
            self.expiry[index],
            self.place[index],
            self.days[index],
            self.years[index],
            self.dated,
        )


@dataclass(frozen=True, slots=True)
class Marks:
    """What the quotes say, per share; NaN and "" where they say nothing.

    usable   bid > 0 and ask >= bid: a mid that may be turned into a volatility
    half     half the quoted spread where usable
    wide     usable, but the spread is more than half of the mid
    broken   an ask so far below the least an option can be worth that the quote must be an old one
    vague    the ask, alone and above 0.10, whose half is more than the formulas' price; else NaN
    """

    mark: FloatArray
    method: list[str]
    usable: BoolArray
    half: FloatArray
    wide: BoolArray
    broken: BoolArray
    vague: FloatArray

    def beside(self, model: FloatArray) -> Marks:
        """The same without half of an ask above 0.10 that nobody bids against and the formulas undercut."""
        ask = 2.0 * self.mark
        vague = np.array([method == HALF_OF_ASK for method in self.method], dtype=bool)
        vague &= (ask > WIDE_LEAST) & (model < self.mark)
        method = ["" if lost else own for own, lost in zip(self.method, vague, strict=True)]
        mark = np.where(vague, np.nan, self.mark)
        return replace(self, mark=mark, method=method, vague=np.where(vague, ask, np.nan))


def find_contracts(legs: Sequence[Leg], panel: Panel) -> Contracts:
    """Look every leg up by symbol, expiration and strike (within 0.0005).

    Years of an expiration the chain does not list follow from the listed expiry of the panel nearest to it,
    as all settle at the same hour: days/365 plus the same part of a day. Nothing is raised for a leg that is
    not there.
    """
    chains = panel.chains
    rows = {symbol: row for row, symbol in enumerate(panel.symbols)}
    count = len(legs)
    row, expiry, place = (np.full(count, NONE, dtype=np.int64) for _ in range(3))
    days = np.full(count, np.nan)
    for index, leg in enumerate(legs):
        row[index] = next((rows[name] for name in spellings(leg.symbol) if name in rows), NONE)
        if leg.expiration is None:
            continue
        days[index] = (leg.expiration - panel.session).days
        if row[index] != NONE:
            expiry[index], place[index] = _listed(chains, int(row[index]), days[index], leg.strike)
    return Contracts(row, expiry, place, days, _years(chains, expiry, days), bool(len(chains.expiry_days)))


def _listed(chains: Chains, row: int, days: float, strike: float | None) -> tuple[int, int]:
    first, last = int(chains.name_start[row]), int(chains.name_start[row + 1])
    at = first + int(np.searchsorted(chains.expiry_days[first:last], days))
    if at == last or chains.expiry_days[at] != days or strike is None:
        return NONE, NONE
    start, stop = int(chains.expiry_start[at]), int(chains.expiry_start[at + 1])
    near = start + int(np.searchsorted(chains.strike[start:stop], strike - SAME_STRIKE))
    found = near < stop and abs(chains.strike[near] - strike) <= SAME_STRIKE
    return at, near if found else NONE


def _years(chains: Chains, expiry: IntArray, days: FloatArray) -> FloatArray:
    """ACT/365; the hour of settlement comes from the listed expiry nearest in days."""
    if not len(chains.expiry_days):
        return days / YEAR
    order = np.argsort(chains.expiry_days, kind="stable")
    listed = chains.expiry_days[order]
    after = np.clip(np.searchsorted(listed, days), 0, len(listed) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.where(np.abs(listed[before] - days) < np.abs(listed[after] - days), before, after)
    guide = np.where(expiry != NONE, expiry, order[nearer])
    years: FloatArray = days / YEAR + chains.expiry_years[guide] - chains.expiry_days[guide] / YEAR
    return years


def two_sided_quote(chains: Chains, place: IntArray, is_call: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Bid and ask of one right at some strikes; NaN where `place` is NONE or a side is missing."""
    if not len(chains.strike):
        return np.full(len(place), np.nan), np.full(len(place), np.nan)
    bid = np.where(is_call, chains.call_bid[place], chains.put_bid[place])
    ask = np.where(is_call, chains.call_ask[place], chains.put_ask[place])
    known = place != NONE
    return np.where(known, bid, np.nan), np.where(known, ask, np.nan)


def marks_of(bid: FloatArray, ask: FloatArray, least: FloatArray, spot: FloatArray) -> Marks:
    """Mid where bid > 0 and ask >= bid; half of the ask where the bid is 0.

    `least` is what the option is worth without any volatility: its intrinsic value, on the forward when it is
    European. Half of an ask below it is no mark: the bid is missing rather than 0. Nor is a mid whose ask is
    below it by more than 1 % of the spot: nobody sells there, the quote is older than the spot.
    """
    broken = ask < least - STALE_SHARE * spot
    usable = (bid > 0) & (ask >= bid) & ~broken
    mid = 0.5 * (bid + ask)
    nobody_bids = (bid == 0) & (ask > 0) & (0.5 * ask >= least)
    spread = ask - bid
    return Marks(
        mark=np.select([usable, nobody_bids], [mid, 0.5 * ask], np.nan),
        method=np.select([usable, nobody_bids], ["mid", HALF_OF_ASK], "").tolist(),
        usable=usable,
        half=np.where(usable, 0.5 * spread, np.nan),
        broken=(bid > 0) & (ask >= bid) & broken,
        wide=usable & (spread > WIDE_SHARE * mid) & (spread > WIDE_LEAST),
        vague=np.full(len(bid), np.nan),
    )
