"""The first look at a large universe: who can still pass once its chain is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.arrays import FloatArray
from engine.market.live.answers import Facts, History
from engine.rules import Rules
from engine.volatility.realized import close_to_close_many

_WINDOWS = (20, 30, 90)


@dataclass(frozen=True, slots=True)
class Loosest:
    """The most lenient limit of every profile, so that no profile misses a name."""

    structural: float
    tactical: float
    momentum: float
    iv_percentile: float
    liquidity: float
    price: float
    floor: float

    @classmethod
    def of(cls, rules: Rules) -> Loosest:
        """The limits of the rules as they are and of each of their profiles."""
        each = [rules, *(rules.using(name) for name in rules.profiles)]
        lens = [one.lenses["quarterly"] for one in each]
        return cls(
            structural=min(one.vrp_structural_threshold for one in lens),
            tactical=min(one.vrp_tactical_threshold for one in lens),
            momentum=min(one.gates.momentum_min for one in each),
            iv_percentile=min(one.gates.iv_percentile_min for one in each),
            liquidity=min(one.gates.liquidity_rating_min for one in each),
            price=min(one.gates.price_min for one in each),
            floor=rules.hv_floor,
        )


def ruled_out(
    history: History, facts: Facts, loosest: Loosest, margin: float, future: bool = False
) -> str | None:
    """The gate a name fails by its closes or a source's metrics alone, None while it can still pass.

    `margin` (a share) is left on every limit whose value may still move: closes of a bulk request may
    lack the adjustment for dividends, a source's IV is not ours. What is missing rules nobody out, except
    a history too short for any realized volatility.
    """
    closes = _closes(history.bars)
    hv20, hv30, hv90 = close_to_close_many(closes[None, :], _WINDOWS)[:, 0]
    last = closes[-1] if len(closes) else np.nan
    iv, percentile, rating = (
        _number(facts, name) for name in ("iv30_provider", "iv_percentile", "liquidity_rating")
    )
    slack = 1.0 - margin
    with np.errstate(invalid="ignore", divide="ignore"):
        tests = {
            "data": not np.isfinite(hv20),
            "price": not future and last < loosest.price * slack,
            "momentum": hv30 / hv90 < loosest.momentum * slack,
            "structural": iv / max(hv90, loosest.floor) <= loosest.structural * slack,
            "tactical": iv / max(hv30, loosest.floor) <= loosest.tactical * slack,
            "iv_percentile": percentile < loosest.iv_percentile * slack,
            "liquidity": rating < loosest.liquidity,
        }
    return next((gate for gate, fails in tests.items() if bool(fails)), None)


def _closes(bars: pd.DataFrame) -> FloatArray:
    closes: FloatArray = bars["close"].to_numpy(dtype=np.float64)
    return closes[np.isfinite(closes) & (closes > 0)]


def _number(facts: Facts, column: str) -> float:
    fact = facts.get(column)
    return float(fact.value) if fact is not None and isinstance(fact.value, int | float) else float("nan")
