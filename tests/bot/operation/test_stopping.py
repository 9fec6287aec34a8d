"""SIGTERM ends the real process within ten seconds, also when a source has not said a word for minutes."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bot.settings import DEFAULT_CONFIG
from engine.record.store import Store
from tests.bot.test_settings import GOOD, ROOT
from tests.bot.test_start import server, start
from tests.discord_server.server import DiscordServer

__all__ = ["server"]
LIMIT = 10.0
"""Seconds after which who sent SIGTERM sends SIGKILL."""


class Silence(asyncio.Protocol):
    """A source that accepts every connection and never answers."""

    def __init__(self, asked: asyncio.Event) -> None:
        self._asked = asked

    def data_received(self, data: bytes) -> None:
        if b"yahoo" in data:  # the others are asked without a thread, and let go at once
            self._asked.set()


@pytest.fixture
def patient(tmp_path: Path) -> Path:
    """The configuration of an operator who lets Yahoo take a minute over an answer."""
    folder = tmp_path / "config"
    shutil.copytree(DEFAULT_CONFIG, folder)
    sources = json.loads((folder / "sources.json").read_text())
    sources["limits"]["yahoo"]["timeout_seconds"] = 60
    (folder / "sources.json").write_text(json.dumps(sources))
    return folder


async def test_a_source_that_hangs_holds_the_end_up_for_less_than_ten_seconds(
    server: DiscordServer, patient: Path, tmp_path: Path
) -> None:
    asked = asyncio.Event()
    silence = await asyncio.get_running_loop().create_server(lambda: Silence(asked), "127.0.0.1", 0)
    process = await start(
        tmp_path,
        server.port,
        VARIANCE_PROVIDER="yahoo",
        VARIANCE_STAND_IN=f"http://127.0.0.1:{silence.sockets[0].getsockname()[1]}",
        VARIANCE_CONFIG=str(patient),
    )
    assert process.stderr is not None
    await asyncio.wait_for(asked.wait(), 60)
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(LIMIT):
        text = (await process.stderr.read()).decode()
        assert await process.wait() == 0, text
    silence.close()
    last = text.splitlines()[-1]
    assert 'event="closing hangs, leaving"' in last
    assert "yahoo_0 at " in last
    assert GOOD not in text
    with Store.open(tmp_path / "var" / "variance.db") as store, store.reading() as db:
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


BLOCKED = """
import asyncio, sys, threading
from bot.operation.stopping import leave_in_time

async def main():
    leave_in_time(asyncio.get_running_loop(), float(sys.argv[1]))
    print("closing", flush=True)
    threading.Event().wait()  # the event loop itself hangs

asyncio.run(main())
"""


def ended(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=30
    )


def test_even_a_blocked_event_loop_does_not_keep_the_process() -> None:
    process = ended(BLOCKED, "0.2")
    assert process.returncode == 0
    assert process.stdout.startswith("closing\n")
    assert "closing hangs, leaving" in process.stdout
    assert "threading.py" in process.stdout


PROMPT = """
import asyncio
from bot.operation.stopping import leave_in_time

async def main():
    leave_in_time(asyncio.get_running_loop(), 3600.0)

asyncio.run(main())
raise SystemExit(3)
"""


def test_an_ordinary_end_is_not_held_up_and_keeps_its_status() -> None:
    assert ended(PROMPT).returncode == 3
