"""The bot over the live market: any name at once, an outage told, a market renewed when it is due."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stamina

from bot.failures import TooSlowError
from bot.service import MarketService
from engine.errors import SnapshotError
from engine.market.live.market import LiveMarket
from engine.market.live.rules import load_proxies
from engine.market.live.sources import chosen_sources
from engine.market.schedule import Schedule
from engine.market.sessions import sessions_before
from engine.market.simulated import SimulatedMarket
from engine.record.scorecards import stored_scorecard
from engine.record.store import Store
from engine.rules import Listing, Rules
from tests.bot.conftest import CONFIG, Clock, MakeBot, World, discord_around, text_of
from tests.engine.record.screens import RULES, a_screen, closes, sql
from tests.loopback.access import VirtualTime, access_to
from tests.loopback.faults import Fault
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.yahoo import fresh_yfinance

YAHOO = "query2.finance.yahoo.com"
UNLISTED = "PEP"
"""Known to the source, not in the operator's universe of these tests."""
FEW = ("SPY", "QQQ", "KO", "AAPL", "MSFT", "JPM", "XOM", "GLD", "TLT", "IWM")


@pytest.fixture(scope="module")
def served(market: SimulatedMarket) -> Iterator[Loopback]:
    with Loopback(whole_market(market.snapshot())) as net:
        yield net


@pytest.fixture
def net(served: Loopback) -> Iterator[Loopback]:
    stamina.set_testing(True, attempts=2, cap=True)
    served.clear()
    fresh_yfinance()
    yield served
    served.heal()
    fresh_yfinance()
    stamina.set_testing(False)


Live = Callable[[], LiveMarket]


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime(datetime.fromisoformat("2025-12-31T16:20:00-05:00"))


@pytest.fixture
def live(
    net: Loopback, tmp_path: Path, rules: Rules, listings: tuple[Listing, ...], time: VirtualTime
) -> LiveMarket:
    access = access_to(
        net, tmp_path / "cache", time, limits={"yahoo": {"fails_in_a_row": 100, "timeout_seconds": 2.0}}
    )
    few = [listing for listing in listings if listing.symbol in FEW]
    return LiveMarket(access, chosen_sources(access, "yahoo"), rules, few, load_proxies(CONFIG))


def bot_of(make_bot: MakeBot, live: LiveMarket) -> Any:
    return make_bot(live, realm="live", universe=list(FEW))


async def market_of(world: World) -> None:
    """Wait for the first market."""
    task = world.bot._first_market  # the bot's own start, looked at but not touched
    assert task is not None
    await asyncio.wait_for(asyncio.shield(task), 60)


async def test_the_live_market_is_screened_and_cards_say_where_values_came_from(
    make_bot: MakeBot, clock: Clock, live: LiveMarket
) -> None:
    async with discord_around(bot_of(make_bot, live), clock) as world:
        await market_of(world)
        text = text_of(await world.ask("screen"))
        assert "Yahoo" in text
        assert "SIMULATED" not in text
        card = text_of(await world.ask("vrp", symbol="KO"))
        assert "**Sources** yahoo: " in card
        assert "Chain" in card


async def test_a_fallback_is_named_on_the_card(
    make_bot: MakeBot, clock: Clock, live: LiveMarket, net: Loopback
) -> None:
    net.fault("home.treasury.gov", Fault.HTML)
    async with discord_around(bot_of(make_bot, live), clock) as world:
        await market_of(world)
        text = text_of(await world.ask("screen"))
        assert "The rate is FRED's copy of the Treasury yields" in text.replace("\\", "")
        assert ".;" not in text
        assert ".." not in text


async def test_a_name_outside_the_universe_is_answered_by_itself(
    make_bot: MakeBot, clock: Clock, live: LiveMarket, net: Loopback
) -> None:
    async with discord_around(bot_of(make_bot, live), clock) as world:
        await market_of(world)
        net.clear()
        text = text_of(await world.ask("vrp", symbol=UNLISTED))
        assert UNLISTED in text
        assert "IV30" in text
        assert "rank" not in text.split("\n")[1]
        assert net.count(YAHOO, f"/options/{UNLISTED}") >= 2
        assert net.count(YAHOO, "/options/KO") == 0
        net.clear()
        why = text_of(await world.ask("why", symbol=UNLISTED))
        assert UNLISTED in why
        assert [asked.path for asked in net.asked] == []


async def test_a_single_name_does_not_wait_for_the_whole_market(
    make_bot: MakeBot, live: LiveMarket, net: Loopback
) -> None:
    net.fault(YAHOO, Fault.TIMEOUT, "/chart/AAPL")  # the first screen hangs on this one
    service = bot_of(make_bot, live).service
    whole = asyncio.create_task(service.refresh())
    row, judged = await asyncio.wait_for(service.row("KO"), 30)
    assert not whole.done()
    assert row.number("iv30") is not None
    assert row.rank is None
    assert judged.screen.coverage.universe == 1
    service.close()
    with pytest.raises(SnapshotError, match="closed"):
        await whole


