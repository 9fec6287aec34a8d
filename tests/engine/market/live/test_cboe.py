"""Cboe's delayed chains over real TLS: a recorded file as it came, made-up ones, and what goes wrong."""

from __future__ import annotations

import csv
import gzip
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import stamina
from aiohttp import web

from engine.market.live.access import Access
from engine.market.live.answers import Asked, Chain
from engine.market.live.cboe import CboeSource, cboe_symbol
from engine.market.live.failures import Failure, SourceError
from engine.market.live.web import Web
from engine.market.sessions import NEW_YORK, session_of
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from tests.engine.market.simulation import FEW, INDEX
from tests.loopback.access import access_to
from tests.loopback.faults import AnyFault, Edited, Fault, emptied, replaced, without
from tests.loopback.server import Loopback

HOST, MOVED = "cdn.cboe.com", "cdn-api.cboe.com"
FILES = "/api/global/delayed_quotes/options/"
SESSION = date(2026, 4, 28)
CLOSED = datetime(2026, 4, 28, 16, 20, tzinfo=NEW_YORK)
NEAR, FAR, TRADE = date(2026, 5, 22), date(2026, 5, 29), date(2026, 6, 18)
"""24 and 31 days ahead; and the monthly, a day early, as June 19 is a holiday."""
NUMBERS = ["strike", "bid", "ask", "last", "volume", "open_interest"]
MOD_NOW = datetime(2026, 7, 29, 22, 38, 18, tzinfo=UTC)
"""When the recorded file was fetched, hours after it had been made."""


@cache
def market() -> Snapshot:
    return SimulatedMarket((*FEW, INDEX), SESSION).snapshot()


def occ(root: str, day: date, right: str, strike: float) -> str:
    return f"{root}{day:%y%m%d}{right}{round(strike * 1000):08d}"


def payload(symbol: str, **header: Any) -> dict[str, Any]:
    """A chain of the made-up market in Cboe's nesting; its last trades are those of the close."""
    quotes = market().quotes.query("symbol == @symbol")
    spot = float(market().underlyings.set_index("symbol")["spot"][symbol])
    columns = {"bid": "bid", "ask": "ask", "last_trade_price": "last"}
    rows: list[dict[str, Any]] = quotes.to_dict("records")  # type: ignore[assignment]
    options = [
        {
            "option": occ(symbol, row["expiration"].date(), row["right"], row["strike"]),
            **{theirs: row[ours] for theirs, ours in columns.items()},
            "iv": 0.25,
            "volume": row["volume"],
            "open_interest": row["open_interest"],
            "last_trade_time": "2026-04-28T15:59:30",
        }
        for row in rows
    ]
    data = {
        "symbol": symbol,
        "current_price": spot + 1.0,
        "close": spot,
        "iv30": 21.5,
        "last_trade_time": "2026-04-28T15:59:59",
        "options": options,
    }
    # The stamp is of the file's making, in another zone, and a day late here: nothing may trust it.
    return {"timestamp": "2026-04-29 02:20:00", "symbol": symbol, "data": data | header}


