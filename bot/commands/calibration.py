"""/calibrate: do the thresholds still fit, for those who manage a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
from discord import app_commands
from discord.ext import commands

from bot.buttons import send
from bot.calibration import MOST_CLOSES
from bot.failures import Reported

if TYPE_CHECKING:
    from bot.app import VarianceBot


class Calibrate(commands.Cog):
    """The diagnostic of the thresholds; it reports and changes nothing."""

    def __init__(self, bot: VarianceBot) -> None:
        self.bot = bot

    @app_commands.command(
        name="calibrate", description="Do the thresholds still fit the market? Reports, and changes nothing."
    )
    @app_commands.describe(closes="So many last stored closes, pooled; the market at hand when left out")
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.allowed_installs(guilds=True, users=False)
    @app_commands.allowed_contexts(guilds=True, dms=False, private_channels=False)
    @app_commands.checks.has_permissions(manage_guild=True)
    async def calibrate(
        self,
        interaction: discord.Interaction[Any],
        closes: app_commands.Range[int, 1, MOST_CLOSES] | None = None,
    ) -> None:
        """Both lenses, triggers and what-ifs, privately, by the server's own rules."""
        async with Reported(interaction, unexpected=False):
            self.bot.limits.count(interaction, "screen")
            await interaction.response.defer(thinking=True, ephemeral=True)
            await send(interaction, await self.bot.answers.calibration.card(interaction.guild_id, closes))
