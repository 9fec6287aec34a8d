"""Rates, earnings calendar, directories of options and the plain HTTP under them, over real TLS."""

from __future__ import annotations

import csv
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
import stamina
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from engine.market.live.access import Access
from engine.market.live.calendar import earnings_dates, nasdaq_ticker
from engine.market.live.directory import UniverseChange, optionable, refreshed_universe
from engine.market.live.failures import Failure, SourceError
from engine.market.live.rates import Rate, continuous, risk_free_rate
from engine.market.live.web import LARGEST, Reply, Web
from engine.rules import Listing, load_universe
from tests.engine.market.simulation import LISTINGS
from tests.loopback.access import access_to
from tests.loopback.faults import Fault
from tests.loopback.server import Loopback

TREASURY, FRED = "home.treasury.gov", "fred.stlouisfed.org"
NASDAQ, OCC, CBOE = "api.nasdaq.com", "marketdata.theocc.com", "www.cboe.com"
DAY = date(2026, 7, 29)
NOW = datetime(2026, 7, 29, 20, 20, tzinfo=UTC)

Served = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Way:
    """One operation's access and session."""

    access: Access
    web: Web


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=3, cap=True):
        yield


@asynccontextmanager
async def way(net: Loopback | None, folder: Path, now: datetime = NOW) -> AsyncIterator[Way]:
    quick = {name: {"timeout_seconds": 0.4} for name in ("treasury", "fred", "nasdaq", "directory")}
    access = access_to(net, folder, now=now, limits=quick)
    made = Way(access, Web(access))
    try:
        yield made
    finally:
        await made.web.aclose()
        access.cache.close()


def text(body: str | bytes, kind: str = "text/csv") -> Served:
    async def served(_: web.Request) -> web.StreamResponse:
        return web.Response(body=body if isinstance(body, bytes) else body.encode(), content_type=kind)

    return served


# Rates

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


# Earnings


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


# Directories

OCC_FILE = (
    "BYND1 \tBYND  \tBEYOND MEAT, INC.(1:30)           \tABCE  \t25000000\tEU\t\r\n"
    "BYND  \tBYND  \tBEYOND MEAT, INC.                 \tABCDE \t25000000\tEU\t\r\n"
    "AAPL  \tAAPL  \tApple  Inc.                       \tABCDE \t25000000\tEU\t\r\n"
    "BRKB  \tBRKB  \tBerkshire Hathaway Inc. - Cl B    \tABCDE \t25000000\tEU\t\r\n"
    "AACT  \tKDK   \tARES ACQUISITION CORPORATION II   \tABCDE \t25000000\tEU\t\r\n"
    "SPX   \tSPX   \tS&P 500 INDEX                     \tC     \t0\tIU\t\r\n"
    "SPXW  \tSPX   \tS&P 500 INDEX WEEKLY              \tC     \t0\tIU\t\r\n"
    "SPY   \tSPY   \tSPDR S&P 500 ETF Trust            \tABCDE \t25000000\tEU\t\r\n"
    "XYZ   \tXYZ   \tBlock, Inc. Class A               \tABCDE \t25000000\tEU\t\r\n"
    "      \t      \tNobody                            \tABCDE \t25000000\tEU\t\r\n"
).encode("ascii")
NAMES = {
    "BYND": "BEYOND MEAT, INC.",
    "AAPL": "Apple Inc.",
    "BRKB": "Berkshire Hathaway Inc. - Cl B",
    "KDK": "ARES ACQUISITION CORPORATION II",
    "SPX": "S&P 500 INDEX",
    "SPY": "SPDR S&P 500 ETF Trust",
    "XYZ": "Block, Inc. Class A",
}
CBOE_FILE = """Company Name, Stock Symbol, DPM Name, Post/Station
"Apple Inc",AAPL,Group One,7/2
"Berkshire Hathaway Inc Cl B",BRK.B,Citadel,7/3
"""


async def directory(net: Loopback, folder: Path, now: datetime = NOW) -> tuple[dict[str, str], str]:
    async with way(net, folder, now) as there:
        return await optionable(there.access, there.web)


async def test_the_occs_file_by_underlying_with_the_plain_name(tmp_path: Path) -> None:
    with Loopback({OCC: text(OCC_FILE, "text/plain")}) as net:
        assert await directory(net, tmp_path) == (NAMES, "occ")
        query = net.asked[0].query
    assert "prodType=ALL" in query
    assert "downloadFields=OS" in query


