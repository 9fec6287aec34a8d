"""The gateway half: sessions that survive their sockets, and events for them."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from aiohttp import web

from tests.discord_server import forms
from tests.discord_server.state import World

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID, HELLO, ACK = 0, 1, 2, 6, 7, 9, 10, 11
INTERVAL = 41250
WRONG_TOKEN = 4004
LEFT = (1000, 1001)
"""How a client closes that does not mean to come back; its session is gone."""
NEEDED_INTENT = {"GUILD_CREATE": 1, "GUILD_DELETE": 1, "CHANNEL_UPDATE": 1, "CHANNEL_DELETE": 1}
"""Events a client hears only if it asked for them, by the bit in its intents."""


@dataclass(eq=False)
class Session:
    """One identified client: what it was told, to tell it again after a lost socket."""

    id: str
    intents: int
    socket: web.WebSocketResponse | None
    told: list[dict[str, Any]] = field(default_factory=list)

    async def tell(self, event: str, data: dict[str, Any]) -> None:
        """One event, kept for a resume."""
        frame = {"op": DISPATCH, "t": event, "s": len(self.told) + 1, "d": data}
        self.told.append(frame)
        await self.send(frame)

    async def send(self, frame: dict[str, Any]) -> None:
        """One frame, if there is a socket to take it."""
        if self.socket is not None and not self.socket.closed:
            try:
                await self.socket.send_json(frame)
            except ConnectionError:
                self.socket = None


class Gateway:
    """Sockets over one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.sessions: dict[str, Session] = {}
        self.address = ""
        self._sockets: dict[web.WebSocketResponse, web.Request] = {}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/gateway", self.connect, name="gateway"),
            web.get("/gateway/", self.connect, name="gateway-slash"),
        ]

    @property
    def connected(self) -> list[Session]:
        """The sessions somebody listens to now."""
        return [each for each in self.sessions.values() if each.socket is not None]

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """One socket from hello to its end."""
        socket = web.WebSocketResponse(timeout=1.0)
        await socket.prepare(request)
        self._sockets[socket] = request
        session: Session | None = None
        try:
            await socket.send_json({"op": HELLO, "d": {"heartbeat_interval": INTERVAL}})
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    break
                session = await self._heard(json.loads(message.data), socket, session)
        except ConnectionError:
            # Killed in the middle of a frame.
            pass
        finally:
            del self._sockets[socket]
            self._left(session, socket)
            self.world.happened()
        return socket

    def _left(self, session: Session | None, socket: web.WebSocketResponse) -> None:
        if session is None or session.socket is not socket:
            return
        session.socket = None
        if socket.close_code in LEFT:
            self.sessions.pop(session.id, None)

    async def _heard(
        self, frame: dict[str, Any], socket: web.WebSocketResponse, session: Session | None
    ) -> Session | None:
        match frame["op"]:
            case 1:
                await socket.send_json({"op": ACK})
            case 2:
                return await self._identify(frame["d"], socket)
            case 6:
                return await self._resume(frame["d"], socket)
        return session

    async def _identify(self, asked: dict[str, Any], socket: web.WebSocketResponse) -> Session | None:
        self.world.identified.append(asked)
        if self.world.token not in (None, asked["token"]):
            await socket.close(code=WRONG_TOKEN)
            return None
        session = Session(secrets.token_hex(8), int(asked["intents"]), socket)
        self.sessions[session.id] = session
        await session.tell("READY", self._greeting(session))
        for guild in list(self.world.guilds.values()):
            await session.tell("GUILD_CREATE", forms.guild(self.world, guild))
        return session

    def _greeting(self, session: Session) -> dict[str, Any]:
        return {
            "v": 10,
            "user": forms.user(self.world.bot),
            "guilds": [{"id": each, "unavailable": True} for each in self.world.guilds],
            "session_id": session.id,
            "resume_gateway_url": self.address,
            "application": {"id": self.world.bot.id, "flags": 0},
        }

    async def _resume(self, asked: dict[str, Any], socket: web.WebSocketResponse) -> Session | None:
        session = self.sessions.get(asked["session_id"])
        if session is None:
            await socket.send_json({"op": INVALID, "d": False})
            return None
        self.world.resumed += 1
        session.socket = socket
        for frame in session.told[asked["seq"] or 0 :]:
            await session.send(frame)
        await session.tell("RESUMED", {})
        return session

    async def dispatch(self, event: str, data: dict[str, Any]) -> None:
        """An event for every session that asked for such; kept for those away at the moment."""
        needed = NEEDED_INTENT.get(event, 0)
        for session in list(self.sessions.values()):
            if session.intents & needed == needed:
                await session.tell(event, data)

    async def drop(self, code: int | None = None) -> None:
        """End every socket: with a close code, or as a cable pulled."""
        for socket, request in list(self._sockets.items()):
            if code is not None:
                await socket.close(code=code)
            elif request.transport is not None:
                request.transport.abort()

    async def ask_to_reconnect(self) -> None:
        """Op 7, as Discord sends before it restarts a machine."""
        for session in self.connected:
            await session.send({"op": RECONNECT, "d": None})

    def forget_sessions(self) -> None:
        """Whoever resumes from now on is told to identify anew."""
        self.sessions.clear()
