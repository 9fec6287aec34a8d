"""The two buttons under /config reset: they outlive a restart, and a change made meanwhile voids them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import discord

from bot.buttons import edit_of
from bot.cards.card import PREFIX
from bot.cards.server import HOW_TO_SET_UP, done_card
from bot.failures import InputError, Reported
from bot.people.guilds import GuildSettings

if TYPE_CHECKING:
    from bot.app import VarianceBot

_YES, _NO = "yes", "no"


class ResetButton(
    discord.ui.DynamicItem[discord.ui.Button[Any]],
    template=rf"{PREFIX}:reset:(?P<answer>{_YES}|{_NO}):(?P<at>[0-9]{{1,16}})",
):
    """`variance:reset:answer:instant`, the instant being that of the settings it was asked about."""

    def __init__(self, answer: str, at: int) -> None:
        sure = answer == _YES
        super().__init__(
            discord.ui.Button(
                label="Reset" if sure else "Keep",
                style=discord.ButtonStyle.danger if sure else discord.ButtonStyle.secondary,
                custom_id=f"{PREFIX}:reset:{answer}:{at}",
            )
        )
        self.sure = sure
        self.at = at

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> ResetButton:
        """The button somebody pressed, read off its id."""
        return cls(match["answer"], int(match["at"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        """Reset when sure, still allowed to, and nothing was changed since; say what came of it."""
        bot: VarianceBot = interaction.client
        async with Reported(interaction):
            bot.limits.count(interaction, "button")
            if interaction.guild_id is None or not interaction.permissions.manage_guild:
                raise discord.app_commands.MissingPermissions(["manage_guild"])
            await interaction.response.defer()
            text = "Nothing was changed."
            if self.sure:
                await self._reset(bot, interaction.guild_id, interaction.user.id)
                text = f"This server is not set up any more: it gets no posts. {HOW_TO_SET_UP}"
            await interaction.edit_original_response(**edit_of(done_card(text)))

    async def _reset(self, bot: VarianceBot, guild_id: int, user_id: int) -> None:
        guilds = bot.servers
        settings = await bot.service.desk(lambda: guilds.get(guild_id))
        if settings is None or instant_of(settings) != self.at:
            raise InputError("The settings were changed since this was asked; /config reset asks anew.")
        await bot.service.desk(lambda: guilds.reset(guild_id, user_id, bot.now()))


def reset_view(settings: GuildSettings) -> discord.ui.View:
    """Reset or keep."""
    view = discord.ui.View(timeout=None)
    for answer in (_YES, _NO):
        view.add_item(ResetButton(answer, instant_of(settings)))
    # The ids carry everything, as with the buttons of a run.
    view.stop()
    return view


def instant_of(settings: GuildSettings) -> int:
    """When the settings were last changed, in microseconds."""
    return int(settings.configured_at.timestamp() * 1_000_000)
