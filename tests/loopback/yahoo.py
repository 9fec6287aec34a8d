"""Yahoo on loopback, made from a Snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from aiohttp import web

from engine.market.sessions import NEW_YORK
from engine.market.snapshot import Snapshot
from tests.loopback.faults import Edit, Handler
from tests.loopback.replies import Replies
from tests.loopback.yahoo_door import HOSTS, Door, asked, crumb, error_reply, not_found, refused

MOST_SYMBOLS = 20
OPENING = timedelta(hours=9, minutes=30)
_TIMES = {"volume": "volume", "openInterest": "open_interest"}
_PRICES = {"lastPrice": "last", "bid": "bid", "ask": "ask"}

Events = Mapping[str, list[tuple[date, float]]]


@dataclass
class YahooBook:
    """What a made-up Yahoo knows: a Snapshot, with past dividends (cash) and splits (ratio) of its names.

    Chart closes are adjusted for splits, `adjclose` for dividends as well and equal to the Snapshot's; the
    end of the asked period is not looked at, as yfinance takes it from the machine's clock. `others` are
    bars of names without options, by Yahoo's symbol (^VIX, ES=F).
    """

    snapshot: Snapshot
    dividends: Events = field(default_factory=dict)
    splits: Events = field(default_factory=dict)
    others: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    door: Door = field(default_factory=Door)

    @cached_property
    def names(self) -> dict[str, dict[str, Any]]:
        """Rows of the underlyings by Yahoo's own symbol."""
        rows: list[dict[str, Any]] = self.snapshot.underlyings.to_dict("records")  # type: ignore[assignment]
        known = {_yahoo_symbol(row): row for row in rows}
        return {symbol: self._other(symbol) for symbol in self.others} | known

    def _other(self, symbol: str) -> dict[str, Any]:
        spot, traded = float(self.others[symbol]["close"].iloc[-1]), self.snapshot.asof.isoformat()
        blank = dict.fromkeys(("earnings_date", "earnings_verified", "error"))
        kind = {"symbol": symbol, "name": symbol, "asset_class": "index"}
        return {**blank, **kind, "spot": spot, "quote_time": traded}

    @cached_property
    def bars(self) -> dict[str, pd.DataFrame]:
        """Daily bars by our symbol."""
        own = {str(name): bars for name, bars in self.snapshot.history.groupby("symbol", observed=True)}
        return {**self.others, **own}

    @cached_property
    def quotes(self) -> dict[str, dict[int, pd.DataFrame]]:
        """Contracts by our symbol and by expiration in seconds since 1970."""
        found: dict[str, dict[int, pd.DataFrame]] = {}
        for (name, day), page in self.snapshot.quotes.groupby(["symbol", "expiration"], observed=True):
            found.setdefault(str(name), {})[int(pd.Timestamp(str(day)).timestamp())] = page
        return found

    def options(self, symbol: str, expiration: int | None) -> dict[str, Any]:
        """The options reply of a name, its nearest expiration where none is asked for."""
        row = self.names[symbol]
        pages = self.quotes.get(row["symbol"], {})
        chosen = expiration if expiration is not None else min(pages, default=0)
        page = pages.get(chosen)
        traded = _seconds(row["quote_time"])
        sides = {
            name: [] if page is None else _contracts(page[page["right"] == right], chosen, traded)
            for name, right in (("calls", "C"), ("puts", "P"))
        }
        strikes = sorted({contract["strike"] for side in sides.values() for contract in side})
        options = [{"expirationDate": chosen, "hasMiniOptions": False, **sides}] if pages else []
        result = {
            "underlyingSymbol": symbol,
            "expirationDates": sorted(pages),
            "strikes": strikes,
            "hasMiniOptions": False,
            "quote": _quote(symbol, row, traded),
            "options": options,
        }
        return {"optionChain": {"result": [result], "error": None}}

    def chart(self, symbol: str, since: int) -> dict[str, Any]:
        """The chart reply of a name from an instant on."""
        row = self.names[symbol]
        bars = self._from(row["symbol"], since)
        factor = self._dividend_factor(row["symbol"], bars)
        quote = {
            column: _listed(bars[column].to_numpy(np.float64) / (1.0 if column == "volume" else factor))
            for column in ("open", "high", "low", "close", "volume")
        }
        result = {
            "meta": _meta(symbol, row, self.snapshot.session),
            "timestamp": _openings(bars),
            "events": self._events(row["symbol"], bars),
            "indicators": {"quote": [quote], "adjclose": [{"adjclose": _listed(bars["close"])}]},
        }
        return {"chart": {"result": [result], "error": None}}

    def spark(self, symbol: str, since: int) -> dict[str, Any] | None:
        """The closes of a name, not adjusted for dividends; None for a name that is not known."""
        row = self.names.get(symbol)
        if row is None:
            return None
        bars = self._from(row["symbol"], since)
        closes = bars["close"].to_numpy(np.float64) / self._dividend_factor(row["symbol"], bars)
        return {
            "timestamp": _openings(bars),
            "symbol": symbol,
            "end": None,
            "start": None,
            "previousClose": None,
            "chartPreviousClose": None,
            "close": _listed(closes),
            "dataGranularity": 300,
        }

    def _from(self, name: str, since: int) -> pd.DataFrame:
        bars = self.bars.get(name, self.snapshot.history.iloc[:0])
        return bars[bars["date"] >= pd.Timestamp(since, unit="s").normalize()]

    def _dividend_factor(self, name: str, bars: pd.DataFrame) -> np.ndarray[Any, Any]:
        """What turns prices as traded into Yahoo's adjusted ones: (1 - dividend / last close) a day."""
        days, adjusted = bars["date"].to_numpy("datetime64[D]"), bars["close"].to_numpy(np.float64)
        factor = np.ones(len(bars))
        for day, cash in sorted(self.dividends.get(name, []), reverse=True):
            place = int(np.searchsorted(days, np.datetime64(day, "D")))
            if 0 < place < len(days):
                plain = adjusted[place - 1] / factor[place - 1]
                # The close before the day was (plain + its part of the cash): solved for that close.
                factor[:place] *= plain / (plain + cash)
        return factor

    def _events(self, name: str, bars: pd.DataFrame) -> dict[str, Any]:
        days = {day.date(): at for day, at in zip(bars["date"], _openings(bars), strict=True)}
        events: dict[str, Any] = {}
        for day, cash in self.dividends.get(name, []):
            if day in days:
                at = days[day]
                events.setdefault("dividends", {})[str(at)] = {"amount": cash, "date": at}
        for day, ratio in self.splits.get(name, []):
            if day in days:
                events.setdefault("splits", {})[str(days[day])] = _split(days[day], ratio)
        return events


