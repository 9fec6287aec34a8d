"""A whole market at one instant: three tables with fixed columns, as a provider recorded it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Protocol, runtime_checkable

import pandas as pd

from engine.panel import Kind

QUOTE_COLUMNS = ("symbol", "expiration", "strike", "right", "bid", "ask", "last", "volume", "open_interest")
QUOTE_NUMBERS = ("strike", "bid", "ask", "last", "volume", "open_interest")
UNDERLYING_COLUMNS = (
    "symbol",
    "spot",
    "quote_time",
    "name",
    "sector",
    "asset_class",
    "earnings_date",
    "liquidity_rating",
)
UNDERLYING_NUMBERS = (
    "spot",
    "liquidity_rating",
    "iv_percentile",
    "iv_rank",
    "beta",
    "hv30_provider",
    "hv60_provider",
    "hv90_provider",
    "dividend_amount",
    "iv30_provider",
    "iv_given",
    "corr_spy",
)
"""Numeric columns of underlyings; those after the second are optional."""
UNDERLYING_TEXTS = (
    "dividend_date",
    "earnings_verified",
    "error",
    "source",
    "provenance",
    "marks",
    "ruled_out",
    "iv_proxy",
)
"""Further optional columns a source may bring.

`provenance` is JSON: where each value came from. `marks` are flag codes separated by blanks. `ruled_out`
names the gate that made asking for a chain pointless. `iv_proxy` is the ticker whose IV30 stands in, or
`iv_given` the implied volatility itself (a volatility index), as a fraction.
"""
HISTORY_COLUMNS = ("date", "symbol", "open", "high", "low", "close", "volume")
HISTORY_NUMBERS = ("open", "high", "low", "close", "volume")
IV_SERIES_COLUMNS = ("date", "symbol", "iv30")

SIMULATED = "SIMULATED"
"""How the source of every made-up market begins; everything drawn from it says so."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One recorded, simulated or fetched market.

    quotes       symbol (category), expiration (datetime64[s]), strike, right (category C, P), bid, ask,
                 last, volume, open_interest (float64, NaN where missing); a `contract` column with the
                 OCC symbol is optional and lets adjusted deliverables be told apart.
    underlyings  a row a name, UNDERLYING_COLUMNS and any of the optional ones; spot float64,
                 quote_time and dates as text, as recorded.
    history      date (datetime64[s]), symbol (category), adjusted open, high, low, close, volume.
    rate         continuously compounded risk-free rate as a fraction, None when the source has none.
    iv_series    date, symbol, iv30 (fraction): a source's own daily implied volatility, where it has one.
    notes        what had to be done otherwise than planned, a sentence each.
    next_try     when asking again may bring more; None where that is not known.

    Nothing is cleaned here: zero, crossed, stale and expired quotes stay in and are judged later.
    """

    asof: datetime
    session: date
    kind: Kind
    source: str
    quotes: pd.DataFrame
    underlyings: pd.DataFrame
    history: pd.DataFrame
    rate: float | None = None
    iv_series: pd.DataFrame | None = None
    notes: tuple[str, ...] = ()
    next_try: datetime | None = None

    @property
    def symbols(self) -> list[str]:
        """Tickers of the snapshot, in the order of underlyings."""
        return [str(symbol) for symbol in self.underlyings["symbol"]]

    def only(self, symbols: Sequence[str], keep_history_of: str) -> Snapshot:
        """The same market with fewer names; the benchmark's history stays."""
        wanted = set(symbols)
        history = self.history[self.history["symbol"].isin(wanted | {keep_history_of})]
        return replace(
            self,
            quotes=self.quotes[self.quotes["symbol"].isin(wanted)],
            underlyings=self.underlyings[self.underlyings["symbol"].isin(wanted)],
            history=history,
        )


class Provider(Protocol):
    """Anything a market can be asked from."""

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        """The market as the provider has it now; `symbols` narrows it, None is everything it lists.

        Raises SnapshotError when there is nothing to be had.
        """
        ...


Progress = Callable[[int, int], None]
"""Told how many names are done, of how many."""
Held = Mapping[str, frozenset[tuple[date, float]]]
"""Contracts somebody holds, expiration and strike by ticker: quoted beside those a screen needs."""


@runtime_checkable
class LiveProvider(Protocol):
    """A provider whose market moves on: any name may be asked for, and an answer grows old."""

    def snapshot(
        self,
        symbols: Sequence[str] | None = None,
        progress: Progress | None = None,
        held: Held | None = None,
    ) -> Snapshot:
        """As Provider's, telling how far it has come; contracts `held` are asked for as well."""
        ...

    def is_current(self, asof: datetime) -> bool:
        """Whether asking again would bring the same quotes as at `asof`."""
        ...

    def latest_run(self) -> tuple[date, Kind]:
        """The session and kind a whole run of this moment belongs to."""
        ...

    def troubles(self) -> list[str]:
        """One sentence a source that did not answer when last asked, with what helps."""
        ...

    def close(self) -> None:
        """Let go of connections; what is under way ends with SnapshotError."""
        ...


@dataclass(frozen=True, slots=True)
class Holdings:
    """Open positions as the broker's reply has them, of all open accounts together.

    items            a mapping a position (engine.portfolio.reading.importers.legs_of_account reads it)
    net_liquidation  sum over the accounts, in dollars; None when one of them does not tell
    accounts         how many there are
    """

    items: tuple[Mapping[str, object], ...]
    net_liquidation: float | None
    accounts: int


@runtime_checkable
class HoldingProvider(Protocol):
    """A provider that can read what the operator's own accounts hold."""

    def holdings(self) -> Holdings:
        """Asked anew each time and kept nowhere. Raises HoldingsError in one sentence."""
        ...


@runtime_checkable
class PlayedProvider(Protocol):
    """A provider that can play the market of any run."""

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        """As Provider's."""
        ...

    def of_run(self, session: date, kind: Kind) -> Snapshot:
        """The market of one session and kind. Raises SnapshotError for one it does not hold."""
        ...
