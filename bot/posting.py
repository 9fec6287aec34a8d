"""Posts that nobody asked for: into a channel, if the bot may."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.buttons import message_of
from bot.cards.card import Card

NEEDED = ("view_channel", "send_messages", "embed_links", "attach_files")
"""What a post takes; in a thread send_messages_in_threads stands for send_messages."""


def missing_permissions(channel: discord.TextChannel | discord.Thread) -> list[str]:
    """The permissions a post would lack in a channel."""
    held = channel.permissions_for(channel.guild.me)
    in_thread = isinstance(channel, discord.Thread)
    needed = (
        "send_messages_in_threads" if in_thread and name == "send_messages" else name for name in NEEDED
    )
    return [name for name in needed if not getattr(held, name)]


async def post(channel: discord.TextChannel | discord.Thread, card: Card) -> discord.Message:
    """Send a card. Raises BotMissingPermissions before Discord refuses; refusals count against the bot."""
    missing = missing_permissions(channel)
    if missing:
        raise app_commands.BotMissingPermissions(missing)
    return await channel.send(**message_of(card))
