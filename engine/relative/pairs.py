"""Pairs of names: how far their volatility premiums lie apart, and whether they still move together.

Source: methodology 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd

from engine.arrays import FloatArray
from engine.panel import Panel, Prices
from engine.relative.together import QUARTER, YEAR, correlation, session_returns
from engine.rules import Pair

Signal = Literal["CONVERGENCE", "none", "CORRELATION BROKEN", "no data"]
LEAST_CLOSES = 20
"""Stored closes of a spread below which it is not compared with its own past."""
WITHOUT_EARNINGS = ("etf", "index", "future")
NOT_HELD = "not in this market"
WIDE = "wide_quotes"
"""Flag of a name whose quotes leave IV30 open by more than a tenth of it."""
_Leg = dict[Any, Any]


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


@dataclass(frozen=True, slots=True, eq=False)
class SpreadHistory:
    """IV30 / HV252 of two legs at the stored official closes before a run, oldest first.

    a, b    (sessions,) ratio of each leg, NaN where it was not measured
    spread  (sessions,) a - b
    """

    sessions: tuple[date, ...]
    a: FloatArray
    b: FloatArray
    spread: FloatArray


@dataclass(frozen=True, slots=True)
class PairDetail:
    """What is shown beside a pair; what is missing is None.

    z               (spread - mean) / deviation over `n` stored closes; None below LEAST_CLOSES
    mean, deviation of the stored spread, the deviation with ddof 1
    earnings_a, earnings_b  calendar days to the next earnings; None where not known and for a fund
    expiry_days     calendar days to the expiry a trade would be done in, the later of the legs'
    mismatch        whether exactly one leg reports before that expiry; None where it cannot be told
    missing_a, missing_b    why a leg has no structural ratio
    wide            legs whose ratio is uncertain because their quotes are wide
    """

    z: float | None
    n: int
    mean: float | None
    deviation: float | None
    earnings_a: float | None
    earnings_b: float | None
    expiry_days: float | None
    mismatch: bool | None
    missing_a: str | None
    missing_b: str | None
    wide: tuple[str, ...] = ()


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


def pair_detail(row: PairRow, history: SpreadHistory | None, table: pd.DataFrame | None) -> PairDetail:
    """The spread against its own past, and earnings of the legs, for a row of measure_pairs.

    `history` holds official closes before the run (engine.record.pairs.spread_history), None without a
    record; `table` is the measured table the row came from. The expiry is the one a trade would be done
    in (`trade_days`, a monthly where there is one), else the far one behind IV30.
    """
    legs = _legs(row, table)
    expiries = [days for leg in legs if (days := _expiry(leg)) is not None]
    expiry = max(expiries) if expiries else None
    one, other = (_reports(leg, expiry) for leg in legs)
    past = None if history is None else history.spread[np.isfinite(history.spread)]
    mean, deviation = _moments(past)
    return PairDetail(
        z=None if row.spread is None or mean is None or not deviation else (row.spread - mean) / deviation,
        n=0 if past is None else len(past),
        mean=mean,
        deviation=deviation,
        earnings_a=_upcoming(legs[0]),
        earnings_b=_upcoming(legs[1]),
        expiry_days=expiry,
        mismatch=None if one is None or other is None else one != other,
        missing_a=_missing(legs[0], row.structural_a),
        missing_b=_missing(legs[1], row.structural_b),
        wide=tuple(str(leg["symbol"]) for leg in legs if leg is not None and WIDE in leg["flags"]),
    )


def _moments(past: FloatArray | None) -> tuple[float | None, float | None]:
    """Mean and sample deviation; None below LEAST_CLOSES, a deviation of 0 for a spread that stood."""
    if past is None or len(past) < LEAST_CLOSES:
        return None, None
    deviation = float(past.std(ddof=1))
    # What is left of equal numbers after rounding is no movement.
    return float(past.mean()), deviation if deviation > 1e-9 else 0.0


def _legs(row: PairRow, table: pd.DataFrame | None) -> list[_Leg | None]:
    """Both legs' lines of the measured table, None for one that is not in it."""
    found: dict[str, _Leg] = {}
    if table is not None:
        chosen = table[table["symbol"].isin((row.leg_a, row.leg_b))]
        found = {str(leg["symbol"]): leg for leg in chosen.to_dict("records")}
    return [found.get(row.leg_a), found.get(row.leg_b)]


def _number(leg: _Leg | None, column: str) -> float | None:
    value = None if leg is None else leg[column]
    return None if pd.isna(value) else float(value)


def _expiry(leg: _Leg | None) -> float | None:
    days = _number(leg, "trade_days")
    return _number(leg, "iv_far_days") if days is None else days


def _upcoming(leg: _Leg | None) -> float | None:
    """Days to the next earnings; a date that has passed says nothing of the next one."""
    if leg is None or leg["asset_class"] in WITHOUT_EARNINGS:
        return None
    days = _number(leg, "earnings_days")
    return days if days is not None and days >= 0 else None


def _reports(leg: _Leg | None, expiry: float | None) -> bool | None:
    """Whether a leg reports before the expiry, None where that is not known."""
    if leg is None or expiry is None:
        return None
    if leg["asset_class"] in WITHOUT_EARNINGS:
        return False
    days = _upcoming(leg)
    return None if days is None else days <= expiry


def _missing(leg: _Leg | None, structural: float | None) -> str | None:
    if structural is not None:
        return None
    if leg is None:
        return NOT_HELD
    reason = leg["missing_reason"]
    return "no HV252, its price history is too short" if pd.isna(reason) else str(reason)
