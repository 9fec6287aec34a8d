"""/pairs, /sectors and a server's own pairs: names measured against each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import send
from bot.cards.own_pairs import added_card, kept_card, removed_card
from bot.commands.server import MANAGERS
from bot.failures import InputError, Reported
from bot.inputs import Choice, choices, matching, one_of, ticker
from bot.people.pairs import MOST_THRESHOLD, USUAL_THRESHOLD, OwnPair, pair_of
from bot.relative import find_pair
from engine.errors import VarianceError
from engine.rules import Pair

if TYPE_CHECKING:
    from bot.app import VarianceBot

Asked = discord.Interaction[Any]
_managers_only = app_commands.checks.has_permissions(manage_guild=True)


class Relative(commands.Cog):
    """Pairs and sectors for everybody; a server's own pairs for those who manage it."""

    own = app_commands.Group(
        name="pair",
        description="This server's own pairs: add, remove, list.",
        default_permissions=MANAGERS,
        allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=False, private_channel=False),
        allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
    )

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot
        self.relative = bot.answers.relative
        self.kept = bot.answers.relative.own

    @app_commands.command(
        name="pairs", description="Pairs of names: how far their premiums lie apart, do they move together."
    )
    @app_commands.describe(pair="One pair with its history, actions and warnings; all of them when left out")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def pairs(self, interaction: Asked, pair: str | None = None) -> None:
        """Every pair of the operator and of this server, or one of them."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "lookup")
            guild_id = interaction.guild_id
            if pair is not None:
                find_pair(pair, await self.relative.known(guild_id))
            await interaction.response.defer(thinking=True)
            await send(
                interaction,
                await self.relative.pairs(guild_id)
                if pair is None
                else await self.relative.pair(pair, guild_id),
            )

    @app_commands.command(
        name="sectors", description="Sectors by their premium, and the names that stand apart from theirs."
    )
    @app_commands.describe(sector="One sector, name by name; all of them when left out")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def sectors(self, interaction: Asked, sector: str | None = None) -> None:
        """Every sector, or one of them."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "lookup")
            if sector is not None:
                sector = one_of(sector, self.bot.service.sectors, "sector")
            await interaction.response.defer(thinking=True)
            await send(
                interaction,
                await self.relative.sectors() if sector is None else await self.relative.sector(sector),
            )

    @own.command(name="add", description="Compare two names in this server from now on.")
    @app_commands.describe(
        leg_a="The first ticker, such as KO",
        leg_b="The second ticker, such as PEP",
        threshold="Correlation below which the pair counts as broken, 0.00 to 0.99; 0.70 when left out",
    )
    @_managers_only
    async def add(
        self,
        interaction: Asked,
        leg_a: str,
        leg_b: str,
        threshold: app_commands.Range[float, 0.0, MOST_THRESHOLD] = USUAL_THRESHOLD,
    ) -> None:
        """Keep a pair; it is measured at once, and with every run from the next on."""
        async with Reported(interaction, unexpected=False):
            guild_id = await self._begin(interaction)
            pair = self._wanted(leg_a, leg_b, threshold)
            known, user_id, now = self.bot.service.pairs, interaction.user.id, self.bot.now()
            await self.bot.service.desk(lambda: self.kept.add(guild_id, pair, known, user_id, now))
            await send(interaction, added_card(pair, len(await self._of(guild_id))))

    @own.command(name="remove", description="Give up one of this server's own pairs.")
    @app_commands.describe(pair="The pair")
    @_managers_only
    async def remove(self, interaction: Asked, pair: str) -> None:
        """Give up a pair; what was stored of it stays in the record."""
        async with Reported(interaction, unexpected=False):
            guild_id = await self._begin(interaction)
            own = [each.pair for each in await self._of(guild_id)]
            if not own:
                raise InputError("This server has no pairs of its own; /pair add keeps one.")
            found = find_pair(pair, own)
            await self.bot.service.desk(lambda: self.kept.remove(guild_id, found.id))
            await send(interaction, removed_card(found))

    @own.command(name="list", description="This server's own pairs, with who added each.")
    @_managers_only
    async def show(self, interaction: Asked) -> None:
        """Every own pair of the server."""
        async with Reported(interaction, unexpected=False):
            guild_id = await self._begin(interaction)
            await send(interaction, kept_card(await self._of(guild_id)))

    @commands.Cog.listener()
    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Forget a server the bot has left; an outage of Discord does not come here."""
        await self.bot.service.desk(lambda: self.kept.forget(guild.id))

    @pairs.autocomplete("pair")
    async def complete_pair(self, interaction: Asked, typed: str) -> list[Choice]:
        """The pairs by their legs and ids."""
        try:
            known = await self.relative.known(interaction.guild_id)
        except VarianceError:
            known = self.bot.service.pairs
        return self.bot.offered(typed, pair_choices(typed, known))

    @sectors.autocomplete("sector")
    async def complete_sector(self, _: Asked, typed: str) -> list[Choice]:
        """The sectors of the market."""
        return self.bot.offered(typed, matching(typed, self.bot.service.sectors))

    @add.autocomplete("leg_a")
    @add.autocomplete("leg_b")
    async def complete_leg(self, _: Asked, typed: str) -> list[Choice]:
        """Tickers and company names, from memory."""
        return self.bot.offered(typed, self.bot.service.index.complete(typed))

    @remove.autocomplete("pair")
    async def complete_own(self, interaction: Asked, typed: str) -> list[Choice]:
        """The server's own pairs."""
        if interaction.guild_id is None:
            return []
        try:
            own = await self._of(interaction.guild_id)
        except VarianceError:
            return []
        return self.bot.offered(typed, pair_choices(typed, [each.pair for each in own]))

    async def _begin(self, interaction: Asked) -> int:
        """Count, promise a private answer and name the server. Raises CommandOnCooldown."""
        self.bot.limits.count(interaction, "settings")
        if interaction.guild_id is None:
            raise app_commands.NoPrivateMessage
        await interaction.response.defer(thinking=True, ephemeral=True)
        return interaction.guild_id

    async def _of(self, guild_id: int) -> list[OwnPair]:
        return await self.bot.service.desk(lambda: self.kept.of(guild_id))

    def _wanted(self, leg_a: str, leg_b: str, threshold: float) -> Pair:
        """The pair that was typed. Raises InputError, or UnknownSymbolError for a leg nobody measures."""
        one, other = (self.bot.service.index.require(ticker(leg)) for leg in (leg_a, leg_b))
        if one == other:
            raise InputError("A pair is of two different names.")
        if abs(threshold * 100 - round(threshold * 100)) > 1e-6:
            raise InputError("The threshold is 0.00 to 0.99 with two decimals, such as 0.75.")
        return pair_of(one, other, threshold)


def pair_choices(typed: str, pairs: Sequence[Pair]) -> list[Choice]:
    """Pairs whose legs or id hold what was typed, those that begin with it first."""
    labels = {f"{pair.leg_a} / {pair.leg_b} ({pair.id})": pair.id for pair in pairs}
    return choices((each.name, labels[each.value]) for each in matching(typed, labels))
