"""What the bot counts about itself, in a registry of its own, for Prometheus to read."""

from __future__ import annotations

import asyncio
import math
import platform
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from engine import __version__

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""Of `Metrics.exposition`."""

# Half of all lines would say when each counter was born, by the library's own clock; nobody asks that.
disable_created_metrics()  # type: ignore[no-untyped-call]

PostResult = Literal["sent", "failed", "skipped", "notice"]
NoteResult = Literal["sent", "silent", "closed", "failed", "skipped"]
AlertResult = Literal["sent", "failed", "closed", "digest"]
Tallies = Mapping[str, Mapping[str, int]]
"""Source -> `requests`, `cached`, and one entry a result -> how often."""

_RUN_SECONDS = (1, 5, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
_COMMAND_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60)
_DELAY_SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)
_LOOK = 0.5
"""Seconds between two looks at the event loop."""
_REMEMBERED = 120
"""Looks the worst delay is taken from: the last minute."""


class _Sources(Collector):
    """Reads the tallies that the sources' own Traffic keeps, at the moment of a scrape."""

    def __init__(self) -> None:
        self.read: Callable[[], Tallies] | None = None

    def collect(self) -> Iterator[Metric]:
        """Three counters; without a live market they have no sample."""
        tallies = self.read() if self.read is not None else {}
        sent = CounterMetricFamily(
            "variance_source_requests",
            "Requests sent to a source, repeated ones included.",
            labels=["source"],
        )
        cached = CounterMetricFamily(
            "variance_source_cached", "Answers taken from the cache instead of the source.", labels=["source"]
        )
        results = CounterMetricFamily(
            "variance_source_results", "What a source answered, by result.", labels=["source", "result"]
        )
        for source, counts in sorted(tallies.items()):
            sent.add_metric([source], counts.get("requests", 0))
            cached.add_metric([source], counts.get("cached", 0))
            for result, count in sorted(counts.items()):
                if result not in ("requests", "cached"):
                    results.add_metric([source, result], count)
        yield from (sent, cached, results)


