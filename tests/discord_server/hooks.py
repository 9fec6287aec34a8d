"""Interactions: a person's command or click on its way to the bot, and what the bot answers."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import discord
from aiohttp import web

from tests.discord_server import forms
from tests.discord_server.bodies import Refused, read
from tests.discord_server.faults import NO_MESSAGE, Fault, as_json
from tests.discord_server.rest import edit
from tests.discord_server.state import Channel, Message, User, World

LATEST_ANSWER = timedelta(seconds=3)
LATEST_FOLLOW_UP = timedelta(minutes=15)
EPHEMERAL = 64
UNKNOWN = Fault("404/10062", 404, 10062, "Unknown interaction")
TWICE = Fault("400/40060", 400, 40060, "Interaction has already been acknowledged.")
UNKNOWN_HOOK = Fault("404/10015", 404, 10015, "Unknown Webhook")
MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE = 4, 5, 6, 7


@dataclass(eq=False)
class Asked:
    """One interaction and everything the bot said to it, ephemeral or not."""

    id: str
    token: str
    user: User
    channel: Channel
    at: datetime
    clicked: Message | None = None
    kind: int | None = None
    """The type of the first response; None before there is one."""
    data: dict[str, Any] = field(default_factory=dict)
    original: Message | None = None
    messages: list[Message] = field(default_factory=list)


class Hooks:
    """Callbacks and webhooks over one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._by_token: dict[str, Asked] = {}

    def routes(self) -> list[web.RouteDef]:
        hook = "/api/webhooks/{app}/{token}"
        one = hook + "/messages/{message}"
        return [
            web.post("/api/interactions/{id}/{token}/callback", self.callback, name="callback"),
            web.post(hook, self.follow_up, name="follow-up"),
            web.get(one, self.get, name="webhook-message", allow_head=False),
            web.patch(one, self.patch, name="webhook-edit"),
            web.delete(one, self.delete, name="webhook-delete"),
        ]

    def ask(
        self, user: User, channel: Channel, kind: int, data: dict[str, Any], clicked: Message | None = None
    ) -> tuple[Asked, dict[str, Any]]:
        """A new interaction and the event that tells of it. `kind` 2 is a command, 3 a click."""
        world = self.world
        asked = Asked(world.new_id(), secrets.token_hex(16), user, channel, world.clock.now(), clicked)
        self._by_token[asked.token] = asked
        event: dict[str, Any] = {
            "id": asked.id,
            "application_id": world.bot.id,
            "type": kind,
            "token": asked.token,
            "version": 1,
            "data": data,
            "channel_id": channel.id,
            "channel": forms.channel(channel),
            "app_permissions": str(world.permissions(channel).value),
            "locale": "en-US",
            "entitlements": [],
            "authorizing_integration_owners": {"0": channel.guild_id or "0"},
            "context": 0 if channel.guild_id else 1,
            "attachment_size_limit": 10 << 20,
        }
        if clicked is not None:
            event["message"] = forms.message(clicked)
        return asked, event | self._from(user, channel)

    def _from(self, user: User, channel: Channel) -> dict[str, Any]:
        if channel.guild_id is None:
            return {"user": forms.user(user)}
        guild = self.world.guilds[channel.guild_id]
        held = discord.Permissions.all().value if user is guild.owner else guild.permissions
        member = forms.member(self.world, user, held)
        return {"member": member, "guild_id": guild.id, "guild_locale": "en-US"}

    async def callback(self, request: web.Request) -> web.Response:
        """The first response, within three seconds of the world's clock, and only one."""
        asked = self._by_token.get(request.match_info["token"])
        if asked is None or self.world.clock.now() - asked.at > LATEST_ANSWER:
            raise Refused(UNKNOWN)
        if asked.kind is not None:
            raise Refused(TWICE)
        body, files = await read(request)
        asked.kind, asked.data = int(body["type"]), body.get("data") or {}
        if asked.kind == MESSAGE:
            asked.original = self._say(asked, asked.data, files)
        elif asked.kind == UPDATE and asked.clicked is not None:
            edit(self.world, asked.clicked, asked.data, files)
            asked.original = asked.clicked
        elif asked.kind == DEFERRED_UPDATE:
            asked.original = asked.clicked
        return as_json(self._acknowledged(asked))

    def _acknowledged(self, asked: Asked) -> dict[str, Any]:
        interaction: dict[str, Any] = {
            "id": asked.id,
            "type": 2,
            "response_message_loading": asked.kind == DEFERRED,
            "response_message_ephemeral": bool(int(asked.data.get("flags") or 0) & EPHEMERAL),
        }
        if asked.original is None:
            return {"interaction": interaction}
        interaction["response_message_id"] = asked.original.id
        return {
            "interaction": interaction,
            "resource": {"type": asked.kind, "message": forms.message(asked.original)},
        }

    def _say(self, asked: Asked, body: dict[str, Any], files: dict[str, bytes]) -> Message:
        """A message in answer. Ephemeral ones are not in the channel's history."""
        world = self.world
        message = Message(world.new_id(), asked.channel.id, world.bot, world.clock.now(), body, files)
        if not int(body.get("flags") or 0) & EPHEMERAL:
            world.messages.append(message)
        asked.messages.append(message)
        return message

    async def follow_up(self, request: web.Request) -> web.Response:
        asked = self._asked(request)
        body, files = await read(request)
        return as_json(forms.message(self._further(asked, body, files)))

    def _further(self, asked: Asked, body: dict[str, Any], files: dict[str, bytes]) -> Message:
        """After a deferral the first message is the deferred one, seen by whom the deferral said."""
        if asked.kind != DEFERRED or asked.original is not None:
            return self._say(asked, body, files)
        flags = int(body.get("flags") or 0) & ~EPHEMERAL | int(asked.data.get("flags") or 0) & EPHEMERAL
        asked.original = self._say(asked, body | {"flags": flags}, files)
        return asked.original

    async def get(self, request: web.Request) -> web.Response:
        return as_json(forms.message(self._one(request)))

    async def patch(self, request: web.Request) -> web.Response:
        asked = self._asked(request)
        body, files = await read(request)
        if asked.original is None and request.match_info["message"] == "@original":
            return as_json(forms.message(self._further(asked, body, files)))
        message = self._one(request)
        edit(self.world, message, body, files)
        return as_json(forms.message(message))

    async def delete(self, request: web.Request) -> web.Response:
        message = self._one(request)
        if message in self.world.messages:
            self.world.messages.remove(message)
        return web.Response(status=204)

    def _asked(self, request: web.Request) -> Asked:
        asked = self._by_token.get(request.match_info["token"])
        if asked is None or asked.kind is None or self.world.clock.now() - asked.at > LATEST_FOLLOW_UP:
            raise Refused(UNKNOWN_HOOK)
        return asked

    def _one(self, request: web.Request) -> Message:
        asked, wanted = self._asked(request), request.match_info["message"]
        if wanted == "@original" and asked.original is not None:
            return asked.original
        for message in asked.messages:
            if message.id == wanted:
                return message
        raise Refused(NO_MESSAGE)
