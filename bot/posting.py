"""Posts that nobody asked for: into a channel or to one person, if the bot may."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import aiohttp
import discord
from discord import app_commands

from bot.buttons import message_of
from bot.cards.card import Card

NEEDED = ("view_channel", "send_messages", "embed_links", "attach_files", "read_message_history")
"""What a post takes; in a thread send_messages_in_threads stands for send_messages.

The history is read after a crash, to see whether a post had reached the channel.
"""

PostChannel = discord.TextChannel | discord.Thread

TROUBLE = (discord.RateLimited, discord.HTTPException, aiohttp.ClientError, OSError, TimeoutError)
"""What sending may end with."""


def may_pass(error: Exception) -> bool:
    """Whether what Discord or the network did (one of TROUBLE) is worth another try."""
    if isinstance(error, discord.HTTPException):
        return (
            error.status == HTTPStatus.TOO_MANY_REQUESTS or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        )
    return True


def trouble_name(error: Exception) -> str:
    """What one of TROUBLE is called in the log and the ledger; none of what was to be sent."""
    if isinstance(error, discord.HTTPException):
        return f"{error.status}, code {error.code}"
    return type(error).__name__


async def marked_message(
    place: discord.abc.Messageable, author_id: int, mark: str, far: int, floor: int | None = None
) -> int | None:
    """The message of ours whose footer bears a mark, among the last `far` of a channel and above `floor`."""
    async for message in place.history(limit=far):
        if floor is not None and message.id <= floor:
            return None
        footers = (embed.footer.text or "" for embed in message.embeds)
        if message.author.id == author_id and any(mark in text for text in footers):
            return message.id
    return None


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
