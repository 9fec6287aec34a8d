"""Posts that nobody asked for: into a channel or to one person, if the bot may."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.buttons import message_of
from bot.cards.card import Card

NEEDED = ("view_channel", "send_messages", "embed_links", "attach_files", "read_message_history")
"""What a post takes; in a thread send_messages_in_threads stands for send_messages.

The history is read after a crash, to see whether a post had reached the channel.
"""

PostChannel = discord.TextChannel | discord.Thread


def missing_permissions(channel: PostChannel) -> list[str]:
    """The permissions a post would lack in a channel."""
    held = channel.permissions_for(channel.guild.me)
    in_thread = isinstance(channel, discord.Thread)
    needed = (
        "send_messages_in_threads" if in_thread and name == "send_messages" else name for name in NEEDED
    )
    return [name for name in needed if not getattr(held, name)]


async def post(
    channel: PostChannel, card: Card, *, nonce: str | None = None, role_id: int | None = None
) -> discord.Message:
    """Send a card into a channel, mentioning one role or nobody.

    Discord answers a repeated `nonce` (at most 25 characters) with the message it already has, for some
    minutes. Raises BotMissingPermissions before Discord refuses; refusals count against the bot.
    """
    missing = missing_permissions(channel)
    if missing:
        raise app_commands.BotMissingPermissions(missing)
    message = message_of(card)
    if role_id is not None:
        role = discord.Object(role_id, type=discord.Role)
        message |= {"content": f"<@&{role_id}>", "allowed_mentions": discord.AllowedMentions(roles=[role])}
    if nonce is not None:
        message["nonce"] = nonce
    return await channel.send(**message)


async def direct(
    bot: discord.Client,
    user_id: int,
    card: Card,
    *,
    nonce: str | None = None,
    view: discord.ui.View | None = None,
) -> discord.Message:
    """Send a card to one person, with `view` in place of the card's own buttons when given.

    Raises discord.Forbidden when the person takes no messages from the bot, discord.NotFound when there is
    no such person any more.
    """
    person = await bot.create_dm(discord.Object(user_id))
    message: dict[str, Any] = message_of(card)
    if view is not None:
        message["view"] = view
    if nonce is not None:
        message["nonce"] = nonce
    return await person.send(**message)
