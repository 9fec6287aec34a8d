"""The composition root: the only place that knows all parts and how they hang together."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import discord
import structlog
from discord import app_commands
from discord.ext import commands
from yarl import URL

from bot.answers import Answers
from bot.clock.clock import Clock
from bot.clock.conductor import Conductor
from bot.clock.delivery import Delivery
from bot.clock.lease import Lease, LeaseLostError
from bot.clock.ledger import Ledger
from bot.commands import BUTTONS, COGS
from bot.failures import REFUSED
from bot.inputs import Choice
from bot.limits import Limits
from bot.operation.http import HttpServer, Readiness
from bot.operation.jobs import BackupPlan, nightly_backup
from bot.operation.metrics import Metrics, Tallies
from bot.operation.starts import Starts, wait_for_turn
from bot.people.alerts import Alerts
from bot.people.alerts.courier import Courier
from bot.people.alerts.notice import pending_notice
from bot.people.guilds import Guilds
from bot.people.pairs import GuildPairs
from bot.people.portfolios import Portfolios
from bot.service import MarketService
from bot.settings import Settings, variable
from bot.tree import BEGAN, Ids, VarianceTree
from engine import __version__
from engine.errors import ConfigError, StoreError, VarianceError
from engine.market.recorded import RecordedMarket
from engine.market.schedule import Schedule, load_overrides, load_schedule
from engine.market.sessions import adopt, close_of, sessions_before
from engine.market.simulated.markets import SimulatedMarkets
from engine.market.snapshot import Provider
from engine.record.rows import Realm
from engine.record.store import Store
from engine.rules import Listing, Pair, Rules, load_pairs, load_rules, load_universe

Now = Callable[[], datetime]
SHORTEST_WAIT = timedelta(minutes=1)
"""Between two tries for a market, whatever a source says."""
log = structlog.get_logger("variance.app")

# discord.py warns of missing voice libraries at every start; this bot never speaks.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False


class VarianceBot(commands.Bot):
    """Slash commands and buttons over one MarketService."""

    tree: VarianceTree

    def __init__(
        self,
        service: MarketService,
        now: Now,
        sync_guild: int | None = None,
        schedule: Schedule | None = None,
        backups: BackupPlan | None = None,
        by_hand: bool = False,
    ) -> None:
        super().__init__(
            command_prefix=commands.when_mentioned,
            help_command=None,
            tree_cls=VarianceTree,
            intents=discord.Intents(guilds=True),
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
        )
        self.service = service
        self.answers = Answers(service)
        self.now = now
        self.limits = Limits()
        self.command_ids: Ids = {}
        self.offers_exact = True
        """Whether a word typed in full is still offered; see bot.demo."""
        self.mentions_commands = True
        """Whether a mention of a command is shown as its name; see bot.demo."""
        self.started = datetime.min.replace(tzinfo=UTC)
        self.metrics = Metrics(now)
        self.servers = Guilds(service.store)
        self.alerts = Alerts(service.store)
        self.portfolios = Portfolios(service.store)
        self.backups = backups
        self.clock = None if schedule is None else self._clock(schedule)
        """What makes runs and posts at their time; None for a market that stands still."""
        service.clocked = self.clock is not None
        self.http_server: HttpServer | None = None
        self._by_hand = by_hand
        self._sync_guild = sync_guild
        self._first_market: asyncio.Task[None] | None = None

    def _clock(self, schedule: Schedule) -> Clock:
        service, store, now = self.service, self.service.store, self.now
        lease = Lease(store)
        ledger = Ledger(store, lease)
        delivery = Delivery(self, schedule, ledger, self.servers, now)
        conductor = Conductor(
            schedule, ledger, service, self.servers, delivery, self.alerts.evaluate, self.metrics, now
        )
        courier = Courier(self, lease.require)
        return Clock(conductor, lease, store, now, self.is_ready, courier.deliver, self.nightly, self.look)

    async def start(self, token: str, *, reconnect: bool = True) -> None:
        """Wait for the right to act and for a turn to connect, then serve until closed.

        Raises LeaseLostError when another process has taken over, and what discord.py raises.
        """
        if self.http_server is not None:
            await self.http_server.start()
        if self.clock is not None:
            await self.clock.acquire()
        starts = Starts(self.service.store)
        await wait_for_turn(starts, self.now, asyncio.to_thread)
        await self._until_lost(asyncio.create_task(super().start(token, reconnect=reconnect), name="gateway"))

    async def _until_lost(self, serving: asyncio.Task[None]) -> None:
        lost = asyncio.create_task(self._lease_lost(), name="lease")
        try:
            await asyncio.wait({serving, lost}, return_when=asyncio.FIRST_COMPLETED)
            (serving if serving.done() else lost).result()
        finally:
            for task in (serving, lost):
                task.cancel()
            await asyncio.gather(serving, lost, return_exceptions=True)

    async def _lease_lost(self) -> None:
        if self.clock is None:
            await asyncio.Event().wait()
            return
        await self.clock.lost.wait()
        raise LeaseLostError("Another process of this bot acts now; this one ends.")

    async def setup_hook(self) -> None:
        """Commands, buttons, sync, the clock, and the first market in the background."""
        self.started = self.now()
        if self.clock is not None:
            await self.clock.acquire()
        for family in COGS:
            await self.add_cog(family(self))
        self.add_dynamic_items(*BUTTONS)
        store, desk = self.service.store, self.service.desk
        self.command_ids = await self.tree.sync_if_changed(
            self._sync_guild,
            lambda key: desk(lambda: store.get_setting(key)),
            lambda key, value: desk(lambda: store.set_setting(key, value)),
        )
        if self.clock is not None:
            self.clock.start(self._by_hand)
        if self.service.market is None:
            self._first_market = asyncio.create_task(self._take_first_market(), name="first market")

    async def _take_first_market(self) -> None:
        """The first market, and while it lacks too much to be ranked whole, again when sources may answer.

        A run that is due brings a market by itself.
        """
        if self.clock is not None and await self.clock.brings_market():
            return
        while (again := await self._try_market()) is not None:
            wait = max(SHORTEST_WAIT, again - self.now())
            log.warning("market incomplete", next_try=again.isoformat(timespec="seconds"))
            await asyncio.sleep(wait.total_seconds())

    async def _try_market(self) -> datetime | None:
        """When to try again; None when there is no need, or a question will do it."""
        try:
            market = await self.service.refresh()
        except VarianceError as error:
            log.error("no market", error=type(error).__name__, reason=str(error))
        except Exception:
            log.exception("no market")
        else:
            whole = market.official.screen.run.state == "complete"
            return None if whole else market.panel.next_try
        return None

    def offered(self, typed: str, found: list[Choice]) -> list[Choice]:
        """The choices for what was typed so far."""
        done = any(choice.value.casefold() == typed.strip().casefold() for choice in found)
        return found if self.offers_exact or not done else []

    async def on_ready(self) -> None:
        """Say so in the log; Discord repeats this after every reconnect."""
        log.info("connected", guilds=len(self.guilds), version=__version__)
        if self.clock is not None:
            await self.clock.turn()

    async def on_app_command_completion(
        self, interaction: discord.Interaction[Any], command: app_commands.Command[Any, ..., Any]
    ) -> None:
        """One line a command, without what was asked; refusals have theirs already."""
        if REFUSED not in interaction.extras:
            began = interaction.extras.get(BEGAN)
            if began is not None:
                self.metrics.command_answered(command.qualified_name, time.monotonic() - began)
            log.info(
                "command answered",
                command=command.qualified_name,
                guild=interaction.guild_id,
                interaction=interaction.id,
            )
        try:
            await pending_notice(self, interaction)
        except StoreError as error:
            log.error("kept alerts could not be looked for", reason=str(error))

    async def look(self, posts: int) -> None:
        """Tell the metrics how Discord and the queues are."""
        self.metrics.discord_seen(self.latency, len(self.guilds))
        self.metrics.queue_length("posts", posts)
        self.metrics.queue_length("alerts", await asyncio.to_thread(self.alerts.queued))

    async def nightly(self) -> None:
        """The backup, where one is wanted."""
        if self.backups is not None:
            await nightly_backup(self.backups, self.now, self.metrics)

    async def readiness(self) -> Readiness:
        """Whether runs come when they are due and Discord listens; a process that stands by is ready."""
        reasons = []
        if self.clock is not None and self.clock.acts:
            health = await self.clock.health()
            reasons += [f"run {key} is overdue" for key in health.overdue]
            if not self.is_ready():
                reasons.append("not connected to Discord")
        return Readiness(tuple(reasons))

    async def close(self) -> None:
        """Stop the clock, leave Discord, let the work under way finish, close the record."""
        if self._first_market is not None:
            self._first_market.cancel()
        if self.clock is not None:
            await self.clock.stop()
        if self.http_server is not None:
            await self.http_server.stop()
        await super().close()
        await asyncio.to_thread(self.service.close)


def compose(settings: Settings, now: Now) -> VarianceBot:
    """The bot an operator's settings describe. Raises VarianceError in one sentence."""
    rules = load_rules(settings.config)
    pairs = load_pairs(settings.config)
    listings = load_universe(settings.config)
    schedule = load_schedule(settings.config)
    adopt(load_overrides(settings.config))
    store = Store.open(settings.database)
    try:
        chosen = provider_of(settings, rules, listings, now())
    except VarianceError:
        store.close()
        raise
    plan = BackupPlan(
        settings.database, settings.backup_folder, settings.backups_daily, settings.backups_weekly
    )
    bot = build(
        chosen.provider,
        chosen.rules,
        listings,
        store,
        now,
        realm=chosen.realm,
        universe=chosen.universe,
        pairs=pairs,
        sync_guild=settings.sync_guild,
        # A recording stands still: there is nothing to post at any hour.
        schedule=None if chosen.realm == "recorded" else schedule,
        backups=plan,
    )
    if chosen.tallies is not None:
        bot.metrics.watch_sources(chosen.tallies)
    if settings.http_port is not None:
        bot.http_server = HttpServer(settings.http_host, settings.http_port, bot.metrics, bot.readiness)
    return bot


