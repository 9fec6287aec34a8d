"""A bot with its clock in a simulated Discord, over made-up markets that follow the calendar."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.app import VarianceBot
from bot.clock.clock import Clock as MarketClock
from bot.clock.ledger import Ledger
from bot.people.guilds import Guilds, GuildSettings
from engine.errors import SnapshotError
from engine.market.schedule import Schedule
from engine.market.simulated import SimulatedMarket, SimulatedMarkets
from engine.market.snapshot import Snapshot
from engine.panel import Kind
from engine.rules import Listing
from tests.bot.conftest import Clock, MakeBot, World, discord_around, text_of

FEW = ("SPY", "KO", "AAPL", "XOM", "GLD", "MSFT")
MANAGER = 77


class Markets:
    """The made-up markets, which can be told to fail and count how often they were asked."""

    def __init__(
        self,
        listings: tuple[Listing, ...],
        made: dict[tuple[date, Kind], Snapshot],
        names: Collection[str] = FEW,
    ) -> None:
        self._made = made
        self.markets = SimulatedMarkets([each for each in listings if each.symbol in names])
        self.without: frozenset[str] = frozenset()
        self.asked: list[str] = []
        self.trouble: str | None = None
        self.without_benchmark = False
        self.next_try: datetime | None = None

    def of_run(self, session: date, kind: Kind) -> Snapshot:
        self.asked.append(f"{session}/{kind}")
        if self.trouble is not None:
            raise SnapshotError(self.trouble)
        if self.without_benchmark:
            halted = SimulatedMarket(self.markets.listings, session, kind, without_benchmark=True)
            return replace(halted.snapshot(), next_try=self.next_try)
        if (session, kind) not in self._made:
            self._made[session, kind] = self.markets.of_run(session, kind)
        market = self._made[session, kind]
        if not self.without:
            return market
        return replace(market, quotes=market.quotes[~market.quotes["symbol"].isin(self.without)])

    def snapshot(self, symbols: Any = None) -> Snapshot:
        market = self.of_run(date(2025, 12, 31), "close")
        return market if symbols is None else market.only(symbols, "SPY")


@dataclass
class Street:
    """A world with a clock: time is moved by hand, and what is due then is done."""

    world: World
    markets: Markets
    time: Clock

    @property
    def bot(self) -> VarianceBot:
        bot = self.world.env.bot  # type: ignore[attr-defined]
        assert isinstance(bot, VarianceBot)
        return bot

    @property
    def clock(self) -> MarketClock:
        assert self.bot.clock is not None
        return self.bot.clock

    @property
    def ledger(self) -> Ledger:
        return self.clock.conductor.ledger

    def now(self) -> datetime:
        return self.time()

    def set_up(self, guild: Any, channel: Any, **changes: Any) -> GuildSettings:
        """As /setup would have left it, a day ago."""
        settings = GuildSettings(
            guild_id=guild.id,
            channel_id=channel.id,
            runs=frozenset({"open", "close"}),
            profile="balanced",
            thresholds=(),
            scope="",
            role_id=None,
            numbers="en",
            configured_by=MANAGER,
            configured_at=self.now(),
        )
        servers: Guilds = self.bot.servers
        return servers.save(replace(settings, **changes), MANAGER, self.now() - timedelta(days=1))

    async def until(self, instant: str | datetime) -> None:
        """Move the clock to an instant (UTC) and do what is due."""
        at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
        await self.world.env.advance_time((at - self.now()).total_seconds())
        await self.work()

    async def away_until(self, instant: str) -> None:
        """Time passes while the bot does nothing at all."""
        at = datetime.fromisoformat(instant)
        self.clock.halt()
        while (left := (at - self.now()).total_seconds()) > 0:
            await self.world.env.advance_time(min(left, 40_000.0))

    async def work(self) -> None:
        """What is due now."""
        await self.clock.settle()
        await self.world.env.settle()

    async def restart(self, bot: VarianceBot) -> None:
        """The process ends and another begins on the same file."""
        await self.world.env.restart_bot(bot)
        await self.work()

    def posts(self, channel: Any = None) -> list[str]:
        """The posts that stand in a channel, oldest first; answers to commands left out."""
        texts = (text_of(message) for message in (channel or self.world.channel).history())
        return [text for text in texts if " · post " in text]


@pytest.fixture(scope="session")
def made() -> dict[tuple[date, Kind], Snapshot]:
    """Markets that were drawn once."""
    return {}


@pytest.fixture
def markets(listings: tuple[Listing, ...], made: dict[tuple[date, Kind], Snapshot]) -> Markets:
    return Markets(listings, made)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    return tmp_path / "empty.db"


@pytest.fixture
def clocked(make_bot: MakeBot, markets: Markets, empty: Path) -> Any:
    """Makes a bot with a clock on this test's file."""

    def make(**options: Any) -> VarianceBot:
        given: dict[str, Any] = {"path": empty, "schedule": Schedule(), "universe": FEW, "realm": "simulated"}
        given["by_hand"] = True
        return make_bot(markets, **(given | options))

    return make


@asynccontextmanager
async def street_of(
    bot: VarianceBot, clock: Clock, markets: Markets, **options: Any
) -> AsyncIterator[Street]:
    # A loaded machine takes its time.
    async with discord_around(bot, clock, settle_timeout=30.0, **options) as world:
        yield Street(world, markets, clock)


@pytest.fixture
async def street(clocked: Any, clock: Clock, markets: Markets) -> AsyncIterator[Street]:
    """A server that is set up, at the last instant before 2026-01-02/open; the close before is done."""
    async with street_of(clocked(), clock, markets) as street:
        await street.work()
        street.set_up(street.world.guild, street.world.channel)
        yield street
