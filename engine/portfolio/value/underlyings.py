"""What the legs of a book share with everything on their underlying: price, beta, IV30 and its premium."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Panel
from engine.portfolio.value.early import Dividends
from engine.portfolio.value.quotes import NONE
from engine.relative.together import LEAST_COMMON, YEAR, session_returns
from engine.rules import Rules
from engine.volatility.realized import log_returns

BENCHMARK, PROVIDER, COMPUTED = "benchmark itself", "provider", "252 days"


@dataclass(frozen=True, slots=True)
class Underlyings:
    """By leg, in the order of the rows asked for; NaN, "" or False where missing or not known.

    hv            structural denominator of the lens with the floor, IV30 / quality
    quality       IV30 / HV as the screen's lens takes it; yearly_instead where HV90 had to be HV252
    stale         quotes of another session, `quoted` names it ("" when it is not known)
    dividend_days  calendar days to the next ex-date; dividend_amount its money a share
    """

    spot: FloatArray
    european: BoolArray
    beta: FloatArray
    beta_method: list[str]
    iv30: FloatArray
    hv: FloatArray
    quality: FloatArray
    yearly_instead: BoolArray
    earnings_days: FloatArray
    stale: BoolArray
    quoted: list[str]
    dividend_days: FloatArray
    dividend_amount: FloatArray

    def dividends(self, index: IntArray) -> Dividends:
        """The next dividend of some legs."""
        return Dividends(self.dividend_days[index], self.dividend_amount[index])


def underlyings_of(rows: IntArray, panel: Panel, table: pd.DataFrame, rules: Rules) -> Underlyings:
    """The underlying of each leg by its row in the panel, NONE for one the market does not hold.

    Quality is the table's ratio of the lens: vrp_structural (quarterly, consensus) or structural_252 (yearly,
    or where HV90 is missing but HV252 is not); so HV carries the floor and the source the screen used.
    """
    held = rows != NONE
    names = panel.names

    def numbers(frame: pd.DataFrame, column: str) -> FloatArray:
        values = np.append(frame[column].to_numpy(dtype=np.float64), np.nan)
        return values[rows]

    def yes(column: str) -> BoolArray:
        return np.append(names[column].to_numpy(dtype=bool), False)[rows]

    iv30, yearly = numbers(table, "iv30"), numbers(table, "structural_252")
    quality = yearly if rules.lens == "yearly" else numbers(table, "vrp_structural")
    instead = np.isnan(quality) & np.isfinite(yearly)
    quality = np.where(instead, yearly, quality)
    known = betas(panel, rules.benchmark, np.unique(rows[held])) | {NONE: (np.nan, "")}
    sessions = [*names["quote_session"].tolist(), None]
    with np.errstate(divide="ignore", invalid="ignore"):
        hv = iv30 / quality
    return Underlyings(
        spot=numbers(names, "spot"),
        european=yes("european"),
        beta=np.array([known[int(row)][0] for row in rows], dtype=np.float64),
        beta_method=[known[int(row)][1] for row in rows],
        iv30=iv30,
        hv=hv,
        quality=quality,
        yearly_instead=instead,
        earnings_days=numbers(names, "earnings_days"),
        stale=held & ~yes("fresh"),
        quoted=[str(sessions[row] or "") for row in rows],
        dividend_days=numbers(names, "dividend_days"),
        dividend_amount=numbers(names, "dividend_amount"),
    )


def betas(panel: Panel, benchmark: str, rows: IntArray) -> dict[int, tuple[float, str]]:
    """Beta and its method for each row of the panel asked for: the first of these that there is.

    benchmark itself  1
    provider          Panel.names.beta
    252 days          cov(r, b) / var(b) of the daily log returns on the days of the last 252 sessions on
                      which both have one (engine.relative.together: at least 200)

    (NaN, "") where there is none. Source: methodology 7.
    """
    given = panel.names["beta"].to_numpy(dtype=np.float64)
    symbols = panel.symbols
    market = None if panel.benchmark_close is None else log_returns(panel.benchmark_close[None])[0]
    found: dict[int, tuple[float, str]] = {}
    for row in map(int, rows):
        if symbols[row] == benchmark:
            found[row] = 1.0, BENCHMARK
        elif np.isfinite(given[row]):
            found[row] = float(given[row]), PROVIDER
        else:
            value = np.nan if market is None else _slope(session_returns(panel.prices, [row])[0], market)
            found[row] = value, COMPUTED if np.isfinite(value) else ""
    return found


def _slope(own: FloatArray, market: FloatArray) -> float:
    own, market = own[-YEAR:], market[-YEAR:]
    both = np.isfinite(own) & np.isfinite(market)
    if np.count_nonzero(both) < LEAST_COMMON[YEAR]:
        return float("nan")
    x, y = own[both], market[both]
    x, y = x - x.mean(), y - y.mean()
    variance = float(y @ y)
    return float(x @ y) / variance if variance > 0 else float("nan")
