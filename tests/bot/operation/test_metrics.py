"""The figures as Prometheus reads them, and the documents that name them."""

from __future__ import annotations

import asyncio
import math
import re
import selectors
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.operation.metrics import Metrics, watch_loop
from engine.market.live.failures import Failure, SourceError
from engine.market.live.rules import SourceLimits
from engine.market.live.traffic import Traffic, persistent, tallies
from tests.loopback.access import VirtualTime

ROOT = Path(__file__).resolve().parents[3]
NOW = datetime(2026, 3, 2, 21, 20, tzinfo=UTC)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: NOW)


def read(metrics: Metrics) -> dict[str, float]:
    """Every sample of an exposition, as `name{label="value"}`."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(metrics.exposition().decode()):
        for sample in family.samples:
            labels = ",".join(f"{key}={value}" for key, value in sorted(sample.labels.items()))
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


def test_a_run_is_counted_timed_and_dated(metrics: Metrics) -> None:
    metrics.run_ended("close", "complete", 480.0, 118, 124)
    metrics.run_ended("close", "degraded", 700.0, 62, 124)
    found = read(metrics)
    assert found["variance_runs_total{kind=close,state=complete}"] == 1
    assert found["variance_runs_total{kind=close,state=degraded}"] == 1
    assert found["variance_run_seconds_sum{kind=close}"] == 1180
    assert found["variance_run_seconds_bucket{kind=close,le=600.0}"] == 1
    assert found["variance_run_measured_names{kind=close}"] == 62
    assert found["variance_run_universe_names{kind=close}"] == 124
    assert found["variance_run_coverage_ratio{kind=close}"] == 0.5
    assert found["variance_run_last_timestamp_seconds{kind=close}"] == NOW.timestamp()


def test_a_run_given_up_is_counted_and_leaves_the_figures_of_the_last_one(metrics: Metrics) -> None:
    metrics.run_ended("open", "complete", 300.0, 93, 124)
    metrics.run_ended("open", "skipped", 0.0, 0, 0)
    found = read(metrics)
    assert found["variance_runs_total{kind=open,state=skipped}"] == 1
    assert found["variance_run_coverage_ratio{kind=open}"] == 0.75
    assert found["variance_run_seconds_count{kind=open}"] == 1


def test_messages_commands_and_backups_are_counted_by_what_became_of_them(metrics: Metrics) -> None:
    for result in ("sent", "sent", "failed", "skipped", "notice"):
        metrics.posted(result)
    metrics.alerted("sent")
    metrics.queue_length("posts", 3)
    metrics.command_answered("screen", 0.2)
    metrics.command_refused("screen", "CommandOnCooldown")
    metrics.backed_up(4096)
    metrics.backup_failed()
    found = read(metrics)
    assert found["variance_posts_total{result=sent}"] == 2
    assert found["variance_posts_total{result=notice}"] == 1
    assert found["variance_alerts_total{result=sent}"] == 1
    assert found["variance_queue_length{queue=posts}"] == 3
    assert found["variance_command_seconds_bucket{command=screen,le=0.1}"] == 0
    assert found["variance_command_seconds_bucket{command=screen,le=0.25}"] == 1
    assert found["variance_commands_refused_total{command=screen,reason=CommandOnCooldown}"] == 1
    assert found["variance_backups_total{result=made}"] == 1
    assert found["variance_backups_total{result=failed}"] == 1
    assert found["variance_backup_size_bytes"] == 4096
    assert found["variance_backup_last_timestamp_seconds"] == NOW.timestamp()


def test_discord_is_unknown_until_it_was_seen(metrics: Metrics) -> None:
    assert math.isnan(read(metrics)["variance_discord_latency_seconds"])
    metrics.discord_seen(0.08, 12)
    found = read(metrics)
    assert (found["variance_discord_latency_seconds"], found["variance_guilds"]) == (0.08, 12)


def test_two_bots_of_one_process_count_apart(metrics: Metrics) -> None:
    other = Metrics(lambda: NOW)
    metrics.posted("sent")
    assert "variance_posts_total{result=sent}" not in read(other)


class _NoPauses:
    def paused_until(self, source: str) -> tuple[datetime, str] | None:
        return None

    def pause(self, source: str, until: datetime | None, reason: str) -> None:
        return None


def asked(traffic: Traffic, failure: Failure | None) -> Callable[[], Coroutine[Any, Any, None]]:
    async def work() -> None:
        traffic.admit()
        if failure is not None:
            raise SourceError(traffic.source, failure)

    return work


async def test_requests_are_read_from_the_sources_own_tallies(metrics: Metrics) -> None:
    limits = SourceLimits.model_validate({"per_second": 1.0, "attempts": 1})
    traffic = {"yahoo": Traffic("yahoo", limits, VirtualTime(NOW).clock, _NoPauses())}
    metrics.watch_sources(lambda: tallies(traffic))
    assert not [name for name in read(metrics) if name.startswith("variance_source_results")]

    for failure in (None, None, Failure.UNKNOWN_SYMBOL, Failure.RATE_LIMITED):
        with suppress(SourceError):
            await persistent(traffic["yahoo"], asked(traffic["yahoo"], failure))
    traffic["yahoo"].counts["cached"] += 7
    found = read(metrics)
    assert found["variance_source_requests_total{source=yahoo}"] == 4
    assert found["variance_source_cached_total{source=yahoo}"] == 7
    assert found["variance_source_results_total{result=answered,source=yahoo}"] == 2
    assert found["variance_source_results_total{result=unknown_symbol,source=yahoo}"] == 1
    assert found["variance_source_results_total{result=rate_limited,source=yahoo}"] == 1


class _Leaping(selectors.SelectSelector):
    """A selector that does not wait: the time it was told to wait has passed at once."""

    now = 0.0

    def select(self, timeout: float | None = None) -> Any:
        self.now += timeout or 0.0
        return super().select(0)


def in_virtual_time(work: Callable[[_Leaping], Coroutine[Any, Any, None]]) -> None:
    selector = _Leaping()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    try:
        loop.run_until_complete(work(selector))
    finally:
        loop.close()


def test_the_delay_of_the_event_loop_is_what_a_sleeper_is_late(metrics: Metrics) -> None:
    async def work(time: _Leaping) -> None:
        watch = asyncio.create_task(watch_loop(metrics))
        await asyncio.sleep(10.1)
        time.now += 0.7  # the loop was held up for so long
        await asyncio.sleep(0.4)
        watch.cancel()

    in_virtual_time(work)
    found = read(metrics)
    assert found["variance_event_loop_delay_seconds_bucket{le=0.001}"] == 20
    assert found["variance_event_loop_delay_seconds_count"] == 21
    assert found["variance_event_loop_delay_worst_seconds"] == pytest.approx(0.3)


def test_the_worst_delay_is_that_of_the_last_minute(metrics: Metrics) -> None:
    metrics.loop_was_late(2.0)
    for _ in range(119):
        metrics.loop_was_late(0.01)
    assert read(metrics)["variance_event_loop_delay_worst_seconds"] == 2.0
    metrics.loop_was_late(0.02)
    assert read(metrics)["variance_event_loop_delay_worst_seconds"] == 0.02


def used(metrics: Metrics) -> dict[str, set[str]]:
    """Every metric that is ours, each used once, and its labels."""
    metrics.run_ended("close", "complete", 1.0, 1, 1)
    metrics.posted("sent")
    metrics.noted("sent")
    metrics.alerted("sent")
    metrics.queue_length("posts", 0)
    metrics.command_answered("screen", 1.0)
    metrics.command_refused("screen", "InputError")
    metrics.backed_up(1)
    metrics.watch_sources(lambda: {"yahoo": {"requests": 1, "cached": 1, "answered": 1}})
    found: dict[str, set[str]] = {}
    for family in metrics.registry.collect():
        name = family.name + {"counter": "_total", "info": "_info"}.get(family.type, "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le"}
        if not name.startswith("process_"):
            found[name] = labels
    return found


def test_the_document_names_every_metric_with_its_labels_and_no_other(metrics: Metrics) -> None:
    text = (ROOT / "docs" / "operation.md").read_text(encoding="utf-8")
    named = re.findall(r"^\| `(variance_\w+)` \| ([\w, ]*?) *\|", text, flags=re.MULTILINE)
    assert len(named) == len(dict(named))
    assert {name: set(labels.split(", ")) - {""} for name, labels in named} == used(metrics)