async def test_the_directory_stays_for_a_week(tmp_path: Path) -> None:
    with Loopback({OCC: text(OCC_FILE)}) as net:
        first = await directory(net, tmp_path)
        assert await directory(net, tmp_path, NOW + timedelta(days=6)) == first
        assert net.count() == 1
        await directory(net, tmp_path, NOW + timedelta(days=8))
        assert net.count() == 2


@pytest.mark.parametrize("fault", [fault for fault in Fault if fault is not Fault.HALF_JSON])
async def test_cboes_list_stands_in_but_not_within_a_pause(tmp_path: Path, fault: Fault) -> None:
    with Loopback({OCC: text(OCC_FILE), CBOE: text(CBOE_FILE)}) as net:
        net.fault(OCC, fault)
        paused = fault in (Fault.RATE_LIMITED, Fault.RATE_LIMITED_600, Fault.UNAUTHORIZED)
        if paused:
            with pytest.raises(SourceError, match="directory"):
                await directory(net, tmp_path)
        else:
            names = {"AAPL": "Apple Inc", "BRK.B": "Berkshire Hathaway Inc Cl B"}
            assert await directory(net, tmp_path) == (names, "cboe symbol directory")


async def test_without_both_the_first_ones_reason_is_told(tmp_path: Path) -> None:
    net = Loopback({OCC: text("No data exists.\r\n"), CBOE: text("<html></html>")})
    with net, pytest.raises(SourceError) as caught:
        await directory(net, tmp_path)
    assert str(caught.value) == "directory: unreadable reply (no names in it)"


async def test_names_in_the_older_encoding_are_read(tmp_path: Path) -> None:
    with Loopback({OCC: text("LOMA  \tLOMA  \tLoma Cía. \tA\t1\tEU\t\r\n".encode("cp1252"))}) as net:
        assert await directory(net, tmp_path) == ({"LOMA": "Loma Cía."}, "occ")


def listing(symbol: str, name: str, kind: str = "equity") -> Listing:
    return Listing.model_validate({"symbol": symbol, "name": name, "sector": "Any", "asset_class": kind})


OPERATOR = [
    listing("AAPL", "Apple Inc."),
    listing("BRK.B", "Berkshire Hathaway"),
    listing("SQ", "Block, Inc."),
    listing("GONE", "Vanished Corp."),
    listing("/ES", "E-mini S&P 500", "future"),
    listing("SPY", "SPDR S&P 500 ETF Trust", "etf"),
]


def symbols(listings: tuple[Listing, ...]) -> list[str]:
    return [each.symbol for each in listings]


def test_what_a_directory_says_of_a_universe() -> None:
    change = refreshed_universe(OPERATOR, NAMES)
    assert symbols(change.kept) == ["AAPL", "BRK.B", "/ES", "SPY"]
    assert symbols(change.gone) == ["SQ", "GONE"]
    assert [(each.symbol, found) for each, found in change.renamed] == [("SQ", ("XYZ",))]
    assert [(each.symbol, each.sector, each.asset_class) for each in change.others] == [
        ("BYND", "Unknown", "equity"),
        ("KDK", "Unknown", "equity"),
        ("SPX", "Unknown", "index"),
        ("XYZ", "Unknown", "equity"),
    ]
    assert not change.doubtful


@pytest.mark.parametrize("every_name", [False, True])
def test_the_new_file_is_one_the_engine_reads(tmp_path: Path, every_name: bool) -> None:
    change = refreshed_universe(OPERATOR, NAMES)
    (tmp_path / "universe.csv").write_text(change.text(every_name), encoding="utf-8")
    assert load_universe(tmp_path) == (*change.kept, *(change.others if every_name else ()))


def test_a_directory_without_most_of_the_universe_is_doubted() -> None:
    change = refreshed_universe(LISTINGS, {"AAPL": "Apple Inc."})
    assert change.doubtful
    assert symbols(change.kept) == ["AAPL"]


@given(
    held=st.sets(st.sampled_from(sorted(NAMES)), max_size=5),
    lost=st.sets(st.from_regex(r"Q[A-Z]{3}", fullmatch=True), max_size=5),
)
def test_every_name_of_both_sides_appears_once(held: set[str], lost: set[str]) -> None:
    listings = [listing(symbol, f"{symbol} name") for symbol in sorted(held | lost)]
    change: UniverseChange = refreshed_universe(listings, NAMES)
    assert set(symbols(change.kept)) == held
    assert set(symbols(change.gone)) == lost
    rows = list(csv.DictReader(StringIO(change.text(every_name=True))))
    assert sorted(each["symbol"] for each in rows) == sorted(NAMES)


# The HTTP under them


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
