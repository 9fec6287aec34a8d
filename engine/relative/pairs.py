"""Pairs of names: how far their volatility premiums lie apart, and whether they still move together.

Source: methodology 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from engine.arrays import FloatArray
from engine.panel import Panel, Prices
from engine.rules import Pair
from engine.volatility.realized import log_returns

Signal = Literal["CONVERGENCE", "none", "CORRELATION BROKEN", "no data"]
CONVERGENCE_SPREAD = 0.5
"""Two premiums are far apart when they differ by more than this."""
YEAR, QUARTER = 252, 60
LEAST_COMMON = {YEAR: 200, QUARTER: 48}
"""Of a window's sessions, on how many both legs need a return."""


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
    convergence_spread: float = CONVERGENCE_SPREAD,
) -> tuple[PairRow, ...]:
    """Every pair, in the order given.

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
        one, other = (_returns(prices, place[leg]) for leg in (pair.leg_a, pair.leg_b))
        year, quarter = (_correlation(one, other, window) for window in (YEAR, QUARTER))
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


def _returns(prices: Prices, row: int) -> FloatArray:
    """Daily log returns of one name by session, the last one the run's own; NaN where it has none.

    Panel rows end with the name's latest close, so one that lags is pushed back to its place.
    """
    returns = log_returns(prices.close[row : row + 1])[0]
    lag = prices.lag[row]
    late = len(returns) if np.isnan(lag) else min(int(lag), len(returns))
    return np.append(returns[late:], np.full(late, np.nan))


def _correlation(one: FloatArray, other: FloatArray, window: int) -> float | None:
    """Pearson's correlation over the last `window` sessions, as far as both have a return.

    None with fewer than LEAST_COMMON of them, or when a leg did not move.
    """
    one, other = one[-window:], other[-window:]
    both = np.isfinite(one) & np.isfinite(other)
    x, y = one[both], other[both]
    if len(x) < LEAST_COMMON[window]:
        return None
    x, y = x - x.mean(), y - y.mean()
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return None if scale == 0 else float(np.clip((x @ y) / scale, -1.0, 1.0))
