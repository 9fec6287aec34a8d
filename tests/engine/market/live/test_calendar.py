"""The earnings calendar of Nasdaq, over real TLS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import web

from engine.market.live.calendar import earnings_dates, nasdaq_ticker
from engine.market.live.failures import Failure
from tests.engine.market.live.web_tools import DAY, NASDAQ, Served, way
from tests.loopback.faults import Fault
from tests.loopback.server import Loopback

pytestmark = pytest.mark.usefixtures("no_waiting")


def reports(days: Mapping[str, object]) -> Served:
    """Nasdaq's calendar: rows by date, null on a day without; it leaves a robot without an answer."""

    async def served(request: web.Request) -> web.StreamResponse:
        if not request.headers["User-Agent"].startswith("Mozilla/"):
            raise web.HTTPForbidden
        data = {"asOf": None, "headers": None, "rows": days.get(request.query["date"])}
        return web.json_response({"data": data, "message": None, "status": {"rCode": 200}})

    return served


def row(symbol: str, time: str | None = "time-after-hours") -> dict[str, object]:
    return {"symbol": symbol, "name": f"{symbol} Inc.", "time": time, "epsForecast": "$1.00"}


CALENDAR = {
    "2026-07-29": [row("MSFT"), row("META")],
    "2026-07-30": [
        row("AAPL"),
        row("BRK/B", "time-pre-market"),
        row("MSFT"),
        row("ABR^D"),
        row("TBD", None),
    ],
    "2026-08-03": [row("PLTR", "time-not-supplied")],
}


async def test_every_session_is_asked_once_and_the_earliest_date_wins(tmp_path: Path) -> None:
    with Loopback({NASDAQ: reports(CALENDAR)}) as net:
        async with way(net, tmp_path) as there:
            found, errors = await earnings_dates(there.access, there.web, DAY, 5)
        asked = [each.query for each in net.asked]
    # Wednesday to Monday; no question about the weekend.
    assert asked == [f"date=2026-{day}" for day in ("07-29", "07-30", "07-31", "08-03")]
    assert errors == []
    assert {symbol: (fact.value, fact.method) for symbol, fact in found.items()} == {
        "MSFT": ("2026-07-29", "after hours"),
        "META": ("2026-07-29", "after hours"),
        "AAPL": ("2026-07-30", "after hours"),
        "BRK.B": ("2026-07-30", "pre-market"),
        "TBD": ("2026-07-30", "time not supplied"),
        "PLTR": ("2026-08-03", "time not supplied"),
    }
    assert {fact.source for fact in found.values()} == {"nasdaq"}


async def test_a_second_look_asks_only_for_the_days_that_are_new(tmp_path: Path) -> None:
    with Loopback({NASDAQ: reports(CALENDAR)}) as net:
        async with way(net, tmp_path) as there:
            first, _ = await earnings_dates(there.access, there.web, DAY, 5)
            again, _ = await earnings_dates(there.access, there.web, DAY, 5)
            assert net.count() == 4
            assert again == first
            await earnings_dates(there.access, there.web, DAY, 6)
            assert net.count() == 5


async def test_a_day_that_fails_is_told_and_the_others_are_there(tmp_path: Path) -> None:
    with Loopback({NASDAQ: reports(CALENDAR)}) as net:
        net.fault(NASDAQ, Fault.HTML, times=3)
        async with way(net, tmp_path) as there:
            found, errors = await earnings_dates(there.access, there.web, DAY, 5)
    assert [error.reason for error in errors] == ["unreadable reply [nasdaq]"]
    assert set(found) == {"AAPL", "BRK.B", "MSFT", "TBD", "PLTR"}
    assert found["MSFT"].value == "2026-07-30"


@pytest.mark.parametrize("fault", list(Fault))
async def test_after_two_days_that_fail_the_rest_is_left_alone(tmp_path: Path, fault: Fault) -> None:
    with Loopback({NASDAQ: reports(CALENDAR)}) as net:
        net.fault(NASDAQ, fault)
        async with way(net, tmp_path) as there:
            found, errors = await earnings_dates(there.access, there.web, DAY, 14)
            # Three tries a day at most; aiohttp itself sends once more what was cut off.
            assert net.count() <= there.access.traffic["nasdaq"].counts["requests"] <= 12
    assert found == {}
    assert len(errors) == 2


async def test_a_refusal_with_status_200_is_a_failure_and_no_empty_day(tmp_path: Path) -> None:
    async def refused(_: web.Request) -> web.StreamResponse:
        return web.json_response({"data": None, "status": {"rCode": 400}})

    with Loopback({NASDAQ: refused}) as net:
        async with way(net, tmp_path) as there:
            found, errors = await earnings_dates(there.access, there.web, DAY, 0)
    assert (found, [error.failure for error in errors]) == ({}, [Failure.MISSING_FIELDS])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [("BRK/B", "BRK.B"), ("BRK.B", "BRK.B"), (" aapl ", "AAPL"), ("ABR^D", None), ("", None)],
)
def test_tickers_of_nasdaq(theirs: str, ours: str | None) -> None:
    assert nasdaq_ticker(theirs) == ours
