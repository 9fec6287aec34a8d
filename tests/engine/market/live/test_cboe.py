"""Cboe's delayed chains over real TLS: made-up ones, and what goes wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from aiohttp import web

from engine.market.live.answers import Asked, Chain
from engine.market.live.cboe import cboe_symbol
from engine.market.live.failures import Failure, SourceError
from engine.market.sessions import NEW_YORK, session_of
from tests.engine.market.live.cboe_tools import (
    CLOSED,
    FAR,
    FILES,
    HOST,
    MOVED,
    NEAR,
    SESSION,
    TRADE,
    chain_of,
    files,
    market,
    ordered,
    payload,
    source,
)
from tests.loopback.faults import AnyFault, Edited, Fault, emptied, replaced, without
from tests.loopback.server import Loopback

pytestmark = pytest.mark.usefixtures("no_waiting")


@pytest.fixture(scope="module")
def net() -> Iterator[Loopback]:
    replies = {
        "AAPL": payload("AAPL"),
        "_SPX": payload("SPX"),
        "BRK.B": payload("AAPL"),
    }
    with Loopback(files(replies)) as net:
        yield net


async def test_one_request_brings_the_markets_quotes_of_the_wanted_expiries(
    net: Loopback, tmp_path: Path
) -> None:
    async with source(net, tmp_path) as (cboe, access):
        chain = await cboe.chain("AAPL", Asked(CLOSED, SESSION))
    quotes = market().quotes.query("symbol == 'AAPL'")
    days = [np.datetime64(day, "s") for day in (NEAR, FAR, TRADE)]
    pd.testing.assert_frame_equal(
        ordered(chain.quotes), ordered(quotes[quotes["expiration"].isin(days)]), check_dtype=False
    )
    assert chain.method == f"delayed 15 min, 3 of {quotes['expiration'].nunique()} expiries"
    assert access.traffic["cboe"].counts["requests"] == net.count() == 2  # with the redirect
    pd.testing.assert_frame_equal(ordered(Chain.load(chain.dump()).quotes), ordered(chain.quotes))


async def test_a_redirect_is_followed_once_and_then_taken_for_granted(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (cboe, access):
        for _ in range(3):
            await cboe.chain("AAPL", Asked(CLOSED, SESSION))
    assert (net.count(HOST, FILES), net.count(MOVED, FILES)) == (1, 3)
    assert access.clock.ticks() == pytest.approx(3.0)  # four requests, one a second


async def test_after_trouble_the_way_is_looked_up_anew(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (cboe, _):
        await cboe.chain("AAPL", Asked(CLOSED, SESSION))
        net.fault(MOVED, Fault.SERVER_ERROR, times=3)
        with pytest.raises(SourceError, match="server error"):
            await cboe.chain("AAPL", Asked(CLOSED, SESSION))
        await cboe.chain("AAPL", Asked(CLOSED, SESSION))
    assert net.count(HOST, FILES) == 2


async def test_the_price_after_the_close_is_the_sessions_and_not_the_one_after_hours(tmp_path: Path) -> None:
    chain = await chain_of(payload("AAPL", close=200.0, current_price=203.0), tmp_path)
    spot = chain.facts["spot"]
    assert (spot.value, spot.method) == (200.0, "close, delayed 15 min")
    assert spot.at == datetime(2026, 4, 28, 19, 59, 59, tzinfo=UTC)


async def test_during_the_session_the_price_is_the_last_one(tmp_path: Path) -> None:
    now = datetime(2026, 4, 28, 11, 15, tzinfo=NEW_YORK)
    reply = payload("AAPL", close=200.0, current_price=203.0, last_trade_time="2026-04-28T10:59:58")
    for option in reply["data"]["options"]:
        option["last_trade_time"] = "2026-04-28T10:30:00"
    chain = await chain_of(reply, tmp_path, now=now)
    assert (chain.facts["spot"].value, chain.facts["spot"].method) == (203.0, "last trade, delayed 15 min")
    assert chain.traded == datetime(2026, 4, 28, 14, 59, 58, tzinfo=UTC)


async def test_a_chain_of_the_day_before_is_told_by_its_trades(tmp_path: Path) -> None:
    reply = payload("AAPL", last_trade_time="2026-04-27T15:59:59")
    for option in reply["data"]["options"]:
        option["last_trade_time"] = "2026-04-27T15:40:00"
    chain = await chain_of(reply, tmp_path)
    assert chain.traded is not None
    assert session_of(chain.traded) == date(2026, 4, 27)


async def test_a_contract_traded_later_than_the_name_counts(tmp_path: Path) -> None:
    reply = payload("AAPL", last_trade_time="2026-04-27T15:59:59")
    chain = await chain_of(reply, tmp_path)
    assert chain.traded == datetime(2026, 4, 28, 19, 59, 30, tzinfo=UTC)


async def test_without_any_trade_time_the_session_stays_unknown(tmp_path: Path) -> None:
    reply = payload("AAPL", last_trade_time=None)
    for option in reply["data"]["options"]:
        option["last_trade_time"] = None
    chain = await chain_of(reply, tmp_path)
    assert chain.traded is None
    assert chain.facts["spot"].at is None


async def test_iv30_is_a_fraction_and_missing_where_cboe_has_none(tmp_path: Path) -> None:
    full = await chain_of(payload("AAPL", iv30=83.625), tmp_path / "a")
    assert full.facts["iv30_provider"].value == pytest.approx(0.83625, rel=1e-12)
    for place, nothing in enumerate((0.0, None)):
        without_iv = await chain_of(payload("AAPL", iv30=nothing), tmp_path / f"b{place}")
        assert "iv30_provider" not in without_iv.facts


async def test_a_price_of_nothing_is_no_fact(tmp_path: Path) -> None:
    chain = await chain_of(payload("AAPL", close=0.0, current_price=0.0), tmp_path)
    assert "spot" not in chain.facts


async def test_quotes_of_zero_stay_and_missing_ones_are_missing(tmp_path: Path) -> None:
    reply = payload("AAPL")
    first, second = reply["data"]["options"][:2]
    for option in reply["data"]["options"]:
        option |= {"bid": 0.0, "ask": None}
    second["ask"] = first["ask"] = float("nan")
    chain = await chain_of(reply, tmp_path)
    assert (chain.quotes["bid"] == 0.0).all()
    assert chain.quotes["ask"].isna().all()


async def test_adjusted_deliverables_are_left_out(tmp_path: Path) -> None:
    reply = payload("AAPL")
    whole = len(reply["data"]["options"])
    adjusted = [
        each | {"option": each["option"].replace("AAPL", "AAPL1"), "last_trade_time": "2026-04-28T16:14:00"}
        for each in reply["data"]["options"]
    ]
    reply["data"]["options"] = adjusted + reply["data"]["options"]
    chain = await chain_of(reply, tmp_path)
    assert not chain.quotes["contract"].str.startswith("AAPL1").any()
    assert 0 < len(chain.quotes) < whole
    assert chain.traded == datetime(2026, 4, 28, 19, 59, 59, tzinfo=UTC)


async def test_an_index_day_with_two_settlements_keeps_the_one_at_the_close(tmp_path: Path) -> None:
    reply = payload("SPX")
    weekly = [
        each | {"option": each["option"].replace("SPX", "SPXW")}
        for each in reply["data"]["options"]
        if each["option"].startswith(f"SPX{TRADE:%y%m%d}")
    ]
    reply["data"]["options"] += weekly
    chain = await chain_of(reply, tmp_path, symbol="SPX")
    on = chain.quotes["expiration"] == np.datetime64(TRADE, "s")
    assert chain.quotes[on]["contract"].str.startswith("SPXW").all()
    assert on.sum() == len(weekly) > 0
    assert chain.quotes[~on]["contract"].str.match(r"SPX\d").all()


@pytest.mark.parametrize(
    ("symbol", "theirs"),
    [
        ("AAPL", "AAPL"),
        ("BRK.B", "BRK.B"),
        ("SPX", "_SPX"),
        ("^SPX", "_SPX"),
        ("VIX", "_VIX"),
        ("^VVIX", "_VVIX"),
        ("XLU", "XLU"),
    ],
)
def test_symbols_as_cboe_writes_them(symbol: str, theirs: str) -> None:
    assert cboe_symbol(symbol) == theirs


async def test_a_future_is_unknown_without_a_request(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (cboe, _):
        with pytest.raises(SourceError, match="unknown symbol"):
            await cboe.chain("/ES", Asked(CLOSED, SESSION))
    assert net.count() == 0


async def test_nothing_is_asked_without_the_operators_leave(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path, cboe_allowed=False) as (cboe, _):
        asked = Asked(CLOSED, SESSION)
        for work in (
            cboe.chain("AAPL", asked),
            cboe.history("AAPL", asked),
            cboe.closes(["AAPL"], asked),
            cboe.metrics(["AAPL"], asked),
        ):
            with pytest.raises(SourceError) as caught:
                await work
            assert caught.value.failure is Failure.NOT_CONFIGURED
    assert net.count() == 0


FAULTS: list[tuple[AnyFault, Failure]] = [
    (Fault.UNAUTHORIZED, Failure.UNAUTHORIZED),
    (Fault.FORBIDDEN, Failure.UNKNOWN_SYMBOL),
    (Fault.NOT_FOUND, Failure.NOT_FOUND),
    (Fault.RATE_LIMITED, Failure.RATE_LIMITED),
    (Fault.RATE_LIMITED_600, Failure.RATE_LIMITED),
    (Fault.SERVER_ERROR, Failure.SERVER_ERROR),
    (Fault.UNAVAILABLE, Failure.SERVER_ERROR),
    (Fault.TIMEOUT, Failure.TIMED_OUT),
    (Fault.TRUNCATED, Failure.UNREADABLE),
    (Fault.HALF_JSON, Failure.UNREADABLE),
    (Fault.HTML, Failure.UNREADABLE),
    (Fault.EMPTY_BODY, Failure.UNREADABLE),
    (Fault.HALF_OPEN, Failure.BROKEN_CONNECTION),
    (Fault.NO_DNS, Failure.NO_NETWORK),
    (Edited(emptied("options"), "no options"), Failure.EMPTY_CHAIN),
    (Edited(without("options"), "options missing"), Failure.MISSING_FIELDS),
    (Edited(without("data"), "data missing"), Failure.MISSING_FIELDS),
    (Edited(replaced(None, "data"), "data null"), Failure.MISSING_FIELDS),
    (Edited(without("ask"), "ask missing"), Failure.MISSING_FIELDS),
    (Edited(without("option"), "contracts missing"), Failure.MISSING_FIELDS),
    (Edited(replaced("AAPL", "option"), "contracts cut"), Failure.UNREADABLE),
    (Edited(replaced("dear", "bid"), "words for numbers"), Failure.UNREADABLE),
    (Edited(replaced("noon", "last_trade_time"), "words for times"), Failure.UNREADABLE),
]


@pytest.mark.parametrize(("fault", "failure"), FAULTS, ids=[str(getattr(f, "name", f)) for f, _ in FAULTS])
async def test_a_fault_has_its_reason_and_the_next_name_is_served(
    net: Loopback, tmp_path: Path, fault: AnyFault, failure: Failure
) -> None:
    limits = {"cboe": {"timeout_seconds": 0.3}}
    async with source(net, tmp_path, limits=limits) as (cboe, access):
        asked = Asked(CLOSED, SESSION)
        net.fault(HOST if fault is Fault.NO_DNS else MOVED, fault)
        with pytest.raises(SourceError) as caught:
            await cboe.chain("AAPL", asked)
        assert caught.value.failure is failure
        assert access.traffic["cboe"].counts[failure.value] >= 1
        assert "http" not in str(caught.value)
        net.heal()
        access.clock.pause(3600.0)
        assert len((await cboe.chain("AAPL", asked)).quotes)


async def test_a_symbol_cboe_does_not_list_says_nothing_about_cboe(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (cboe, access):
        for _ in range(8):
            with pytest.raises(SourceError) as caught:
                await cboe.chain("ZZZZ", Asked(CLOSED, SESSION))
            assert caught.value.failure is Failure.UNKNOWN_SYMBOL
        assert net.count(MOVED) == 8
        assert access.traffic["cboe"].pause is None


async def test_a_firewalls_page_is_no_word_about_the_symbol(tmp_path: Path) -> None:
    async def blocked(_: web.Request) -> web.StreamResponse:
        page = "<!DOCTYPE html><html><title>Attention Required!</title></html>"
        return web.Response(status=403, text=page, content_type="text/html")

    with Loopback({HOST: blocked}) as net:
        async with source(net, tmp_path) as (cboe, _):
            with pytest.raises(SourceError) as caught:
                await cboe.chain("AAPL", Asked(CLOSED, SESSION))
    assert caught.value.failure is Failure.FORBIDDEN


async def test_a_longer_retry_after_is_kept(net: Loopback, tmp_path: Path) -> None:
    async with source(net, tmp_path) as (cboe, access):
        net.fault(MOVED, Fault.RATE_LIMITED_600)
        with pytest.raises(SourceError) as caught:
            await cboe.chain("AAPL", Asked(CLOSED, SESSION))
        assert caught.value.again == access.clock.now() + timedelta(minutes=10)
        before = net.count()
        with pytest.raises(SourceError, match="paused"):
            await cboe.chain("BRK.B", Asked(CLOSED, SESSION))
        assert net.count() == before
        assert access.cache.paused_until("cboe") is not None