async def test_a_screen_asked_for_too_early_says_how_far_it_is(
    live: LiveMarket, net: Loopback, rules: Rules, database: Path
) -> None:
    net.fault(YAHOO, Fault.TIMEOUT, "/chart/AAPL")
    store = Store.open(database)
    service = MarketService(live, rules, store, realm="live", universe=FEW, deadline=0.5)
    with pytest.raises(TooSlowError, match=r"still being gathered \(\d of 10 names\).*/vrp"):
        await service.screen()
    service.close()


async def test_a_name_nobody_knows_gets_suggestions(
    make_bot: MakeBot, clock: Clock, live: LiveMarket
) -> None:
    async with discord_around(bot_of(make_bot, live), clock) as world:
        await market_of(world)
        answer = await world.ask("vrp", symbol="AAPLE")
        assert "Did you mean AAPL" in text_of(answer)


async def test_an_outage_is_a_notice_with_the_next_try_and_no_ranking(
    make_bot: MakeBot, clock: Clock, live: LiveMarket, net: Loopback
) -> None:
    for symbol in FEW[2:]:
        net.fault(YAHOO, Fault.SERVER_ERROR, f"/options/{symbol}")
    async with discord_around(bot_of(make_bot, live), clock) as world:
        await world.bot.service.ready()
        text = text_of(await world.ask("screen"))
        assert "Outage: Only 2 of 10 names could be measured." in text
        assert "The next try is at 21:3" in text
        assert "Nothing is ranked" in text
        assert "starts afresh" not in text
        assert "server error (5xx) [yahoo] 8" in text.replace("\\", "")
        assert "KO" not in text


async def test_the_clock_brings_the_run_that_is_due_and_then_the_next(
    make_bot: MakeBot, clock: Clock, live: LiveMarket, time: VirtualTime
) -> None:
    bot = make_bot(live, realm="live", universe=list(FEW), schedule=Schedule(), by_hand=True)
    async with discord_around(bot, clock, settle_timeout=60.0) as world:
        assert bot.clock is not None
        await bot.clock.settle()
        first = bot.service.market
        assert first is not None
        run = first.official.screen.run
        assert (run.session.isoformat(), run.kind) == ("2025-12-31", "close")
        await world.ask("screen")
        assert bot.service.market is first  # nothing newer is due
        time.start += timedelta(days=2)
        clock.ahead = datetime.fromisoformat("2026-01-02T21:20:00+00:00") - world.env.now()
        await bot.clock.settle()
        assert bot.service.market is not first
        states = {each.key: each.state for each in bot.clock.conductor.ledger.between(run.asof, clock())}
        assert states == {
            "2025-12-31/close": "done",
            "2026-01-02/open": "skipped",
            "2026-01-02/close": "done",
        }


async def test_a_live_close_settles_earlier_ones_and_its_renewal_what_was_lacking(
    make_bot: MakeBot, clock: Clock, live: LiveMarket, net: Loopback, time: VirtualTime, rules: Rules
) -> None:
    """Four histories do not come at the close and do a quarter of an hour later; nothing is counted twice."""
    bot = make_bot(live, realm="live", universe=list(FEW), schedule=Schedule(), by_hand=True)
    store, lacking = bot.service.store, FEW[2:6]
    then = sessions_before(date(2025, 12, 31), 22)[0].item()
    quoted = dict.fromkeys((*FEW, "DELISTED"), 0.2)
    run = store.save(a_screen(*closes(quoted), session=then), RULES, True, "live")
    for symbol in lacking:
        net.fault(YAHOO, Fault.SERVER_ERROR, f"/chart/{symbol}")

    def settled() -> set[str]:
        return {symbol for (symbol,) in sql(store, "SELECT symbol FROM outcomes WHERE run_id = ?", run)}

    async with discord_around(bot, clock, settle_timeout=60.0):
        assert bot.clock is not None
        await bot.clock.settle()
        assert settled() == set(FEW) - set(lacking)
        net.heal()
        time.start += timedelta(minutes=40)
        clock.ahead += timedelta(minutes=40)
        await bot.clock.settle()
        assert settled() == set(FEW)
        made = sql(
            store, "SELECT state FROM runs WHERE realm = 'live' AND official AND id > ? ORDER BY id", run
        )
        assert made == [("degraded",), ("complete",)]
        card = stored_scorecard(store, "live", rules)
        assert (card.groups[0].n, card.waiting) == (len(FEW), len(FEW) + 1)