def files(replies: Mapping[str, Any]) -> dict[str, Any]:
    """Cboe's host: redirects to the other one, which gives the files and refuses other names with 403."""

    async def moved(request: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect(f"https://{MOVED}{request.path_qs}")

    async def served(request: web.Request) -> web.StreamResponse:
        reply = replies.get(request.path.removeprefix(FILES).removesuffix(".json"))
        if reply is None:
            text = '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>'
            return web.Response(status=403, text=text, content_type="application/xml")
        if isinstance(reply, bytes):
            return web.Response(body=reply, content_type="application/json")
        return web.json_response(reply)

    return {HOST: moved, MOVED: served}


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@pytest.fixture(scope="module")
def net() -> Iterator[Loopback]:
    replies = {
        "AAPL": payload("AAPL"),
        "_SPX": payload("SPX"),
        "BRK.B": payload("AAPL"),
    }
    with Loopback(files(replies)) as net:
        yield net


@asynccontextmanager
async def source(
    net: Loopback | None, folder: Path, now: datetime = CLOSED, **how: Any
) -> AsyncIterator[tuple[CboeSource, Access]]:
    if net is not None:
        net.heal()
        net.clear()
    access = access_to(net, folder, now=now, **({"cboe_allowed": True} | how))
    browser = Web(access)
    try:
        yield CboeSource(access, browser), access
    finally:
        await browser.aclose()
        access.cache.close()


async def chain_of(reply: Any, folder: Path, symbol: str = "AAPL", now: datetime = CLOSED) -> Chain:
    """A chain made of one reply alone."""
    with Loopback(files({cboe_symbol(symbol): reply})) as net:
        async with source(net, folder, now) as (cboe, _):
            return await cboe.chain(symbol, Asked(now, session_of(now)))


def ordered(quotes: pd.DataFrame) -> pd.DataFrame:
    columns = quotes.assign(right=quotes["right"].astype("str"))[["expiration", "right", *NUMBERS]]
    return columns.sort_values(["expiration", "right", "strike"], kind="stable").reset_index(drop=True)


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


# The recorded file, as it came


async def test_the_recorded_file_of_midday_is_told_as_such(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "cboe_delayed_snapshots"
    recorded = gzip.decompress((folder / "MOD_2026-07-29_reassembled.json.gz").read_bytes())
    with (folder / "underlying_with_cboe_iv30.csv").open(encoding="utf-8", newline="") as file:
        row = next(
            row
            for row in csv.DictReader(file)
            if (row["session_date"], row["ticker"]) == ("2026-07-29", "MOD")
        )
    chain = await chain_of(recorded, tmp_path, symbol="MOD", now=MOD_NOW)
    last_trade = datetime.fromisoformat(row["last_trade_time"]).replace(tzinfo=NEW_YORK)
    assert chain.facts["iv30_provider"].value == pytest.approx(float(row["iv30"]) / 100, rel=1e-12)
    assert chain.facts["spot"].value == float(row["close"])
    assert chain.facts["spot"].method == "last regular price, delayed 15 min"
    assert chain.traded == chain.facts["spot"].at == last_trade
    # The monthlies of August (23 days ahead) and September (51) are all a bracket and a trade can use.
    assert sorted(set(chain.quotes["expiration"].dt.date)) == [date(2026, 8, 21), date(2026, 9, 18)]


async def test_the_recorded_quotes_are_those_of_the_table_beside_them(
    tmp_path: Path, shared_data: Path
) -> None:
    folder = shared_data / "cboe_delayed_snapshots"
    recorded = gzip.decompress((folder / "MOD_2026-07-29_reassembled.json.gz").read_bytes())
    table = pd.read_csv(folder / "MOD_2026-07-22_2026-08-04.csv.gz")
    table = table[
        (table["session_date"] == "2026-07-29") & table["expiry"].isin(["2026-08-21", "2026-09-18"])
    ]
    chain = await chain_of(recorded, tmp_path, symbol="MOD", now=MOD_NOW)
    ours = chain.quotes.set_index("contract").sort_index()
    theirs = table.set_index("option").sort_index()
    assert list(ours.index) == list(theirs.index)
    for column in ("strike", "bid", "ask", "volume", "open_interest"):
        np.testing.assert_array_equal(ours[column].to_numpy(), theirs[column].to_numpy(dtype=np.float64))
    traded = theirs["last_trade_time"].notna()
    assert ours["last"].notna().equals(traded.rename("last"))
    np.testing.assert_array_equal(ours["last"][traded], theirs["last_trade_price"][traded])


async def test_the_recorded_file_fetched_next_morning_belongs_to_the_day_before(
    tmp_path: Path, shared_data: Path
) -> None:
    recorded = (shared_data / "cboe_delayed_snapshots" / "MOD_2026-07-29_reassembled.json.gz").read_bytes()
    now = datetime(2026, 7, 30, 10, 1, tzinfo=NEW_YORK)
    chain = await chain_of(gzip.decompress(recorded), tmp_path, symbol="MOD", now=now)
    assert chain.traded is not None
    assert session_of(chain.traded) == date(2026, 7, 29) != session_of(now)
