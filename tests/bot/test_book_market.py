"""Which names of a book live sources are asked for, and what is said when they do not answer."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import stamina
from pydantic import SecretStr

from bot.book import BookAnswers
from bot.bookmarket import MOST_NAMES, BookMarket, Wanted
from bot.failures import NoMarketError, TooSlowError
from bot.service import BOOKS_AT_ONCE, MarketService
from engine.market.live.market import LiveMarket
from engine.market.live.rules import load_proxies
from engine.market.live.sources import Choice, chosen_sources
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.portfolio.book import Leg
from engine.portfolio.reading.notation import parse_notation
from engine.portfolio.value.valuation import value_book
from engine.record.store import Store
from engine.rules import Listing, load_rules, load_universe
from tests.loopback.access import CONFIG, VirtualTime, access_to
from tests.loopback.faults import Fault
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import API, REFRESH, SECRET
from tests.loopback.yahoo import fresh_yfinance

SESSION = date(2026, 4, 29)
YAHOO = "query2.finance.yahoo.com"
TRADE, FAR = date(2026, 6, 18), date(2026, 9, 18)
"""The monthly a screen quotes, and one it has no use for."""
LISTINGS = [
    *(listing for listing in load_universe(CONFIG) if listing.symbol in ("SPY", "KO", "PEP")),
    Listing(symbol="BRK.B", name="Berkshire Hathaway", sector="Financials", asset_class="equity"),
    Listing(symbol="SPX", name="S&P 500 Index", sector="Broad Market", asset_class="index"),
]
RULES = load_rules(CONFIG)


@cache
def market() -> Snapshot:
    return SimulatedMarket(LISTINGS, SESSION, seed=7).snapshot()


@pytest.fixture(scope="module")
def served() -> Iterator[Loopback]:
    with Loopback(whole_market(market())) as net:
        yield net


@pytest.fixture
def net(served: Loopback) -> Iterator[Loopback]:
    stamina.set_testing(True, attempts=2, cap=True)
    fresh_yfinance()
    served.clear()
    yield served
    served.heal()
    served.delay = 0.0
    fresh_yfinance()
    stamina.set_testing(False)


@asynccontextmanager
async def service_of(
    net: Loopback,
    folder: Path,
    choice: Choice = "yahoo",
    time: VirtualTime | None = None,
    deadline: float = 30.0,
) -> AsyncIterator[MarketService]:
    """The engine as the bot has it, over live sources on loopback."""
    logins: dict[str, Any] = {}
    if choice == "tastytrade":
        logins = {"tastytrade_secret": SecretStr(SECRET), "tastytrade_refresh": SecretStr(REFRESH)}
    time = time or VirtualTime(market().asof + timedelta(minutes=20))
    access = access_to(net, folder / "cache", time, **logins)
    live = LiveMarket(access, chosen_sources(access, choice), RULES, LISTINGS[:3], load_proxies(CONFIG))
    store = Store.open(folder / "record.db")
    service = MarketService(
        live, RULES, store, realm="live", universe=["SPY", "KO", "PEP"], deadline=deadline
    )
    try:
        yield service
    finally:
        await asyncio.to_thread(service.close)


def legs_of(text: str) -> tuple[Leg, ...]:
    return parse_notation(text, SESSION - timedelta(days=60)).legs


def short_put(symbol: str, expiration: date | None) -> Leg:
    """One near the money that is listed; None is the last expiration."""
    quotes, rows = market().quotes, market().underlyings
    listed = quotes[(quotes["symbol"] == symbol.removeprefix("^")) & (quotes["right"] == "P")]
    expiration = expiration or listed["expiration"].max().date()
    strikes = listed[listed["expiration"] == np.datetime64(expiration, "s")]["strike"].to_numpy()
    spot = float(rows.set_index("symbol")["spot"][symbol.removeprefix("^")])
    return Leg(symbol, "option", -1.0, expiration, float(strikes[np.abs(strikes - spot).argmin()]), "P", 1.0)


def statuses(found: BookMarket, legs: Sequence[Leg]) -> list[str]:
    assert found.table is not None
    return list(value_book(legs, found.panel, found.table, RULES).status)


def asked_names(net: Loopback) -> set[str]:
    """Tickers in the paths of what was asked at Yahoo."""
    return {
        each.path.rsplit("/", 1)[-1] for each in net.asked if each.host == YAHOO and "/v1/" not in each.path
    }


async def test_what_has_no_value_costs_no_request(net: Loopback, tmp_path: Path) -> None:
    legs = (
        short_put("KO", TRADE),
        short_put("KO", TRADE),
        *legs_of("100 BRK.B; -1 PEP 2026-04-17 140P @ 1"),
        Leg("/ES", "future", 1.0, multiplier=50.0),
        Leg("/CL", "future option", -1.0, FAR, 60.0, "P", 1.0, 1000.0),
        Leg("XOM", "adjusted option", -1.0, FAR, 60.0, "P", 1.0, contract="XOM1  260918P00060000"),
    )
    async with service_of(net, tmp_path) as service:
        found = await service.book_market(legs)
    assert statuses(found, legs) == [
        *("valued", "valued", "valued", "expired"),
        *("future", "future option", "adjusted contract"),
    ]
    assert asked_names(net) == {"SPY", "KO", "BRK-B"}
    assert found.screen.run.state == "complete"


@pytest.mark.parametrize("choice", ["yahoo", "tastytrade"])
async def test_class_shares_an_index_and_a_name_nobody_knows(
    net: Loopback, tmp_path: Path, choice: Choice
) -> None:
    legs = (short_put("BRK.B", FAR), short_put("^SPX", None), *legs_of("-1 ZZZZ 2026-09-18 50P; 100 YYYY"))
    async with service_of(net, tmp_path, choice) as service:
        found = await service.book_market(legs)
    assert statuses(found, legs) == ["valued", "valued", "unknown underlying", "unknown underlying"]
    # What no source knows is told with its legs; it is no fault of a source.
    assert found.screen.run.state == "complete"


async def test_more_names_than_are_asked_for_are_told(net: Loopback, tmp_path: Path) -> None:
    many = [Leg(f"Q{place:03d}", "shares", 1.0) for place in range(MOST_NAMES + 4)]
    legs = (*many, short_put("KO", TRADE), short_put("KO", FAR))
    async with service_of(net, tmp_path) as service:
        found = await service.book_market(legs)
    assert len(asked_names(net) - {"SPY"}) == MOST_NAMES
    assert "KO" in asked_names(net)
    assert found.screen.run.state != "complete"
    assert (
        f"{MOST_NAMES} underlyings are asked for at a time, those with the most legs; "
        "5 are left out: Q059, Q060, Q061, Q062 and 1 more." in str(found.screen.run.reason)
    )


async def test_contracts_a_run_has_quoted_are_not_asked_for_again(net: Loopback, tmp_path: Path) -> None:
    legs = (short_put("KO", TRADE), short_put("PEP", TRADE))
    async with service_of(net, tmp_path) as service:
        await service.refresh()
        net.clear()
        found = await service.book_market(legs)
        assert net.asked == []
        assert statuses(found, legs) == ["valued", "valued"]
        await service.book_market((*legs, short_put("PEP", FAR)))
        # Of PEP alone, as the run had no use for that expiration.
        assert asked_names(net) == {"PEP"}


async def test_one_book_asked_twice_is_asked_for_once(net: Loopback, tmp_path: Path) -> None:
    legs = (short_put("KO", FAR), short_put("PEP", FAR))
    async with service_of(net, tmp_path) as service:
        one, other = await asyncio.gather(service.book_market(legs), service.book_market(legs[::-1]))
    assert one is other
    paths = [(each.path, each.query) for each in net.asked if each.host == YAHOO]
    assert len(paths) == len(set(paths))


async def test_who_waits_too_long_is_told_how_far_it_is_and_finds_it_later(
    net: Loopback, tmp_path: Path
) -> None:
    legs = (short_put("KO", FAR),)
    net.delay = lambda host, path: 0.25 if path.endswith("/KO") else 0.0
    async with service_of(net, tmp_path, deadline=0.2) as service:
        with pytest.raises(TooSlowError, match=r"still being asked for \([01] of 2\); ask again in a minute"):
            await service.book_market(legs)
        found = None
        while found is None:
            with suppress(TooSlowError):
                found = await service.book_market(legs)
    assert statuses(found, legs) == ["valued"]
    paths = [(each.path, each.query) for each in net.asked if each.host == YAHOO]
    assert len(paths) == len(set(paths))


async def test_books_under_way_keep_no_run_and_no_single_name_waiting(net: Loopback, tmp_path: Path) -> None:
    names = ("AAA", "BBB", "CCC", "DDD", "EEE")
    net.delay = lambda host, path: 1.0 if path.rsplit("/", 1)[-1] in names else 0.0
    async with service_of(net, tmp_path) as service:
        stuck = [asyncio.ensure_future(service.book_market([Leg(name, "shares", 1.0)])) for name in names]
        row, _ = await service.row("KO")
        assert row.number("iv30") is not None
        assert len(asked_names(net) & set(names)) == BOOKS_AT_ONCE
        for each in stuck:
            each.cancel()
        await asyncio.gather(*stuck, return_exceptions=True)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.RATE_LIMITED, "rate limited (429) [yahoo]"),
        (Fault.NO_DNS, "no network [yahoo]"),
        (Fault.SERVER_ERROR, "server error (5xx) [yahoo]"),
    ],
)
async def test_a_source_that_fails_everywhere_is_named(
    net: Loopback, tmp_path: Path, fault: Fault, words: str
) -> None:
    net.fault(YAHOO, fault)
    async with service_of(net, tmp_path) as service:
        with pytest.raises(NoMarketError) as refused:
            await BookAnswers(service).show([short_put("KO", FAR)], None)
    assert str(refused.value).endswith(f" No price of SPY is to be had ({words}).")


async def test_the_last_run_stands_in_while_the_sources_fail(net: Loopback, tmp_path: Path) -> None:
    legs = [short_put("KO", TRADE)]
    time = VirtualTime(datetime.fromisoformat("2026-04-29T15:30:00-04:00"))
    async with service_of(net, tmp_path, time=time) as service:
        await service.refresh()
        taken = service.market
        assert taken is not None
        time.pause(660.0)
        net.fault(YAHOO, Fault.SERVER_ERROR)
        found = await service.book_market(legs)
        card = await BookAnswers(service).show(legs, None)
    assert found.panel is taken.panel
    assert found.screen.run.state == "degraded"
    assert found.screen.run.reason == (
        "The sources bring no quotes now (server error (5xx) [yahoo]): "
        "this is the market of the last run, 2026-04-29/open."
    )
    assert card.headline is not None
    assert "Degraded: The sources bring no quotes now" in card.headline.replace("\\", "")


async def test_one_name_that_fails_leaves_the_others_and_is_named(net: Loopback, tmp_path: Path) -> None:
    legs = (short_put("KO", FAR), short_put("PEP", FAR))
    net.fault(YAHOO, Fault.HALF_JSON, "/options/KO")
    async with service_of(net, tmp_path) as service:
        found = await service.book_market(legs)
    assert statuses(found, legs)[1] == "valued"
    assert found.screen.run.state == "degraded"
    assert found.screen.run.reason == "No whole answer for KO (unreadable reply [yahoo])."


async def test_on_a_holiday_the_book_stands_at_the_last_close(net: Loopback, tmp_path: Path) -> None:
    legs = (short_put("KO", FAR), Leg("KO", "option", -1.0, date(2026, 5, 1), 60.0, "P", 1.0))
    saturday = VirtualTime(datetime.fromisoformat("2026-05-02T11:00:00-04:00"))
    async with service_of(net, tmp_path, time=saturday) as service:
        found = await service.book_market(legs)
    assert found.panel.session == date(2026, 5, 1)
    assert found.panel.asof == datetime.fromisoformat("2026-05-01T16:15:00-04:00")
    assert found.table is not None
    valued = value_book(legs, found.panel, found.table, RULES)
    # The stand-in's quotes are of the 29th; what expired on Friday is at its intrinsic value.
    assert any("quotes of 2026-04-29" in flag for flag in valued.flags[0])
    assert valued.mark_method[1] == "intrinsic"


async def test_nothing_of_a_book_is_logged_counted_or_kept_in_words(
    net: Loopback, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    leg = short_put("KO", FAR)
    async with service_of(net, tmp_path, "tastytrade") as service:
        await service.book_market([leg])
        counts = (await service.counts()).runs
    assert counts == 0
    assert net.count(API, "/option-chains/KO") == 1
    for words in (f"{FAR}", f"{FAR:%y%m%d}P", f"{leg.strike:g}P"):
        assert words not in caplog.text
    with sqlite3.connect(tmp_path / "cache" / "answers.db") as db:
        keys = [key for (key,) in db.execute("SELECT key FROM answers")]
    db.close()
    assert any(key.startswith("chain:KO+") for key in keys)
    assert not any(f"{FAR}" in key or f"{leg.strike:g}" in key.split("+")[0] for key in keys)


def test_a_book_in_another_order_wants_the_same() -> None:
    legs = (short_put("KO", FAR), short_put("PEP", FAR), Leg("SPY", "shares", 1.0))
    assert Wanted.of(legs, ["SPY"], SESSION) == Wanted.of(legs[::-1], ["SPY"], SESSION)
    assert Wanted.of(legs, ["SPY"], SESSION) != Wanted.of(legs[:1], ["SPY", "PEP"], SESSION)
