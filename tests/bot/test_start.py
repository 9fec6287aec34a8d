"""`python -m bot` against a stand-in for Discord on this machine: the real process, the real protocol."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.settings import TOKEN
from engine.environment import PREFIX
from tests.bot.test_settings import GOOD, ROOT

APPLICATION = "1456074443980800000"
USER = {"id": APPLICATION, "username": "variance", "discriminator": "0", "avatar": None, "bot": True}


def as_json(body: object, status: int = 200) -> web.Response:
    """discord.py reads JSON only under this very content type."""
    headers = {"content-type": "application/json"}
    return web.Response(body=json.dumps(body).encode(), status=status, headers=headers)


@dataclass
class StandIn:
    """As much of Discord as a start takes: two look-ups, the sync, and a gateway that greets."""

    status: int = 200
    requests: list[str] = field(default_factory=list)
    commands: list[dict[str, Any]] = field(default_factory=list)
    identified: dict[str, Any] = field(default_factory=dict)
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    closed: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/api/users/@me", self.me)
        app.router.add_get("/api/oauth2/applications/@me", self.application)
        app.router.add_put("/api/applications/{app}/commands", self.put_commands)
        app.router.add_get("/gateway", self.gateway)
        app.router.add_get("/gateway/", self.gateway)
        return app

    async def me(self, request: web.Request) -> web.Response:
        self.requests.append("me")
        if self.status != 200:
            return as_json({"code": 0, "message": "401: Unauthorized"}, status=self.status)
        return as_json(USER)

    async def application(self, request: web.Request) -> web.Response:
        self.requests.append("application")
        return as_json(
            {
                "id": APPLICATION,
                "name": "variance",
                "flags": 0,
                "icon": None,
                "description": "",
                "owner": USER,
                "bot_public": True,
                "bot_require_code_grant": False,
                "verify_key": "",
                "summary": "",
            }
        )

    async def put_commands(self, request: web.Request) -> web.Response:
        self.commands = await request.json()
        extra = {"application_id": APPLICATION, "version": "1", "default_member_permissions": None}
        return as_json([command | extra | {"id": str(n)} for n, command in enumerate(self.commands, start=1)])

    async def gateway(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await socket.send_json({"op": 10, "d": {"heartbeat_interval": 41250}})
        async for message in socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
            frame = json.loads(message.data)
            if frame["op"] == 1:
                await socket.send_json({"op": 11})
            elif frame["op"] == 2:
                self.identified = frame["d"]
                await socket.send_json({"op": 0, "t": "READY", "s": 1, "d": self.greeting()})
                self.ready.set()
        self.closed.set()
        return socket

    def greeting(self) -> dict[str, Any]:
        return {
            "v": 10,
            "user": USER,
            "guilds": [],
            "session_id": "one",
            "resume_gateway_url": f"ws://127.0.0.1:{self.port}/gateway",
            "application": {"id": APPLICATION, "flags": 0},
        }


@pytest.fixture
async def stand_in() -> AsyncIterator[StandIn]:
    made = StandIn()
    runner = web.AppRunner(made.app(), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    made.port = runner.addresses[0][1]
    yield made
    await runner.cleanup()


NOBODY = "http://127.0.0.1:1"
"""Where nothing listens: a machine without a network."""


async def start(tmp_path: Path, port: int, **settings: str) -> asyncio.subprocess.Process:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environment |= {
        TOKEN: GOOD,
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
        "VARIANCE_DISCORD_API": f"http://127.0.0.1:{port}/api",
        "VARIANCE_DISCORD_GATEWAY": f"ws://127.0.0.1:{port}/gateway",
        "VARIANCE_PROVIDER": "simulated",
        "VARIANCE_CACHE": str(tmp_path / "cache"),
    }
    environment |= settings
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"), cwd=tmp_path, env=environment, stderr=asyncio.subprocess.PIPE
    )


async def test_a_start_syncs_connects_screens_and_stops_on_sigterm(stand_in: StandIn, tmp_path: Path) -> None:
    process = await start(tmp_path, stand_in.port)
    assert process.stderr is not None
    lines: list[str] = []
    for wanted in ("market screened", "event=connected"):
        while not any(wanted in line for line in lines):
            lines.append((await asyncio.wait_for(process.stderr.readline(), 60)).decode())
            assert lines[-1], "".join(lines)
    process.send_signal(signal.SIGTERM)
    rest = (await asyncio.wait_for(process.stderr.read(), 30)).decode()
    assert await process.wait() == 0, rest
    text = "".join(lines) + rest
    assert "the market is SIMULATED" in text
    assert "Traceback" not in text
    assert GOOD not in text
    assert {command["name"] for command in stand_in.commands} == {
        *("help", "method", "screen", "status", "vrp", "why"),
    }
    assert stand_in.identified["intents"] == 1
    assert (tmp_path / "var" / "variance.db").is_file()
    await asyncio.wait_for(stand_in.closed.wait(), 5)


async def test_without_a_network_the_bot_starts_says_so_and_plans_the_next_try(
    stand_in: StandIn, tmp_path: Path
) -> None:
    process = await start(tmp_path, stand_in.port, VARIANCE_PROVIDER="auto", VARIANCE_STAND_IN=NOBODY)
    assert process.stderr is not None
    lines: list[str] = []
    while not any("market incomplete" in line for line in lines):
        lines.append((await asyncio.wait_for(process.stderr.readline(), 60)).decode())
        assert lines[-1], "".join(lines)
    process.send_signal(signal.SIGTERM)
    rest = (await asyncio.wait_for(process.stderr.read(), 30)).decode()
    text = "".join(lines) + rest
    assert await process.wait() == 0, text
    assert "the market is live" in text
    assert "state=aborted" in text
    assert "next_try=" in text
    assert "Traceback" not in text


async def test_a_refused_token_is_one_sentence_and_status_2(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.status = 401
    process = await start(tmp_path, stand_in.port)
    assert process.stderr is not None
    text = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
    assert await process.wait() == 2
    assert "DISCORD_TOKEN is refused by Discord" in text.splitlines()[-1]
    assert "Traceback" not in text
    assert GOOD not in text


async def test_an_unreachable_discord_is_one_sentence_and_status_1(tmp_path: Path) -> None:
    process = await start(tmp_path, 1)
    assert process.stderr is not None
    text = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
    assert await process.wait() == 1
    assert "Discord cannot be reached" in text.splitlines()[-1]
    assert "Traceback" not in text
