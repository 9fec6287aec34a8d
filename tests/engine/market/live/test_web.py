"""The plain HTTP under the public sources, over real TLS."""

from __future__ import annotations

from pathlib import Path

import pytest
import stamina
from aiohttp import web

from engine.market.live.failures import Failure, SourceError
from engine.market.live.web import LARGEST, Reply, Web
from tests.engine.market.live.web_tools import FRED, text, way
from tests.loopback.access import access_to
from tests.loopback.faults import Fault
from tests.loopback.server import Loopback

pytestmark = pytest.mark.usefixtures("no_waiting")


def plain(reply: Reply) -> str:
    return reply.text


FAULTS = {
    Fault.UNAUTHORIZED: (Failure.UNAUTHORIZED, 1),
    Fault.FORBIDDEN: (Failure.FORBIDDEN, 1),
    Fault.NOT_FOUND: (Failure.NOT_FOUND, 1),
    Fault.RATE_LIMITED: (Failure.RATE_LIMITED, 1),
    Fault.RATE_LIMITED_600: (Failure.RATE_LIMITED, 1),
    Fault.SERVER_ERROR: (Failure.SERVER_ERROR, 3),
    Fault.UNAVAILABLE: (Failure.SERVER_ERROR, 3),
    Fault.TIMEOUT: (Failure.TIMED_OUT, 3),
    Fault.TRUNCATED: (Failure.UNREADABLE, 3),
    Fault.HALF_JSON: (Failure.UNREADABLE, 3),
    Fault.HTML: (Failure.UNREADABLE, 3),
    Fault.EMPTY_BODY: (Failure.UNREADABLE, 3),
    Fault.HALF_OPEN: (Failure.BROKEN_CONNECTION, 3),
    Fault.NO_DNS: (Failure.NO_NETWORK, 3),
}


@pytest.mark.parametrize("fault", list(Fault))
async def test_every_fault_has_its_reason_and_its_number_of_tries(tmp_path: Path, fault: Fault) -> None:
    failure, tries = FAULTS[fault]
    with Loopback({FRED: text('{"value": [1, 2, 3]}', "application/json")}) as net:
        net.fault(FRED, fault)
        async with way(net, tmp_path) as there:
            with pytest.raises(SourceError) as caught:
                await there.web.get("fred", f"https://{FRED}/secret-path", lambda reply: reply.json())
            counts = there.access.traffic["fred"].counts
            assert (caught.value.failure, counts[failure.value]) == (failure, tries)
            # What was cut off aiohttp itself sends once more; that waits its turn as well.
            sent = 2 * tries if fault is Fault.HALF_OPEN else tries
            assert counts["requests"] == sent == there.access.clock.ticks() + 1
            assert "secret-path" not in str(caught.value)
            assert caught.value.__cause__ is None
            if failure is not Failure.RATE_LIMITED and failure is not Failure.UNAUTHORIZED:
                net.heal()
                got = await there.web.get("fred", f"https://{FRED}/", lambda reply: reply.json())
                assert got == {"value": [1, 2, 3]}


async def test_an_unknown_authority_is_not_trusted(tmp_path: Path) -> None:
    with Loopback({FRED: text("fine")}) as net, Loopback({}) as other:
        access = access_to(net, tmp_path, authority=other.authority)
        there = Web(access)
        with pytest.raises(SourceError) as caught:
            await there.get("fred", f"https://{FRED}/", plain)
        await there.aclose()
        access.cache.close()
    assert caught.value.failure is Failure.BROKEN_CONNECTION
    assert caught.value.detail == "no trusted TLS connection"


async def test_a_failure_that_passes_is_overcome(tmp_path: Path) -> None:
    with Loopback({FRED: text("fine")}) as net:
        net.fault(FRED, Fault.UNAVAILABLE, times=2)
        async with way(net, tmp_path) as there:
            assert await there.web.get("fred", f"https://{FRED}/", plain) == "fine"
            assert there.access.traffic["fred"].counts["requests"] == 3
            assert there.access.traffic["fred"].skew == pytest.approx(0.0, abs=2.0)


async def test_it_says_who_asks_and_keeps_the_pace(tmp_path: Path) -> None:
    with Loopback({FRED: text("fine")}) as net:
        async with way(net, tmp_path) as there:
            for _ in range(4):
                await there.web.get("fred", f"https://{FRED}/", plain)
            assert there.access.clock.ticks() == pytest.approx(3.0)
        assert net.asked[0].headers["User-Agent"].startswith("variance/")


async def test_a_body_without_end_is_refused(tmp_path: Path) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(LARGEST // (1 << 22) + 2):
            await response.write(bytes(1 << 22))
        return response

    with Loopback({FRED: endless}) as net:
        access = access_to(net, tmp_path, limits={"fred": {"timeout_seconds": 60.0}})
        there = Web(access)
        with stamina.set_testing(True, attempts=1), pytest.raises(SourceError) as caught:
            await there.get("fred", f"https://{FRED}/", plain)
        await there.aclose()
        access.cache.close()
    assert (caught.value.failure, caught.value.detail) == (Failure.UNREADABLE, "more than 64 MB")


async def test_a_session_that_was_closed_opens_again(tmp_path: Path) -> None:
    with Loopback({FRED: text("fine")}) as net:
        async with way(net, tmp_path) as there:
            assert await there.web.get("fred", f"https://{FRED}/", plain) == "fine"
            await there.web.aclose()
            await there.web.aclose()
            assert await there.web.get("fred", f"https://{FRED}/", plain) == "fine"
