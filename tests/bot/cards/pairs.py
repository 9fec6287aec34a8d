"""Pairs and sectors made by hand for the cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np

from bot.cards.relative import Leg, PairView
from engine.relative.pairs import PairDetail, PairRow, SpreadHistory
from engine.relative.sectors import SectorReport, SectorRow
from tests.bot.cards.builders import SESSION


def a_pair(legs: str = "GLD SLV", spread: float | None = 0.62, **parts: Any) -> PairRow:
    """Gold and silver in convergence unless told otherwise; the first leg is the rich one."""
    one, other = legs.split()
    row = PairRow(
        pair=f"{one}_{other}_75",
        leg_a=one,
        leg_b=other,
        structural_a=None if spread is None else 0.83 + spread,
        structural_b=0.83,
        spread=spread,
        correlation=0.81,
        correlation_60=0.78,
        threshold=0.75,
        signal="no data" if spread is None else "CONVERGENCE" if abs(spread) > 0.5 else "none",
        rich_leg=None if not spread else one if spread > 0 else other,
    )
    return replace(row, **parts)


def broken(legs: str = "JPM BAC", **parts: Any) -> PairRow:
    """A pair whose correlation is below its threshold."""
    return a_pair(legs, 0.1, correlation=0.62, threshold=0.85, signal="CORRELATION BROKEN", **parts)


def a_detail(**parts: Any) -> PairDetail:
    """A spread two deviations above its mean over a year of closes."""
    detail = PairDetail(
        z=2.1,
        n=252,
        mean=0.2,
        deviation=0.2,
        earnings_a=None,
        earnings_b=None,
        expiry_days=45.0,
        mismatch=False,
        missing_a=None,
        missing_b=None,
    )
    return replace(detail, **parts)


def a_past(a: Sequence[float], b: Sequence[float], step: int = 1) -> SpreadHistory:
    """Closes before SESSION, the last the day before."""
    count = len(a)
    sessions = tuple(SESSION - timedelta(days=(count - place) * step) for place in range(count))
    one, other = np.array(a, dtype=np.float64), np.array(b, dtype=np.float64)
    return SpreadHistory(sessions, one, other, one - other)


def a_view(row: PairRow | None = None, **parts: Any) -> PairView:
    """A pair with a year behind it."""
    row = row or a_pair()
    legs = (Leg(row.leg_a, 0.21, 0.145), Leg(row.leg_b, 0.27, 0.325, reports=False))
    past = a_past([1.2 + 0.001 * place for place in range(251)], [0.9] * 251)
    return replace(PairView(row, a_detail(), past, legs), **parts)


def a_sector(
    name: str = "Financials", ratios: str = "JPM 1.45 WFC 1.15 C 0.85", market: float | None = 1.02
) -> SectorReport:
    """The sector of methodology 10: mean 1.15, deltas +0.30, 0.00, -0.30."""
    words = ratios.split()
    names, values = words[::2], [float(word) for word in words[1::2]]
    mean = sum(values) / len(values)
    kinds = ("idiosyncratic: the name itself is rich", "in line", "idiosyncratic: the name itself is cheap")
    rows = [
        SectorRow(
            symbol, value, value - mean, kinds[1 if abs(value - mean) < 0.1 else 0 if value > mean else 2]
        )
        for symbol, value in zip(names, values, strict=True)
    ]
    return SectorReport(
        sector=name,
        n=len(rows),
        mean=mean,
        median=float(np.median(values)),
        market_median=market,
        level="not compared with the market" if market is None else "rich as a whole",
        rows=tuple(sorted(rows, key=lambda row: -row.delta)),
    )
