"""At-the-money-forward implied volatility of single expiries, many at a time (methodology 2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Chains
from engine.pricing.american import early_exercise_premium
from engine.pricing.implied import implied_volatility

WINDOW = 5
"""Strikes looked at around the smallest |C - P|; the forward's three and its two neighbours lie inside."""


class AtmReason(IntEnum):
    """Why an expiry has no at-the-money volatility."""

    OK = 0
    FEW_STRIKES = 1
    NO_FORWARD = 2
    FORWARD_OUTSIDE_STRIKES = 3
    UNSOLVABLE = 4


@dataclass(frozen=True, slots=True)
class AtmVolatility:
    """Results a row an expiry asked for; NaN with a reason where there is none.

    iv       at-the-money-forward implied volatility, annualised fraction
    forward  put-call parity forward
    error    half the quoted spread of the straddle in volatility: (spread C + spread P) / 4 / vega
    """

    iv: FloatArray
    forward: FloatArray
    error: FloatArray
    reason: IntArray


def two_sided(chains: Chains) -> BoolArray:
    """Strikes whose call and put both can be used: bid > 0 and ask >= bid (NaN compares false)."""
    return (
        (chains.call_bid > 0)
        & (chains.call_ask >= chains.call_bid)
        & (chains.put_bid > 0)
        & (chains.put_ask >= chains.put_bid)
    )


def rows_of(starts: IntArray, chosen: IntArray) -> tuple[IntArray, IntArray]:
    """Row numbers of the chosen segments one after the other, and where each begins among them."""
    lengths = starts[chosen + 1] - starts[chosen]
    begins = np.concatenate(([0], np.cumsum(lengths)[:-1])).astype(np.int64)
    rows = np.arange(int(lengths.sum()), dtype=np.int64)
    rows += np.repeat(starts[chosen] - begins, lengths)
    return rows, begins


def atm_volatility(
    chains: Chains,
    usable: BoolArray,
    expiries: IntArray,
    spot: FloatArray,
    american: BoolArray,
    rate: float,
    parity_strikes: int = 3,
    tree_steps: int = 25,
) -> AtmVolatility:
    """IV of each of `expiries` at its own forward.

    The early-exercise premium (American minus European on one Cox-Ross-Rubinstein tree, at the yield and
    the volatility the raw quotes imply) is taken off the mids of American options first. The forward is
    the median of K + e^(rT) (C - P) over the `parity_strikes` usable strikes with the smallest |C - P|;
    the volatility is the mean of call and put at the two strikes around it, linear in strike.

    Parameters
    ----------
    usable : strikes with a usable call and put, as `two_sided` tells, shape (strikes,)
    expiries : rows of the expiry columns, shape (n,)
    spot, american : of each expiry's name, shape (n,)
    rate : continuously compounded, fraction a year

    Nothing is raised for bad quotes: NaN and an AtmReason. Source: methodology 2; Hull, put-call parity.
    """
    n = len(expiries)
    out = AtmVolatility(
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full(n, np.nan),
        np.full(n, AtmReason.FEW_STRIKES, np.int64),
    )
    rows, begins = rows_of(chains.expiry_start, expiries)
    if not len(rows):
        return out
    counts = np.add.reduceat(usable[rows], begins, dtype=np.int64)
    enough = np.flatnonzero((counts >= 2) & (chains.expiry_years[expiries] > 0))
    if not len(enough):
        return out
    rows, begins = rows_of(chains.expiry_start, expiries[enough])
    window = _window(chains, rows[usable[rows]], counts[enough], chains.expiry_years[expiries[enough]], rate)
    _solve(out, enough, window, spot[enough], american[enough], rate, parity_strikes, tree_steps)
    return out


@dataclass(slots=True)
class _Window:
    """(expiries, WINDOW) usable strikes around the smallest |C - P|; absent places are NaN."""

    strike: FloatArray
    call: FloatArray
    put: FloatArray
    half_spread: FloatArray
    years: FloatArray
    growth: FloatArray