def yahoo(book: YahooBook) -> dict[str, Handler]:
    """Handlers of Yahoo's hosts for a made-up book."""
    replies = Replies()

    async def data(request: web.Request) -> web.StreamResponse:
        kind, symbol = asked(request)
        if kind == "getcrumb":
            return crumb(book.door, request)
        if kind == "spark":
            return _spark(book, request)
        if symbol not in book.names:
            return not_found(kind)
        if kind == "options":
            return _options(book, symbol, request, replies)
        if kind == "chart":
            since = int(request.query.get("period1", "0"))
            return replies.json(("chart", symbol, since), lambda: book.chart(symbol, since))
        return not_found("finance")

    return {**dict.fromkeys(HOSTS, data), **book.door.handlers()}


def fresh_yfinance() -> None:
    """Let the library forget its one session and its open files, as a new process would."""
    from yfinance import cache
    from yfinance.data import SingletonMeta

    SingletonMeta._instances.clear()
    cache._TzCacheManager._tz_cache = None
    cache._CookieCacheManager._Cookie_cache = None


def unadjusted_split(ratio: float, bars_ago: int) -> Edit:
    """An edit of a chart: prices before the last `bars_ago` bars as they stood before a split."""

    def edit(reply: Any) -> Any:
        for result in reply["chart"]["result"] or ():
            indicators = result["indicators"]
            for series in (*indicators["quote"], *indicators["adjclose"]):
                for name in set(series) - {"volume"}:
                    old, new = series[name][:-bars_ago], series[name][-bars_ago:]
                    series[name] = [each and each * ratio for each in old] + new
        return reply

    return edit


def _options(book: YahooBook, symbol: str, request: web.Request, replies: Replies) -> web.Response:
    if not book.door.admits(request):
        return refused("optionChain")
    if isinstance(book.names[symbol].get("error"), str):
        return error_reply("optionChain", 500, "Internal Server Error", book.names[symbol]["error"])
    date_asked = request.query.get("date")
    day = int(date_asked) if date_asked else None
    return replies.json(("options", symbol, day), lambda: book.options(symbol, day))


