"""What every made-up source tells of one Snapshot, so that all of them tell the same story."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from engine.market.sessions import is_monthly
from engine.market.snapshot import Snapshot

AFTERNOON_ROOTS = {"SPX": "SPXW", "NDX": "NDXP", "RUT": "RUTW"}
"""Under which roots the options of an index are listed that settle at the close."""
YEAR = 252


@dataclass(frozen=True, slots=True)
class Contract:
    """One listed option with its quotes, as the Snapshot has it; NaN where it has none."""

    root: str
    expiration: date
    right: str
    strike: float
    quote: dict[str, float] = field(repr=False)

    @property
    def code(self) -> str:
        """OCC symbol without padding, SPXW260618C05000000."""
        return f"{self.root}{self._tail}"

    @property
    def padded(self) -> str:
        """OCC symbol with the root padded to six characters."""
        return f"{self.root:6}{self._tail}"

    @property
    def streamed(self) -> str:
        """The symbol of the stream, .SPXW260618C5000."""
        return f".{self.root}{self.expiration:%y%m%d}{self.right}{self.strike:g}"

    @property
    def adjusted(self) -> bool:
        """Whether something else than 100 shares is delivered: the root ends in a digit."""
        return self.root[-1].isdigit()

    @property
    def _tail(self) -> str:
        return f"{self.expiration:%y%m%d}{self.right}{round(self.strike * 1000):08d}"


@dataclass
class MarketBook:
    """A Snapshot looked up by name, with the figures a vendor would have computed from it.

    Columns of the Snapshot win. Where it has none, iv30 is the straddle at the money nearest 30 days by the
    usual rule of thumb, and the daily series before it is the realized volatility of 21 sessions, scaled to
    end there: made up, but of a believable shape and the same in every source.
    """

    snapshot: Snapshot

    @cached_property
    def rows(self) -> dict[str, dict[str, Any]]:
        """Rows of the underlyings, by symbol."""
        rows: list[dict[str, Any]] = self.snapshot.underlyings.to_dict("records")  # type: ignore[assignment]
        return {str(row["symbol"]): row for row in rows}

    @cached_property
    def bars(self) -> dict[str, pd.DataFrame]:
        """Daily bars, by symbol."""
        return {str(name): bars for name, bars in self.snapshot.history.groupby("symbol", observed=True)}

    @cached_property
    def roots(self) -> dict[str, str]:
        """Our symbol by the root of its contracts."""
        return {self.root(symbol): symbol for symbol in self.rows}

    def root(self, symbol: str) -> str:
        """Root of a name's standard contracts."""
        plain = symbol.removeprefix("^").replace(".", "")
        return AFTERNOON_ROOTS.get(plain, plain) if self.rows[symbol]["asset_class"] == "index" else plain

    def contracts(self, symbol: str) -> list[Contract]:
        """Everything listed of a name, in the Snapshot's order."""
        if symbol not in self._contracts:
            self._contracts[symbol] = self._listed(symbol)
        return self._contracts[symbol]

    def value(self, symbol: str, column: str) -> float:
        """A number of the underlyings, NaN where it is missing."""
        value = self.rows[symbol].get(column)
        return float(value) if value is not None and not isinstance(value, str) else float("nan")

    def text(self, symbol: str, column: str) -> str | None:
        """A text of the underlyings, None where it is missing."""
        value = self.rows[symbol].get(column)
        return value if isinstance(value, str) and value else None

    def fault(self, symbol: str) -> str | None:
        """What the vendor answered instead, as the Snapshot recorded it."""
        return self.text(symbol, "error")

    def traded(self, symbol: str) -> datetime:
        """Instant of the last trade."""
        return datetime.fromisoformat(self.rows[symbol]["quote_time"])

    def iv30(self, symbol: str) -> float:
        """Implied volatility of 30 days (fraction), NaN without a chain."""
        if symbol not in self._iv30:
            given = self.value(symbol, "iv30_provider")
            self._iv30[symbol] = self._straddle_iv(symbol) if np.isnan(given) else given
        return self._iv30[symbol]

    def hv(self, symbol: str, sessions: int) -> float:
        """Realized volatility (fraction) of the last sessions, NaN with fewer."""
        given = self.value(symbol, f"hv{sessions}_provider")
        if not np.isnan(given):
            return given
        moves = self._moves(symbol)[-sessions:]
        return float(moves.std(ddof=1) * np.sqrt(YEAR)) if len(moves) == sessions else float("nan")

    def iv_series(self, symbol: str) -> list[tuple[date, float]]:
        """A year of daily implied volatility (fraction), ascending; empty where there is none."""
        known = self.snapshot.iv_series
        if known is not None:
            own = known[known["symbol"] == symbol]
            return [(day.date(), float(iv)) for day, iv in zip(own["date"], own["iv30"], strict=True)]
        moves, last = self._moves(symbol), self.iv30(symbol)
        if len(moves) < YEAR + 21 or np.isnan(last):
            return []
        days = [day.date() for day in self.bars[symbol]["date"]][-YEAR:]
        windows = np.lib.stride_tricks.sliding_window_view(moves, 21)[-YEAR:]
        realized = windows.std(axis=1, ddof=1)
        return list(zip(days, (realized * last / realized[-1]).tolist(), strict=True))

    def rank(self, symbol: str) -> float:
        """Place of the last value within the year's range (fraction)."""
        given = self.value(symbol, "iv_rank")
        values = [iv for _, iv in self.iv_series(symbol)]
        if not np.isnan(given) or len(values) < 2:
            return given / 100.0
        return (values[-1] - min(values)) / (max(values) - min(values))

    def percentile(self, symbol: str) -> float:
        """Share of the year's values below the last one (fraction)."""
        given = self.value(symbol, "iv_percentile")
        values = np.array([iv for _, iv in self.iv_series(symbol)])
        return (
            given / 100.0 if not np.isnan(given) or not len(values) else float((values < values[-1]).mean())
        )

    @cached_property
    def _iv30(self) -> dict[str, float]:
        return {}

    @cached_property
    def _contracts(self) -> dict[str, list[Contract]]:
        return {}

    @cached_property
    def _quotes(self) -> dict[str, pd.DataFrame]:
        return {str(name): page for name, page in self.snapshot.quotes.groupby("symbol", observed=True)}

    def _listed(self, symbol: str) -> list[Contract]:
        page = self._quotes.get(symbol)
        if page is None:
            return []
        days = page["expiration"].to_numpy().astype("datetime64[D]").astype(object)
        codes = page["contract"] if "contract" in page else [None] * len(page)
        numbers = page[["bid", "ask", "last", "volume", "open_interest"]].to_dict("records")
        root, found = self.root(symbol), []
        for day, code, right, strike, quote in zip(
            days, codes, page["right"], page["strike"], numbers, strict=True
        ):
            own = code[:6].strip() if isinstance(code, str) and code else root
            quoted = {str(name): float(number) for name, number in quote.items()}
            found.append(Contract(own, day, str(right), float(strike), quoted))
        return found

    def _moves(self, symbol: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        bars = self.bars.get(symbol)
        closes = np.array([]) if bars is None else bars["close"].to_numpy(np.float64)
        return np.diff(np.log(closes))

    def _straddle_iv(self, symbol: str) -> float:
        spot = self.value(symbol, "spot")
        own = [each for each in self.contracts(symbol) if not each.adjusted]
        days = {each.expiration for each in own if (each.expiration - self.snapshot.session).days >= 7}
        if not days or np.isnan(spot):
            return float("nan")
        day = min(days, key=lambda day: abs((day - self.snapshot.session).days - 30))
        strikes = {each.strike for each in own if each.expiration == day}
        strike = min(strikes, key=lambda strike: abs(strike - spot))
        mids = {
            each.right: (each.quote["bid"] + each.quote["ask"]) / 2
            for each in own
            if each.expiration == day and each.strike == strike
        }
        years = (day - self.snapshot.session).days / 365.0
        straddle = mids.get("C", np.nan) + mids.get("P", np.nan)
        # What is inside the straddle from the start says nothing of the volatility.
        return float((straddle - abs(spot - strike)) * np.sqrt(np.pi / 2) / (spot * np.sqrt(years)))


def monthly(day: date) -> bool:
    """Whether a day is a standard monthly expiry."""
    return bool(is_monthly(np.array([day], dtype="datetime64[D]"))[0])


def past_dividends(book: MarketBook, count: int = 9) -> dict[str, list[tuple[date, float]]]:
    """Quarterly ex-dates before the next one the Snapshot tells of, with its amount."""
    found: dict[str, list[tuple[date, float]]] = {}
    for symbol in book.rows:
        due, amount = book.text(symbol, "dividend_date"), book.value(symbol, "dividend_amount")
        bars = book.bars.get(symbol)
        if due is None or np.isnan(amount) or bars is None:
            continue
        sessions = bars["date"].to_numpy().astype("datetime64[D]")
        days = [
            np.datetime64(date.fromisoformat(due) - timedelta(days=91 * back)) for back in range(1, count)
        ]
        places = [np.searchsorted(sessions, day) for day in days if sessions[0] < day <= sessions[-1]]
        found[symbol] = [(sessions[place].astype(object), amount) for place in reversed(places)]
    return found
