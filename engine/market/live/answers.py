"""What sources answer with: chains, histories and facts, each value with where it came from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from engine.market.live.failures import SourceError
from engine.market.snapshot import Holdings

CHAIN_NUMBERS = ("strike", "bid", "ask", "last", "volume", "open_interest")
BAR_NUMBERS = ("open", "high", "low", "close", "volume")


@dataclass(frozen=True, slots=True)
class Fact:
    """One value of a name: number in the snapshot's unit, day as YYYY-MM-DD, or text."""

    value: float | str | bool
    source: str
    method: str = ""
    """How the source came to it, where that is not plain: `quote`, `last trade`, `iv index`."""
    at: datetime | None = None
    """When it was true at the source; None where the source does not say."""

    def shape(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "value": self.value,
            "source": self.source,
            "method": self.method,
            "at": self.at.isoformat() if self.at else None,
        }

    @classmethod
    def of(cls, shape: Mapping[str, Any]) -> Fact:
        """The inverse of `shape`."""
        at = shape["at"]
        return cls(
            shape["value"], shape["source"], shape["method"], datetime.fromisoformat(at) if at else None
        )


Facts = Mapping[str, Fact]
"""Columns of Snapshot.underlyings a source knows of a name, missing ones left out."""


Contracts = frozenset[tuple[date, float]]
"""Expiration and strike of contracts, whichever right."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Option quotes of one name.

    `quotes` has symbol-less columns expiration (datetime64[s]), right ("C"/"P"), strike, bid, ask, last,
    volume, open_interest (float64, NaN where missing) and contract (OCC symbol or ""). `traded` is the
    newest trade instant of the underlying or a contract: it tells the session the quotes belong to.
    `facts` holds what came along (spot, earnings_date, ...).
    """

    symbol: str
    source: str
    quotes: pd.DataFrame
    traded: datetime | None
    fetched: datetime
    method: str = ""
    facts: Facts = field(default_factory=dict)

    def has(self, contracts: Contracts) -> bool:
        """Whether every one of the contracts stands in it, quoted or not."""
        days = self.quotes["expiration"].to_numpy().astype("datetime64[D]").tolist()
        listed = set(zip(days, self.quotes["strike"].round(3), strict=True))
        return all((day, round(strike, 3)) in listed for day, strike in contracts)

    def dump(self) -> str:
        """JSON text for the cache."""
        frame = self.quotes
        columns: dict[str, Any] = {name: _numbers_out(frame[name]) for name in CHAIN_NUMBERS}
        columns["expiration"] = [str(day) for day in frame["expiration"].to_numpy().astype("datetime64[D]")]
        columns["right"] = [str(right) for right in frame["right"]]
        columns["contract"] = [str(contract) for contract in frame["contract"]]
        return json.dumps(
            {
                "symbol": self.symbol,
                "source": self.source,
                "traded": self.traded.isoformat() if self.traded else None,
                "fetched": self.fetched.isoformat(),
                "method": self.method,
                "facts": {name: fact.shape() for name, fact in self.facts.items()},
                "columns": columns,
            }
        )

    @classmethod
    def load(cls, text: str) -> Chain:
        """The inverse of `dump`. Raises ValueError, KeyError or TypeError for another text."""
        shape = json.loads(text)
        columns = shape["columns"]
        frame = pd.DataFrame({name: _numbers_in(columns[name]) for name in CHAIN_NUMBERS})
        frame["expiration"] = np.asarray(columns["expiration"], dtype="datetime64[s]")
        frame["right"] = columns["right"]
        frame["contract"] = columns["contract"]
        traded = shape["traded"]
        return cls(
            symbol=shape["symbol"],
            source=shape["source"],
            quotes=frame,
            traded=datetime.fromisoformat(traded) if traded else None,
            fetched=datetime.fromisoformat(shape["fetched"]),
            method=shape["method"],
            facts={name: Fact.of(fact) for name, fact in shape["facts"].items()},
        )


