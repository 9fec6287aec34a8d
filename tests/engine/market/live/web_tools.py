"""What the tests of the public sources and of the HTTP under them share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from aiohttp import web

from engine.market.live.access import Access
from engine.market.live.web import Web
from tests.loopback.access import access_to
from tests.loopback.server import Loopback

TREASURY, FRED = "home.treasury.gov", "fred.stlouisfed.org"
NASDAQ, OCC, CBOE = "api.nasdaq.com", "marketdata.theocc.com", "www.cboe.com"
DAY = date(2026, 7, 29)
NOW = datetime(2026, 7, 29, 20, 20, tzinfo=UTC)

Served = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Way:
    """One operation's access and session."""

    access: Access
    web: Web


@asynccontextmanager
async def way(net: Loopback | None, folder: Path, now: datetime = NOW) -> AsyncIterator[Way]:
    quick = {name: {"timeout_seconds": 0.4} for name in ("treasury", "fred", "nasdaq", "directory")}
    access = access_to(net, folder, now=now, limits=quick)
    made = Way(access, Web(access))
    try:
        yield made
    finally:
        await made.web.aclose()
        access.cache.close()


def text(body: str | bytes, kind: str = "text/csv") -> Served:
    async def served(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body if isinstance(body, bytes) else body.encode(), content_type=kind)

    return served
