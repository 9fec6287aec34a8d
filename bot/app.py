"""The composition root: the only place that knows all parts and how they hang together."""

from __future__ import annotations

import asyncio
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
from bot.commands import BUTTONS, COGS
from bot.failures import REFUSED
from bot.inputs import Choice
from bot.limits import Limits
from bot.service import MarketService
from bot.settings import Settings, variable
from bot.tree import Ids, VarianceTree
from engine import __version__
from engine.errors import ConfigError, VarianceError
from engine.market.recorded import RecordedMarket
from engine.market.sessions import close_of, sessions_before
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Provider
from engine.record.rows import Realm
from engine.record.store import Store
from engine.rules import Listing, Rules, load_pairs, load_rules, load_universe

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

    def __init__(self, service: MarketService, now: Now, sync_guild: int | None = None) -> None:
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
        self.started = datetime.min.replace(tzinfo=UTC)
        self._sync_guild = sync_guild
        self._first_market: asyncio.Task[None] | None = None

    async def setup_hook(self) -> None:
        """Commands, buttons, sync, and the first market in the background."""
        self.started = self.now()
        for family in COGS:
            await self.add_cog(family(self))
        self.add_dynamic_items(*BUTTONS)
        store, desk = self.service.store, self.service.desk
        self.command_ids = await self.tree.sync_if_changed(
            self._sync_guild,
            lambda key: desk(lambda: store.get_setting(key)),
            lambda key, value: desk(lambda: store.set_setting(key, value)),
        )
        if self.service.market is None:
            self._first_market = asyncio.create_task(self._take_first_market(), name="first market")

    async def _take_first_market(self) -> None:
        """The first market, and while it lacks too much to be ranked whole, again when sources may answer."""
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

    async def on_app_command_completion(
        self, interaction: discord.Interaction[Any], command: app_commands.Command[Any, ..., Any]
    ) -> None:
        """One line a command, without what was asked; refusals have theirs already."""
        if REFUSED not in interaction.extras:
            log.info(
                "command answered",
                command=command.qualified_name,
                guild=interaction.guild_id,
                interaction=interaction.id,
            )

    async def close(self) -> None:
        """Leave Discord, let the work under way finish, close the record."""
        if self._first_market is not None:
            self._first_market.cancel()
        await super().close()
        await asyncio.to_thread(self.service.close)


def compose(settings: Settings, now: Now) -> VarianceBot:
    """The bot an operator's settings describe. Raises VarianceError in one sentence."""
    rules = load_rules(settings.config)
    load_pairs(settings.config)
    listings = load_universe(settings.config)
    store = Store.open(settings.database)
    try:
        chosen = provider_of(settings, rules, listings, now())
    except VarianceError:
        store.close()
        raise
    return build(
        chosen.provider,
        chosen.rules,
        listings,
        store,
        now,
        realm=chosen.realm,
        universe=chosen.universe,
        sync_guild=settings.sync_guild,
    )


def build(
    provider: Provider,
    rules: Rules,
    listings: Sequence[Listing],
    store: Store,
    now: Now,
    *,
    realm: Realm = "recorded",
    universe: Sequence[str] | None = None,
    sync_guild: int | None = None,
) -> VarianceBot:
    """The bot over given parts; `universe` names what a market is asked for, None is all it lists."""
    service = MarketService(provider, rules, store, realm=realm, universe=universe, listings=listings)
    return VarianceBot(service, now, sync_guild)


@dataclass(frozen=True, slots=True)
class Chosen:
    """The market the settings name, with the rules as they apply to it."""

    provider: Provider
    rules: Rules
    realm: Realm
    universe: Sequence[str] | None


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
            market = SimulatedMarket(listings, last_close(now), "close", settings.seed)
            return Chosen(market, rules, "simulated", names)
        case live:
            from engine.market.live.compose import live_market

            provider, settled = live_market(settings, live, rules, listings, settings.config)
            log.info("the market is live", sources=list(provider.chosen.sources))
            return Chosen(provider, settled, "live", names)


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
