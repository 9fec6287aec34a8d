"""The real Yahoo source and yfinance under it, against a recorded Yahoo on loopback."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.market.live.answers import Asked
from engine.market.live.failures import Failure
from engine.market.live.splits import unadjusted_split as split_found
from tests.engine.market.live.yahoo_tools import DATA, QUOTES, failure, source
from tests.loopback.faults import Edited, replaced
from tests.loopback.server import Loopback
from tests.loopback.yahoo_recorded import recorded_yahoo

pytestmark = pytest.mark.usefixtures("one_yfinance")


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> Iterator[Loopback]:
    with Loopback(recorded_yahoo(shared_data / "yahoo_http_fixtures")) as net:
        yield net


RECORDED = datetime(2025, 2, 24, 9, 25, tzinfo=UTC)
"""Before the open of a Monday: quotes of the session of Friday, February 21."""


SINGLE = Asked(RECORDED, date(2025, 2, 3), target_days=1, trade_days=(0, 0))
"""One page a name was recorded; asked on February 3, the nearest expiry is the only one of use."""


def reply(folder: Path, name: str) -> dict[str, Any]:
    """The body of a recording."""
    recording = json.loads(gzip.decompress((folder / "yahoo_http_fixtures" / name).read_bytes()))
    body: dict[str, Any] = recording["body"]
    return body


@pytest.mark.parametrize("symbol", ["AAPL", "ABBV", "PYPL"])
async def test_a_recorded_page_is_read_as_it_is(
    recorded: Loopback, shared_data: Path, tmp_path: Path, symbol: str
) -> None:
    page = reply(shared_data, f"options-{symbol}.json.gz")["optionChain"]["result"][0]
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        chain = await yahoo_source.chain(symbol, SINGLE)
        assert recorded.count(DATA) == 1
    rows = [row for side in ("calls", "puts") for row in page["options"][0][side]]
    theirs = ("strike", "bid", "ask", "lastPrice", "volume", "openInterest")
    table = np.array([[row.get(field, np.nan) for field in theirs] for row in rows], dtype=np.float64)
    np.testing.assert_array_equal(chain.quotes[QUOTES].to_numpy(), table)
    assert list(chain.quotes["contract"]) == [row["contractSymbol"] for row in rows]
    assert set(chain.quotes["expiration"]) == {pd.Timestamp(2025, 2, 28)}
    assert chain.facts["spot"].value == page["quote"]["regularMarketPrice"]
    assert chain.traded is not None
    assert chain.traded.replace(second=0) == datetime(2025, 2, 21, 21, tzinfo=UTC)  # Friday's close


async def test_the_recorded_apple_page_by_hand(recorded: Loopback, tmp_path: Path) -> None:
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        chain = await yahoo_source.chain("AAPL", SINGLE)
    assert chain.facts["spot"].value == 245.55
    assert chain.facts["earnings_date"].value == "2025-04-30"
    assert chain.facts["earnings_verified"].value is False
    assert len(chain.quotes) == 54 + 48
    assert (chain.quotes.query("right == 'C'")["bid"] > 0).sum() == 1
    assert chain.method == "1 of 20 expiries"


async def test_a_recorded_page_of_an_expired_day_is_empty(recorded: Loopback, tmp_path: Path) -> None:
    expired = int(datetime(2022, 3, 1, tzinfo=UTC).timestamp())
    then = Asked(datetime(2022, 2, 3, 15, tzinfo=UTC), date(2022, 2, 3), target_days=1, trade_days=(0, 0))
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        recorded.fault(DATA, Edited(replaced([expired], "expirationDates")), "/options/", times=1)
        error = await failure(yahoo_source.chain("AAPL", then))
        assert error.failure is Failure.EMPTY_CHAIN
        assert [each.query.split("&")[0] for each in recorded.asked][-1] == f"date={expired}"


async def test_the_recorded_split_of_nvidia(recorded: Loopback, tmp_path: Path) -> None:
    then = datetime(2022, 1, 31, 21, tzinfo=UTC)
    async with source(recorded, tmp_path, now=then) as (yahoo_source, _):
        history = await yahoo_source.history("NVDA", Asked(then, date(2022, 1, 31)))
    assert history.splits == ((date(2021, 7, 20), 4.0),)
    assert split_found(history) is None
    assert len(history.bars) == 252
    assert history.bars["date"].iloc[0] == pd.Timestamp(2021, 2, 1)


async def test_the_recorded_dividends_of_microsoft_tell_the_next_one(
    recorded: Loopback, shared_data: Path, tmp_path: Path
) -> None:
    then = datetime(2022, 1, 31, 21, tzinfo=UTC)
    async with source(recorded, tmp_path, now=then) as (yahoo_source, _):
        history = await yahoo_source.history("MSFT", Asked(then, date(2022, 1, 31)))
    # It went ex on that day indeed, with that amount.
    assert history.facts["dividend_date"].value == "2022-02-16"
    assert history.facts["dividend_amount"].value == 0.62
    name = "historical-via-chart-MSFT-dividends-2021-02-01-to-2022-01-31.csv.json.gz"
    indicators = reply(shared_data, name)["chart"]["result"][0]["indicators"]
    np.testing.assert_allclose(history.bars["close"], indicators["adjclose"][0]["adjclose"], rtol=1e-9)


async def test_a_name_nobody_recorded(recorded: Loopback, tmp_path: Path) -> None:
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        error = await failure(yahoo_source.chain("XOM", SINGLE))
    assert error.failure is Failure.UNKNOWN_SYMBOL


@pytest.mark.parametrize("symbol", ["ADH", "EURUSD=X", "^VXAPL"])
async def test_recorded_names_without_options(recorded: Loopback, tmp_path: Path, symbol: str) -> None:
    async with source(recorded, tmp_path, now=RECORDED) as (yahoo_source, _):
        error = await failure(yahoo_source.chain(symbol, Asked(RECORDED, date(2025, 2, 21))))
    assert error.failure is Failure.NO_OPTIONS