def _window(chains: Chains, rows: IntArray, counts: IntArray, years: FloatArray, rate: float) -> _Window:
    begins = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(np.int64)
    call = 0.5 * (chains.call_bid[rows] + chains.call_ask[rows])
    put = 0.5 * (chains.put_bid[rows] + chains.put_ask[rows])
    centre = _first_smallest(np.abs(call - put), begins, counts)
    start = np.clip(centre - WINDOW // 2, begins, np.maximum(begins, begins + counts - WINDOW))
    place = start[:, None] + np.arange(WINDOW)
    absent = place >= (begins + counts)[:, None]
    place[absent] = 0
    spread = 0.25 * (
        chains.call_ask[rows] - chains.call_bid[rows] + chains.put_ask[rows] - chains.put_bid[rows]
    )

    def taken(values: FloatArray) -> FloatArray:
        return np.where(absent, np.nan, values[place])

    return _Window(
        strike=taken(chains.strike[rows]),
        call=taken(call),
        put=taken(put),
        half_spread=taken(spread),
        years=years,
        growth=np.exp(rate * years),
    )


def _first_smallest(values: FloatArray, begins: IntArray, counts: IntArray) -> IntArray:
    smallest = np.minimum.reduceat(values, begins)
    hits = np.flatnonzero(values == np.repeat(smallest, counts))
    segment = np.searchsorted(begins, hits, side="right") - 1
    first = np.empty(len(begins), dtype=np.int64)
    first[segment[::-1]] = hits[::-1]
    return first


def _solve(
    out: AtmVolatility,
    where: IntArray,
    window: _Window,
    spot: FloatArray,
    american: BoolArray,
    rate: float,
    parity_strikes: int,
    tree_steps: int,
) -> None:
    raw_forward = _parity_forward(window, parity_strikes)
    _remove_early_exercise(window, raw_forward, spot, american, rate, parity_strikes, tree_steps)
    forward = _parity_forward(window, parity_strikes)
    iv, error, inside = _interpolated(window, forward)
    reason = np.select(
        [~np.isfinite(forward), ~inside, ~np.isfinite(iv)],
        [AtmReason.NO_FORWARD, AtmReason.FORWARD_OUTSIDE_STRIKES, AtmReason.UNSOLVABLE],
        AtmReason.OK,
    )
    out.iv[where], out.forward[where], out.error[where], out.reason[where] = iv, forward, error, reason


def _nearest_parity(window: _Window, count: int) -> BoolArray:
    """The `count` strikes of each row with the smallest |C - P|."""
    gap = np.abs(window.call - window.put)
    ranks = np.argsort(np.argsort(np.where(np.isnan(gap), np.inf, gap), axis=1), axis=1)
    return (ranks < count) & ~np.isnan(gap)


def _parity_forward(window: _Window, count: int) -> FloatArray:
    """Median over the chosen strikes of K + e^(rT) (C - P); NaN unless positive."""
    each = window.strike + window.growth[:, None] * (window.call - window.put)
    each = np.sort(np.where(_nearest_parity(window, count), each, np.inf), axis=1)
    n = np.count_nonzero(np.isfinite(each), axis=1)
    last = np.maximum(n - 1, 0)
    row = np.arange(len(each))
    median = 0.5 * (each[row, last // 2] + each[row, (last + 1) // 2])
    return np.where((n > 0) & (median > 0), median, np.nan)


def _below(window: _Window, forward: FloatArray) -> IntArray:
    """Place of the highest strike at or below the forward, -1 when all lie above."""
    below: IntArray = np.count_nonzero(window.strike <= forward[:, None], axis=1) - 1
    return below


def _remove_early_exercise(
    window: _Window,
    forward: FloatArray,
    spot: FloatArray,
    american: BoolArray,
    rate: float,
    parity_strikes: int,
    tree_steps: int,
) -> None:
    """Take American minus European off the mids that are used later; a leg without a tree becomes NaN."""
    vol = _rough_volatility(window, forward)
    with np.errstate(invalid="ignore", divide="ignore"):
        carry = rate - np.log(forward / spot) / window.years
    # Without a spot there is no yield to be had: the legs are taken as they are quoted.
    ready = american & np.isfinite(vol) & np.isfinite(carry)
    place = np.arange(WINDOW)
    below = _below(window, forward)[:, None]
    needed = (_nearest_parity(window, parity_strikes) | (place == below) | (place == below + 1)) & ready[
        :, None
    ]
    row, column = np.nonzero(needed & ~np.isnan(window.strike))
    for mids, is_call in ((window.call, True), (window.put, False)):
        premium = early_exercise_premium(
            spot[row],
            window.strike[row, column],
            window.years[row],
            np.full(len(row), rate),
            carry[row],
            vol[row],
            np.full(len(row), is_call),
            steps=tree_steps,
        )
        mids[row, column] -= premium


def _rough_volatility(window: _Window, forward: FloatArray) -> FloatArray:
    """Volatility of the out-of-the-money side at the strike nearest parity."""
    gap = np.abs(window.call - window.put)
    column = np.argmin(np.where(np.isnan(gap), np.inf, gap), axis=1)
    row = np.arange(len(column))
    strike = window.strike[row, column]
    is_call = strike >= forward
    value = np.where(is_call, window.call[row, column], window.put[row, column])
    return implied_volatility(value, forward, strike, window.years, 1.0 / window.growth, is_call).vol


def _interpolated(window: _Window, forward: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    row = np.arange(len(forward))
    below = _below(window, forward)
    low = np.clip(below, 0, WINDOW - 1)
    exact = window.strike[row, low] == forward
    high = np.where(exact, low, np.clip(below + 1, 0, WINDOW - 1))
    inside = (below >= 0) & (exact | ((below + 1 < WINDOW) & np.isfinite(window.strike[row, high])))
    vols = []
    for column in (low, high):
        sides = [
            implied_volatility(
                mids[row, column],
                forward,
                window.strike[row, column],
                window.years,
                1.0 / window.growth,
                np.full(len(row), is_call),
            ).vol
            for mids, is_call in ((window.call, True), (window.put, False))
        ]
        vols.append(0.5 * (sides[0] + sides[1]))
    k_low, k_high = window.strike[row, low], window.strike[row, high]
    with np.errstate(invalid="ignore", divide="ignore"):
        weight = np.where(high == low, 0.0, (forward - k_low) / (k_high - k_low))
        iv = np.where(inside, vols[0] + weight * (vols[1] - vols[0]), np.nan)
        # Vega of one option at the forward, F e^(-rT) sqrt(T) / sqrt(2 pi) up to second order in vol.
        vega = forward / window.growth * np.sqrt(window.years / (2 * np.pi))
        spread = window.half_spread[row, low] + weight * (
            window.half_spread[row, high] - window.half_spread[row, low]
        )
        return iv, np.where(np.isfinite(iv), spread / vega, np.nan), inside
