"""The service: one measurement, shared work, deadlines, and an event loop that is never held."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from bot.failures import NoMarketError, RunGoneError, TooSlowError
from bot.service import MarketService
from engine.errors import SnapshotError, UnknownSymbolError
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.record.store import Store
from engine.rules import Listing, Rules
from tests.bot.conftest import SESSION, SYMBOLS


class Counted:
    """The small market, which counts how often it is asked and waits until it may answer."""

    def __init__(self, market: SimulatedMarket) -> None:
        self.market = market
        self.asked = 0
        self.threads: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        self.asked += 1
        self.threads.add(threading.current_thread().name)
        if not self.gate.wait(20):
            raise SnapshotError("nobody opened the gate")
        return self.market.snapshot(symbols)


@pytest.fixture
def provider(market: SimulatedMarket) -> Counted:
    return Counted(market)


@pytest.fixture
async def service(provider: Counted, rules: Rules, database: Path) -> AsyncIterator[MarketService]:
    service = MarketService(provider, rules, Store.open(database), deadline=10.0)
    yield service
    provider.gate.set()
    await asyncio.to_thread(service.close)


async def test_equal_questions_share_one_measurement(service: MarketService, provider: Counted) -> None:
    markets = await asyncio.gather(*(service.refresh() for _ in range(5)))
    assert provider.asked == 1
    assert all(market is markets[0] for market in markets)


async def test_the_engine_works_off_the_event_loop(service: MarketService, provider: Counted) -> None:
    await service.refresh()
    assert threading.current_thread().name not in provider.threads
    assert all(name.startswith("line") for name in provider.threads)


async def test_the_event_loop_goes_on_while_the_engine_works(
    service: MarketService, provider: Counted
) -> None:
    provider.gate.clear()
    asked = asyncio.create_task(service.refresh())
    turns = 0
    while not provider.asked or turns < 100:
        await asyncio.sleep(0)
        turns += 1
    assert not asked.done()
    provider.gate.set()
    await asked


async def test_a_look_up_does_not_wait_for_a_refresh(service: MarketService, provider: Counted) -> None:
    market = await service.refresh()
    provider.gate.clear()
    refreshing = asyncio.create_task(service.refresh())
    row, judged = await service.row("KO")
    assert judged.run_id == market.official.run_id
    assert await service.desk(lambda: service.history(row.symbol, judged.screen))
    assert not refreshing.done()
    provider.gate.set()
    await refreshing


async def test_a_question_without_a_market_waits_for_the_first(
    service: MarketService, provider: Counted
) -> None:
    judged, again = await asyncio.gather(service.screen(), service.screen("broad"))
    assert provider.asked == 1
    assert judged.screen.run.profile == "balanced"
    assert again.screen.run.profile == "broad"


async def test_what_takes_too_long_is_a_sentence_and_the_work_goes_on(
    provider: Counted, rules: Rules, database: Path
) -> None:
    service = MarketService(provider, rules, Store.open(database), deadline=0.05)
    try:
        await service.refresh()
        gate = threading.Event()
        with pytest.raises(TooSlowError):
            await service.desk(lambda: gate.wait(20))
        gate.set()
        assert await service.desk(lambda: 42) == 42
    finally:
        await asyncio.to_thread(service.close)


async def test_another_profile_is_judged_from_the_same_measurement(
    service: MarketService, provider: Counted
) -> None:
    official = await service.screen()
    broad = await service.screen("broad", "yearly")
    assert provider.asked == 1
    assert broad.run_id != official.run_id
    assert (await service.screen("broad", "yearly")) is broad
    assert [row.number("iv30") for row in sorted(broad.screen.rows, key=lambda row: row.symbol)] == [
        row.number("iv30") for row in sorted(official.screen.rows, key=lambda row: row.symbol)
    ]


async def test_the_official_run_is_official_and_the_others_are_not(service: MarketService) -> None:
    official = await service.screen()
    asked = await service.screen("aggressive")
    infos = [service.store.run_info(judged.run_id) for judged in (official, asked)]
    assert [info.official for info in infos if info is not None] == [True, False]


async def test_a_second_start_over_the_same_market_stores_nothing_twice(
    service: MarketService, provider: Counted, rules: Rules
) -> None:
    first = await service.screen()
    counted = await service.counts()
    await service.refresh()
    assert (await service.screen()).run_id == first.run_id
    assert (await service.counts()).runs == counted.runs


async def test_the_percentile_comes_from_the_stored_closes(service: MarketService) -> None:
    row, _ = await service.row("AAPL")
    points = await service.desk(lambda: service.history("AAPL", service.market.official.screen))  # type: ignore[union-attr]
    earlier = [point.values["iv30"] for point in points if point.session < SESSION]
    known = [value for value in earlier if isinstance(value, float)]
    now = row.number("iv30")
    assert now is not None
    assert row.number("iv_percentile_n") == len(known)
    assert row.number("iv_percentile") == pytest.approx(100 * sum(v < now for v in known) / len(known))


async def test_a_run_is_read_back_as_it_was(service: MarketService) -> None:
    judged = await service.screen("broad")
    service.market = None
    assert await service.stored(judged.run_id) == judged.screen


async def test_failures_keep_the_market_before(service: MarketService, provider: Counted) -> None:
    market = await service.refresh()
    provider.market = None  # type: ignore[assignment]

    def broken(symbols: Sequence[str] | None = None) -> Snapshot:
        raise SnapshotError("the feed is down")

    provider.snapshot = broken  # type: ignore[method-assign]
    with pytest.raises(SnapshotError):
        await service.refresh()
    assert service.market is market


async def test_unknown_names_and_runs_have_their_own_errors(service: MarketService) -> None:
    with pytest.raises(UnknownSymbolError):
        await service.row("ZZZZ")
    with pytest.raises(RunGoneError):
        await service.stored(10**17)


async def test_a_stopped_run_names_its_reason(
    listings: tuple[Listing, ...], rules: Rules, tmp_path: Path
) -> None:
    without = SimulatedMarket(listings, SESSION, without_benchmark=True)
    service = MarketService(
        without, rules, Store.open(tmp_path / "x.db"), universe=SYMBOLS, listings=listings
    )
    try:
        with pytest.raises(NoMarketError, match="SPY"):
            await service.row("AAPL")
        assert len(service.index) == len(SYMBOLS)
        assert "Energy" in service.sectors
    finally:
        await asyncio.to_thread(service.close)


async def test_few_runs_are_kept_in_memory(service: MarketService, database: Path) -> None:
    for run_id in range(1, 15):
        assert (await service.stored(run_id)).rows
    assert len(service._runs) == 8