def build(
    provider: Provider,
    rules: Rules,
    listings: Sequence[Listing],
    store: Store,
    now: Now,
    *,
    realm: Realm = "recorded",
    universe: Sequence[str] | None = None,
    pairs: Sequence[Pair] = (),
    sync_guild: int | None = None,
    schedule: Schedule | None = None,
    backups: BackupPlan | None = None,
    by_hand: bool = False,
) -> VarianceBot:
    """The bot over given parts; `universe` names what a market is asked for, None is all it lists.

    Without a `schedule` nothing is run or posted by itself; `by_hand` leaves its turns to whoever moves a
    time that is not the wall's.
    """
    service = MarketService(
        provider,
        rules,
        store,
        realm=realm,
        universe=universe,
        listings=listings,
        pairs=pairs,
        own_pairs=GuildPairs(store).everyone,
    )
    return VarianceBot(service, now, sync_guild, schedule, backups, by_hand)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The market the settings name, with the rules as they apply to it."""

    provider: Provider
    rules: Rules
    realm: Realm
    universe: Sequence[str] | None
    tallies: Callable[[], Tallies] | None = None
    """What was asked of each source so far; None for a market that asks none."""


def provider_of(settings: Settings, rules: Rules, listings: Sequence[Listing], now: datetime) -> Chosen:
    """The chosen market. Raises ConfigError for one that lacks what it needs."""
    names = [listing.symbol for listing in listings]
    match settings.provider:
        case "recorded":
            folder = settings.data
            if folder is None or not (folder / "snapshot.json").is_file():
                raise ConfigError(
                    f"{variable('data')} is {str(folder)!r}; "
                    "allowed is the folder of a recorded market, with snapshot.json in it"
                )
            return Chosen(RecordedMarket(folder, rules.benchmark), rules, "recorded", None)
        case "simulated":
            log.warning("the market is SIMULATED: no number of it is real; set VARIANCE_PROVIDER for another")
            market = SimulatedMarkets(listings, settings.seed, last_close(now))
            return Chosen(market, rules, "simulated", names)
        case live:
            from engine.market.live.compose import live_market
            from engine.market.live.traffic import tallies

            provider, settled = live_market(settings, live, rules, listings, settings.config)
            log.info("the market is live", sources=list(provider.chosen.sources))
            traffic = provider.access.traffic
            return Chosen(provider, settled, "live", names, lambda: tallies(traffic))


def last_close(now: datetime) -> date:
    """The latest session that has closed."""
    latest, before = (
        day.astype(date) for day in sessions_before(now.date() + timedelta(days=1), 3)[[-1, -2]]
    )
    closed: date = latest if close_of(latest) <= now else before
    return closed if close_of(closed) <= now else sessions_before(closed, 2)[0].astype(date)


def use_other_discord(settings: Settings) -> None:
    """Point discord.py at a stand-in on this machine when the settings name one."""
    if settings.discord_api is None or settings.discord_gateway is None:
        return
    discord.http.Route.BASE = settings.discord_api.rstrip("/")
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = URL(settings.discord_gateway)
    log.warning("not the real Discord", api=settings.discord_api, gateway=settings.discord_gateway)
