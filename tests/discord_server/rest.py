"""The REST half: people, servers, channels and messages. Interactions are in hooks.py."""

from __future__ import annotations

import asyncio
from typing import Any

from aiohttp import web

from tests.discord_server import forms
from tests.discord_server.bodies import Refused, check_message, invalid, read
from tests.discord_server.faults import (
    CLOSED_DM,
    NO_ACCESS,
    NO_CHANNEL,
    NO_GUILD,
    NO_MESSAGE,
    NO_PERMISSION,
    NO_USER,
    REFUSED_TOKEN,
    Fault,
    Faults,
    Handler,
    as_json,
    refusal,
    suffer,
)
from tests.discord_server.state import Channel, Guild, Message, Seen, World

MOST_MESSAGES = 100
DIED = 499
NOT_OURS = Fault("403/50005", 403, 50005, "Cannot edit a message authored by another user")


class Rest:
    """Answers over one world."""

    def __init__(self, world: World, faults: Faults) -> None:
        self.world = world
        self.faults = faults

    def routes(self) -> list[web.RouteDef]:
        """Each with the name by which faults and tests speak of it."""
        one = "/api/channels/{channel}/messages/{message}"
        return [
            web.get("/api/users/@me", self.me, name="me"),
            web.get("/api/oauth2/applications/@me", self.application, name="application"),
            web.get("/api/users/{user}", self.user, name="user"),
            web.post("/api/users/@me/channels", self.open_dm, name="dm"),
            web.put("/api/applications/{app}/commands", self.put_commands, name="commands"),
            web.put(
                "/api/applications/{app}/guilds/{guild}/commands", self.put_commands, name="own-commands"
            ),
            web.get("/api/guilds/{guild}", self.guild, name="guild"),
            web.get("/api/channels/{channel}", self.channel, name="channel"),
            web.post("/api/channels/{channel}/messages", self.send, name="send"),
            web.get("/api/channels/{channel}/messages", self.history, name="history", allow_head=False),
            web.get(one, self.message, name="message", allow_head=False),
            web.patch(one, self.edit, name="edit"),
            web.delete(one, self.delete, name="delete"),
        ]

    @web.middleware
    async def door(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Every request passes here: seen, delayed, let in or refused, spoiled."""
        route = request.match_info.route.name or "unknown"
        if route.startswith("gateway"):
            return await handler(request)
        self.world.begun[route] += 1
        channel = request.match_info.get("channel")
        fault = self.faults.take(route, channel)
        wait = self.faults.delay(route) / 2
        status = 0
        try:
            await asyncio.sleep(wait)
            answer = await self._answer(fault, request, handler)
            await asyncio.sleep(wait)
            status = 0 if fault is not None and fault.cut else answer.status
        finally:
            at = self.world.clock.now()
            self.world.seen.append(Seen(request.method, request.path, route, channel, status, at))
            self.world.happened()
        return answer

    async def _answer(
        self, fault: Fault | None, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        try:
            self._let_in(request)
            return await (handler(request) if fault is None else suffer(fault, request, handler))
        except Refused as refused:
            return refusal(refused.fault)
        except ConnectionError:
            # The sender died in the middle of its request; nobody hears the answer.
            return web.Response(status=DIED)

    def _let_in(self, request: web.Request) -> None:
        token = self.world.token
        given = request.headers.get("Authorization")
        # Interactions carry their own token in the path and no header.
        if token is not None and given is not None and given != f"Bot {token}":
            raise Refused(REFUSED_TOKEN)

    async def me(self, request: web.Request) -> web.Response:
        return as_json(forms.user(self.world.bot))

    async def application(self, request: web.Request) -> web.Response:
        return as_json(forms.application(self.world))

    async def user(self, request: web.Request) -> web.Response:
        one = self.world.users.get(request.match_info["user"])
        if one is None:
            raise Refused(NO_USER)
        return as_json(forms.user(one))

    async def open_dm(self, request: web.Request) -> web.Response:
        one = self.world.users.get(str((await request.json())["recipient_id"]))
        if one is None:
            raise Refused(NO_USER)
        return as_json(forms.channel(self.world.dm_with(one)))

    async def put_commands(self, request: web.Request) -> web.Response:
        guild_id = request.match_info.get("guild")
        sent = await request.json()
        self.world.commands[guild_id] = sent
        return as_json(
            [forms.command(self.world, number, each, guild_id) for number, each in enumerate(sent, start=1)]
        )

    async def guild(self, request: web.Request) -> web.Response:
        return as_json(forms.guild(self.world, self._guild(request)))

    async def channel(self, request: web.Request) -> web.Response:
        return as_json(forms.channel(self._channel(request)))

    async def send(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        if not self.world.permissions(channel).send_messages:
            raise Refused(NO_PERMISSION)
        if channel.recipient is not None and not channel.recipient.accepts_dms:
            raise Refused(CLOSED_DM)
        body, files = await read(request)
        check_message(body, files)
        stored = self.world.store(channel, self.world.bot, body, files)
        # The sender of a nonce is told it; whoever reads the history is not.
        return as_json(forms.message(stored) | ({"nonce": stored.nonce} if stored.nonce else {}))

    async def history(self, request: web.Request) -> web.Response:
        channel = self._channel(request)
        if not self.world.permissions(channel).read_message_history:
            return as_json([])
        return as_json([forms.message(each) for each in self._page(channel, request)])

    def _page(self, channel: Channel, request: web.Request) -> list[Message]:
        """Newest first; `after` gives the ones that follow it at once, the others the latest that fit."""
        query = request.query
        limit = int(query.get("limit", "50"))
        if not 1 <= limit <= MOST_MESSAGES:
            raise invalid("limit")
        everything = self.world.of(channel)
        if "around" in query:
            middle = sum(int(each.id) < int(query["around"]) for each in everything)
            first = max(0, middle - limit // 2)
            return everything[first : first + limit][::-1]
        if "after" in query:
            return [each for each in everything if int(each.id) > int(query["after"])][:limit][::-1]
        until = int(query.get("before", "9" * 20))
        return [each for each in everything if int(each.id) < until][-limit:][::-1]

    async def message(self, request: web.Request) -> web.Response:
        return as_json(forms.message(self._message(request)))

    async def edit(self, request: web.Request) -> web.Response:
        message = self._message(request)
        if message.author is not self.world.bot:
            raise Refused(NOT_OURS)
        edit(self.world, message, *await read(request))
        return as_json(forms.message(message))

    async def delete(self, request: web.Request) -> web.Response:
        self.world.messages.remove(self._message(request))
        return web.Response(status=204)

    def _channel(self, request: web.Request) -> Channel:
        channel = self.world.channels.get(request.match_info["channel"])
        if channel is None:
            raise Refused(NO_CHANNEL)
        if not self.world.permissions(channel).view_channel:
            raise Refused(NO_ACCESS)
        return channel

    def _message(self, request: web.Request) -> Message:
        channel = self._channel(request)
        for each in reversed(self.world.of(channel)):
            if each.id == request.match_info["message"]:
                return each
        raise Refused(NO_MESSAGE)

    def _guild(self, request: web.Request) -> Guild:
        guild = self.world.guilds.get(request.match_info["guild"])
        if guild is None:
            raise Refused(NO_GUILD)
        return guild


def edit(world: World, message: Message, body: dict[str, Any], files: dict[str, bytes]) -> None:
    """Put what an edit names in place of what was there."""
    message.body = message.body | body
    message.files |= files
    message.edited = world.clock.now()
