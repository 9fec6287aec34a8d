"""/screen, /vrp and /why: what the market charges for volatility, and why a name passes or fails."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.answers import Scope
from bot.buttons import send
from bot.commands.people import watched
from bot.failures import Reported
from bot.inputs import Choice, matching, one_of, ticker

if TYPE_CHECKING:
    from bot.app import VarianceBot

Asked = discord.Interaction[Any]


class Market(commands.Cog):
    """The screen and the single name."""

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot

    @app_commands.command(
        name="screen", description="Names whose options are dear against how they moved, ranked."
    )
    @app_commands.describe(
        profile="A named set of thresholds; balanced when left out",
        lens="Which pair of windows judges: 90/30 days, 252/20 days, or both",
        sector="Only one sector",
        universe="Only single equities, only ETFs, or only your watchlist (seen by you alone)",
        mine="With the gate on the correlation with your own book (seen by you alone)",
    )
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=False)
    async def screen(
        self,
        interaction: Asked,
        profile: str | None = None,
        lens: Literal["quarterly", "yearly", "consensus"] | None = None,
        sector: str | None = None,
        universe: Literal["all", "equities", "etfs", "watchlist"] = "all",
        mine: bool = False,
    ) -> None:
        """The ranked list, the same for everybody in the channel but for a person's watchlist and book."""
        bot, service = self.bot, self.bot.service
        async with Reported(interaction, unexpected=False):
            bot.limits.count(interaction, "screen")
            if profile is not None:
                profile = one_of(profile, list(service.rules.profiles), "profile")
            chosen = one_of(sector, service.sectors, "sector") if sector is not None else ""
            scope = Scope(universe, chosen, mine=mine)
            if service.market is not None and not scope.personal:
                scope.require(service.market.official.screen)
            await interaction.response.defer(thinking=True, ephemeral=scope.personal)
            await send(interaction, await bot.answers.screen(profile, lens, scope, interaction.user.id))

    @app_commands.command(
        name="vrp", description="One name: what its options charge, what it moved, its year."
    )
    @app_commands.describe(symbol="A ticker, such as AAPL")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def vrp(self, interaction: Asked, symbol: str) -> None:
        """One name with its chart."""
        async with Reported(interaction, unexpected=False):
            symbol = self.known(interaction, symbol)
            await interaction.response.defer(thinking=True)
            await send(interaction, await self.bot.answers.vrp(symbol))

    @app_commands.command(name="why", description="One name: every gate with value, limit and distance.")
    @app_commands.describe(symbol="A ticker, such as KO")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def why(self, interaction: Asked, symbol: str) -> None:
        """Every gate of one name."""
        async with Reported(interaction, unexpected=False):
            symbol = self.known(interaction, symbol)
            await interaction.response.defer(thinking=True)
            await send(interaction, await self.bot.answers.why(symbol))

    def known(self, interaction: Asked, typed: str) -> str:
        """The ticker somebody meant, looked up in memory before anything is promised.

        Raises CommandOnCooldown, InputError or UnknownSymbolError.
        """
        self.bot.limits.count(interaction, "lookup")
        symbol = ticker(typed)
        service = self.bot.service
        anything = service.market is None or service.answers_any
        return symbol if anything else service.index.require(symbol)

    @vrp.autocomplete("symbol")
    @why.autocomplete("symbol")
    async def complete_symbol(self, interaction: Asked, typed: str) -> list[Choice]:
        """Tickers and company names, from memory; an empty box offers the own watchlist first."""
        first = () if typed.strip() else await watched(self.bot, interaction.user.id)
        return self.bot.offered(typed, self.bot.service.index.complete(typed, first))

    @screen.autocomplete("profile")
    async def complete_profile(self, _: Asked, typed: str) -> list[Choice]:
        """The profiles of the rules."""
        return self.bot.offered(typed, matching(typed, self.bot.service.rules.profiles))

    @screen.autocomplete("sector")
    async def complete_sector(self, _: Asked, typed: str) -> list[Choice]:
        """The sectors of the market."""
        return self.bot.offered(typed, matching(typed, self.bot.service.sectors))
