"""A server whose channel takes no posts any more: one person is told, once."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import discord
import structlog

from bot.cards.server import broken_card
from bot.people.guilds import GuildSettings
from bot.posting import direct

if TYPE_CHECKING:
    from bot.app import VarianceBot

log = structlog.get_logger("variance.guilds")

CHANNEL_DELETED = "the channel was deleted"
THREAD_DELETED = "the thread was deleted"


async def tell_administrator(bot: VarianceBot, settings: GuildSettings, reason: str) -> bool:
    """Tell whoever set the server up, else its owner, that posts have stopped; True when somebody was told.

    Call it once Guilds.mark_broken was True. Where neither takes messages the reason waits in
    /config show; either way the server counts as told and is not tried again. Only when Discord itself
    fails it stays untold, for the next start. A crash between message and mark tells once more; within
    some minutes Discord knows the nonce and does not repeat it.
    """
    guilds = bot.servers
    marked = await bot.service.desk(lambda: guilds.get(settings.guild_id))
    if marked is None or marked.broken is None or marked.told:
        return False
    guild = bot.get_guild(settings.guild_id)
    try:
        reached = guild is not None and await _tell(bot, guild, marked, reason)
    except discord.HTTPException as error:
        log.warning("administrator not told", guild=settings.guild_id, status=error.status)
        return False
    log.warning("posts stopped", guild=settings.guild_id, reason=reason, told=reached)
    await bot.service.desk(lambda: guilds.mark_told(settings.guild_id))
    return reached


async def _tell(bot: VarianceBot, guild: discord.Guild, settings: GuildSettings, reason: str) -> bool:
    card = broken_card(guild.name, settings, reason)
    for user_id in await keepers(guild, settings):
        try:
            await direct(bot, user_id, card, nonce=nonce_of(settings))
        except (discord.Forbidden, discord.NotFound):
            continue
        return True
    return False


def nonce_of(settings: GuildSettings) -> str:
    """The same for every attempt to tell of one failure: 20 characters of a hash."""
    since = settings.broken_at.isoformat() if settings.broken_at is not None else ""
    text = f"broken#{settings.guild_id}#{settings.channel_id}#{since}"
    return hashlib.sha256(text.encode()).hexdigest()[:20]


async def keepers(guild: discord.Guild, settings: GuildSettings) -> list[int]:
    """Whoever set it up, if still a manager there, then the owner; nobody twice."""
    who = settings.configured_by
    first = [who] if who is not None and await _manages(guild, who) else []
    owner = [] if guild.owner_id is None else [guild.owner_id]
    return list(dict.fromkeys([*first, *owner]))


async def _manages(guild: discord.Guild, user_id: int) -> bool:
    """Whether a person still manages the server; who left it learns nothing of it any more."""
    try:
        member = await guild.fetch_member(user_id)
    except (discord.Forbidden, discord.NotFound):
        return False
    return member.guild_permissions.manage_guild
