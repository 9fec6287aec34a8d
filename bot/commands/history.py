"""/history: one name through the official closes of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import send
from bot.commands.people import watched
from bot.failures import Reported
from bot.history import HistoryAnswers
from bot.inputs import Choice, ticker

if TYPE_CHECKING:
    from bot.app import VarianceBot

Asked = discord.Interaction[Any]


class History(commands.Cog):
    """A name's past, the same for everybody."""

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot
        self.answers = HistoryAnswers(bot.service)

    @app_commands.command(
        name="history", description="One name's official closes: IV30, movement, premium, days listed."
    )
    @app_commands.describe(
        symbol="A ticker, such as AAPL",
        window="The last 63 sessions stored, the last 252, or all; a year when left out",
    )
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def history(
        self, interaction: Asked, symbol: str, window: Literal["quarter", "year", "all"] = "year"
    ) -> None:
        """One name with the picture of its past; a name outside today's market may have one too."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "lookup")
            symbol = ticker(symbol)
            await interaction.response.defer(thinking=True)
            await send(interaction, await self.answers.history(symbol, window))

    @history.autocomplete("symbol")
    async def complete_symbol(self, interaction: Asked, typed: str) -> list[Choice]:
        """Tickers and company names, from memory; an empty box offers the own watchlist first."""
        first = () if typed.strip() else await watched(self.bot, interaction.user.id)
        return self.bot.offered(typed, self.bot.service.index.complete(typed, first))
