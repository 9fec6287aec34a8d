"""`python -m bot.demo`: the whole bot in a simulated Discord on a page of this machine."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.past import YEAR, closes_ahead, keep_closes, settle_past
from bot.settings import DEFAULT_CONFIG
from engine.errors import ConfigError, VarianceError
from engine.market.recorded import RecordedMarket
from engine.market.schedule import load_schedule
from engine.market.simulated import SimulatedMarket, SimulatedMarkets
from engine.market.snapshot import Provider
from engine.record.store import Store
from engine.rules import Listing, Rules, load_pairs, load_rules, load_universe

if TYPE_CHECKING:
    import discord

    from bot.app import VarianceBot
    from bot.clock.clock import Clock as MarketClock

WORLD_BEGINS = datetime(2026, 1, 1, tzinfo=UTC)
"""The simulated Discord's first instant."""
SESSION = date(2025, 12, 31)
"""The last session before it."""
SEED = 7
TICK = 5.0
"""Seconds between two steps of the simulated clock; a step takes under a millisecond."""
SETTLE = 30.0
_READING_DELAY = 900.0
"""A recorded market is looked at a quarter of an hour after it was taken."""


class _StoppedError(Exception):
    """Somebody wants the demo to end."""


def main(words: Sequence[str] | None = None) -> int:
    """Run the demo until Ctrl-C or SIGTERM. Exit status 0, or 2 with one sentence."""
    arguments = _parser().parse_args(words)
    try:
        asyncio.run(_demo(arguments.data, arguments.database, arguments.port))
    except _StoppedError:
        pass
    except VarianceError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bot.demo", description=main.__module__ and __doc__)
    parser.add_argument(
        "--data", type=Path, metavar="PATH", help="play a recorded market instead of the simulated one"
    )
    parser.add_argument(
        "--port", type=_port, default=0, metavar="N", help="port of the page; a free one when left out"
    )
    parser.add_argument(
        "--database",
        type=Path,
        metavar="PATH",
        help="keep the record in this file; otherwise it is thrown away",
    )
    return parser


def _port(text: str) -> int:
    number = int(text) if text.isdecimal() else -1
    if not 0 <= number <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is no port; allowed is 0 to 65535")
    return number


async def _demo(data: Path | None, database: Path | None, port: int) -> None:
    wish = threading.Event()
    stop = asyncio.Event()

    def end() -> None:
        wish.set()
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, end)
    with _database(database) as path:
        rules, listings = load_rules(DEFAULT_CONFIG), load_universe(DEFAULT_CONFIG)
        provider = _provider(data, rules, listings)
        store = Store.open(path)
        try:
            if data is None:
                past = asyncio.to_thread(_give_a_past, listings, rules, store, wish)
                await asyncio.gather(past, asyncio.to_thread(_import_the_rest))
            await _play(provider, rules, listings, store, data is None, port, stop)
        finally:
            store.close()


@contextmanager
def _database(given: Path | None) -> Iterator[Path]:
    if given is not None:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="variance-demo-") as folder:
        yield Path(folder) / "demo.db"


def _provider(data: Path | None, rules: Rules, listings: Sequence[Listing]) -> Provider:
    if data is None:
        return SimulatedMarkets(listings, SEED, SESSION)
    return RecordedMarket(data, rules.benchmark)


def _give_a_past(listings: Sequence[Listing], rules: Rules, store: Store, wish: threading.Event) -> None:
    """Fill an empty record with the closes of a year. Raises _StoppedError when asked to end."""
    symbols = [listing.symbol for listing in listings]
    if store.iv_history(symbols[:1], SESSION, realm="simulated").iv30.shape[1] >= YEAR:
        return
    with closes_ahead(listings, SESSION, SEED, YEAR, rules) as closes:
        for done, _ in enumerate(keep_closes(closes, rules, store, symbols), start=1):
            _progress("Simulating a year of closes", done, YEAR)
            if wish.is_set():
                raise _StoppedError
    _say("Scoring its calls")
    settle_past(SimulatedMarket(listings, SESSION, seed=SEED), store, rules)


def _import_the_rest() -> None:
    """A second of imports, done while the worker process starts."""
    for name in ("bot.app", "simcord.preview"):
        importlib.import_module(name)


