"""The way a rule is told, tried at once with a message marked as a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import discord

from bot.cards.alerts import HOW_TO_OPEN
from bot.cards.card import Card
from bot.cards.embed import to_message
from bot.people.alerts.home import home_of
from bot.people.alerts.rules import Rule
from bot.posting import direct, missing_permissions

if TYPE_CHECKING:
    from bot.app import VarianceBot


async def try_way(bot: VarianceBot, rule: Rule, card: Card, view: discord.ui.View) -> str:
    """Send the card the way the rule is told; what became of it, in one sentence.

    A direct message that gets through opens the way for what was kept; one that is refused closes it.
    Raises discord.HTTPException when Discord has trouble of its own.
    """
    if rule.wish.channel is None:
        return await _direct(bot, rule.user_id, card, view)
    channel_id = rule.wish.channel[1]
    channel = bot.get_channel(channel_id)
    if isinstance(channel, discord.TextChannel) and not missing_permissions(channel):
        try:
            await channel.send(view=view, **to_message(card))
        except (discord.Forbidden, discord.NotFound):
            pass  # told below, like a permission that is seen to be missing
        else:
            return f"The test stands in <#{channel_id}>."
    told = await _direct(bot, rule.user_id, card, view)
    return f"In <#{channel_id}> I may not post any more, so it comes by direct message. {told}"


async def _direct(bot: VarianceBot, user_id: int, card: Card, view: discord.ui.View) -> str:
    deliveries, now = home_of(bot).deliveries, bot.now()
    try:
        await direct(bot, user_id, card, view=view)
    except (discord.Forbidden, discord.NotFound):
        await bot.service.desk(lambda: deliveries.shut(user_id, now))
        return HOW_TO_OPEN
    await bot.service.desk(lambda: deliveries.opened(user_id, now))
    return "The test is in your direct messages."
