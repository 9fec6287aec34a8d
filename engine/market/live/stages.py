"""The first look at a large universe: who can still pass once its chain is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from engine.arrays import FloatArray
from engine.market.live.answers import Facts, History
from engine.rules import Rules
from engine.rulesections import LensRules
from engine.volatility.realized import close_to_close_many

_WINDOWS = (20, 30, 90, 252)


@dataclass(frozen=True, slots=True)
class Loosest:
    """The most lenient limits in use, so that nobody's profile or lens misses a name.

    `lenses` are (structural window, threshold, tactical window, threshold), one a lens in use.
    """

    lenses: tuple[tuple[int, float, int, float], ...]
    momentum: float
    iv_percentile: float
    liquidity: float
    price: float
    floor: float

    @classmethod
    def of(cls, rules: Rules, every_profile: bool = True) -> Loosest:
        """The limits of the rules as they are, and with `every_profile` of all their profiles and lenses."""
        each = [rules, *(rules.using(name) for name in rules.profiles)] if every_profile else [rules]
        names: list[Literal["quarterly", "yearly"]] = ["quarterly", "yearly"]
        if not every_profile and rules.lens != "consensus":
            names = [rules.lens]
        return cls(
            lenses=tuple(_limits([one.lenses[name] for one in each]) for name in names),
            momentum=min(one.gates.momentum_min for one in each),
            iv_percentile=min(one.gates.iv_percentile_min for one in each),
            liquidity=min(one.gates.liquidity_rating_min for one in each),
            price=min(one.gates.price_min for one in each),
            floor=rules.hv_floor,
        )


def _limits(lens: Sequence[LensRules]) -> tuple[int, float, int, float]:
    first = lens[0]
    structural = min(one.vrp_structural_threshold for one in lens)
    tactical = min(one.vrp_tactical_threshold for one in lens)
    return first.structural_window, structural, first.tactical_window, tactical


def ruled_out(history: History, facts: Facts, loosest: Loosest, margin: float) -> str | None:
    """The gate a name fails by its closes or a source's metrics alone, None while it can still pass.

    `margin` (a share) is left on every limit whose value may still move: closes of a bulk request may
    lack the adjustment for dividends, a source's IV is not ours. What is missing rules nobody out, except
    a history too short for any realized volatility; a ratio must fail under every lens in use.
    """
    closes = _closes(history.bars)
    hv = dict(zip(_WINDOWS, close_to_close_many(closes[None, :], _WINDOWS)[:, 0], strict=True))
    last = closes[-1] if len(closes) else np.nan
    iv, percentile, rating = (
        _number(facts, name) for name in ("iv30_provider", "iv_percentile", "liquidity_rating")
    )
    slack = 1.0 - margin

    def cheap(window: int, threshold: float) -> bool:
        return bool(iv / max(hv[window], loosest.floor) <= threshold * slack)

    with np.errstate(invalid="ignore", divide="ignore"):
        tests = {
            "data": not np.isfinite(hv[20]),
            "price": last < loosest.price * slack,
            "momentum": hv[30] / hv[90] < loosest.momentum * slack,
            "structural": all(cheap(window, limit) for window, limit, _, _ in loosest.lenses),
            "tactical": all(cheap(window, limit) for _, _, window, limit in loosest.lenses),
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
