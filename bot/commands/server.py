"""/setup and /config: where, when and how the bot posts in a server, for those who manage it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.answers import Scope
from bot.buttons import send
from bot.cards.embed import to_message
from bot.cards.server import (
    HOW_TO_SET_UP,
    ServerFacts,
    reset_card,
    sample,
    settings_card,
    trial_card,
    unset_card,
)
from bot.cards.table import LANGUAGES
from bot.failures import ANSWERED, InputError, Reported
from bot.inputs import Choice, choices, matching
from bot.people.guilds import RUNS, Change, GuildSettings
from bot.people.guilds_edit import (
    FIELDS,
    NONE,
    NOTHING_STORED,
    PLACES,
    RUN_CHOICES,
    Allowed,
    Edit,
    channel_from,
    channel_of,
    edit_of,
    places_of,
    require_mentionable,
    require_postable,
    role_from,
    suggestions,
)
from bot.people.guilds_notice import CHANNEL_DELETED, THREAD_DELETED, tell_administrator
from bot.people.guilds_reset import reset_view
from bot.posting import PostChannel, post
from engine.errors import VarianceError
from engine.rules import TUNABLE

if TYPE_CHECKING:
    from bot.app import VarianceBot

Asked = discord.Interaction[Any]

MANAGERS = discord.Permissions(manage_guild=True)
LAST_CHANGES = 10
_AHEAD = timedelta(days=15)
_managers_only = app_commands.checks.has_permissions(manage_guild=True)


class ChannelOption(app_commands.Transformer):
    """A text channel or thread, fetched when it is not in memory."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        """What Discord is told."""
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        """What may be picked."""
        kinds = discord.ChannelType
        return [kinds.text, kinds.news, kinds.public_thread, kinds.private_thread, kinds.news_thread]

    async def transform(self, interaction: Asked, value: Any, /) -> PostChannel:
        """The channel itself. Raises InputError when the bot cannot see it."""
        place = await channel_of(_guild(interaction), value.id)
        if place is None:
            raise InputError(f"I cannot see that channel: grant me View Channel there. {NOTHING_STORED}")
        return place


class Server(commands.Cog):
    """What a server chooses, and what happens to it."""

    config = app_commands.Group(
        name="config",
        description="The posts of this server: settings, changes, test.",
        default_permissions=MANAGERS,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot
        self.guilds = bot.servers

    @app_commands.command(name="setup", description="Where this server gets its posts, and which.")
    @app_commands.describe(
        channel="Where the posts go; a test post is sent there at once",
        runs="Which runs; the open, the close and the weekly scorecard when left out",
        profile="A named set of thresholds; balanced when left out",
        universe="All names, only single equities, or only ETFs",
        sector="Only one sector",
        role="Mentioned with every post; nobody when left out",
        numbers="How numbers are written in every answer here; 1,234.5 when left out",
    )
    @app_commands.choices(
        runs=[app_commands.Choice(name=spoken, value=spoken) for spoken in RUN_CHOICES],
        numbers=[app_commands.Choice(name=f"{sample(each)} ({each})", value=each) for each in LANGUAGES],
    )
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @_managers_only
    async def setup(
        self,
        interaction: Asked,
        channel: app_commands.Transform[PostChannel, ChannelOption],
        runs: str | None = None,
        profile: str | None = None,
        universe: Literal["all", "equities", "etfs"] | None = None,
        sector: str | None = None,
        role: discord.Role | None = None,
        numbers: str | None = None,
    ) -> None:
        """Everything at once; what is left out stays as it is, or begins as usual."""
        async with Reported(interaction, unexpected=False):
            await self._begin(interaction)
            present = await self._present(channel.guild.id) or self._usual(interaction, channel)
            allowed, scope = self._allowed(), Scope.parse(present.scope)
            wanted = replace(
                present.mended(),
                channel_id=channel.id,
                runs=RUN_CHOICES[runs] if runs is not None else present.runs,
                profile=allowed.profile(profile) if profile is not None else present.profile,
                scope=allowed.scope(universe or scope.universe, sector or scope.sector),
                role_id=role.id if role is not None else present.role_id,
                numbers=numbers or present.numbers,
            )
            await self._send_test(channel, wanted)
            stored = await self.bot.service.desk(
                lambda: self.guilds.save(wanted, interaction.user.id, self.bot.now())
            )
            await self._show(interaction, stored, "Stored; the test post has arrived.")

    @config.command(name="show", description="The settings of this server, its next run, the last changes.")
    @_managers_only
    async def show(self, interaction: Asked) -> None:
        """Settings, next run, last changes, and what is wrong if anything."""
        async with Reported(interaction, unexpected=False):
            await self._begin(interaction)
            guild = _guild(interaction)
            settings = await self._present(guild.id)
            if settings is None:
                await send(interaction, unset_card(await self._changes(guild.id)))
            else:
                await self._show(interaction, settings)

    @config.command(name="set", description="Change one setting of this server.")
    @app_commands.describe(
        field="What to change", value="To what; none takes a role, sector or threshold off"
    )
    @app_commands.choices(field=[app_commands.Choice(name=field, value=field) for field in FIELDS])
    @_managers_only
    async def set(self, interaction: Asked, field: str, value: app_commands.Range[str, 1, 100]) -> None:
        """One field, checked; another channel gets a test post first."""
        async with Reported(interaction, unexpected=False):
            await self._begin(interaction)
            settings = await self._required(interaction)
            if field in PLACES:
                edit = await self._place(_guild(interaction), settings, field, value)
            else:
                edit = edit_of(field, value, self._allowed())
            stored = await self.bot.service.desk(
                lambda: self.guilds.edit(settings.guild_id, edit, interaction.user.id, self.bot.now())
            )
            if stored is None:
                raise InputError(f"This server was reset meanwhile. {HOW_TO_SET_UP}")
            await self._show(interaction, stored, "Stored.")

    @config.command(name="test", description="Send a test post to the channel of this server.")
    @_managers_only
    async def test(self, interaction: Asked) -> None:
        """The channel as it is chosen; when the post arrives, a broken channel counts as mended."""
        async with Reported(interaction, unexpected=False):
            await self._begin(interaction)
            settings = await self._required(interaction)
            channel = await channel_of(_guild(interaction), settings.channel_id)
            if channel is None:
                raise InputError("The channel is gone or hidden from me; /config set chooses another.")
            await self._send_test(channel, settings.mended())
            mended = await self.bot.service.desk(lambda: self.guilds.mend(settings.guild_id, channel.id))
            lead = "The test post has arrived" + ("; posts go on." if mended else ".")
            await self._show(interaction, settings.mended(), lead)

    @config.command(name="reset", description="Give up the settings of this server: no more posts.")
    @_managers_only
    async def reset(self, interaction: Asked) -> None:
        """Asks first."""
        async with Reported(interaction, unexpected=False):
            await self._begin(interaction)
            settings = await self._required(interaction)
            await interaction.followup.send(view=reset_view(settings), **to_message(reset_card(settings)))
            interaction.extras[ANSWERED] = True

    @setup.autocomplete("profile")
    async def complete_profile(self, _: Asked, typed: str) -> list[Choice]:
        """The profiles of the rules."""
        return self.bot.offered(typed, matching(typed, self.bot.service.rules.profiles))

    @setup.autocomplete("sector")
    async def complete_sector(self, _: Asked, typed: str) -> list[Choice]:
        """The sectors of the market."""
        return self.bot.offered(typed, matching(typed, self.bot.service.sectors))

    @set.autocomplete("value")
    async def complete_value(self, interaction: Asked, typed: str) -> list[Choice]:
        """What the chosen field may be."""
        field = str(getattr(interaction.namespace, "field", ""))
        if interaction.guild is None:
            return []
        if field in PLACES:
            found = _places(interaction.guild, interaction.user, field)
        else:
            found = suggestions(field, await self._known(interaction.guild.id), self._allowed())
        wanted = typed.strip().casefold()
        return self.bot.offered(typed, choices(each for each in found if wanted in each[0].casefold()))

    @commands.Cog.listener()
    async def on_ready(self) -> None:
        """Tell of what broke just before a crash; Discord repeats this event, which does no harm."""
        for settings in await self.bot.service.desk(self.guilds.untold):
            await tell_administrator(self.bot, settings, settings.broken or "")

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Forget a server the bot has left; an outage of Discord does not come here."""
        await self.bot.service.desk(lambda: self.guilds.forget(guild.id))

    @commands.Cog.listener()
    async def on_guild_channel_delete(self, channel: discord.abc.GuildChannel) -> None:
        """A channel with posts is gone."""
        await self._gone(channel.guild.id, channel.id, CHANNEL_DELETED)

    @commands.Cog.listener()
    async def on_raw_thread_delete(self, thread: discord.RawThreadDeleteEvent) -> None:
        """A thread with posts is gone, by itself or with its channel, at rest or not."""
        await self._gone(thread.guild_id, thread.thread_id, THREAD_DELETED)

    @commands.Cog.listener()
    async def on_guild_role_delete(self, role: discord.Role) -> None:
        """A role that was mentioned is gone."""
        now = self.bot.now()
        await self.bot.service.desk(lambda: self.guilds.drop_role(role.guild.id, role.id, now))

    async def _gone(self, guild_id: int, channel_id: int, reason: str) -> None:
        now, guilds = self.bot.now(), self.guilds
        if await self.bot.service.desk(lambda: guilds.mark_broken(guild_id, channel_id, reason, now)):
            settings = await self._present(guild_id)
            if settings is not None:
                await tell_administrator(self.bot, settings, reason)

    async def _begin(self, interaction: Asked) -> None:
        """Count and promise an answer; raises CommandOnCooldown."""
        self.bot.limits.count(interaction, "settings")
        await interaction.response.defer(thinking=True, ephemeral=True)

    async def _present(self, guild_id: int) -> GuildSettings | None:
        return await self.bot.service.desk(lambda: self.guilds.get(guild_id))

    async def _known(self, guild_id: int) -> GuildSettings | None:
        """The same for a completion, which cannot tell what is wrong with the file."""
        try:
            return await self._present(guild_id)
        except VarianceError:
            return None

    async def _required(self, interaction: Asked) -> GuildSettings:
        settings = await self._present(_guild(interaction).id)
        if settings is None:
            raise InputError(f"This server is not set up. {HOW_TO_SET_UP}")
        return settings

    def _usual(self, interaction: Asked, channel: PostChannel) -> GuildSettings:
        return GuildSettings(
            guild_id=channel.guild.id,
            channel_id=channel.id,
            runs=frozenset(RUNS),
            profile=self.bot.service.rules.profile,
            thresholds=(),
            scope="",
            role_id=None,
            numbers="en",
            configured_by=interaction.user.id,
            configured_at=self.bot.now(),
        )

    def _allowed(self) -> Allowed:
        service = self.bot.service
        screen = service.market.official.screen if service.market is not None else None
        return Allowed(service.rules, service.sectors, screen)

    async def _place(self, guild: discord.Guild, settings: GuildSettings, field: str, typed: str) -> Edit:
        """The change of channel or role, after the channel took a test post."""
        if field == "channel":
            channel = await channel_from(guild, typed)
            await self._send_test(channel, replace(settings.mended(), channel_id=channel.id))
            return lambda present: replace(present.mended(), channel_id=channel.id)
        role = role_from(guild, typed)
        if role is None:
            return lambda present: replace(present, role_id=None)
        channel_now = await channel_of(guild, settings.channel_id)
        if channel_now is None:
            raise InputError(f"Choose a channel first: this one is gone or hidden from me. {NOTHING_STORED}")
        require_mentionable(role, channel_now)
        return lambda present: replace(present, role_id=role.id)

    async def _send_test(self, channel: PostChannel, settings: GuildSettings) -> None:
        require_postable(channel)
        if settings.role_id is not None and (role := channel.guild.get_role(settings.role_id)) is not None:
            require_mentionable(role, channel)
        try:
            await post(channel, trial_card(self._facts(settings)))
        except discord.HTTPException as error:
            raise InputError(
                f"The test post did not arrive in #{channel.name}: Discord answered {error.status}. "
                f"{NOTHING_STORED}"
            ) from error

    async def _show(self, interaction: Asked, settings: GuildSettings, lead: str = "") -> None:
        changes = await self._changes(settings.guild_id)
        unheard = await self.bot.service.desk(lambda: self.guilds.unheard_note(settings.guild_id))
        facts = replace(self._facts(settings, changes), unheard=unheard)
        await send(interaction, settings_card(facts, lead))

    async def _changes(self, guild_id: int) -> list[Change]:
        return await self.bot.service.desk(lambda: self.guilds.changes(guild_id, LAST_CHANGES))

    def _facts(self, settings: GuildSettings, changes: Sequence[Change] = ()) -> ServerFacts:
        now = self.bot.now()
        clock = self.bot.clock
        runs = [] if clock is None else clock.conductor.schedule.between(now, now + _AHEAD)
        run = next((run for run in runs if run.kind in settings.runs), None)
        return ServerFacts(
            settings=settings,
            universe=_spoken(settings.scope) or "",
            usual=self._usual_thresholds(settings),
            next_run=run.at if run is not None else None,
            next_kind=run.kind if run is not None else None,
            changes=[_said(change) for change in changes],
        )

    def _usual_thresholds(self, settings: GuildSettings) -> dict[str, float]:
        rules = self.bot.service.rules
        if settings.profile not in rules.profiles:
            return {}
        usual = rules.using(settings.profile)
        return {name: usual.threshold(name) for name, _ in settings.thresholds if name in TUNABLE}


def _guild(interaction: Asked) -> discord.Guild:
    if interaction.guild is None:
        raise app_commands.NoPrivateMessage
    return interaction.guild


def _spoken(scope: str | None) -> str | None:
    """A scope in words that also stand in a code block."""
    if scope is None:
        return None
    parsed = Scope.parse(scope)
    kind = parsed.universe if parsed.universe != "all" else ""
    return ", ".join(filter(None, (kind, parsed.sector)))


def _said(change: Change) -> Change:
    if change.field != "universe":
        return change
    return replace(change, before=_spoken(change.before), after=_spoken(change.after))


def _places(guild: discord.Guild, user: discord.User | discord.Member, field: str) -> list[tuple[str, str]]:
    """Channels the person sees, or roles, by name with their ids."""
    if field == "role":
        roles = [role for role in guild.roles if not role.is_default() and not role.managed]
        return [("none: nobody is mentioned", NONE), *((f"@{role.name}", str(role.id)) for role in roles)]
    return [
        (f"#{place.name}", str(place.id))
        for place in places_of(guild)
        if isinstance(user, discord.Member) and place.permissions_for(user).view_channel
    ]
