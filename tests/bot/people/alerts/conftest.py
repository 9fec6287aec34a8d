"""A person with alerts in a simulated Discord, and runs made by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from bot.app import VarianceBot
from bot.people.alerts.book import Alerts
from bot.people.alerts.courier import Courier
from bot.people.alerts.home import home_of
from engine.rules import load_pairs
from tests.bot.conftest import CONFIG, Clock, MakeBot, World, answer_of, discord_around, text_of
from tests.bot.people.alerts.runs import Changes, Runs

PAIRS = load_pairs(CONFIG)
GLD_ABOVE = {"on": "GLD", "when": "above", "metric": "VRP tactical", "level": "1.30"}
LOW, HIGH = {"GLD": {"vrp_tactical": 1.20}}, {"GLD": {"vrp_tactical": 1.42}}


@dataclass
class AlertWorld:
    """The world of a test with its bot's alerts and the runs of its record."""

    world: World
    runs: Runs
    courier: Courier

    @property
    def bot(self) -> VarianceBot:
        return self.world.bot

    @property
    def alerts(self) -> Alerts:
        return home_of(self.bot).alerts

    async def ask(self, command: str, by: Any = None, channel: Any = None, **options: Any) -> str:
        """What a person reads as the answer to `/alert ...`, which nobody else sees."""
        answer = answer_of(
            await (by or self.world.visitor).slash(
                channel or self.world.channel, f"alert {command}", **options
            )
        )
        assert answer.ephemeral
        await self.world.rest()
        return text_of(answer)

    async def add(self, by: Any = None, channel: Any = None, **options: Any) -> str:
        """Add a rule; GLD's tactical premium above 1.30 where nothing else is said."""
        return await self.ask("add", by, channel, **(options or GLD_ABOVE))

    async def run(self, changes: Changes | None = None, hours: float = 24, **options: Any) -> int:
        """A new official run some hours later, judged and told as the clock does; how many firings."""
        fired = await self.judge(changes, hours, **options)
        await self.courier.deliver()
        await self.world.env.settle()
        return fired

    async def judge(self, changes: Changes | None = None, hours: float = 24, **options: Any) -> int:
        """The same without a word to anybody."""
        await self.world.env.advance_time(hours * 3600)
        run_id, now = self.runs.add(changes, **options), self.bot.now()
        return await self.bot.service.desk(lambda: self.alerts.evaluate(run_id, now))

    def letters(self, person: Any = None) -> list[Any]:
        """The direct messages a person got from the bot."""
        user = getattr(person or self.world.visitor, "user", person or self.world.visitor)
        return user.dm_channel.history()  # type: ignore[no-any-return]

    async def restart(self, make_bot: MakeBot) -> None:
        """Stop the bot and start another over the same record."""
        await self.bot.service.ready()
        self.bot.service.close()
        bot = make_bot(pairs=PAIRS)
        await self.world.env.restart_bot(bot)
        self.world.bot = bot
        await bot.service.ready()
        self.runs = _renewed(self.runs, bot)
        self.courier = Courier(bot)

    def close_messages(self, person: Any = None, times: int | None = None) -> None:
        """From now on the person takes no direct messages."""
        user = getattr(person or self.world.visitor, "user", person or self.world.visitor)
        self.world.env.inject_error(
            "POST", f"/channels/{user.dm_channel.id}/messages", status=403, code=50007, times=times
        )

    def open_messages(self) -> None:
        """The other way round."""
        self.world.env.backend.faults.clear()

    def sends(self, channel_id: int) -> list[dict[str, Any]]:
        """What was tried to be written to a channel."""
        path = f"/channels/{channel_id}/messages"
        requests = (each for each in self.world.env.http_requests if each.method == "POST")
        return [dict(each.json or {}) for each in requests if each.path == path]

    def now(self) -> datetime:
        return self.bot.now()


def _renewed(runs: Runs, bot: VarianceBot) -> Runs:
    fresh = Runs(bot.service.store)
    fresh.screen = runs.screen
    return fresh


@pytest.fixture
async def desk(make_bot: MakeBot, clock: Clock) -> AsyncIterator[AlertWorld]:
    async with discord_around(make_bot(pairs=PAIRS), clock) as world:
        await world.bot.service.ready()
        yield AlertWorld(world, Runs(world.bot.service.store), Courier(world.bot))
