"""What could not be sent to a person, shown at the person's next command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot.buttons import message_of
from bot.cards.alerts import kept_card
from bot.people.alerts.home import home_of, news_in

if TYPE_CHECKING:
    from bot.app import VarianceBot

log = structlog.get_logger("variance.alerts")


async def pending_notice(bot: VarianceBot, interaction: discord.Interaction[Any]) -> None:
    """After an answered command: show the person alone what closed messages kept away, once.

    What Discord does not take stays for the next command. Raises StoreError when the file cannot be used.
    """
    user_id, home = interaction.user.id, home_of(bot)
    if not interaction.response.is_done():
        return
    async with home.showing:
        letters = await bot.service.desk(lambda: home.deliveries.undelivered(user_id, "kept"))
        if not letters:
            return
        try:
            await interaction.followup.send(ephemeral=True, **message_of(kept_card(news_in(letters))))
        except discord.HTTPException as error:
            log.warning("kept alerts could not be shown", status=error.status, code=error.code)
            return
        now = bot.now()
        await bot.service.desk(lambda: home.deliveries.shown(user_id, letters, now))
