"""Pairs of names: how far their volatility premiums lie apart, and whether they still move together.

Source: methodology 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from engine.panel import Panel, Prices
from engine.relative.together import QUARTER, YEAR, correlation, session_returns
from engine.rules import Pair

Signal = Literal["CONVERGENCE", "none", "CORRELATION BROKEN", "no data"]


@dataclass(frozen=True, slots=True)
class PairRow:
    """One pair at one run; what is missing is None.

    structural_a, structural_b  IV30 / HV252 of each leg
    spread          structural_a - structural_b
    correlation     of the daily log returns of the last 252 sessions; correlation_60 of the last 60
    threshold       correlation below which the pair counts as broken
    signal          "no data" while it cannot be told
    rich_leg        the leg with the higher structural ratio, whatever the signal; None when equal
    """

    pair: str
    leg_a: str
    leg_b: str
    structural_a: float | None
    structural_b: float | None
    spread: float | None
    correlation: float | None
    correlation_60: float | None
    threshold: float
    signal: Signal
    rich_leg: str | None


def measure_pairs(
    panel: Panel,
    table: pd.DataFrame | None,
    pairs: Sequence[Pair],
    convergence_spread: float,
) -> tuple[PairRow, ...]:
    """Every pair, in the order given; further apart than `convergence_spread` is CONVERGENCE.

    `table` is the measured table of the panel (engine.screen.measure); None, as after the hard gate, and
    a leg that is not in the panel give "no data". A leg that was not measured has no structural ratio.
    """
    place = {} if table is None else {symbol: row for row, symbol in enumerate(panel.symbols)}
    structural = {} if table is None else _structural(table)
    return tuple(_row(pair, place, structural, panel.prices, convergence_spread) for pair in pairs)


def _structural(table: pd.DataFrame) -> dict[str, float]:
    """IV30 / HV252 of the names that were measured and have it."""
    ratio = table["structural_252"].to_numpy(dtype=np.float64)
    known = np.isfinite(ratio) & pd.isna(table["missing_reason"].to_numpy(dtype=object))
    names = table["symbol"].to_numpy(dtype=object)
    return dict(zip(map(str, names[known]), map(float, ratio[known]), strict=True))


def _row(
    pair: Pair, place: dict[str, int], structural: dict[str, float], prices: Prices, apart: float
) -> PairRow:
    a, b = structural.get(pair.leg_a), structural.get(pair.leg_b)
    spread = None if a is None or b is None else a - b
    year = quarter = None
    if pair.leg_a in place and pair.leg_b in place:
        one, other = session_returns(prices, [place[pair.leg_a], place[pair.leg_b]])
        year, quarter = (correlation(one, other, window) for window in (YEAR, QUARTER))
    return PairRow(
        pair=pair.id,
        leg_a=pair.leg_a,
        leg_b=pair.leg_b,
        structural_a=a,
        structural_b=b,
        spread=spread,
        correlation=year,
        correlation_60=quarter,
        threshold=pair.correlation_threshold,
        signal=_signal(spread, year, pair.correlation_threshold, apart),
        rich_leg=None if not spread else pair.leg_a if spread > 0 else pair.leg_b,
    )


def _signal(spread: float | None, correlation: float | None, threshold: float, apart: float) -> Signal:
    """A broken correlation is told even when a premium is missing; nothing else is without both."""
    if correlation is None:
        return "no data"
    if correlation < threshold:
        return "CORRELATION BROKEN"
    if spread is None:
        return "no data"
    return "CONVERGENCE" if abs(spread) > apart else "none"
