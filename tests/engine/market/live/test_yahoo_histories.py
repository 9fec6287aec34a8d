"""Yahoo's histories and closes through yfinance, against a made-up Yahoo on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from engine.market.live.answers import History
from engine.market.live.failures import Failure, SourceError
from engine.market.live.splits import unadjusted_split as split_found
from tests.engine.market.live.yahoo_tools import CRUMBS, DATA, SESSION, asked, book, market, source
from tests.loopback.faults import Edited, Fault
from tests.loopback.server import Loopback
from tests.loopback.yahoo import unadjusted_split, yahoo

pytestmark = pytest.mark.usefixtures("one_yfinance")


@pytest.fixture(scope="module")
def net() -> Iterator[Loopback]:
    with Loopback(yahoo(book())) as net:
        yield net


@pytest.mark.parametrize("symbol", ["AAPL", "KO"])
async def test_a_history_has_the_snapshots_adjusted_bars(net: Loopback, tmp_path: Path, symbol: str) -> None:
    bars = market().history.query("symbol == @symbol").drop(columns="symbol")
    bars = bars[bars["date"] >= pd.Timestamp(SESSION) - pd.Timedelta(days=900)].reset_index(drop=True)
    async with source(net, tmp_path) as (yahoo_source, _):
        history = await yahoo_source.history(symbol, asked())
        assert net.count() == 3  # cookie, crumb, chart: no question for the time zone
    pd.testing.assert_frame_equal(history.bars, bars, rtol=1e-9)
    assert len(history.bars) > 600


async def test_a_history_brings_the_next_dividend(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        history = await yahoo_source.history("KO", asked())
    # Gaps of 94, 88 and 91 days: 91 after the last.
    assert history.facts["dividend_date"].value == "2026-06-12"
    assert history.facts["dividend_amount"].value == 0.51
    assert history.splits == ()


async def test_a_history_lists_splits(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (yahoo_source, _):
        history = await yahoo_source.history("AMZN", asked())
    assert history.splits == ((date(2025, 10, 6), 4.0),)
    assert split_found(history) is None
    assert History.load(history.dump()).splits == history.splits


async def test_prices_before_a_split_left_as_they_were_are_seen(net: Loopback, tmp_path: Path) -> None:
    days = market().history.query("symbol == 'AMZN'")["date"]
    since = int((days >= "2025-10-06").sum())
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(DATA, Edited(unadjusted_split(4.0, since)), "/chart/")
        history = await yahoo_source.history("AMZN", asked())
    assert split_found(history) == date(2025, 10, 6)


async def test_closes_come_twenty_names_a_request(net: Loopback, tmp_path: Path) -> None:
    strangers = [f"Q{letter}" for letter in "ABCDEFGHIJKLMNOPQRSTU"]
    names = ["SPY", "AAPL", *strangers, "XOM"]
    async with source(net, tmp_path) as (yahoo_source, _):
        found = await yahoo_source.closes(names, asked())
        assert net.count(path="/spark") == 2
    assert list(sorted(found)) == sorted(names)
    for symbol in ("SPY", "AAPL", "XOM"):
        bars = market().history.query("symbol == @symbol").set_index("date")["close"]
        closes = found[symbol]
        assert isinstance(closes, History)
        assert len(closes.bars) > 490
        shown = closes.bars.set_index("date")["close"]
        pd.testing.assert_series_equal(shown, bars[bars.index >= shown.index[0]], rtol=1e-9)
        assert closes.bars["open"].isna().all()
    for symbol in strangers:
        error = found[symbol]
        assert isinstance(error, SourceError)
        assert error.failure is Failure.UNKNOWN_SYMBOL


async def test_a_part_that_fails_leaves_the_other_parts(net: Loopback, tmp_path: Path) -> None:
    names = [f"Q{place}" for place in range(20)] + ["SPY"]
    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(CRUMBS, Fault.FORBIDDEN, "/spark", times=1)
        found = await yahoo_source.closes(names, asked())
    kinds = {type(answer) for answer in found.values()}
    assert len(found) == 21
    assert SourceError in kinds


async def test_holes_in_the_spark_stay_holes(net: Loopback, tmp_path: Path) -> None:
    def holed(reply: Any) -> Any:
        reply["SPY"]["close"][-3] = None
        return reply

    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(CRUMBS, Edited(holed), "/spark")
        closes = (await yahoo_source.closes(["SPY"], asked()))["SPY"]
    assert isinstance(closes, History)
    assert list(closes.bars["close"].isna().to_numpy().nonzero()[0]) == [len(closes.bars) - 3]


async def test_a_spark_of_unequal_length_is_unreadable(net: Loopback, tmp_path: Path) -> None:
    def shorter(reply: Any) -> Any:
        reply["SPY"]["close"].pop()
        return reply

    async with source(net, tmp_path) as (yahoo_source, _):
        net.fault(CRUMBS, Edited(shorter), "/spark")
        error = (await yahoo_source.closes(["SPY"], asked()))["SPY"]
    assert isinstance(error, SourceError)
    assert error.failure is Failure.UNREADABLE
