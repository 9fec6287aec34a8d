"""The bot's own promises: a look-up while nothing else runs, the event loop while everything runs."""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bench.figure import Figure
from bench.market import snapshot
from bot.__main__ import TURN
from bot.answers import Answers
from bot.cards.embed import to_message
from bot.past import keep_closes, past_closes
from bot.service import MarketService
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.record.store import Store
from engine.rules import load_rules, load_universe

CONFIG = Path(__file__).resolve().parents[1] / "config"
LOOK_UPS = 200
PAST = 252
NAMES = 5_000
TICK = 0.002


@dataclass(frozen=True, slots=True)
class _Whole:
    """A provider of one market already in memory."""

    market: Snapshot

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        return self.market


def run() -> list[Figure]:
    sys.setswitchinterval(TURN)
    with tempfile.TemporaryDirectory() as folder:
        look_ups = sorted(asyncio.run(_look_ups(Path(folder) / "year.db")))
        stalls = asyncio.run(_stalls(Path(folder) / "large.db"))
    tail = look_ups[int(0.95 * len(look_ups))] * 1e3
    worst = max(stalls) * 1e3
    return [
        Figure(
            "/vrp of a measured name with its chart, median ms", f"{statistics.median(look_ups) * 1e3:.0f}"
        ),
        Figure("/vrp, 95th percentile ms", f"{tail:.0f}", "< 150", tail < 150),
        Figure(
            f"worst event-loop stall during a screen of {NAMES:,}, ms", f"{worst:.0f}", "< 50", worst < 50
        ),
    ]


async def _look_ups(path: Path) -> list[float]:
    rules, listings = load_rules(CONFIG), load_universe(CONFIG)
    market = SimulatedMarket(listings, date(2025, 12, 31))
    store = Store.open(path)
    for _ in keep_closes(past_closes(market, PAST, rules), rules, store):
        pass
    service = MarketService(market, rules, store, listings=listings)
    answers = Answers(service)
    measured = [row.symbol for row in (await service.refresh()).official.screen.rows if row.score is not None]
    to_message(await answers.vrp(measured[0]))
    times = []
    for place in range(LOOK_UPS):
        start = time.perf_counter()
        to_message(await answers.vrp(measured[place % len(measured)]))
        times.append(time.perf_counter() - start)
    service.close()
    return times


async def _stalls(path: Path) -> list[float]:
    """How late each tick of the loop came while a full screen was taken, judged, stored and settled."""
    service = MarketService(_Whole(snapshot(NAMES)), load_rules(CONFIG), Store.open(path))
    late: list[float] = []

    async def watch() -> None:
        while True:
            start = time.perf_counter()
            await asyncio.sleep(TICK)
            late.append(time.perf_counter() - start - TICK)

    watcher = asyncio.create_task(watch())
    await service.refresh()
    await service.settling.done()
    watcher.cancel()
    with suppress(asyncio.CancelledError):
        await watcher
    service.close()
    return late
