"""The made-up market behind the tests of Yahoo, a source that asks it, and what they look at it with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.market.live.access import Access
from engine.market.live.answers import Asked
from engine.market.live.failures import SourceError
from engine.market.live.yahoo import YahooSource
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from tests.engine.market.simulation import FEW, INDEX
from tests.loopback.access import access_to
from tests.loopback.server import Loopback
from tests.loopback.yahoo import YahooBook

DATA, COOKIES = "query2.finance.yahoo.com", "fc.yahoo.com"
CRUMBS = "query1.finance.yahoo.com"
SESSION = date(2026, 4, 28)
NEAR, FAR, TRADE = date(2026, 5, 22), date(2026, 5, 29), date(2026, 6, 18)
"""24 and 31 days ahead; and the monthly, a day early, as June 19 is a holiday."""
KO_EX = [date(2025, 6, 13), date(2025, 9, 15), date(2025, 12, 12), date(2026, 3, 13)]
QUOTES = ["strike", "bid", "ask", "last", "volume", "open_interest"]


@cache
def market() -> Snapshot:
    return SimulatedMarket((*FEW, INDEX), SESSION).snapshot()


@cache
def book() -> YahooBook:
    return YahooBook(
        market(),
        dividends={"KO": [(day, 0.51) for day in KO_EX]},
        splits={"AMZN": [(date(2025, 10, 6), 4.0)]},
    )


@asynccontextmanager
async def source(net: Loopback | None, folder: Path, **how: Any) -> AsyncIterator[tuple[YahooSource, Access]]:
    """A new source in a new folder, a healthy net before and after."""
    if net is not None:
        net.heal()
        net.clear()
    how.setdefault("now", market().asof + timedelta(minutes=20))
    access = access_to(net, folder, **how)
    made = YahooSource(access)
    try:
        yield made, access
    finally:
        await made.aclose()
        access.cache.close()
        if net is not None:
            net.heal()


def asked(now: datetime | None = None, session: date = SESSION) -> Asked:
    return Asked(now or market().asof, session)


async def failure(work: Awaitable[object]) -> SourceError:
    with pytest.raises(SourceError) as caught:
        await work
    return caught.value


def expected(symbol: str, *days: date) -> pd.DataFrame:
    quotes = market().quotes
    wanted = quotes["expiration"].isin([np.datetime64(day, "s") for day in days])
    return ordered(quotes[(quotes["symbol"] == symbol) & wanted])


def ordered(quotes: pd.DataFrame) -> pd.DataFrame:
    columns = quotes.assign(right=quotes["right"].astype("str"))[["expiration", "right", *QUOTES]]
    return columns.sort_values(["expiration", "right", "strike"], kind="stable").reset_index(drop=True)
