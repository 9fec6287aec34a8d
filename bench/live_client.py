"""One run of the live market in a process of its own, on a clock whose waits are shortened."""

from __future__ import annotations

import asyncio
import json
import random
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from bench.live_server import listing, symbols
from engine.market.live.access import Access
from engine.market.live.answers import Asked, Source
from engine.market.live.cache import AnswerCache
from engine.market.live.failures import Failure, SourceError
from engine.market.live.gather import Gatherer, moment
from engine.market.live.market import LiveMarket
from engine.market.live.rules import MarketSource, SourceName, load_proxies, load_sources
from engine.market.live.sources import chosen_sources
from engine.market.live.traffic import Clock
from engine.rules import load_rules
from tests.loopback.tastytrade import REFRESH, SECRET

CONFIG = Path(__file__).resolve().parents[1] / "config"
AFTER = timedelta(minutes=20)


@dataclass(frozen=True, slots=True)
class Net:
    """Where the stand-in internet is, and the close its market is of."""

    address: str
    authority: str
    asof: datetime


@dataclass(frozen=True, slots=True)
class Ran:
    """What one run took."""

    seconds: float
    """On the simulated clock."""
    requests: dict[SourceName, int]
    """By source, those of the rate, the calendar and the crumb among them."""
    chains: int
    open_names: int
    """Names whose chain was still worth asking for after the first look."""
    late: int
    """Those of them that were not reached before the run's deadline."""
    latency: float
    """Median seconds until an answer of the source, on the simulated clock."""
    computing: float
    """Share of the process's time it was not waiting."""
    peak_bytes: int
    """Growth of the process's largest size."""
    again: tuple[int, float] | None
    """Requests and real seconds of a second run right after the first; None where names were late."""


class ShortWaits:
    """A clock for tests of hours: while the process waits, time runs `scale` times as fast.

    While it computes, time runs as it does. So the pace of the sources and the delay of the server
    (shortened by the same scale) count in full, and computing counts once, not `scale` times over. Time the
    process is kept waiting for a core, or the server computes, counts as waiting: against us.
    """

    def __init__(self, start: datetime, scale: float) -> None:
        self._start, self._scale = start, scale
        self._lock = threading.Lock()
        self._passed = 0.0
        self._wall, self._cpu = time.perf_counter(), time.process_time()
        self._chance = random.Random(3)

    def ticks(self) -> float:
        with self._lock:
            wall, cpu = time.perf_counter(), time.process_time()
            waited = max(0.0, (wall - self._wall) - (cpu - self._cpu))
            self._passed += (wall - self._wall - waited) + self._scale * waited
            self._wall, self._cpu = wall, cpu
            return self._passed

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self.ticks())

    async def sleep(self, seconds: float) -> None:
        until = self.ticks() + seconds
        await asyncio.sleep(0)
        # Computing meanwhile makes the wait longer than it seemed: there is no event to wait for.
        while (left := until - self.ticks()) > 0:  # noqa: ASYNC110
            await asyncio.sleep(left / self._scale)

    def pause(self, seconds: float) -> None:
        until = self.ticks() + seconds
        while (left := until - self.ticks()) > 0:
            time.sleep(left / self._scale)

    @property
    def clock(self) -> Clock:
        return Clock(self.now, self.ticks, self.sleep, self.pause, self._chance.random)


def ran(net: Net, source: MarketSource, names: int, scale: float) -> Ran:
    """Gather a universe, once more when nothing was left over, and tell what each took.

    The deadline of a name under way is counted by the event loop, in real time, so that those few end
    after it here.
    """
    with _market(net, source, names, scale) as live:
        _load_libraries()
        clock, before = live.access.clock, _peak_bytes()
        begun, wall, cpu = clock.ticks(), time.perf_counter(), time.process_time()
        found = live.snapshot()
        took, wall, cpu = clock.ticks() - begun, time.perf_counter() - wall, time.process_time() - cpu
        peak, requests = _peak_bytes() - before, _requests(live)
        latency = statistics.median(live.access.traffic[source].seconds)
        chains = int(found.quotes["symbol"].nunique())
        ruled_out = [note.split(" of ")[0] for note in found.notes if "were ruled out" in note]
        late = int(found.underlyings["error"].str.startswith(Failure.DEADLINE.value, na=False).sum())
        return Ran(
            seconds=took,
            requests=requests,
            chains=chains,
            open_names=names - (int(ruled_out[0]) if ruled_out else 0),
            late=late,
            latency=latency,
            computing=cpu / wall,
            peak_bytes=peak,
            again=None if late else _again(live),
        )


def _again(live: LiveMarket) -> tuple[int, float]:
    before, begun = _requests(live), time.perf_counter()
    live.snapshot()
    took = time.perf_counter() - begun
    return sum(_requests(live).values()) - sum(before.values()), took


def reading_seconds(net: Net, source: MarketSource, names: int) -> float:
    """Processor seconds a name costs from the request to the tables, nothing waited for."""

    async def read(gatherer: Gatherer) -> float:
        asked = moment(gatherer.access.clock.now(), gatherer.rules)
        client = gatherer.sources[source]
        await _all_of(client, symbols(names)[:1], asked)
        begun = time.process_time()
        await _all_of(client, symbols(names), asked)
        return (time.process_time() - begun) / names

    with _market(net, source, names, scale=1e6) as live:
        return live.on_loop(read)


async def _all_of(client: Source, names: Sequence[str], asked: Asked) -> None:
    if "metrics" in client.serves:
        await client.metrics(list(names), asked)
    for symbol in names:
        # Some names of the market lack a price or their options; refusing them is part of the cost.
        with suppress(SourceError):
            await client.chain(symbol, asked)
        if "history" in client.serves:
            with suppress(SourceError):
                await client.history(symbol, asked)


def json_seconds(bodies: Sequence[bytes], names: int) -> float:
    """Processor seconds a name costs where its replies are only taken for JSON."""
    begun = time.process_time()
    for body in bodies:
        json.loads(body)
    return (time.process_time() - begun) / names


@contextmanager
def _market(net: Net, source: MarketSource, names: int, scale: float) -> Iterator[LiveMarket]:
    rules, sources = load_rules(CONFIG), load_sources(CONFIG)
    with tempfile.TemporaryDirectory() as folder:
        access = Access(
            clock=ShortWaits(net.asof + AFTER, scale).clock,
            rules=sources,
            cache=AnswerCache(Path(folder), sources.cache),
            traffic={},
            stand_in=net.address,
            authority=Path(net.authority),
            tastytrade_secret=SecretStr(SECRET) if source == "tastytrade" else None,
            tastytrade_refresh=SecretStr(REFRESH) if source == "tastytrade" else None,
            cboe_allowed=source == "cboe",
        )
        chosen = chosen_sources(access, source)
        listings = [listing(symbol) for symbol in symbols(names)]
        settled = rules.settled(chosen.provider_values)
        live = LiveMarket(access, chosen, settled, listings, load_proxies(CONFIG))
        try:
            yield live
        finally:
            live.close()


def _load_libraries() -> None:
    """So that their size is not taken for that of a run."""
    import tastytrade  # noqa: F401
    import yfinance  # noqa: F401


def _requests(live: LiveMarket) -> dict[SourceName, int]:
    counted = {name: live.access.traffic.get(name) for name in get_args(SourceName)}
    return {name: each.counts["requests"] for name, each in counted.items() if each is not None}


def _peak_bytes() -> int:
    """Peak resident memory of this process alone; getrusage would count what its parent had before exec."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return 1024 * int(line.split()[1])
    size = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return size if sys.platform == "darwin" else 1024 * size
