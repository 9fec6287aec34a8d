"""The made-up market behind the tests of Tastytrade, a source that asks it, and a look at its answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from engine.market.live.answers import Asked, Facts
from engine.market.live.failures import Failure, SourceError
from engine.market.live.tastytrade import TastytradeSource
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.rules import Listing
from tests.engine.market.simulation import FEW, INDEX
from tests.loopback.access import VirtualTime, access_to
from tests.loopback.book import MarketBook
from tests.loopback.faults import Handler
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET, tastytrade

SESSION = date(2026, 4, 28)
NOW = datetime(2026, 4, 28, 20, 20, tzinfo=UTC)
ASKED = Asked(NOW, SESSION)
NEAR, FAR, TRADE = date(2026, 5, 22), date(2026, 5, 29), date(2026, 6, 18)
"""24 and 31 days ahead; and the monthly, a day early, as June 19 is a holiday."""
RECORDED = Asked(datetime(2023, 6, 7, 20, 20, tzinfo=UTC), date(2023, 6, 7))
CLASS_B = Listing(symbol="BRK.B", name="Berkshire Hathaway", sector="Financials", asset_class="equity")
QUOTES = ["strike", "bid", "ask", "last", "volume", "open_interest"]
METRICS, TOKEN, CHAINS, PRICES = "/market-metrics", "/oauth/token", "/option-chains", "/market-data"
CREDENTIALS: dict[str, Any] = {
    "tastytrade_secret": SecretStr(SECRET),
    "tastytrade_refresh": SecretStr(REFRESH),
}


@cache
def market() -> Snapshot:
    return SimulatedMarket((*FEW, INDEX, CLASS_B), SESSION).snapshot()


@cache
def book() -> MarketBook:
    return MarketBook(market())


@asynccontextmanager
async def opened(
    folder: Path,
    handlers: dict[str, Handler] | None = None,
    now: datetime = NOW,
    patience: float = 10.0,
    **over: Any,
) -> AsyncIterator[tuple[TastytradeSource, Loopback, VirtualTime]]:
    """A source with credentials, its internet and its clock."""
    time = VirtualTime(now)
    with Loopback(handlers or tastytrade(book())) as net:
        limits = {"tastytrade": {"timeout_seconds": patience}}
        source = TastytradeSource(access_to(net, folder, time, limits=limits, **(CREDENTIALS | over)))
        try:
            yield source, net, time
        finally:
            await source.aclose()


def failure_in(answer: object) -> Failure:
    assert isinstance(answer, SourceError)
    return answer.failure


def facts_in(answer: Facts | SourceError) -> Facts:
    assert not isinstance(answer, SourceError)
    return answer
