"""The engine's own way to the loopback internet, with a clock on which waiting costs no time."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.market.live.access import Access
from engine.market.live.cache import AnswerCache
from engine.market.live.rules import SourceRules, load_sources
from engine.market.live.traffic import Clock
from tests.loopback.server import Loopback

CONFIG = Path(__file__).resolve().parents[2] / "config"
NOW = datetime(2026, 4, 29, 20, 20, tzinfo=UTC)


@dataclass
class VirtualTime:
    """A clock that stands still but for the waits asked of it. Safe to use from several threads."""

    start: datetime = NOW
    chance: float = 0.0
    passed: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def now(self) -> datetime:
        """The start and all waits since."""
        return self.start + timedelta(seconds=self.ticks())

    def ticks(self) -> float:
        """Seconds waited so far."""
        with self._lock:
            return self.passed

    def pause(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.passed += max(seconds, 0.0)

    async def sleep(self, seconds: float) -> None:
        """The same on the event loop, where others get their turn."""
        self.pause(seconds)
        await asyncio.sleep(0)

    @property
    def clock(self) -> Clock:
        """As the engine takes it."""
        return Clock(self.now, self.ticks, self.sleep, self.pause, lambda: self.chance)


def access_to(
    net: Loopback | None,
    folder: Path,
    now: datetime | VirtualTime = NOW,
    limits: dict[str, dict[str, Any]] | None = None,
    rules: SourceRules | None = None,
    **over: Any,
) -> Access:
    """Access over a loopback internet with the project's own rules; None is a stand-in nobody answers at.

    `limits` changes single limits, {"yahoo": {"timeout_seconds": 0.5}}; `over` sets fields of Access. The
    net's Date headers follow the same clock.
    """
    time = now if isinstance(now, VirtualTime) else VirtualTime(now)
    rules = rules or load_sources(CONFIG)
    if limits:
        changed = {
            name: limit.model_copy(update=limits.get(name, {})) for name, limit in rules.limits.items()
        }
        rules = rules.model_copy(update={"limits": changed})
    if net is not None:
        net.now = time.now
    settings: dict[str, Any] = {
        "clock": time.clock,
        "rules": rules,
        "cache": AnswerCache(folder, rules.cache),
        "traffic": {},
        "stand_in": net.address if net else "http://127.0.0.1:9",
        "authority": net.authority if net else None,
    }
    return Access(**(settings | over))
