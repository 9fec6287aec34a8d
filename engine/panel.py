"""The market as the numbers want it: columns of one length, quotes in compressed rows.

A provider's Snapshot is turned into a Panel once (engine.market.columns); everything after it works
on whole columns. A single name is a Panel of one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray, IntArray

Kind = Literal["open", "close"]

NAME_COLUMNS: dict[str, str] = {
    "symbol": "object",
    "name": "object",
    "sector": "object",
    "asset_class": "object",
    "spot": "float64",
    "fresh": "bool",
    "quote_session": "object",
    "earnings_days": "float64",
    "earnings_date": "object",
    "earnings_verified": "bool",
    "liquidity_rating": "float64",
    "iv_percentile_provider": "float64",
    "iv_rank_provider": "float64",
    "iv30_provider": "float64",
    "iv_given": "float64",
    "iv_proxy": "object",
    "hv30_provider": "float64",
    "hv60_provider": "float64",
    "hv90_provider": "float64",
    "beta": "float64",
    "corr_spy": "float64",
    "dividend_days": "float64",
    "dividend_amount": "float64",
    "european": "bool",
    "proxy_iv": "bool",
    "provider_error": "object",
    "provenance": "object",
    "marks": "object",
    "ruled_out": "object",
}
"""Columns of Panel.names. Days count from the session; `fresh`: the quotes are of the run's session."""


@dataclass(frozen=True, slots=True)
class Chains:
    """Option quotes: names hold expiries, expiries hold strikes, call and put of a strike share a row.

    `name_start` (names + 1) are offsets into the expiry columns, `expiry_start` (expiries + 1) offsets
    into the strike columns. Expiries ascend within a name, strikes within an expiry. Missing is NaN.
    """

    name_start: IntArray
    expiry_date: npt.NDArray[np.datetime64]
    expiry_days: FloatArray
    """Calendar days from the session to the expiry."""
    expiry_years: FloatArray
    """ACT/365 in minutes from `asof` to the settlement instant; <= 0 when settled."""
    monthly: BoolArray
    """The standard monthly contract (third Friday, or the Thursday before when that is a holiday)."""
    expiry_start: IntArray
    strike: FloatArray
    call_bid: FloatArray
    call_ask: FloatArray
    put_bid: FloatArray
    put_ask: FloatArray
    call_volume: FloatArray
    put_volume: FloatArray
    call_open_interest: FloatArray
    put_open_interest: FloatArray

    def of_names(self, first: int, last: int) -> Chains:
        """The chains of names first..last-1, without copying a quote."""
        e0, e1 = int(self.name_start[first]), int(self.name_start[last])
        s0, s1 = int(self.expiry_start[e0]), int(self.expiry_start[e1])
        return Chains(
            name_start=self.name_start[first : last + 1] - e0,
            expiry_start=self.expiry_start[e0 : e1 + 1] - s0,
            **{column: getattr(self, column)[e0:e1] for column in _EXPIRY_COLUMNS},
            **{column: getattr(self, column)[s0:s1] for column in _STRIKE_COLUMNS},
        )


_EXPIRY_COLUMNS = ("expiry_date", "expiry_days", "expiry_years", "monthly")
_STRIKE_COLUMNS = (
    "strike",
    "call_bid",
    "call_ask",
    "put_bid",
    "put_ask",
    "call_volume",
    "put_volume",
    "call_open_interest",
    "put_open_interest",
)


@dataclass(frozen=True, slots=True)
class Prices:
    """Adjusted daily prices, (names, sessions), oldest first.

    Each name's last column is its latest valid close not after the run; `lag` counts the sessions
    that are missing after it (0 is up to date, NaN without any close). Missing sessions are NaN.
    """

    open: FloatArray
    high: FloatArray
    low: FloatArray
    close: FloatArray
    lag: FloatArray

    def session_closes(self, rows: Sequence[int]) -> FloatArray:
        """Closes of some names by session, (rows, sessions), the last column the run's own; missing is NaN.

        A name's row ends with its latest close, so one that lags is pushed back to its place.
        """
        chosen = np.asarray(rows, dtype=np.int64)
        closes, width = self.close[chosen], self.close.shape[1]
        for place in np.flatnonzero(self.lag[chosen] > 0):
            late = min(int(self.lag[chosen[place]]), width)
            closes[place] = np.append(closes[place, late:], np.full(late, np.nan))
        return closes

    def of_names(self, first: int, last: int) -> Prices:
        """The prices of names first..last-1, without copying."""
        part = slice(first, last)
        return Prices(self.open[part], self.high[part], self.low[part], self.close[part], self.lag[part])


@dataclass(frozen=True, slots=True)
class Panel:
    """One market at one instant, ready to be measured."""

    asof: datetime
    session: date
    kind: Kind
    source: str
    rate: float | None
    """Continuously compounded risk-free rate, fraction a year; None when the source brings none."""
    names: pd.DataFrame
    chains: Chains
    prices: Prices
    benchmark: bool
    """Whether the benchmark has a valid price or history in this run (the hard gate)."""
    dropped: dict[str, int]
    """Quote rows the reader left out, by reason."""
    benchmark_close: FloatArray | None = None
    """Adjusted closes of the benchmark, (sessions,) in the columns of `prices`, the last one the run's own
    session; NaN where missing. None without any."""
    benchmark_spot: float | None = None
    """Price of the benchmark in this run; its latest close where the run quotes none."""
    iv_series: FloatArray | None = None
    """A source's own daily IV30 before the run, (names, sessions) oldest first, NaN where missing."""
    notes: tuple[str, ...] = ()
    """What had to be done otherwise than planned, a sentence each."""
    next_try: datetime | None = None
    """When asking the sources again may bring more."""

    def of_names(self, first: int, last: int) -> Panel:
        """Names first..last-1 of the same market."""
        return replace(
            self,
            names=self.names.iloc[first:last],
            chains=self.chains.of_names(first, last),
            prices=self.prices.of_names(first, last),
            iv_series=None if self.iv_series is None else self.iv_series[first:last],
        )

    @property
    def symbols(self) -> list[str]:
        """Tickers in row order."""
        return [str(symbol) for symbol in self.names["symbol"]]


@dataclass(frozen=True, slots=True)
class IvHistory:
    """Stored official closes of IV30, (names, sessions) oldest first, NaN where none was stored.

    Rows stand in the order of the panel's names; the run's own close is not among them. Where imported values
    filled a name's gaps, its row is shifted so that it ends with its latest session: a column is then not the
    same day for every name.
    """

    iv30: FloatArray
    imported: IntArray | None = None
    """How many values of each name were imported, (names,); None where none was."""

    def of_names(self, first: int, last: int) -> IvHistory:
        """The history of names first..last-1, without copying."""
        imported = None if self.imported is None else self.imported[first:last]
        return IvHistory(self.iv30[first:last], imported)
