"""The risk-free rate from the Treasury, from FRED or from the configuration, over real TLS."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path

import pytest
from aiohttp import web

from engine.market.live.rates import Rate, continuous, risk_free_rate
from tests.engine.market.live.web_tools import DAY, FRED, NOW, TREASURY, Served, text, way
from tests.loopback.faults import Fault
from tests.loopback.server import Loopback

pytestmark = pytest.mark.usefixtures("no_waiting")


TREASURY_2026 = """Date,"1 Mo","1.5 Month","2 Mo","3 Mo","4 Mo","6 Mo","1 Yr","2 Yr","30 Yr"
07/30/2026,9.99,9.99,9.99,9.99,9.99,9.99,9.99,9.99,9.99
07/28/2026,4.30,4.34,4.36,4.40,4.41,4.35,4.05,3.90,4.85
07/27/2026,4.10,4.12,4.13,4.15,4.16,4.15,4.05,3.90,4.85
"""
FRED_2026 = """observation_date,DGS1MO,DGS3MO
2026-07-24,4.20,4.24
2026-07-27,4.28,4.36
2026-07-28,.,
"""


def years(files: Mapping[str, str]) -> Served:
    """A Treasury with a file a year; the query must name the same year as the path."""

    async def served(request: web.Request) -> web.StreamResponse:
        year = request.path.split("/")[-2]
        assert request.query["field_tdr_date_value"] == year
        assert request.query["type"] == "daily_treasury_yield_curve"
        return web.Response(text=files.get(year, ""), content_type="text/csv")

    return served


async def rate(net: Loopback, folder: Path, day: date = DAY) -> Rate:
    async with way(net, folder) as there:
        return await risk_free_rate(there.access, there.web, day, 0.0375)


def test_a_bond_equivalent_yield_compounded_continuously() -> None:
    # 4.32 % twice a year grows 100 to 100 * 1.0216^2 = 104.366656 in a year.
    assert math.exp(continuous(4.32)) == pytest.approx(1.04366656, rel=1e-12)
    assert continuous(0.0) == 0.0
    assert continuous(-0.5) < 0.0


async def test_the_newest_par_yields_up_to_the_day_between_the_tenors_around(tmp_path: Path) -> None:
    with Loopback({TREASURY: years({"2026": TREASURY_2026})}) as net:
        found = await rate(net, tmp_path)
    # Halfway from 4.30 to 4.34.
    assert found.value == pytest.approx(2 * math.log(1.0216), rel=1e-12)
    assert found == Rate(
        found.value, "treasury", "38 days between 1 Mo and 1.5 Month, par yield", date(2026, 7, 28), None
    )


@pytest.mark.parametrize(
    ("header", "row", "percent", "method"),
    [
        ('"1 Mo","2 Mo","3 Mo"', "4.00,4.40,5.00", 4.10, "38 days between 1 Mo and 2 Mo"),
        ('"1 Mo","1.5 Month","2 Mo"', "4.00,,4.40", 4.10, "38 days between 1 Mo and 2 Mo"),
        ('"1 Mo","3 Mo"', "4.00,4.80", 4.10, "38 days between 1 Mo and 3 Mo"),
        ('"1 Mo","3 Mo"', "4.00,N/A", 4.00, "1 Mo alone"),
        ('"2 Mo","3 Mo"', "4.10,4.20", 4.10, "2 Mo alone"),
    ],
)
async def test_missing_tenors_are_stepped_over_and_named(
    tmp_path: Path, header: str, row: str, percent: float, method: str
) -> None:
    with Loopback({TREASURY: years({"2026": f"Date,{header}\r\n07/28/2026,{row}\r\n"})}) as net:
        found = await rate(net, tmp_path)
    assert found.value == pytest.approx(2 * math.log(1 + percent / 200), rel=1e-12)
    assert found.method == f"{method}, par yield"


@pytest.mark.parametrize("begun", ["", "Date,1 Mo,3 Mo\n"])
async def test_in_january_the_year_before_is_asked(tmp_path: Path, begun: str) -> None:
    files = {"2027": begun, "2026": "Date,1 Mo,3 Mo\n12/31/2026,3.00,3.80\n12/30/2026,9,9\n"}
    with Loopback({TREASURY: years(files)}) as net:
        found = await rate(net, tmp_path, date(2027, 1, 4))
    assert (found.at, found.source) == (date(2026, 12, 31), "treasury")
    assert found.value == pytest.approx(2 * math.log(1 + 3.1 / 200), rel=1e-12)


@pytest.mark.parametrize("fault", list(Fault))
async def test_without_the_treasury_fred_is_taken_and_said(tmp_path: Path, fault: Fault) -> None:
    with Loopback({TREASURY: text("Date,1 Mo\nhalf a"), FRED: text(FRED_2026)}) as net:
        net.fault(TREASURY, fault)
        found = await rate(net, tmp_path)
    assert found.value == pytest.approx(2 * math.log(1 + 4.29 / 200), rel=1e-12)
    assert (found.source, found.at) == ("fred", date(2026, 7, 27))
    assert found.note is not None
    assert found.note.startswith(
        "The rate is FRED's copy of the Treasury yields, as the Treasury gave none ("
    )
    assert found.note.endswith(").")


async def test_yields_too_old_are_none(tmp_path: Path) -> None:
    old = "Date,1 Mo,3 Mo\n07/18/2026,4.00,4.00\n"
    with Loopback({TREASURY: years({"2026": old}), FRED: text(FRED_2026)}) as net:
        assert (await rate(net, tmp_path / "a")).source == "fred"
        assert (await rate(net, tmp_path / "b", date(2026, 7, 28))).source == "treasury"


async def test_the_header_fred_had_until_2024_is_read_too(tmp_path: Path) -> None:
    old = FRED_2026.replace("observation_date", "DATE")
    with Loopback({FRED: text(old)}) as net:
        assert (await rate(net, tmp_path)).at == date(2026, 7, 27)


@pytest.mark.parametrize("wrong", ["<html>Robot?</html>", "", "a,b\n1,2\n", "DATE,DGS1MO\n2026-07-28,430\n"])
async def test_without_both_it_is_the_constant_and_said(tmp_path: Path, wrong: str) -> None:
    with Loopback({TREASURY: text(wrong), FRED: text(wrong)}) as net:
        found = await rate(net, tmp_path)
    assert (found.value, found.source, found.method, found.at) == (0.0375, "constant", "configured", None)
    assert found.note is not None
    assert found.note.startswith("The rate is the configured constant, as the Treasury (")


async def test_without_a_network_it_is_the_constant(tmp_path: Path) -> None:
    async with way(None, tmp_path) as there:
        found = await risk_free_rate(there.access, there.web, DAY, 0.0375)
    assert found.note == (
        "The rate is the configured constant, as the Treasury (no network) and FRED (no network) gave none."
    )


async def test_a_second_run_of_the_day_asks_nobody_and_the_next_day_does(tmp_path: Path) -> None:
    with Loopback({TREASURY: years({"2026": TREASURY_2026}), FRED: text(FRED_2026)}) as net:
        first = await rate(net, tmp_path)
        assert net.count() == 1
        assert await rate(net, tmp_path) == first
        assert net.count() == 1
        async with way(net, tmp_path, NOW + timedelta(hours=8)) as there:
            await risk_free_rate(there.access, there.web, DAY, 0.0375)
        assert net.count() == 2


async def test_the_constant_does_not_stay_for_the_day(tmp_path: Path) -> None:
    with Loopback({TREASURY: years({"2026": TREASURY_2026})}) as net:
        net.fault(TREASURY, Fault.NO_DNS)
        assert (await rate(net, tmp_path)).source == "constant"
        net.heal()
        assert (await rate(net, tmp_path)).source == "treasury"


async def test_an_unreadable_kept_rate_is_asked_for_again(tmp_path: Path) -> None:
    with Loopback({TREASURY: years({"2026": TREASURY_2026})}) as net:
        async with way(net, tmp_path) as there:
            there.access.cache.put("treasury", f"rate:{DAY}", "[1, 2]", "day", NOW)
        assert (await rate(net, tmp_path)).source == "treasury"
