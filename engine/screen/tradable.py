"""Whether the trade can be done: the standard monthly nearest 45 days, at the strike nearest spot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Chains
from engine.rules import Rules
from engine.volatility.smile import nearest_strike
from engine.volatility.term import NONE, ExpiryGrid, nearest_of


@dataclass(frozen=True, slots=True)
class Tradable:
    """A row a name; NaN (None for the date) where there is no expiry or no quote.

    slippage  worst of call and put (ask - bid) / mid, NaN when a leg is absent or crossed
    straddle  sum of call and put mid
    standard  False when no monthly lay in the range and the most traded expiry was taken
    """

    expiry: npt.NDArray[np.object_]
    days: FloatArray
    strike: FloatArray
    slippage: FloatArray
    straddle: FloatArray
    volume: FloatArray
    open_interest: FloatArray
    standard: BoolArray


def tradable(chains: Chains, grid: ExpiryGrid, spot: FloatArray, rules: Rules) -> Tradable:
    """Look where a seller would trade. Source: methodology 5, below the table of gates."""
    limits = rules.trade_expiry
    in_range = (grid.calendar_days >= limits.min_days) & (grid.calendar_days <= limits.max_days)
    monthly = nearest_of(in_range & chains.monthly, grid, float(limits.target_days))
    chosen = np.where(monthly != NONE, monthly, _most_traded(chains, grid, in_range))
    rows = np.flatnonzero((chosen != NONE) & np.isfinite(spot))
    expiry = chosen[rows]
    strikes = nearest_strike(chains, expiry, spot[rows])

    def spread(values: FloatArray) -> FloatArray:
        column = np.full(grid.names, np.nan)
        column[rows] = values
        return column

    dates = np.full(grid.names, None, dtype=object)
    dates[rows] = chains.expiry_date[expiry].astype("datetime64[D]").astype("U10").astype(object)
    call = _leg(chains.call_bid[strikes], chains.call_ask[strikes])
    put = _leg(chains.put_bid[strikes], chains.put_ask[strikes])
    return Tradable(
        expiry=dates,
        days=spread(grid.calendar_days[expiry]),
        strike=spread(chains.strike[strikes]),
        slippage=spread(np.maximum(call[0], put[0])),
        straddle=spread(call[1] + put[1]),
        volume=spread(np.minimum(chains.call_volume[strikes], chains.put_volume[strikes])),
        open_interest=spread(
            np.minimum(chains.call_open_interest[strikes], chains.put_open_interest[strikes])
        ),
        standard=monthly != NONE,
    )


def _leg(bid: FloatArray, ask: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Relative spread and mid; NaN when absent (no ask) or crossed."""
    mid = np.where((ask > 0) & (ask >= bid) & (bid >= 0), 0.5 * (bid + ask), np.nan)
    return (ask - bid) / mid, mid


def _most_traded(chains: Chains, grid: ExpiryGrid, in_range: BoolArray) -> IntArray:
    chosen = np.full(grid.names, NONE, dtype=np.int64)
    if not len(grid.name_of):
        return chosen
    traded = np.nan_to_num(chains.call_volume) + np.nan_to_num(chains.put_volume)
    volume = np.add.reduceat(traded, chains.expiry_start[:-1])
    rows = np.flatnonzero(in_range)
    rows = rows[np.argsort(volume[rows], kind="stable")]
    chosen[grid.name_of[rows]] = rows
    return chosen
