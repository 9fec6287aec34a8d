"""Where a bot lives while it is killed again and again: its config, its record, its servers on Discord."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from bot.people.guilds import Guilds, GuildSettings
from bot.settings import DEFAULT_CONFIG, TOKEN
from engine.environment import PREFIX
from engine.record.store import Store
from tests.discord_server.server import DiscordServer
from tests.discord_server.state import Channel

ROOT = Path(__file__).resolve().parents[2]
NAMES = 24
"""Of the universe, from its head with the benchmark on: enough that measuring takes a while."""
PERSON = "A" * 24 + ".Gkills." + "c" * 30
"""Of the shape of a token, of nobody's."""
RUNS = frozenset({"open", "close", "weekly"})


class Life:
    """One process from its start to its end; what it says goes to a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self._process = process
        self.log = log
        self.began = time.monotonic()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def ended(self) -> bool:
        return self._process.returncode is not None

    async def kill(self) -> None:
        """SIGKILL, and wait until nothing of it is left."""
        if not self.ended:
            os.kill(self.pid, signal.SIGKILL)
        await self._process.wait()

    async def stop(self) -> None:
        """The orderly end."""
        if not self.ended:
            self._process.send_signal(signal.SIGTERM)
        await self._process.wait()


class Place:
    """A folder with everything a bot keeps, and one channel in each of several servers."""

    def __init__(self, folder: Path, server: DiscordServer, servers: int) -> None:
        self.folder = folder
        self.server = server
        self.database = folder / "var" / "variance.db"
        self.channels: list[Channel] = []
        self._lives = 0
        self._make_config()
        self._make_servers(servers)

    def _make_config(self) -> None:
        config = self.folder / "config"
        shutil.copytree(DEFAULT_CONFIG, config)
        header, *lines = (config / "universe.csv").read_text(encoding="utf-8").splitlines()
        (config / "universe.csv").write_text("\n".join([header, *lines[:NAMES], ""]), encoding="utf-8")

    def _make_servers(self, servers: int) -> None:
        """Each has chosen its channel before the bot's first start; two rules are in use."""
        world = self.server.world
        store = Store.open(self.database)
        guilds = Guilds(store)
        for number in range(servers):
            guild = world.add_guild(f"server {number}", "screens")
            (channel,) = guild.channels.values()
            self.channels.append(channel)
            settings = GuildSettings(
                guild_id=int(guild.id),
                channel_id=int(channel.id),
                runs=RUNS,
                profile="broad" if number % 3 == 2 else "balanced",
                thresholds=(),
                scope="",
                role_id=None,
                numbers="en",
                configured_by=None,
                configured_at=world.clock.now(),
            )
            guilds.save(settings, int(world.owner.id), world.clock.now())
        store.close()

    async def start(self, at: datetime) -> Life:
        """A process whose clock shows `at`."""
        self._forget_starts()
        self._lives += 1
        log = self.folder / f"life-{self._lives:04}.log"
        environment = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environment |= {
            TOKEN: PERSON,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            "VARIANCE_PROVIDER": "simulated",
            "VARIANCE_CONFIG": str(self.folder / "config"),
            "VARIANCE_DATABASE": str(self.database),
            "VARIANCE_CACHE": str(self.folder / "cache"),
            "VARIANCE_CLOCK": at.isoformat(),
        }
        environment |= self.server.settings
        with log.open("wb") as stderr:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "bot"), cwd=self.folder, env=environment, stderr=stderr
            )
        return Life(process, log)

    def _forget_starts(self) -> None:
        """Start-up back-off has tests of its own; here it would only make each of many restarts wait."""
        with sqlite3.connect(self.database, timeout=30) as db:
            known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'starts'").fetchone()
            if known is not None:
                db.execute("DELETE FROM starts")
        db.close()

    def messages(self) -> dict[str, int]:
        """How many messages each channel holds."""
        return {channel.id: len(self.server.world.of(channel)) for channel in self.channels}


def tail(log: Path, lines: int = 15) -> Sequence[str]:
    """The last of what a process said."""
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
