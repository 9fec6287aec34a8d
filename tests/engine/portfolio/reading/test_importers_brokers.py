"""The exports of two brokers, and an account as Tastytrade's interface lists it."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from engine.portfolio.book import Leg, Reading
from engine.portfolio.reading.importers import legs_of_account, read_book
from tests.engine.portfolio.legs import ASOF

EXPORT = (
    "Account,Symbol,Type,Quantity,Exp Date,DTE,Strike Price,Call/Put,Underlying Last Price,P/L Open,Cost,"
    "Trade Price"
)
SCHWAB = (
    '"Symbol","Description","Qty (Quantity)","Price","Mkt Val (Market Value)","Cost Basis",'
    '"Gain $ (Gain/Loss $)","Asset Type",'
)


def tastytrade(*lines: str) -> Reading:
    reading = read_book("\r\n".join([EXPORT, *lines]).encode("utf-8-sig"), ASOF)
    assert reading.format == "tastytrade"
    return reading


def schwab(*lines: str) -> Reading:
    title = '"Positions for account Individual ...001 as of 05:35 PM ET, 2026/04/29",,,,,,,'
    reading = read_book("\r\n".join([title, ",,,,,,,", SCHWAB, *lines]).encode(), ASOF)
    assert reading.format == "schwab"
    return reading


@pytest.mark.parametrize(
    ("line", "expected", "remark"),
    [
        (
            "5X,KO    261218P00060000,Equity Option,-2,12/18/26,,60,Put,,,,1.15 cr",
            "-2 KO 2026-12-18 60P @ 1.15",
            "",
        ),
        ("5X,KO,OPTION,1,2026-12-18,233,60,Call,61,30,,-1.15", "1 KO 2026-12-18 60C @ 1.15", ""),
        ('5X,AAPL,STOCK,16,,--,,,145.11,"1,361.76",-960,-60', "16 AAPL @ 60", ""),
        # 230.00 for two contracts of 100 shares is 1.15 a share.
        (
            "5X,KO,Option,-2,2026-12-18,45,60,Put,61,50,230.00,",
            "-2 KO 2026-12-18 60P @ 1.15",
            "from the cost",
        ),
        ("5X,BRK/B,STOCK,20,,--,,,280.49,,-3548.79,", "20 BRK.B @ 177.4395", "from the cost"),
        ("5X,AAPL,Equity,100,,,0,,215.00,500.00,0,", "100 AAPL", "open price not known"),
        ("5X,AAPL,Equity,100,,,,,215.00,500.00,,0.00", "100 AAPL", "open price not known"),
        (
            "5X,./ESZ6 E3DZ6 261218P5900,Future Option,-1,,,,,,,,38.25",
            "-1 /ES 2026-12-18 5900P @ 38.25",
            "future",
        ),
        ("5X,/ZNM6,FUTURE,1,,,,,110'16,,,110'165", "1 /ZN", "a future: shown without value"),
        ("5X,/CLM6,Option,-1,2026-05-14,15,65,Put,72.4,,,0.55", "-1 /CL 2026-05-14 65P @ 0.55", "future"),
        ("5X,KO1   261218C00060000,Option,-1,,,,,,,,1.00", "-1 KO 2026-12-18 60C @ 1", "something else"),
        ("5X,KO    260417P00060000,Option,-1,,,,,,,,1.00", "-1 KO 2026-04-17 60P @ 1", "expired 2026-04-17"),
    ],
)
def test_rows_of_tastytrade(line: str, expected: str, remark: str) -> None:
    reading = tastytrade(line)
    assert not reading.rejected, reading.rejected
    (accepted,) = reading.accepted
    assert accepted.leg.text == expected
    assert remark in accepted.remark
    assert bool(remark) == bool(accepted.remark)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("5X,BTC/USD,CRYPTOCURRENCY,0.5,,,,,,,,", "neither shares nor an option nor a future"),
        ("5X,BTC/USD,,0.5,,,,,,,,", "is no ticker"),
        ("5X,MSFT,Equity Option,-1,,,,,,,,1.00", "without expiration, strike and right"),
        ("5X,SPY,Equity,0,,,0,,529.00,0.00,0,", "the quantity is zero"),
        ("5X,=HYPERLINK(1),STOCK,1,,,,,,,,", "a formula, not a ticker"),
        ("5X,KO,STOCK,1,,,,,,,,abc", "the open price abc is no number"),
    ],
)
def test_rows_tastytrade_writes_that_are_no_leg(line: str, words: str) -> None:
    (rejected,) = tastytrade(line).rejected
    assert (rejected.line, words in rejected.reason) == (2, True)


def test_tastytrade_writes_its_titles_too() -> None:
    reading = tastytrade(",KO,,,,,,,,,,", "5X,KO,STOCK,1,,,,,,,,60")
    assert len(reading.legs) == 1
    assert reading.notes == ("1 row holds no position and is left out",)


def test_a_file_with_the_interfaces_names() -> None:
    text = (
        "symbol,instrument-type,underlying-symbol,quantity,quantity-direction,average-open-price,multiplier\n"
        "KO    261218P00060000,Equity Option,KO,2,Short,1.15,100\n"
        "KO,Equity,KO,100,Long,61.2,1\n"
        "./ESZ6 E3DZ6 261218P5900,Future Option,/ESZ6,1,Short,38.25,50\n"
        "DIS,Equity,DIS,0,Zero,90,1\n"
    )
    reading = read_book(text.encode(), ASOF)
    assert reading.format == "tastytrade"
    assert [leg.text for leg in reading.legs] == [
        "-2 KO 2026-12-18 60P @ 1.15",
        "100 KO @ 61.2",
        "-1 /ES 2026-12-18 5900P @ 38.25",
    ]
    assert reading.legs[2].multiplier == 50
    assert reading.legs[2].contract == "./ESZ6 E3DZ6 261218P5900"
    assert reading.notes == ("1 row holds no position and is left out",)


def test_a_recorded_account(shared_data: Path) -> None:
    reply = shared_data / "tastytrade_http_fixtures" / "accountPositionsResp.json"
    items = json.loads(reply.read_text(encoding="utf-8"))["data"]["items"]
    reading = legs_of_account(items)
    assert reading.format == "account"
    assert reading.legs == (
        Leg("RIVN", "option", -40, date(2023, 6, 9), 14, "P", 0.79, 100, "RIVN  230609P00014000"),
    )


def test_what_an_account_may_hold_besides() -> None:
    share: dict[str, object] = {
        "symbol": "KO",
        "instrument-type": "Equity",
        "quantity": "2.5",
        "quantity-direction": "Long",
    }
    items: list[dict[str, object]] = [
        share | {"average-open-price": "0.0", "multiplier": 1, "is-frozen": False, "lots": None},
        share | {"quantity": 0, "quantity-direction": "Zero"},
        share | {"quantity": float("nan")},
        share | {"quantity-direction": "Sideways"},
        share | {"instrument-type": "Cryptocurrency"},
        share | {"instrument-type": "Equity Option"},
        {},
        share | {"symbol": ["KO"]},
    ]
    reading = legs_of_account(items)
    assert reading.legs == (Leg("KO", "shares", 2.5, multiplier=1),)
    assert reading.accepted[0].remark == "open price not known"
    assert [each.line for each in reading.rejected] == [3, 4, 5, 6, 7, 8]
    assert reading.notes == ("1 row holds no position and is left out",)
    assert [each.line for each in legs_of_account(["KO", None, 3]).rejected] == [1, 2, 3]  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("line", "expected", "remark"),
    [
        ('"KO","COCA COLA","100","$61.00","$6,100.00","$6,020.50","$79.50","Equity",', "100 KO @ 60.205", ""),
        # 230.00 for two contracts of 100 shares is 1.15 a share, whatever its sign.
        (
            '"KO 12/18/2026 60.00 P","PUT","-2","1.00","-$200.00","$230.00","","Option",',
            "-2 KO 2026-12-18 60P @ 1.15",
            "",
        ),
        (
            '"KO 12/18/2026 60.00 P","PUT","-2","1.00","","($230.00)","","Option",',
            "-2 KO 2026-12-18 60P @ 1.15",
            "",
        ),
        ('"KO 12/18/2026 62.50 C","","1","","","--","","Option",', "1 KO 2026-12-18 62.5C", "not known"),
        (
            '"SPXW 12/18/2026 7,230.00 C","","1","","","$1,000.00","","Option",',
            "1 ^SPX 2026-12-18 7230C @ 10",
            "",
        ),
        ('"BRK/B","","2.5","1","1","1,000","","Equity",', "2.5 BRK.B @ 400", ""),
        (
            '"BRK/B 12/18/2026 400.00 P","","-1","","","$900.00","","Option",',
            "-1 BRK.B 2026-12-18 400P @ 9",
            "",
        ),
        (
            '"KO1 12/18/2026 60.00 P","","-1","","","$100.00","","Option",',
            "-1 KO 2026-12-18 60P @ 1",
            "something else",
        ),
        (
            '"KO 04/17/2026 60.00 P","","-1","","","$100.00","","Option",',
            "-1 KO 2026-04-17 60P @ 1",
            "expired",
        ),
        ('"CASH","PATHWARD FINANCIAL","10","","","$800.00","","Equity",', "10 CASH @ 80", ""),
        ('"XLE","","10","","","$900.00","","ETFs & Closed End Funds",', "10 XLE @ 90", ""),
    ],
)
def test_rows_of_schwab(line: str, expected: str, remark: str) -> None:
    reading = schwab(line)
    assert not reading.rejected, reading.rejected
    (accepted,) = reading.accepted
    assert accepted.leg.text == expected
    assert remark in accepted.remark
    assert bool(remark) == bool(accepted.remark)


def test_several_accounts_totals_and_cash_at_schwab() -> None:
    reading = schwab(
        '"KO","COCA COLA","100","","","$6,000.00","","Equity",',
        '"SWVXX","MONEY FUND","1,200","","","$1,200","","Cash and Money Market",',
        '"Cash & Cash Investments","--","--","--","$500.00","--","--","Cash and Money Market",',
        '"Account Total","","--","--","$6,500.00","$6,000.00","","--",',
        '"Individual ...222"',
        SCHWAB,
        '"DIS","DISNEY","10","","","$900.00","","Equity",',
        '"Positions Total","","--","--","$900.00","$900.00","","--",',
    )
    assert [leg.text for leg in reading.legs] == ["100 KO @ 60", "10 DIS @ 90"]
    assert not reading.rejected
    assert reading.notes == ("5 rows hold no position and are left out",)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ('"912828XY1","T NOTE","1000","","","$1,000.00","","Fixed Income",', "neither shares nor an option"),
        ('"KO 12/18/2026 60.00","","-2","","","$230.00","","Option",', "is no ticker"),
        ('"KO","","-2","","","$230.00","","Option",', "the option's symbol cannot be read"),
        ('"KO 02/30/2026 60.00 P","","-2","","","$230.00","","Option",', "is no date"),
        ('"KO","COCA COLA","--","","","$6,000.00","","Equity",', "the quantity is missing"),
        ('"=1+1","COCA COLA","1","","","$6,000.00","","Equity",', "a formula, not a ticker"),
    ],
)
def test_rows_schwab_writes_that_are_no_leg(line: str, words: str) -> None:
    (rejected,) = schwab(line).rejected
    assert (rejected.line, words in rejected.reason) == (4, True)