@dataclass(frozen=True, slots=True)
class History:
    """Daily prices of one name, adjusted for splits (and for dividends where `method` says so).

    `bars` has date (datetime64[s], no time zone, ascending), open, high, low, close, volume (float64,
    NaN where missing). `splits` are days with their ratio (4.0 for four new shares for one old).
    """

    symbol: str
    source: str
    bars: pd.DataFrame
    fetched: datetime
    method: str = ""
    splits: tuple[tuple[date, float], ...] = ()
    facts: Facts = field(default_factory=dict)

    def dump(self) -> str:
        """JSON text for the cache."""
        columns: dict[str, Any] = {name: _numbers_out(self.bars[name]) for name in BAR_NUMBERS}
        columns["date"] = [str(day) for day in self.bars["date"].to_numpy().astype("datetime64[D]")]
        return json.dumps(
            {
                "symbol": self.symbol,
                "source": self.source,
                "fetched": self.fetched.isoformat(),
                "method": self.method,
                "splits": [[day.isoformat(), ratio] for day, ratio in self.splits],
                "facts": {name: fact.shape() for name, fact in self.facts.items()},
                "columns": columns,
            }
        )

    @classmethod
    def load(cls, text: str) -> History:
        """The inverse of `dump`. Raises ValueError, KeyError or TypeError for another text."""
        shape = json.loads(text)
        columns = shape["columns"]
        bars = pd.DataFrame({"date": np.asarray(columns["date"], dtype="datetime64[s]")})
        for name in BAR_NUMBERS:
            bars[name] = _numbers_in(columns[name])
        return cls(
            symbol=shape["symbol"],
            source=shape["source"],
            bars=bars,
            fetched=datetime.fromisoformat(shape["fetched"]),
            method=shape["method"],
            splits=tuple((date.fromisoformat(day), float(ratio)) for day, ratio in shape["splits"]),
            facts={name: Fact.of(fact) for name, fact in shape["facts"].items()},
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What a source is asked for: the instant and session of the run, and the expiries worth a request.

    `target_days` and `slope` come from the rules: expiries that bracket 30 days, and the monthly in
    `trade_days` (nearest `trade_target`) where the trade would be done. One expiry within `nearest_days`
    stands for the two where a side is missing.
    """

    now: datetime
    session: date
    target_days: int = 30
    near_min_days: int = 7
    nearest_days: tuple[int, int] = (20, 45)
    trade_target: int = 45
    trade_days: tuple[int, int] = (25, 70)
    held: Mapping[str, Contracts] = field(default_factory=dict)
    """Expiration and strike of contracts somebody holds, by ticker: wanted as well."""
    replaced: Counter[str] = field(default_factory=Counter, compare=False)
    """How often in this run a source further down the order had to answer, by what stood in the way."""

    def held_of(self, symbol: str) -> Contracts:
        """The contracts held of one name."""
        return self.held.get(symbol, frozenset())


class Source(Protocol):
    """One supplier. Every method raises SourceError, or gives one for each name that failed.

    A source says in `serves` which of the groups it has: chain, history, closes, metrics. Methods of a
    group it does not serve are never called.
    """

    @property
    def name(self) -> str:
        """As the configuration calls it."""
        ...

    @property
    def serves(self) -> frozenset[str]:
        """The groups it has."""
        ...

    async def chain(self, symbol: str, asked: Asked) -> Chain:
        """Quotes of the expiries the run needs."""
        ...

    async def history(self, symbol: str, asked: Asked) -> History:
        """Two and a half years of daily bars."""
        ...

    async def closes(self, symbols: list[str], asked: Asked) -> dict[str, History | SourceError]:
        """Closes of many names in few requests, for the first look at a large universe."""
        ...

    async def metrics(self, symbols: list[str], asked: Asked) -> dict[str, Facts | SourceError]:
        """What the source knows ready-made of many names."""
        ...

    async def aclose(self) -> None:
        """Let go of connections."""
        ...


IvHistory = list[tuple[date, float]]
"""Days with a source's own implied volatility as a fraction, ascending."""


@runtime_checkable
class KnowsIv(Protocol):
    """A source that knows the implied volatility of a name today and of days past."""

    @property
    def name(self) -> str:
        """As the configuration calls it."""
        ...

    async def iv_history(self, symbols: list[str], asked: Asked) -> dict[str, IvHistory | SourceError]:
        """A year of daily implied volatility of each name."""
        ...

    async def underlying_iv(self, symbols: list[str]) -> dict[str, Fact | SourceError]:
        """30-day implied volatility of each name as a fraction."""
        ...


@runtime_checkable
class HoldsAccounts(Protocol):
    """A source that knows what the accounts behind its login hold."""

    async def holdings(self) -> Holdings:
        """Open positions and net liquidation. Raises SourceError."""
        ...


def utc(seconds: float) -> datetime:
    """An instant from seconds since 1970."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def _numbers_out(column: pd.Series[Any]) -> list[float | None]:
    values = column.to_numpy(dtype=np.float64)
    return [None if np.isnan(value) else value for value in values.tolist()]


def _numbers_in(values: list[float | None]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)