async def _play(
    provider: Provider,
    rules: Rules,
    listings: Sequence[Listing],
    store: Store,
    simulated: bool,
    port: int,
    stop: asyncio.Event,
) -> None:
    # Imported here: the worker process that imports this module again needs no Discord.
    import simcord

    from bot.app import build
    from bot.logs import configure

    configure("warning")
    symbols = [listing.symbol for listing in listings] if simulated else None
    clock = _Clock()
    bot = build(
        provider,
        rules,
        listings,
        store,
        clock.now,
        realm="simulated" if simulated else "recorded",
        universe=symbols,
        pairs=load_pairs(DEFAULT_CONFIG),
        # A recorded market stands still; the made-up one goes on from session to session.
        schedule=load_schedule(DEFAULT_CONFIG) if simulated else None,
        by_hand=True,
    )
    # The page's composer takes the highlighted suggestion at every Enter and so would never send.
    bot.offers_exact = False
    # It also shows a mention of a command as it is written.
    bot.mentions_commands = False
    market = None if simulated else await bot.service.refresh()
    try:
        async with simcord.run(bot, settle_timeout=SETTLE, check_errors=False) as env:
            clock.env = env
            if market is not None:
                late = (market.official.screen.run.asof - env.now()).total_seconds()
                await env.advance_time(max(late, 0.0) + _READING_DELAY)
            await _show(env, bot, port, stop)
    except simcord.SetupError as error:
        raise ConfigError(f"The page cannot be shown: {error}") from None
    finally:
        await bot.close()


async def _show(env: Any, bot: VarianceBot, port: int, stop: asyncio.Event) -> None:
    """The server, its channel with the last posts, and the page until somebody ends it."""
    import discord

    from bot.posting import post

    guild = env.create_guild("Option Sellers")
    channel = guild.create_text_channel("premium-desk", topic="What options charge against what moved")
    managers = guild.create_role("managers", permissions=discord.Permissions(administrator=True))
    visitor = guild.add_member(env.create_user("visitor"), roles=[managers])
    bot.owner_id = visitor.id
    await env.settle()
    desk = bot.get_channel(channel.id)
    assert isinstance(desk, discord.TextChannel)
    if bot.clock is None:
        await post(desk, await bot.answers.post())
    else:
        await _to_the_next_open(env, bot, bot.clock, desk, visitor.id)
    async with env.preview(channel, viewers=[visitor], layout="channel", port=port) as page:
        _say(f"Variance is on {page.url}")
        _say("Open it in a browser, type /screen or /vrp AAPL, press the buttons. Ctrl-C ends it.")
        await _until_the_end(env, bot, page, stop)
    _say("Ended.")


async def _to_the_next_open(
    env: Any, bot: VarianceBot, clock: MarketClock, desk: discord.TextChannel, visitor: int
) -> None:
    """The last close posted as on its evening, then the server set up and the next run left to the clock."""
    from bot.people.guilds import GuildSettings
    from bot.posting import post

    await clock.settle()  # the close of the old year, for the record
    await post(desk, await bot.answers.post())
    settings = GuildSettings(
        guild_id=desk.guild.id,
        channel_id=desk.id,
        runs=frozenset({"open", "close", "weekly"}),
        profile=bot.service.rules.profile,
        thresholds=(),
        scope="",
        role_id=None,
        numbers="en",
        configured_by=visitor,
        configured_at=bot.now(),
    )
    bot.servers.save(settings, visitor, bot.now())
    due = clock.conductor.schedule.next_after(bot.now()).at
    await env.advance_time((due - bot.now()).total_seconds() + 1.0)
    await clock.settle()


async def _until_the_end(env: Any, bot: VarianceBot, page: Any, stop: asyncio.Event) -> None:
    """Let the simulated clock go with the real one until the page or the operator ends the session."""
    import simcord

    ends = [asyncio.ensure_future(stop.wait()), asyncio.ensure_future(page.wait_closed())]
    owed = 0.0
    try:
        while not any(end.done() for end in ends):
            await asyncio.wait(ends, timeout=TICK, return_when=asyncio.FIRST_COMPLETED)
            owed += TICK
            try:
                await env.advance_time(owed)
            except simcord.SetupError:
                continue  # the visitor is just doing something: the time is made up for at the next step
            owed = 0.0
            if bot.clock is not None:
                await bot.clock.turn()
    finally:
        for end in ends:
            end.cancel()


class _Clock:
    """The simulated Discord's clock, which begins to run only after the bot is built."""

    def __init__(self) -> None:
        self.env: Any = None

    def now(self) -> datetime:
        """The simulated instant."""
        return WORLD_BEGINS if self.env is None else self.env.now()


def _progress(text: str, done: int, total: int) -> None:
    """One line that counts on a terminal; elsewhere a line at the beginning and one at the end."""
    if sys.stdout.isatty():
        sys.stdout.write(f"\r{text}: {done} of {total}" + ("\n" if done == total else ""))
        sys.stdout.flush()
    elif done in (1, total):
        _say(f"{text}: {done} of {total}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
