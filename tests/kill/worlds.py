"""Several worlds side by side, each with its own Discord and its own database; the kills are shared."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from pathlib import Path

from bot.settings import DEFAULT_CONFIG
from engine.market.schedule import load_schedule
from tests.discord_server.server import DiscordServer
from tests.discord_server.state import Clock, World
from tests.kill.campaign import Budget, Campaign
from tests.kill.moments import Chance
from tests.kill.place import Place
from tests.kill.tally import Tally

FIRST, LAST = date(2026, 3, 2), date(2026, 12, 31)
"""Sessions whose runs are killed; a night of daylight saving lies early among them."""
FRIDAY = date(2026, 3, 6)
"""Every second world begins on the day after, with its close and the week's scorecard: else few of these
would be met before the kills are spent."""
BEFORE = datetime(2026, 3, 2, 12, tzinfo=UTC)
SERVERS = 12


async def in_worlds(folder: Path, kills: int, seed: int, workers: int, servers: int = SERVERS) -> Tally:
    """Kill `kills` times in `workers` worlds side by side."""
    budget, tally = Budget(kills), Tally()
    schedule = load_schedule(DEFAULT_CONFIG)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for number in range(workers):
            world = World(Clock(BEFORE, time.monotonic))
            server = await stack.enter_async_context(DiscordServer(world))
            own = folder / f"world-{number}"
            own.mkdir(parents=True)
            chance = Chance(seed * 1000 + number)
            each = Campaign(Place(own, server, servers), chance, budget, tally)
            if number % 2:
                group.create_task(each.run(schedule.of_sessions(FIRST, LAST)))
            else:
                _opening, *later = schedule.of_sessions(FRIDAY, LAST)
                group.create_task(each.run(later, first=2))
    return tally
