"""`python -m bot` with its pages, against a Discord on this machine: as a monitor and a supervisor see it."""

from __future__ import annotations

import asyncio
import re
import signal
from datetime import datetime
from pathlib import Path

import aiohttp

from bot.operation.starts import FREE, Starts
from engine.record.store import Store
from tests.bot.test_start import server, start
from tests.discord_server.server import DiscordServer

__all__ = ["server"]
CLOCK = "2026-03-02T12:00:00+00:00"
"""Monday, before the open: nothing is due."""


async def line_with(process: asyncio.subprocess.Process, wanted: str) -> str:
    """The first line of the log that holds `wanted`."""
    assert process.stderr is not None
    seen: list[str] = []
    while not seen or wanted not in seen[-1]:
        seen.append((await asyncio.wait_for(process.stderr.readline(), 60)).decode())
        assert seen[-1], "".join(seen)
    return seen[-1]


async def asked(port: int, path: str) -> tuple[int, str]:
    async with aiohttp.request("GET", f"http://127.0.0.1:{port}{path}") as answer:
        return answer.status, await answer.text()


async def stopped(process: asyncio.subprocess.Process) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.stderr is not None
    text = (await asyncio.wait_for(process.stderr.read(), 30)).decode()
    assert await process.wait() == 0, text


async def test_the_pages_are_served_from_start_to_end(server: DiscordServer, tmp_path: Path) -> None:
    process = await start(tmp_path, server.port, VARIANCE_HTTP_PORT="0", VARIANCE_CLOCK=CLOCK)
    found = re.search(r" port=(\d+)", await line_with(process, '"pages served"'))
    assert found is not None
    port = int(found[1])
    assert await asked(port, "/healthz") == (200, "ok\n")
    await line_with(process, "event=connected")
    status, text = await asked(port, "/readyz")
    assert (status == 200) is ('"ready": true' in text)
    status, text = await asked(port, "/metrics")
    assert status == 200
    assert "variance_build_info{" in text
    assert "variance_event_loop_delay_seconds_count" in text
    await stopped(process)


async def test_a_port_in_use_is_one_sentence_and_status_2(server: DiscordServer, tmp_path: Path) -> None:
    process = await start(tmp_path, server.port, VARIANCE_HTTP_PORT=str(server.port))
    assert process.stderr is not None
    text = (await asyncio.wait_for(process.stderr.read(), 60)).decode()
    assert await process.wait() == 2, text
    assert f"VARIANCE_HTTP_PORT is {server.port}, which another program holds" in text.splitlines()[-1]
    assert "Traceback" not in text
    assert server.world.identified == []


async def test_one_start_too_many_waits_before_it_connects_and_is_alive_meanwhile(
    server: DiscordServer, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "var" / "variance.db") as store:
        starts = Starts(store)
        for _ in range(FREE):
            starts.turn(datetime.fromisoformat(CLOCK))
    process = await start(tmp_path, server.port, VARIANCE_HTTP_PORT="0", VARIANCE_CLOCK=CLOCK)
    found = re.search(r" port=(\d+)", await line_with(process, '"pages served"'))
    assert found is not None
    assert "seconds=1" in await line_with(process, "too many starts lately, connecting waits")
    assert await asked(int(found[1]), "/healthz") == (200, "ok\n")
    await stopped(process)
    assert server.world.identified == []
