"""The world as Discord writes it down: one function a kind of object."""

from __future__ import annotations

import json
from typing import Any

from tests.discord_server.state import Channel, Guild, Message, User, World

Json = dict[str, Any]
FILES = "https://cdn.discordapp.com/attachments"


def user(one: User) -> Json:
    return {
        "id": one.id,
        "username": one.name,
        "global_name": None,
        "discriminator": "0",
        "avatar": None,
        "bot": one.bot,
    }


def member(world: World, one: User, permissions: int | None = None) -> Json:
    made: Json = {
        "user": user(one),
        "roles": [],
        "joined_at": world.clock.now().isoformat(),
        "deaf": False,
        "mute": False,
        "flags": 0,
        "nick": None,
        "avatar": None,
        "premium_since": None,
    }
    return made if permissions is None else made | {"permissions": str(permissions)}


def application(world: World) -> Json:
    return {
        "id": world.bot.id,
        "name": world.bot.name,
        "flags": 0,
        "icon": None,
        "description": "",
        "owner": user(world.owner),
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "",
        "summary": "",
    }


def command(world: World, number: int, sent: Json, guild_id: str | None) -> Json:
    answer: Json = {
        "application_id": world.bot.id,
        "version": "1",
        "default_member_permissions": None,
        **sent,
        "id": str(int(world.bot.id) + number),
    }
    return answer if guild_id is None else answer | {"guild_id": guild_id}


def channel(one: Channel) -> Json:
    if one.recipient is not None:
        return {"id": one.id, "type": 1, "recipients": [user(one.recipient)], "last_message_id": None}
    return {
        "id": one.id,
        "type": 0,
        "guild_id": one.guild_id,
        "name": one.name,
        "position": 0,
        "permission_overwrites": one.overwrites,
        "nsfw": False,
        "topic": None,
        "parent_id": None,
        "rate_limit_per_user": 0,
        "last_message_id": None,
    }


def guild(world: World, one: Guild) -> Json:
    """As in GUILD_CREATE: whole, with its channels and the bot among the members."""
    everyone = {
        "id": one.id,
        "name": "@everyone",
        "permissions": str(one.permissions),
        "color": 0,
        "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
        "hoist": False,
        "position": 0,
        "managed": False,
        "mentionable": False,
        "flags": 0,
    }
    return {
        "id": one.id,
        "name": one.name,
        "icon": None,
        "owner_id": one.owner.id,
        "roles": [everyone],
        "channels": [channel(each) for each in one.channels.values()],
        "members": [member(world, world.bot)],
        "member_count": 2,
        "joined_at": world.clock.now().isoformat(),
        "verification_level": 0,
        "default_message_notifications": 0,
        "explicit_content_filter": 0,
        "mfa_level": 0,
        "afk_timeout": 300,
        "afk_channel_id": None,
        "system_channel_id": None,
        "system_channel_flags": 0,
        "premium_tier": 0,
        "nsfw_level": 0,
        "preferred_locale": "en-US",
        "large": False,
        "unavailable": False,
    } | {
        name: []
        for name in (
            *("emojis", "features", "guild_scheduled_events", "presences", "soundboard_sounds"),
            *("stage_instances", "stickers", "threads", "voice_states"),
        )
    }


def message(one: Message) -> Json:
    """Without its nonce. A file that an embed shows is no attachment but an address in the embed."""
    base = f"{FILES}/{one.channel_id}/{one.id}"
    embeds = json.loads(json.dumps(one.embeds).replace("attachment://", f"{base}/"))
    shown = json.dumps(one.embeds)
    return {
        "id": one.id,
        "channel_id": one.channel_id,
        "author": user(one.author),
        "content": one.body.get("content") or "",
        "timestamp": one.at.isoformat(),
        "edited_timestamp": None if one.edited is None else one.edited.isoformat(),
        "tts": bool(one.body.get("tts")),
        "mention_everyone": False,
        "mentions": [],
        "mention_roles": [],
        "attachments": [
            {
                "id": one.id,
                "filename": name,
                "size": len(data),
                "url": f"{base}/{name}",
                "proxy_url": f"{base}/{name}",
            }
            for name, data in one.files.items()
            if f"attachment://{name}" not in shown
        ],
        "embeds": embeds,
        "components": one.body.get("components") or [],
        "flags": int(one.body.get("flags") or 0),
        "pinned": False,
        "type": 0,
    }
