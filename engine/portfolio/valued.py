"""A book on a market: every leg with its price, volatility and greeks, a column each."""

from __future__ import annotations

from dataclasses import dataclass

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.portfolio.book import Leg
from engine.portfolio.result import Status


@dataclass(frozen=True, slots=True)
class ValuedBook:
    """Arrays by leg, in the order of `legs`; NaN where missing.

    row         of the leg's underlying in the panel, -1 when the market does not hold it
    spot        of the underlying
    years       ACT/365 to settlement, 0 for shares and for what has settled
    strike      NaN for shares; is_call, is_share, american as they say
    rate, carry continuously compounded rate and the yield the parity forward implies, fraction a year
    vol         the leg's implied volatility, fraction; NaN for shares
    mark        per share; `model` is the price the formulas give at `vol`, equal to the mark where vol is own
    delta, gamma, theta, vega  of one share of one long contract: no multiplier, no quantity; theta a
                calendar day (with less than one left the time value left at most), vega per 1.00 of
                volatility (engine.pricing.Greeks); shares have delta 1
    size        quantity * multiplier
    beta        of the underlying to the benchmark; `beta_method`: provider, 252 days, benchmark itself, ""
    iv30, hv    of the underlying: IV30 and the structural denominator of the lens, floor applied
    quality     iv30 / hv
    priced      legs with a vol (or shares with a spot): those the stress can revalue
    flags       facts by leg, each a short sentence without a full stop; fallbacks are named here
    """

    legs: tuple[Leg, ...]
    row: IntArray
    status: tuple[Status, ...]
    spot: FloatArray
    years: FloatArray
    days: FloatArray
    """Calendar days from the session to the expiration; NaN for shares."""
    strike: FloatArray
    is_call: BoolArray
    is_share: BoolArray
    american: BoolArray
    rate: float
    carry: FloatArray
    vol: FloatArray
    vol_method: tuple[str, ...]
    mark: FloatArray
    mark_method: tuple[str, ...]
    model: FloatArray
    delta: FloatArray
    gamma: FloatArray
    theta: FloatArray
    vega: FloatArray
    size: FloatArray
    beta: FloatArray
    beta_method: tuple[str, ...]
    iv30: FloatArray
    hv: FloatArray
    quality: FloatArray
    earnings_days: FloatArray
    priced: BoolArray
    flags: tuple[tuple[str, ...], ...]
    benchmark_spot: float | None