class Metrics:
    """Everything counted. Safe to call from any thread; no method fails or waits.

    `now` is the bot's clock. Labels are few and known: kinds, results and the names of commands, never a
    server, a person or a ticker.
    """

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.registry = CollectorRegistry()
        self._now = now
        self._sources = _Sources()
        self._late: deque[float] = deque(maxlen=_REMEMBERED)
        self.registry.register(self._sources)
        ProcessCollector(registry=self.registry)
        Info("variance_build", "The running version.", registry=self.registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        self._make_runs()
        self._make_messages()
        self._make_commands()
        self._make_process()
        self._make_backups()

    def _make_runs(self) -> None:
        self._runs = self._counter("runs", "Runs that ended, by kind and state.", "kind", "state")
        self._run_seconds = self._histogram(
            "run_seconds", "Seconds from the start of a run to its end.", _RUN_SECONDS, "kind"
        )
        self._measured = self._gauge("run_measured_names", "Names the last run could measure.", "kind")
        self._universe = self._gauge("run_universe_names", "Names the last run was asked for.", "kind")
        self._coverage = self._gauge(
            "run_coverage_ratio", "Share of its names the last run measured.", "kind"
        )
        self._last_run = self._gauge(
            "run_last_timestamp_seconds", "When the last run ended, in seconds since 1970.", "kind"
        )

    def _make_messages(self) -> None:
        self._posts = self._counter("posts", "Scheduled posts, a channel each, by result.", "result")
        self._alerts = self._counter("alerts", "Alerts, a message each, by result.", "result")
        self._notes = self._counter("notes", "Monthly notes, a server each, by result.", "result")
        self._queues = self._gauge("queue_length", "What waits to be sent, by queue.", "queue")

    def _make_commands(self) -> None:
        self._answered = self._histogram(
            "command_seconds", "Seconds from a command to its answer.", _COMMAND_SECONDS, "command"
        )
        self._refused = self._counter(
            "commands_refused",
            "Commands answered with a refusal, by command and reason.",
            "command",
            "reason",
        )

    def _make_process(self) -> None:
        self._loop_delay = self._histogram(
            "event_loop_delay_seconds", "How late the event loop wakes a sleeper.", _DELAY_SECONDS
        )
        self._loop_worst = self._gauge(
            "event_loop_delay_worst_seconds", "The longest such delay of the last minute."
        )
        self._latency = self._gauge(
            "discord_latency_seconds", "Discord's answer to the last heartbeat; NaN while not connected."
        )
        self._latency.set(math.nan)
        self._guilds = self._gauge("guilds", "Servers the bot is in.")

    def _make_backups(self) -> None:
        self._backups = self._counter("backups", "Backups, by result.", "result")
        self._backup_bytes = self._gauge("backup_size_bytes", "Size of the last backup.")
        self._backup_at = self._gauge(
            "backup_last_timestamp_seconds", "When the last backup was made, in seconds since 1970."
        )

    def _counter(self, name: str, words: str, *labels: str) -> Counter:
        return Counter(f"variance_{name}", words, labels, registry=self.registry)

    def _gauge(self, name: str, words: str, *labels: str) -> Gauge:
        return Gauge(f"variance_{name}", words, labels, registry=self.registry)

    def _histogram(self, name: str, words: str, bounds: tuple[float, ...], *labels: str) -> Histogram:
        return Histogram(f"variance_{name}", words, labels, buckets=bounds, registry=self.registry)

    def run_ended(self, kind: str, state: str, seconds: float, measured: int, universe: int) -> None:
        """A run ended, well or not. One given up before it asked for anything (universe 0) is counted only:
        the figures of the last run that did stay.
        """
        self._runs.labels(kind, state).inc()
        if not universe:
            return
        self._run_seconds.labels(kind).observe(seconds)
        self._measured.labels(kind).set(measured)
        self._universe.labels(kind).set(universe)
        self._coverage.labels(kind).set(measured / universe)
        self._last_run.labels(kind).set(self._now().timestamp())

    def posted(self, result: PostResult) -> None:
        """One channel got its post, could not get it, was passed over, or was told why there is none."""
        self._posts.labels(result).inc()

    def noted(self, result: NoteResult) -> None:
        """One server's monthly note was sent, had nothing to say, met closed DMs, failed, was passed over."""
        self._notes.labels(result).inc()

    def alerted(self, result: AlertResult) -> None:
        """One alert was sent, failed, met a closed DM, or went into a digest."""
        self._alerts.labels(result).inc()

    def queue_length(self, queue: str, length: int) -> None:
        """So many wait in a queue at this moment."""
        self._queues.labels(queue).set(length)

    def command_answered(self, name: str, seconds: float) -> None:
        """A command was answered after so many seconds."""
        self._answered.labels(name).observe(seconds)

    def command_refused(self, name: str, reason: str) -> None:
        """A command was refused; `reason` is the class of the failure, not its text."""
        self._refused.labels(name, reason).inc()

    def loop_was_late(self, seconds: float) -> None:
        """The event loop woke a sleeper so many seconds after its time."""
        self._loop_delay.observe(seconds)
        self._late.append(seconds)
        self._loop_worst.set(max(self._late))

    def discord_seen(self, latency: float, guilds: int) -> None:
        """The last heartbeat's answer in seconds (NaN: none yet) and the servers the bot is in."""
        self._latency.set(latency)
        self._guilds.set(guilds)

    def backed_up(self, size: int) -> None:
        """A backup of so many bytes was made."""
        self._backups.labels("made").inc()
        self._backup_bytes.set(size)
        self._backup_at.set(self._now().timestamp())

    def backup_failed(self) -> None:
        """A backup could not be made."""
        self._backups.labels("failed").inc()

    def watch_sources(self, read: Callable[[], Tallies]) -> None:
        """Where the sources' tallies are read at every scrape; see engine.market.live.traffic.tallies."""
        self._sources.read = read

    def exposition(self) -> bytes:
        """All of it as CONTENT_TYPE, read at this moment."""
        return generate_latest(self.registry)


async def watch_loop(metrics: Metrics) -> None:
    """Look every half second how late the running event loop is; ends when cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        asleep = loop.time()
        await asyncio.sleep(_LOOK)
        metrics.loop_was_late(max(0.0, loop.time() - asleep - _LOOK))
