"""Yahoo's chains through yfinance, against a made-up Yahoo on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.market.live.answers import Chain
from engine.market.live.failures import Failure
from tests.engine.market.live.yahoo_tools import (
    COOKIES,
    DATA,
    FAR,
    NEAR,
    TRADE,
    asked,
    book,
    expected,
    failure,
    market,
    ordered,
    source,
)
from tests.loopback.faults import Edited, emptied, replaced, without
from tests.loopback.server import Loopback
from tests.loopback.yahoo import yahoo

pytestmark = pytest.mark.usefixtures("one_yfinance")


@pytest.fixture(scope="module")
def net() -> Iterator[Loopback]:
    with Loopback(yahoo(book())) as net:
        yield net


async def test_a_chain_has_the_snapshots_quotes_of_the_wanted_expiries_only(
    net: Loopback, tmp_path: Path
) -> None:
    async with source(net, tmp_path) as (yahoo_source, access):
        chain = await yahoo_source.chain("AAPL", asked())
        pd.testing.assert_frame_equal(ordered(chain.quotes), expected("AAPL", NEAR, FAR, TRADE))
        listed = market().quotes.query("symbol == 'AAPL'")["expiration"].nunique()
        assert chain.method == f"3 of {listed} expiries"
        assert net.count(DATA, "/v7/finance/options/AAPL") == 4  # the nearest comes with the list
        assert net.count() == access.traffic["yahoo"].counts["requests"] == 6
        assert access.clock.ticks() == pytest.approx(2.0)  # four at once, then one a second
        assert access.traffic["yahoo"].skew == pytest.approx(0.0, abs=2.0)


async def test_a_chain_brings_spot_trade_time_and_the_next_report(net: Loopback, tmp_path: Path) -> None:
    row = market().underlyings.set_index("symbol").loc["AAPL"]
    async with source(net, tmp_path) as (yahoo_source, _):
        chain = await yahoo_source.chain("AAPL", asked())
    assert chain.facts["spot"].value == row["spot"]
    assert chain.traded == market().asof.astimezone(UTC)
    assert chain.facts["name"].value == "Apple Inc."
    assert chain.facts["earnings_date"].value == row["earnings_date"]
    assert chain.facts["earnings_verified"].value is (row["earnings_verified"] == "true")
    assert chain.facts["earnings_date"].source == "yahoo"


async def test_the_second_name_needs_no_new_cookie(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        await yahoo_source.chain("AAPL", asked())
        net.clear()
        await yahoo_source.chain("XOM", asked())
        assert net.count(COOKIES) == net.count(path="getcrumb") == 0
        assert net.count() == 4


async def test_an_index_has_its_own_spelling(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        chain = await yahoo_source.chain("SPX", asked())
        assert net.count(DATA, "/options/^SPX") == 2
    # Only monthlies are listed of it: 17 and 51 days ahead.
    pd.testing.assert_frame_equal(ordered(chain.quotes), expected("SPX", date(2026, 5, 15), TRADE))


async def test_a_chain_survives_the_cache(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        chain = await yahoo_source.chain("KO", asked())
    again = Chain.load(chain.dump())
    pd.testing.assert_frame_equal(ordered(again.quotes), ordered(chain.quotes))
    assert (again.facts, again.traded, again.method) == (chain.facts, chain.traded, chain.method)


# Replies that are readable and wrong


async def test_a_chain_without_contracts_is_empty(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(emptied("calls", "puts")), "/options/")
        error = await failure(yahoo_source.chain("AAPL", asked()))
        assert error.failure is Failure.EMPTY_CHAIN
        assert net.count(DATA) == 4


@pytest.mark.parametrize(
    "edit",
    [
        replaced(None, "bid", "ask"),
        replaced(float("nan"), "bid", "ask"),
        without("bid", "ask"),
    ],
    ids=["null", "NaN", "left out"],
)
async def test_missing_quotes_stay_missing(net: Loopback, tmp_path: Path, edit: Any) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(edit), "/options/")
        chain = await yahoo_source.chain("AAPL", asked())
    assert chain.quotes["bid"].isna().all()
    assert chain.quotes["ask"].isna().all()
    blank = expected("AAPL", NEAR, FAR, TRADE).assign(bid=np.nan, ask=np.nan)
    pd.testing.assert_frame_equal(ordered(chain.quotes), blank)


async def test_zero_quotes_stay_zero(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(replaced(0, "bid", "ask")), "/options/")
        chain = await yahoo_source.chain("AAPL", asked())
    assert (chain.quotes[["bid", "ask"]] == 0.0).all(axis=None)


async def test_a_price_that_is_not_there_is_no_fact(net: Loopback, tmp_path: Path) -> None:
    gone = ("regularMarketPrice", "earningsTimestampStart", "longName", "shortName")
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(without(*gone)), "/options/")
        chain = await yahoo_source.chain("AAPL", asked())
    assert chain.facts == {}


async def test_a_report_that_is_over_is_no_next_report(net: Loopback, tmp_path: Path) -> None:
    past = int(datetime(2026, 4, 27, 20, tzinfo=UTC).timestamp())
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(replaced(past, "earningsTimestampStart")), "/options/")
        chain = await yahoo_source.chain("AAPL", asked())
    assert "earnings_date" not in chain.facts


async def test_other_deliverables_are_left_out(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(replaced("MINI", "contractSize")), "/options/")
        error = await failure(yahoo_source.chain("AAPL", asked()))
    assert error.failure is Failure.EMPTY_CHAIN
