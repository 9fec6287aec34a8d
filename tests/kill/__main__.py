"""`make kill`: KILLS kills (200 by default), the table of what became of every post, and one last line."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, date, datetime
from pathlib import Path

from rich.console import Console

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
BEFORE = datetime(2026, 3, 2, 12, tzinfo=UTC)
SERVERS = 7


async def campaign(folder: Path, kills: int, seed: int, workers: int, servers: int = SERVERS) -> Tally:
    """Kill `kills` times in `workers` worlds side by side."""
    budget, tally = Budget(kills), Tally()
    runs = load_schedule(DEFAULT_CONFIG).of_sessions(FIRST, LAST)
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for number in range(workers):
            world = World(Clock(BEFORE, time.monotonic))
            server = await stack.enter_async_context(DiscordServer(world))
            own = folder / f"world-{number}"
            own.mkdir(parents=True)
            chance = Chance(seed * 1000 + number)
            each = Campaign(Place(own, server, servers), chance, budget, tally)
            group.create_task(each.run(runs))
    return tally


def main() -> int:
    """1 when a post was lost or doubled or a run never ended."""
    parser = argparse.ArgumentParser(prog="python -m tests.kill", description=__doc__)
    parser.add_argument("--kills", type=int, default=int(os.environ.get("KILLS", "200")))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--keep", type=Path, help="a folder for the logs and databases")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="kill") as temporary:
        folder = given.keep or Path(temporary)
        tally = asyncio.run(campaign(folder, given.kills, given.seed, given.workers))
    tally.show(Console(width=140))
    seconds = time.monotonic() - began
    about = f"seed {given.seed}, {len(tally.rounds)} runs, {tally.ended} processes ended by themselves"
    sys.stdout.write(f"{about}, {seconds:.0f} s\n{tally.last_line}\n")
    return 1 if any(tally.wrong()) else 0


if __name__ == "__main__":
    sys.exit(main())
