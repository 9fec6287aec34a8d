"""Yahoo through yfinance: option chains, daily histories, and closes of twenty names a request."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from curl_cffi.requests.exceptions import RequestException

from engine.market.live.access import Access
from engine.market.live.answers import Asked, Chain, Fact, Facts, History, utc
from engine.market.live.dividends import projected_dividend
from engine.market.live.expiries import wanted_expiries
from engine.market.live.failures import Failure, SourceError
from engine.market.live.indices import AFTERNOON_ROOTS, is_index
from engine.market.live.traffic import persistent
from engine.market.live.yahoo_session import YAHOO, PoliteSession, failure_of, prepared_yfinance
from engine.market.sessions import NEW_YORK

T = TypeVar("T")

HISTORY_DAYS = 900
"""Calendar days of history asked for: the 600 sessions the screen looks at."""
AT_ONCE = 20
"""Symbols one spark request may hold."""
_SPARK = "https://query1.finance.yahoo.com/v8/finance/spark"
_OCC = re.compile(r"(\d{6})[CP]\d{8}$")
_NEW_YORK_NAME = "America/New_York"


class YahooSource:
    """Source over yfinance with one shared curl_cffi session, in at most four worker threads.

    A chain costs one request for the list of expiries with the nearest of them, and one for each other
    expiry IV30 and the trade gates need; a history costs one. Yahoo's own implied volatility is never
    read: it is a placeholder outside the session and off at the close.
    """

    name = YAHOO
    serves = frozenset({"chain", "history", "closes"})

    def __init__(self, access: Access) -> None:
        self._access = access
        self._traffic = access.towards(YAHOO)
        self._pool = ThreadPoolExecutor(self._traffic.limits.at_once, thread_name_prefix=YAHOO)
        self._session: PoliteSession | None = None
        self._yfinance: Any = None
        self._starting = threading.Lock()

    async def chain(self, symbol: str, asked: Asked) -> Chain:
        """Quotes of the expiries that bracket 30 days and of the monthly a trade would take.

        Raises SourceError: NO_OPTIONS, EMPTY_CHAIN, MISSING_FIELDS, or what the line did.
        """
        return await self._in_thread(lambda: self._chain(symbol, asked))

    async def history(self, symbol: str, asked: Asked) -> History:
        """Daily bars adjusted for splits and dividends. Raises SourceError."""
        return await self._in_thread(lambda: self._history(symbol, asked))

    async def closes(self, symbols: list[str], asked: Asked) -> dict[str, History | SourceError]:
        """Two years of closes, twenty names a request; whether they are adjusted is not documented."""
        found: dict[str, History | SourceError] = {}
        parts = [symbols[first : first + AT_ONCE] for first in range(0, len(symbols), AT_ONCE)]

        async def one(part: Sequence[str]) -> None:
            try:
                found.update(await self._in_thread(lambda: self._closes(part, asked)))
            except SourceError as error:
                found.update(dict.fromkeys(part, error))

        await asyncio.gather(*map(one, parts))
        return found

    async def metrics(self, symbols: list[str], asked: Asked) -> dict[str, Facts | SourceError]:
        """Yahoo serves none."""
        raise SourceError(YAHOO, Failure.NOT_CONFIGURED, detail="no ready-made metrics")

    async def aclose(self) -> None:
        """Let the threads end and close the session."""
        await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)
        if self._session is not None:
            self._session.close()

    async def _in_thread(self, work: Callable[[], T]) -> T:
        loop = asyncio.get_running_loop()
        return await persistent(self._traffic, lambda: loop.run_in_executor(self._pool, self._mapped, work))

    def _mapped(self, work: Callable[[], T]) -> T:
        """Run in a worker thread; whatever the library raises becomes a SourceError."""
        with self._starting:
            if self._session is None:
                self._yfinance = prepared_yfinance(self._access.folder)
                self._session = PoliteSession(self._access)
        library = self._yfinance
        self._session.begin()
        errors = library.exceptions
        try:
            return work()
        except RequestException as error:
            raise failure_of(error) from None
        except errors.YFRateLimitError:
            raise SourceError(YAHOO, Failure.RATE_LIMITED) from None
        except errors.YFPricesMissingError:
            raise SourceError(YAHOO, Failure.NO_HISTORY) from None
        except errors.YFDataException:
            raise SourceError(YAHOO, Failure.SERVER_ERROR, detail="the site says it is down") from None
        except (KeyError, TypeError, IndexError, AttributeError) as error:
            raise SourceError(YAHOO, Failure.MISSING_FIELDS, detail=type(error).__name__) from None
        except ValueError:
            # json's own error is a ValueError: a page, half a reply, or nothing at all.
            raise SourceError(YAHOO, Failure.UNREADABLE) from None

    def _chain(self, symbol: str, asked: Asked) -> Chain:
        ticker = self._yfinance.Ticker(yahoo_symbol(symbol), session=self._session)
        first = ticker.option_chain()
        if first.calls is None:
            # The quote comes along whether or not there are options; without it the reply is another one.
            raise SourceError(YAHOO, Failure.NO_OPTIONS if ticker._underlying else Failure.MISSING_FIELDS)
        listed = {date.fromisoformat(text): text for text in ticker.options}
        at_hand = _expiry_of(first)
        frames = []
        wanted = wanted_expiries(sorted(listed), asked, symbol)
        pages = {
            expiry: first if expiry == at_hand else _later_page(ticker, listed[expiry]) for expiry in wanted
        }
        for expiry, page in pages.items():
            if page is not None:
                frames += [_side(page.calls, "C", expiry), _side(page.puts, "P", expiry)]
        lacking = list(pages.values()).count(None)
        if lacking and lacking == len(wanted):
            raise SourceError(YAHOO, Failure.MISSING_FIELDS, detail="the pages of its expiries")
        if not sum(map(len, frames)):
            raise SourceError(YAHOO, Failure.EMPTY_CHAIN)
        quotes = _of_one_root(pd.concat(frames, ignore_index=True), symbol)
        if quotes["strike"].isna().all():
            raise SourceError(YAHOO, Failure.MISSING_FIELDS, detail="strike")
        quote = first.underlying or {}
        traded = _newest(quote.get("regularMarketTime"), [page["traded"] for page in frames])
        return Chain(
            symbol=symbol,
            source=YAHOO,
            quotes=quotes.drop(columns="traded"),
            traded=traded,
            fetched=self._access.clock.now(),
            method=f"{len(wanted) - lacking} of {len(listed)} expiries"
            + (f", {lacking} not to be had" if lacking else ""),
            facts=_quote_facts(quote, asked.session),
        )

    def _history(self, symbol: str, asked: Asked) -> History:
        ticker = self._yfinance.Ticker(yahoo_symbol(symbol), session=self._session)
        # Told beforehand, or the library asks for the exchange's zone first, one request a name. Its file of
        # known zones would do as well, but answers "database is locked" to threads that open it together.
        ticker._tz = _NEW_YORK_NAME
        start = asked.session - timedelta(days=HISTORY_DAYS)
        frame = ticker.history(start=start)
        if frame.empty:
            raise SourceError(YAHOO, Failure.NO_HISTORY)
        days = pd.DatetimeIndex(frame.index).tz_localize(None).to_numpy().astype("datetime64[s]")
        bars = pd.DataFrame({"date": days})
        for column in ("open", "high", "low", "close", "volume"):
            bars[column] = frame[column.title()].to_numpy(dtype=np.float64)
        return History(
            symbol=symbol,
            source=YAHOO,
            bars=bars,
            fetched=self._access.clock.now(),
            method="daily bars, adjusted for splits and dividends",
            splits=tuple(_events(days, frame["Stock Splits"])),
            facts=projected_dividend(list(_events(days, frame["Dividends"])), asked.session, YAHOO),
        )

    def _closes(self, symbols: Sequence[str], asked: Asked) -> dict[str, History | SourceError]:
        from yfinance.data import YfData

        tickers = {yahoo_symbol(symbol): symbol for symbol in symbols}
        params = {"symbols": ",".join(tickers), "range": "2y", "interval": "1d"}
        series = dict(_spark_series(YfData(session=self._session).get_raw_json(_SPARK, params=params)))
        now = self._access.clock.now()
        found: dict[str, History | SourceError] = {}
        for ticker, symbol in tickers.items():
            bars = _spark_bars(series.get(ticker))
            found[symbol] = (
                SourceError(YAHOO, Failure.UNKNOWN_SYMBOL)
                if bars is None
                else History(symbol, YAHOO, bars, now, "closes only (spark), adjustment unknown")
            )
        return found


def yahoo_symbol(symbol: str) -> str:
    """BRK.B as BRK-B, SPX as ^SPX; Yahoo's own forms (^VIX, ES=F) stay."""
    if is_index(symbol) and not symbol.startswith("^"):
        return f"^{symbol}"
    return symbol.replace(".", "-") if "=" not in symbol else symbol


