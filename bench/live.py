"""The live market over the real clients: requests and time of a run, cost of reading, memory.

Every run is a process of its own against a stand-in internet in another. Waits (the pace of the sources,
the delay of the server) are shortened by a scale and told unshortened; computing is told as it is.
"""

from __future__ import annotations

import math
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from bench.figure import Figure
from bench.live_client import CONFIG, Net, Ran, json_seconds, ran, reading_seconds
from bench.live_server import BLOCK, DELAYS, serve
from engine.market.live.rules import MarketSource, load_sources
from engine.market.live.tastytrade import METRICS_AT_ONCE
from engine.market.live.yahoo import AT_ONCE as CLOSES_AT_ONCE

T = TypeVar("T")

SIZES = (50, 500, 5_000)
SCALES: dict[MarketSource, tuple[float, float, float]] = {
    "yahoo": (50.0, 120.0, 120.0),
    "tastytrade": (10.0, 25.0, 60.0),
    "cboe": (50.0, 60.0, 100.0),
}
"""How much waits are shortened, a size: less where requests follow each other quickly."""
FIRST_LOOK: dict[MarketSource, float] = {
    "yahoo": CLOSES_AT_ONCE,
    "tastytrade": METRICS_AT_ONCE,
    "cboe": math.inf,
}
"""Names one request of the first look holds."""
WARM = 500.0
PATIENCE = 1.35
"""Times the least a run may take: the jitter's average is an eighth, the rest are beginnings and ends."""
READ = 100
"""Names the cost of reading is measured on."""

_SPAWN = multiprocessing.get_context("spawn")


class _Net:
    """The stand-in internet in a process of its own."""

    def __init__(self, orders: Connection) -> None:
        self._orders = orders
        self.place = Net(*orders.recv())

    def order(self, what: float | str) -> Any:
        """Hand an order over and wait for what comes back."""
        self._orders.send(what)
        return self._orders.recv()


def run() -> Iterator[Figure]:
    """Figures as they come, some minutes in all."""
    with _serving() as net:
        yield Figure("live market: median delays of yahoo, tastytrade, cboe, ms", DELAYS)
        for source in SCALES:
            # Whatever the server makes on first demand is made now.
            _alone(ran, net.place, source, BLOCK + 1, WARM)
            yield from _reading(net, source)
            for names, scale in zip(SIZES, SCALES[source], strict=True):
                net.order(scale)
                took = _alone(ran, net.place, source, names, scale)
                net.order(0.0)
                yield from _figures(source, names, scale, took)


def _figures(source: MarketSource, names: int, scale: float, took: Ran) -> Iterator[Figure]:
    rules = load_sources(CONFIG)
    name = f"{source}, {names:,} names"
    least = max(count / rules.limits[asked].per_second for asked, count in took.requests.items())
    ratio, megabytes = took.seconds / least, took.peak_bytes / 1e6
    shown = " + ".join(f"{took.requests[asked]:,} {asked}" for asked in SCALES if asked in took.requests)
    yield Figure(f"{name}: requests ({shown})", f"{sum(took.requests.values()):,}")
    yield Figure(f"{name}: s, waits shortened {scale:g} times", f"{took.seconds:,.0f}", f"least {least:,.0f}")
    yield Figure(f"{name}: in units of the least", f"{ratio:.2f}", f"<= {PATIENCE}", ratio <= PATIENCE)
    if took.again is not None:
        requests, seconds = took.again
        yield Figure(f"{name}: requests of a second run", f"{requests}", "0", requests == 0)
        yield Figure(f"{name}: real s of a second run", f"{seconds:.2f}")
    else:
        every = _least_for_all(names, took)
        within = f"{name}: chains in {rules.run.deadline_minutes:g} min, of {took.open_names:,} wanted"
        yield Figure(within, f"{took.chains:,}", f"all: {every:,.0f} s")
    yield Figure(f"{name}: median s until an answer, share of computing", _both(took))
    yield Figure(f"{name}: growth of the process, MB", f"{megabytes:.0f}")
    if names == max(SIZES):
        yield Figure(f"{source}: growth a thousand names, MB", f"{megabytes / names * 1e3:.0f}")


def _least_for_all(names: int, took: Ran) -> float:
    """Seconds without a deadline: what followed the first look grows with the names, the first look not."""
    limits = load_sources(CONFIG).limits
    share = took.open_names / (took.open_names - took.late)
    first: dict[str, int] = {source: math.ceil(names / each) for source, each in FIRST_LOOK.items()}
    return max(
        (first[asked] + share * (took.requests[asked] - first[asked])) / limits[asked].per_second
        for asked in SCALES
        if asked in took.requests
    )


def _both(took: Ran) -> str:
    return f"{took.latency:.2f}, {took.computing:.0%}"


def _reading(net: _Net, source: MarketSource) -> Iterator[Figure]:
    net.order("served")
    ours = _alone(reading_seconds, net.place, source, READ)
    floor = json_seconds(net.order("served"), READ)
    yield Figure(f"{source}: fetching and reading a name, ms of processor", f"{ours * 1e3:.1f}")
    yield Figure(f"{source}: in units of json.loads of the same replies", f"{ours / floor:.0f}")


def _alone(work: Callable[..., T], *about: object) -> T:
    """Done in a fresh process, whose size is then that of the work and whose libraries know nothing yet."""
    with ProcessPoolExecutor(1, mp_context=_SPAWN) as pool:
        return pool.submit(work, *about).result()


@contextmanager
def _serving() -> Iterator[_Net]:
    ours, theirs = _SPAWN.Pipe()
    server = _SPAWN.Process(target=serve, args=(theirs,), daemon=True)
    server.start()
    try:
        yield _Net(ours)
    finally:
        ours.send("stop")
        server.join()
