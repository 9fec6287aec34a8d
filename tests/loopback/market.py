"""All sources on loopback at once, telling of one market."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from engine.market.live.rules import load_proxies
from engine.market.simulated import BENCHMARK
from engine.market.snapshot import Snapshot
from tests.loopback.access import CONFIG
from tests.loopback.book import MarketBook, past_dividends
from tests.loopback.cboe import cboe, recorded_cboe
from tests.loopback.faults import Handler
from tests.loopback.public import public
from tests.loopback.tastytrade import Accounts, Login, recorded_tastytrade, tastytrade
from tests.loopback.yahoo import YahooBook, yahoo
from tests.loopback.yahoo_recorded import recorded_yahoo


def whole_market(
    snapshot: Snapshot, login: Login | None = None, accounts: Accounts | None = None
) -> dict[str, Handler]:
    """Handlers of every host for one Snapshot; `login` are Tastytrade's credentials, made up when None."""
    book = MarketBook(snapshot)
    dividends = past_dividends(book)
    return {
        **yahoo(YahooBook(snapshot, dividends=dividends, others=_futures(book))),
        **tastytrade(book, login, accounts),
        **cboe(book),
        **public(book),
    }


def _futures(book: MarketBook) -> dict[str, pd.DataFrame]:
    """Bars of what futures borrow from: all move as the benchmark does, all indices have its volatility."""
    bars, series = book.bars.get(BENCHMARK), book.iv_series(BENCHMARK) if BENCHMARK in book.rows else []
    if bars is None or not series:
        return {}
    days = pd.to_datetime([day for day, _ in series]).as_unit("s")
    levels = np.array([100 * iv for _, iv in series])
    prices = dict.fromkeys(("open", "high", "low", "close"), levels)
    index = pd.DataFrame({"date": days, **prices, "volume": 0.0})
    proxies = load_proxies(CONFIG)
    indices = {ticker for proxy in proxies for ticker in proxy.iv if ticker.startswith("^")}
    return {proxy.history: bars for proxy in proxies} | dict.fromkeys(indices, index)


def recorded_market(data: Path) -> dict[str, Handler]:
    """Handlers for the recorded replies under a folder: yahoo_http_fixtures and its neighbours.

    They are of different days, so that a run sees one source's day at a time; the rest is refused.
    """
    return {
        **recorded_yahoo(data / "yahoo_http_fixtures"),
        **recorded_tastytrade(data / "tastytrade_http_fixtures"),
        **recorded_cboe(data / "cboe_delayed_snapshots"),
    }
