"""The directories of names with options, over real TLS, and what they say of a universe."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.live.directory import UniverseChange, optionable, refreshed_universe
from engine.market.live.failures import SourceError
from engine.rules import Listing, load_universe
from tests.engine.market.live.web_tools import CBOE, NOW, OCC, text, way
from tests.engine.market.simulation import LISTINGS
from tests.loopback.faults import Fault
from tests.loopback.server import Loopback

pytestmark = pytest.mark.usefixtures("no_waiting")

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
