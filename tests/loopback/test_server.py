"""The loopback internet itself, asked by aiohttp's client."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web

from tests.loopback.faults import Edited, Fault, emptied, replaced, without
from tests.loopback.server import Loopback

ONE, OTHER = "one.example", "other.example"


async def about(request: web.Request) -> web.StreamResponse:
    return web.json_response({"host": request.host, "path": request.path, "rows": [{"bid": 1.5}]})


async def echo(request: web.Request) -> web.StreamResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data.upper())
    return socket


@pytest.fixture
async def net() -> AsyncIterator[Loopback]:
    async with Loopback({ONE: about, OTHER: echo}) as net:
        yield net


@pytest.fixture
async def client(net: Loopback) -> AsyncIterator[aiohttp.ClientSession]:
    trust = ssl.create_default_context(cafile=str(net.authority))
    connector = aiohttp.TCPConnector(ssl=trust)
    async with aiohttp.ClientSession(connector=connector, proxy=net.address) as client:
        yield client


async def test_a_real_address_is_answered_and_counted(net: Loopback, client: aiohttp.ClientSession) -> None:
    async with client.get(f"https://{ONE}/a/b?c=d&e=f") as reply:
        assert await reply.json() == {"host": ONE, "path": "/a/b", "rows": [{"bid": 1.5}]}
    (asked,) = net.asked
    assert (asked.host, asked.path, asked.query, asked.method) == (ONE, "/a/b", "c=d&e=f", "GET")
    assert net.count() == net.count(ONE) == net.count(ONE, "/a") == 1
    assert net.count(OTHER) == net.count(path="/z") == 0
    net.clear()
    assert net.count() == 0


async def test_a_host_nobody_knows_is_refused_and_counted(
    net: Loopback, client: aiohttp.ClientSession
) -> None:
    with pytest.raises(aiohttp.ClientHttpProxyError):
        await client.get("https://nobody.example/")
    assert net.count("nobody.example") == 1


async def test_without_the_authority_there_is_no_answer(net: Loopback) -> None:
    async with aiohttp.ClientSession(proxy=net.address) as client:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await client.get(f"https://{ONE}/")
    assert net.count() == 0


async def test_a_websocket_passes(net: Loopback, client: aiohttp.ClientSession) -> None:
    async with client.ws_connect(f"wss://{OTHER}/realtime") as socket:
        await socket.send_str("hello")
        assert await socket.receive_str() == "HELLO"


async def test_the_date_is_the_given_one(net: Loopback, client: aiohttp.ClientSession) -> None:
    net.now = lambda: datetime(2026, 4, 29, 20, 20, tzinfo=UTC)
    async with client.get(f"https://{ONE}/") as reply:
        assert reply.headers["Date"] == "Wed, 29 Apr 2026 20:20:00 GMT"
    async with client.ws_connect(f"wss://{OTHER}/") as socket:
        assert socket._response.headers["Date"] == "Wed, 29 Apr 2026 20:20:00 GMT"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (Fault.UNAUTHORIZED, 401),
        (Fault.FORBIDDEN, 403),
        (Fault.NOT_FOUND, 404),
        (Fault.RATE_LIMITED, 429),
        (Fault.RATE_LIMITED_600, 429),
        (Fault.SERVER_ERROR, 500),
        (Fault.UNAVAILABLE, 503),
    ],
)
async def test_statuses(net: Loopback, client: aiohttp.ClientSession, fault: Fault, status: int) -> None:
    net.fault(ONE, fault, "/bad")
    async with client.get(f"https://{ONE}/bad/1") as reply:
        assert reply.status == status
        assert reply.headers.get("Retry-After") == ("600" if fault is Fault.RATE_LIMITED_600 else None)
    async with client.get(f"https://{ONE}/good") as reply:
        assert reply.status == 200


async def test_a_fault_lasts_as_often_as_it_was_asked_for(
    net: Loopback, client: aiohttp.ClientSession
) -> None:
    net.fault(ONE, Fault.UNAVAILABLE, times=2)
    statuses = []
    for _ in range(3):
        async with client.get(f"https://{ONE}/") as reply:
            statuses.append(reply.status)
    assert statuses == [503, 503, 200]


async def test_the_newest_fault_counts_until_all_are_healed(
    net: Loopback, client: aiohttp.ClientSession
) -> None:
    net.fault(ONE, Fault.FORBIDDEN)
    net.fault(ONE, Fault.NOT_FOUND, times=1)
    for status in (404, 403):
        async with client.get(f"https://{ONE}/") as reply:
            assert reply.status == status
    net.heal()
    async with client.get(f"https://{ONE}/") as reply:
        assert reply.status == 200


async def test_spoiled_bodies(net: Loopback, client: aiohttp.ClientSession) -> None:
    whole = b'{"host": "one.example", "path": "/", "rows": [{"bid": 1.5}]}'
    for fault, body in (
        (Fault.HALF_JSON, whole[: len(whole) // 2]),
        (Fault.EMPTY_BODY, b""),
        (Edited(without("rows", "host")), b'{"path": "/"}'),
        (Edited(emptied("rows")), b'{"host": "one.example", "path": "/", "rows": []}'),
        (Edited(replaced(float("nan"), "bid")), whole.replace(b"1.5", b"NaN")),
    ):
        net.heal()
        net.fault(ONE, fault)
        async with client.get(f"https://{ONE}/") as reply:
            assert reply.status == 200
            assert await reply.read() == body
    net.fault(ONE, Fault.HTML)
    async with client.get(f"https://{ONE}/") as reply:
        assert reply.content_type == "text/html"
        assert (await reply.text()).startswith("<!DOCTYPE html>")


async def test_a_truncated_body_ends_early(net: Loopback, client: aiohttp.ClientSession) -> None:
    net.fault(ONE, Fault.TRUNCATED)
    async with client.get(f"https://{ONE}/") as reply:
        with pytest.raises(aiohttp.ClientPayloadError):
            await reply.read()


@pytest.mark.parametrize("host", [ONE, OTHER])
async def test_a_connection_is_cut_after_the_handshake(
    net: Loopback, client: aiohttp.ClientSession, host: str
) -> None:
    net.fault(host, Fault.HALF_OPEN)
    with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
        await (client.get(f"https://{ONE}/") if host == ONE else client.ws_connect(f"wss://{OTHER}/"))
    assert net.count(host) >= 1


async def test_a_lost_name_cuts_open_connections_too(net: Loopback, client: aiohttp.ClientSession) -> None:
    async with client.get(f"https://{ONE}/") as reply:
        assert reply.status == 200
    net.fault(ONE, Fault.NO_DNS)
    with pytest.raises(aiohttp.ClientHttpProxyError):
        await client.get(f"https://{ONE}/")


async def test_silence_ends_with_the_client(net: Loopback, client: aiohttp.ClientSession) -> None:
    net.fault(ONE, Fault.TIMEOUT)
    with pytest.raises(TimeoutError):
        await client.get(f"https://{ONE}/", timeout=aiohttp.ClientTimeout(total=0.05))
    assert net.count(ONE) == 1


async def test_silence_ends_with_the_server() -> None:
    arrived = asyncio.Event()
    loop = asyncio.get_running_loop()

    def noted(host: str, path: str) -> float:
        loop.call_soon_threadsafe(arrived.set)
        return 0.0

    net = Loopback({ONE: about}, delay=noted)
    net.start()
    net.fault(ONE, Fault.TIMEOUT)
    trust = ssl.create_default_context(cafile=str(net.authority))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust)) as client:
        waiting = asyncio.ensure_future(client.get(f"https://{ONE}/", proxy=net.address))
        await arrived.wait()
        started = time.monotonic()
        await asyncio.to_thread(net.stop)
        assert time.monotonic() - started < 2.0
        with pytest.raises((aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)):
            await waiting


async def test_answers_take_the_time_they_are_told(client: aiohttp.ClientSession, net: Loopback) -> None:
    net.delay = lambda host, path: 0.05 if path == "/slow" else 0.0
    started = time.monotonic()
    async with client.get(f"https://{ONE}/slow"):
        assert time.monotonic() - started >= 0.05


def test_a_port_that_is_taken_is_an_error() -> None:
    with Loopback({}) as net:
        port = int(net.address.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="address already in use"):
            Loopback({}, port=port).start()
