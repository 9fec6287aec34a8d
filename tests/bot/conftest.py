"""A small simulated market with a past, and a bot in a simulated Discord around it."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import discord
import pytest
import simcord
import structlog

from bot.app import VarianceBot, build
from bot.past import keep_closes, past_closes
from bot.people.guilds import GuildSettings
from bot.screening import rules_body
from engine.market.columns import panel_of
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Provider, Snapshot
from engine.record.scorecards import keep_up
from engine.record.store import Store
from engine.rules import Listing, Rules, load_rules, load_universe
from engine.screen.screen import run_screen
from tests.bot.traffic import check_traffic

CONFIG = Path(__file__).resolve().parents[2] / "config"
SESSION = date(2025, 12, 31)
"""The last session before the simulated Discord's first instant."""
PAST = 65
"""Stored closes before it: more than the 60 an IV percentile needs."""
SYMBOLS = (
    *("SPY", "QQQ", "IWM", "GLD", "SLV", "TLT", "XLE", "XLF", "XLK", "AAPL", "MSFT", "NVDA", "AMD", "TSLA"),
    *("AMZN", "META", "GOOGL", "NFLX", "JPM", "BAC", "KO", "PEP", "XOM", "CVX", "UNH", "GM", "SCHW", "DIS"),
    *("BA", "INTC"),
)


@dataclass
class World:
    """One visitor in one channel of one server with the bot."""

    env: simcord.Env
    bot: VarianceBot
    guild: Any
    channel: Any
    visitor: Any

    async def ask(self, command: str, **options: Any) -> simcord.ResponseMessage:
        """Use a slash command and give back what the visitor sees."""
        return answer_of(await self.visitor.slash(self.channel, command, **options))

    async def press(self, message: Any, label: str, by: Any = None) -> simcord.InteractionResult:
        """Press a button."""
        pressed: simcord.InteractionResult = await (by or self.visitor).click(message, label=label)
        return pressed

    async def rest(self, seconds: float = 30.0) -> None:
        """Let every cooldown run out."""
        await self.env.advance_time(seconds)


def answer_of(result: simcord.InteractionResult) -> simcord.ResponseMessage:
    """The message an interaction was answered with."""
    message = result.followups[-1] if result.followups else result.response
    assert message is not None, "the bot gave no answer"
    return message


def text_of(message: Any) -> str:
    """Everything a person reads on a message."""
    parts: list[str] = [message.content]
    for embed in message.embeds:
        parts += [embed.title or "", embed.description or "", embed.footer.text or ""]
    return "\n".join(parts)


def labels_of(message: Any) -> list[str]:
    """The buttons of an answer, in order."""
    return [button["label"] for row in message.components for button in row["components"]]


@pytest.fixture
def restored_logs() -> Iterator[None]:
    """For tests that send the logs elsewhere."""
    root = logging.getLogger()
    handlers, level, configured = root.handlers[:], root.level, structlog.get_config()
    yield
    root.handlers[:], root.level = handlers, level
    structlog.configure(**configured)


@pytest.fixture(scope="session")
def rules() -> Rules:
    return load_rules(CONFIG)


@pytest.fixture(scope="session")
def listings() -> tuple[Listing, ...]:
    return tuple(listing for listing in load_universe(CONFIG) if listing.symbol in SYMBOLS)


@pytest.fixture(scope="session")
def market(listings: tuple[Listing, ...]) -> SimulatedMarket:
    return SimulatedMarket(listings, SESSION)


