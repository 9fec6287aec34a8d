"""/scorecard: what became of the calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import send
from bot.failures import Reported

if TYPE_CHECKING:
    from bot.app import VarianceBot

Asked = discord.Interaction[Any]


class Proof(commands.Cog):
    """The scorecard for everybody."""

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot

    @app_commands.command(
        name="scorecard", description="What became of the calls: hit rates and premium captured, by group."
    )
    @app_commands.describe(
        by="Groups of signals, regimes and zones, gates, or single names; an overview when left out",
        window="The last 63 or 252 settled sessions, or all of them",
    )
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def scorecard(
        self,
        interaction: Asked,
        by: Literal["signal", "regime", "gate", "symbol"] | None = None,
        window: Literal["quarter", "year", "all"] = "all",
    ) -> None:
        """The scorecard of the official closes, the same for everybody."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "lookup")
            await interaction.response.defer(thinking=True)
            await send(interaction, await self.bot.answers.proof.scorecard(by, window))
