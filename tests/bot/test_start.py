"""`python -m bot` against a Discord on this machine: the real process, the real protocol."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.settings import TOKEN
from engine.environment import PREFIX
from tests.bot.test_settings import GOOD, ROOT
from tests.discord_server.faults import REFUSED_TOKEN
from tests.discord_server.server import DiscordServer

_STARTED: list[asyncio.subprocess.Process] = []
"""What a test that failed leaves running is killed with its server."""


@pytest.fixture
async def server() -> AsyncIterator[DiscordServer]:
    async with DiscordServer() as made:
        made.world.token = GOOD
        yield made
    while _STARTED:
        process = _STARTED.pop()
        if process.returncode is None:
            process.kill()
        await process.wait()


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
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bot"), cwd=tmp_path, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _STARTED.append(process)
    return process


async def test_a_start_syncs_connects_screens_and_stops_on_sigterm(
    server: DiscordServer, tmp_path: Path
) -> None:
    process = await start(tmp_path, server.port)
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
    synced = {command["name"] for command in server.world.commands[None]}
    assert synced >= {"help", "method", "screen", "status", "vrp", "why"}
    assert [identified["intents"] for identified in server.world.identified] == [1]
    assert (tmp_path / "var" / "variance.db").is_file()
    await asyncio.wait_for(server.world.until(lambda: not server.gateway.sessions), 5)


async def test_without_a_network_the_bot_starts_says_so_and_plans_the_next_try(
    server: DiscordServer, tmp_path: Path
) -> None:
    evening = "2025-12-31T22:00:00Z"
    process = await start(
        tmp_path,
        server.port,
        VARIANCE_PROVIDER="auto",
        VARIANCE_STAND_IN=NOBODY,
        VARIANCE_CLOCK=evening,
        VARIANCE_STAND_IN_NOW=evening,
    )
    assert process.stderr is not None
    lines: list[str] = []
    while not any("run done" in line for line in lines):
        lines.append((await asyncio.wait_for(process.stderr.readline(), 60)).decode())
        assert lines[-1], "".join(lines)
    process.send_signal(signal.SIGTERM)
    rest = (await asyncio.wait_for(process.stderr.read(), 30)).decode()
    text = "".join(lines) + rest
    assert await process.wait() == 0, text
    assert "the market is live" in text
    assert "state=aborted" in text
    assert "run=2025-12-31/close" in text
    assert "again=2025-12-31T22:" in text
    assert "Traceback" not in text


async def test_a_refused_token_is_one_sentence_and_status_2(server: DiscordServer, tmp_path: Path) -> None:
    server.faults.ask(REFUSED_TOKEN, "me")
    process = await start(tmp_path, server.port)
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