def _later_page(ticker: Any, expiry: str) -> Any:
    """The page of another expiry; None where there is none: the name is known, its first page was there."""
    try:
        return ticker.option_chain(expiry)
    except SourceError as error:
        if error.failure is not Failure.UNKNOWN_SYMBOL:
            raise
        return None


def _expiry_of(page: Any) -> date | None:
    for side in (page.calls, page.puts):
        for contract in side["contractSymbol"].head(1):
            found = _OCC.search(str(contract))
            if found:
                return datetime.strptime(found[1], "%y%m%d").replace(tzinfo=NEW_YORK).date()
    return None


def _side(frame: pd.DataFrame, right: str, expiry: date) -> pd.DataFrame:
    """Calls or puts of a page in our columns; contracts with another deliverable are left out."""
    plain = frame[frame["contractSize"].fillna("REGULAR") == "REGULAR"]
    columns = {"strike": "strike", "bid": "bid", "ask": "ask", "last": "lastPrice", "volume": "volume"}
    numbers = {
        name: plain[theirs].to_numpy(dtype=np.float64, na_value=np.nan)
        for name, theirs in (*columns.items(), ("open_interest", "openInterest"))
    }
    return pd.DataFrame(
        {
            **numbers,
            "expiration": np.full(len(plain), np.datetime64(expiry, "s")),
            "right": right,
            "contract": plain["contractSymbol"].astype("str").to_numpy(dtype=object),
            "traded": plain["lastTradeDate"].to_numpy(dtype="datetime64[s]"),
        }
    )