def _spark(book: YahooBook, request: web.Request) -> web.Response:
    symbols = [symbol for symbol in request.query.get("symbols", "").split(",") if symbol]
    if not 0 < len(symbols) <= MOST_SYMBOLS:
        text = f"Exceeded the maximum number of symbols per request: {MOST_SYMBOLS}"
        return error_reply("spark", 400, "Bad Request", text)
    years = {"1y": 1, "2y": 2, "5y": 5}[request.query.get("range", "1y")]
    since = datetime.combine(book.snapshot.session, datetime.min.time(), UTC) - timedelta(days=365.25 * years)
    found = {symbol: book.spark(symbol, int(since.timestamp())) for symbol in symbols}
    return web.json_response({symbol: series for symbol, series in found.items() if series})


def _yahoo_symbol(row: Mapping[str, Any]) -> str:
    if row["asset_class"] == "index" and not row["symbol"].startswith("^"):
        return f"^{row['symbol']}"
    return str(row["symbol"]).replace(".", "-")


def _seconds(instant: str) -> int:
    return int(datetime.fromisoformat(instant).timestamp())


def _quote(symbol: str, row: Mapping[str, Any], traded: int) -> dict[str, Any]:
    quote: dict[str, Any] = {
        "language": "en-US",
        "region": "US",
        "quoteType": {"equity": "EQUITY", "index": "INDEX"}.get(row["asset_class"], "ETF"),
        "currency": "USD",
        "regularMarketTime": traded,
        "longName": row["name"],
        "shortName": row["name"],
        "exchangeTimezoneName": "America/New_York",
        "marketState": "POST",
        "symbol": symbol,
    }
    if not pd.isna(row["spot"]):
        quote["regularMarketPrice"] = row["spot"]
    if isinstance(row["earnings_date"], str):
        day = date.fromisoformat(row["earnings_date"])
        due = int((datetime(day.year, day.month, day.day, 16, 5, tzinfo=NEW_YORK)).timestamp())
        quote |= {"earningsTimestampStart": due, "earningsTimestampEnd": due}
        quote["isEarningsDateEstimate"] = row.get("earnings_verified") != "true"
    return quote


def _contracts(side: pd.DataFrame, expiration: int, traded: int) -> list[dict[str, Any]]:
    day = datetime.fromtimestamp(expiration, tz=UTC)
    contracts = []
    for quote in side.to_dict("records"):
        root, given = quote["symbol"].replace(".", ""), quote.get("contract")
        plain = f"{root}{day:%y%m%d}{quote['right']}{round(quote['strike'] * 1000):08d}"
        at_hand = {name: quote[ours] for name, ours in _PRICES.items() if not np.isnan(quote[ours])}
        counts = {name: int(quote[ours]) for name, ours in _TIMES.items() if not np.isnan(quote[ours])}
        contracts.append(
            {
                "contractSymbol": given.replace(" ", "") if isinstance(given, str) and given else plain,
                "strike": quote["strike"],
                "currency": "USD",
                "change": 0.0,
                "percentChange": 0.0,
                **at_hand,
                **counts,
                "contractSize": "REGULAR",
                "expiration": expiration,
                "lastTradeDate": traded if counts.get("volume") else traded - 3 * 86_400,
                "impliedVolatility": 1.0000000000000003e-05,
                "inTheMoney": False,
            }
        )
    return contracts


def _meta(symbol: str, row: Mapping[str, Any], session: date) -> dict[str, Any]:
    opening = int(datetime(session.year, session.month, session.day, 9, 30, tzinfo=NEW_YORK).timestamp())
    period = {"timezone": "EST", "start": opening, "end": opening + 23_400, "gmtoffset": -18_000}
    return {
        "currency": "USD",
        "symbol": symbol,
        "exchangeName": "NMS",
        "instrumentType": {"equity": "EQUITY", "index": "INDEX"}.get(row["asset_class"], "ETF"),
        "regularMarketTime": _seconds(row["quote_time"]),
        "gmtoffset": -18_000,
        "timezone": "EST",
        "exchangeTimezoneName": "America/New_York",
        "priceHint": 2,
        "currentTradingPeriod": {"pre": period, "regular": period, "post": period},
        "dataGranularity": "1d",
        "range": "",
        "validRanges": ["1d", "5d", "1mo", "3mo", "6mo", "1y", "2y", "5y", "10y", "ytd", "max"],
    }


def _openings(bars: pd.DataFrame) -> list[int]:
    local = (bars["date"] + OPENING).dt.tz_localize("America/New_York")
    return [int(instant.timestamp()) for instant in local]


def _listed(values: Any) -> list[float | None]:
    numbers = np.asarray(values, dtype=np.float64)
    return [None if np.isnan(number) else number for number in numbers.tolist()]


def _split(at: int, ratio: float) -> dict[str, Any]:
    return {"date": at, "numerator": ratio, "denominator": 1.0, "splitRatio": f"{ratio:g}:1"}
