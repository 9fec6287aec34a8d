"""The pages as a monitor sees them: real requests to a real port of this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import aiohttp
import pytest

from bot.operation.http import HttpServer, Readiness
from bot.operation.metrics import Metrics
from engine.errors import ConfigError, StoreError


class State:
    """What the bot would say of itself."""

    def __init__(self) -> None:
        self.reasons: tuple[str, ...] = ()
        self.fails: Exception | None = None
        self.hangs = False

    async def __call__(self) -> Readiness:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails
        return Readiness(self.reasons)


@pytest.fixture
def state() -> State:
    return State()


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: datetime(2026, 3, 2, tzinfo=UTC))


@pytest.fixture
async def server(state: State, metrics: Metrics) -> AsyncIterator[HttpServer]:
    made = HttpServer("127.0.0.1", 0, metrics, state)
    await made.start()
    yield made
    await made.stop()


Ask = Callable[..., "aiohttp.client._RequestContextManager"]


@pytest.fixture
async def ask(server: HttpServer) -> AsyncIterator[Ask]:
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        yield lambda path, method="GET": session.request(method, path)


async def test_alive_is_alive_whatever_the_state(ask: Ask, state: State) -> None:
    state.hangs = True
    async with ask("/healthz") as answer:
        assert (answer.status, await answer.text()) == (200, "ok\n")


async def test_ready_says_yes_or_every_reason_why_not(ask: Ask, state: State) -> None:
    async with ask("/readyz") as answer:
        assert (answer.status, await answer.json()) == (200, {"ready": True, "reasons": []})
    state.reasons = ("not connected", "close run of 2026-03-02 overdue")
    async with ask("/readyz") as answer:
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "reasons": list(state.reasons)}


async def test_a_record_that_cannot_be_read_is_not_ready_and_no_path_is_told(ask: Ask, state: State) -> None:
    state.fails = StoreError("/data/variance.db is damaged; restore a backup or move the file away.")
    async with ask("/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["reasons"] == ["the record cannot be read; see the log"]


async def test_a_state_that_takes_too_long_is_not_ready(metrics: Metrics, state: State) -> None:
    state.hangs = True
    impatient = HttpServer("127.0.0.1", 0, metrics, state, patience=0.01)
    await impatient.start()
    async with aiohttp.request("GET", f"http://127.0.0.1:{impatient.port}/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["reasons"] == ["the state cannot be found out in time"]
    await impatient.stop()


async def test_the_figures_come_in_prometheus_own_format(ask: Ask, metrics: Metrics) -> None:
    metrics.posted("sent")
    async with ask("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        text = await answer.text()
    assert 'variance_posts_total{result="sent"} 1.0\n' in text
    assert text.endswith("\n")


@pytest.mark.parametrize("path", ["/", "/metrics/", "/healthz/x", "/.env", "/..%2f..%2fvar/variance.db"])
async def test_there_is_nothing_else(ask: Ask, path: str) -> None:
    async with ask(path) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
async def test_only_get_and_head_are_answered(ask: Ask, path: str) -> None:
    async with ask(path, method="HEAD") as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["Server"] == "variance"
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        async with ask(path, method=method) as answer:
            assert answer.status == 405


async def test_the_event_loop_is_watched_while_it_serves(server: HttpServer) -> None:
    names = {task.get_name() for task in asyncio.all_tasks()}
    assert "event loop watch" in names
    await server.stop()
    await asyncio.sleep(0)
    assert "event loop watch" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_a_stopped_server_lets_go_of_its_port_and_stops_twice(
    server: HttpServer, metrics: Metrics, state: State
) -> None:
    port = server.port
    await server.stop()
    await server.stop()
    again = HttpServer("127.0.0.1", port, metrics, state)
    await again.start()
    assert again.port == port
    await again.stop()


async def test_a_server_that_was_never_started_stops(metrics: Metrics, state: State) -> None:
    await HttpServer("127.0.0.1", 0, metrics, state).stop()


async def test_a_port_in_use_is_one_sentence(server: HttpServer, metrics: Metrics, state: State) -> None:
    second = HttpServer("127.0.0.1", server.port, metrics, state)
    with pytest.raises(ConfigError) as raised:
        await second.start()
    assert str(raised.value) == (
        f"VARIANCE_HTTP_PORT is {server.port}, which another program holds; "
        "choose another port, or 0 for any free one"
    )
    await second.stop()


async def test_an_address_of_another_machine_is_one_sentence(metrics: Metrics, state: State) -> None:
    with pytest.raises(ConfigError, match=r"VARIANCE_HTTP_HOST is 192\.0\.2\.1, which is no address of this"):
        await HttpServer("192.0.2.1", 0, metrics, state).start()