def _of_one_root(quotes: pd.DataFrame, symbol: str) -> pd.DataFrame:
    """An index' monthly lists a strike twice, settled at the open and at the close: the latter is kept."""
    afternoon = AFTERNOON_ROOTS.get(symbol.removeprefix("^"))
    if afternoon is None:
        return quotes
    late = quotes["contract"].str[:-15] == afternoon
    both = quotes["expiration"].isin(quotes.loc[late, "expiration"])
    return quotes[late | ~both].reset_index(drop=True)


def _newest(underlying: float | None, columns: Iterable[pd.Series[Any]]) -> datetime | None:
    """The newest trade among the underlying and its contracts."""
    seconds = [float(underlying)] if underlying else []
    latest = [column.max() for column in columns]
    seconds += [pd.Timestamp(instant).timestamp() for instant in latest if not pd.isna(instant)]
    return utc(max(seconds)) if seconds else None


def _quote_facts(quote: Mapping[str, Any], session: date) -> Facts:
    facts: dict[str, Fact] = {}
    price, traded = quote.get("regularMarketPrice"), quote.get("regularMarketTime")
    if price:
        facts["spot"] = Fact(float(price), YAHOO, "last trade", utc(float(traded)) if traded else None)
    if name := quote.get("longName") or quote.get("shortName"):
        facts["name"] = Fact(str(name), YAHOO)
    due = quote.get("earningsTimestampStart") or quote.get("earningsTimestamp")
    if due and (day := utc(float(due)).astimezone(NEW_YORK).date()) >= session:
        estimated = bool(quote.get("isEarningsDateEstimate", True))
        facts["earnings_date"] = Fact(day.isoformat(), YAHOO, "estimate" if estimated else "announced")
        facts["earnings_verified"] = Fact(not estimated, YAHOO)
    return facts


def _events(days: np.ndarray[Any, Any], column: pd.Series[Any]) -> Iterable[tuple[date, float]]:
    values = column.to_numpy(dtype=np.float64)
    for place in np.flatnonzero(np.isfinite(values) & (values > 0)):
        yield days[place].astype("datetime64[D]").astype(date), float(values[place])


def _spark_series(reply: Mapping[str, Any]) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Both shapes Yahoo has used: one object a symbol, or chart-like results in a list."""
    if "spark" in reply:
        for result in reply["spark"]["result"] or ():
            for response in result["response"]:
                closes = response["indicators"]["quote"][0].get("close", [])
                yield result["symbol"], {"timestamp": response.get("timestamp", []), "close": closes}
        return
    for symbol, series in reply.items():
        if isinstance(series, Mapping):
            yield symbol, series


def _spark_bars(series: Mapping[str, Any] | None) -> pd.DataFrame | None:
    if not series or not series.get("timestamp") or not series.get("close"):
        return None
    instants = pd.to_datetime(np.asarray(series["timestamp"], dtype=np.int64), unit="s", utc=True)
    days = instants.tz_convert(NEW_YORK).tz_localize(None).normalize().to_numpy().astype("datetime64[s]")
    closes = np.array([np.nan if each is None else each for each in series["close"]], dtype=np.float64)
    if len(days) != len(closes):
        raise SourceError(YAHOO, Failure.UNREADABLE, detail="as many days as closes expected")
    frame = pd.DataFrame({"date": days, "close": closes})
    for column in ("open", "high", "low", "volume"):
        frame[column] = np.nan
    return frame.drop_duplicates("date", keep="last").reset_index(drop=True)