@pytest.fixture(scope="session")
def filled(
    market: SimulatedMarket, played: Played, rules: Rules, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A record that holds the past and what became of it; tests work on copies."""

    def make(path: Path) -> None:
        with Store.open(path) as store:
            for _ in keep_closes(past_closes(market, PAST, rules), rules, store, SYMBOLS):
                pass
            # Once for all: a bot that finds an unsettled past settles it when it starts.
            keep_up(store, panel_of(played.market, rules.benchmark), "simulated", rules)
        _count_ahead(path, played.market, rules)

    return made_once(tmp_path_factory, "filled.db", make)


def _count_ahead(path: Path, market: Snapshot, rules: Rules) -> None:
    """The scorecards as a bot's first screen will leave them, so that each start finds them counted.

    They are kept under what they were counted from: a start that finds another past counts anew.
    """
    later = path.with_suffix(".later")
    shutil.copy(path, later)
    with Store.open(later) as store:
        panel = panel_of(market, rules.benchmark)
        screen = run_screen(panel, rules, store.iv_history(panel.symbols, panel.session, realm="simulated"))
        store.save(screen, rules_body(rules), official=True)
        keep_up(store, panel, "simulated", rules)
        with store.reading() as db:
            cards = db.execute("SELECT version, body, key FROM scorecards").fetchall()
    later.unlink()
    with Store.open(path) as store:
        store.write(
            lambda db: db.conn.executemany("UPDATE scorecards SET version = ?, body = ? WHERE key = ?", cards)
        )


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A file of the whole test session: a worker that finds another's takes it, else it makes its own."""
    own = factory.getbasetemp()
    # A worker of pytest-xdist has a folder of its own in that of the session.
    path = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / name
    if not path.exists():
        begun = factory.mktemp("made") / name
        make(begun)
        begun.replace(path)
    return path


@pytest.fixture
def database(filled: Path, tmp_path: Path) -> Path:
    """A record of this test's own."""
    return Path(shutil.copy(filled, tmp_path / "record.db"))


@dataclass(frozen=True)
class Played:
    """A provider that plays one market over and over, as a recording would."""

    market: Snapshot

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        return self.market if symbols is None else self.market.only(symbols, "SPY")


@pytest.fixture(scope="session")
def played(market: SimulatedMarket) -> Played:
    return Played(market.snapshot())


class Clock:
    """The simulated Discord's clock, once it runs; `ahead` moves the bot's own to another season."""

    def __init__(self) -> None:
        self.env: simcord.Env | None = None
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return (self.env.now() if self.env else datetime(2026, 1, 1, tzinfo=UTC)) + self.ahead


MakeBot = Callable[..., VarianceBot]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_bot(
    played: Played, rules: Rules, listings: tuple[Listing, ...], database: Path, clock: Clock
) -> Iterator[MakeBot]:
    """A bot over the small market and this test's record; whatever it opened is closed at the end."""
    made: list[VarianceBot] = []

    def make(provider: Provider | None = None, path: Path = database, **options: Any) -> VarianceBot:
        chosen = provider or played
        bot = build(chosen, options.pop("rules", rules), listings, Store.open(path), clock, **options)
        made.append(bot)
        return bot

    yield make
    for bot in made:
        bot.service.close()


class Env(simcord.Env):
    """SimCord that looks every 2 ms whether the bot is at rest; it waits 50, most of the time of a test."""

    async def _settle_internal(self, *, idle: float = 0.002, **options: Any) -> None:
        await super()._settle_internal(idle=min(idle, 0.002), **options)


@asynccontextmanager
async def discord_around(bot: VarianceBot, clock: Clock, **options: Any) -> AsyncIterator[World]:
    """A simulated Discord; at the end every message is held against Discord's limits."""
    env = Env(bot, check_errors=False, **options)
    await env.start()
    clock.env = env
    try:
        guild = env.create_guild("Desk")
        channel = guild.create_text_channel("premium-desk")
        visitor = guild.add_member(env.create_user("visitor"))
        await env.settle()
        yield World(env, bot, guild, channel, visitor)
        check_traffic(env)
    finally:
        await env.shutdown()


@pytest.fixture
async def world(make_bot: MakeBot, clock: Clock) -> AsyncIterator[World]:
    async with discord_around(make_bot(), clock) as world:
        yield world


def text_channel(world: World) -> discord.TextChannel:
    """The channel as the bot knows it."""
    channel = world.bot.get_channel(world.channel.id)
    assert isinstance(channel, discord.TextChannel)
    return channel


@dataclass
class Desk:
    """A server with a manager."""

    world: World
    guild: Any
    channel: Any
    boss: Any

    async def ask(self, command: str, by: Any = None, **options: Any) -> Any:
        """Use a command and give back what is seen."""
        return answer_of(await (by or self.boss).slash(self.channel, command, **options))

    async def said(self, command: str, **options: Any) -> str:
        """The same as text; all of it must be private."""
        answer = await self.ask(command, **options)
        assert answer.ephemeral
        return text_of(answer)

    @property
    def settings(self) -> GuildSettings | None:
        return self.world.bot.servers.get(self.guild.id)

    @property
    def stored(self) -> GuildSettings:
        settings = self.settings
        assert settings is not None
        return settings

    def posts(self, channel: Any = None) -> list[str]:
        """What the bot has posted into a channel."""
        return [text_of(message) for message in (channel or self.channel).history()]


def manager_of(world: World, guild: Any, name: str) -> Any:
    role = guild.create_role(f"managers of {name}", permissions=discord.Permissions(manage_guild=True))
    return guild.add_member(world.env.create_user(name), roles=[role])


@pytest.fixture
async def desk(world: World) -> Desk:
    boss = manager_of(world, world.guild, "boss")
    await world.env.settle()
    return Desk(world, world.guild, world.channel, boss)


@pytest.fixture
async def ready(desk: Desk) -> Desk:
    """A server that is set up."""
    await desk.ask("setup", channel=desk.channel)
    await desk.world.rest()
    return desk
