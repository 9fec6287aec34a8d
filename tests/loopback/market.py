"""All sources on loopback at once, telling of one market."""

from __future__ import annotations

from pathlib import Path

from engine.market.snapshot import Snapshot
from tests.loopback.book import MarketBook, past_dividends
from tests.loopback.cboe import cboe, recorded_cboe
from tests.loopback.faults import Handler
from tests.loopback.public import public
from tests.loopback.tastytrade import Login, recorded_tastytrade, tastytrade
from tests.loopback.yahoo import YahooBook, yahoo
from tests.loopback.yahoo_recorded import recorded_yahoo


def whole_market(snapshot: Snapshot, login: Login | None = None) -> dict[str, Handler]:
    """Handlers of every host for one Snapshot; `login` are Tastytrade's credentials, made up when None."""
    book = MarketBook(snapshot)
    dividends = past_dividends(book)
    return {
        **yahoo(YahooBook(snapshot, dividends=dividends)),
        **tastytrade(book, login),
        **cboe(book),
        **public(book),
    }


def recorded_market(data: Path) -> dict[str, Handler]:
    """Handlers for the recorded replies under a folder: yahoo_http_fixtures and its neighbours.

    They are of different days, so that a run sees one source's day at a time; the rest is refused.
    """
    return {
        **recorded_yahoo(data / "yahoo_http_fixtures"),
        **recorded_tastytrade(data / "tastytrade_http_fixtures"),
        **recorded_cboe(data / "cboe_delayed_snapshots"),
    }
