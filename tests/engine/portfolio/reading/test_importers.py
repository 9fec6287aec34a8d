"""Files of the plain format, and what is common to all: encodings, delimiters, titles, limits."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.portfolio.book import Leg, Reading
from engine.portfolio.reading.importers import UnreadableError, read_book
from tests.engine.portfolio.legs import ASOF, legs

HEADER = "symbol,expiration,strike,right,quantity,open_price"
PUT = "KO,2026-12-18,60,P,-2,1.15"


def read(*lines: str, header: str = HEADER) -> Reading:
    return read_book("\n".join([header, *lines]).encode(), ASOF)


def leg(line: str, header: str = HEADER) -> Leg:
    reading = read(line, header=header)
    assert not reading.rejected, reading.rejected
    (found,) = reading.legs
    return found


def test_every_fact_of_a_row() -> None:
    reading = read(PUT, "KO,,,,100.5,61.20")
    assert reading.format == "plain"
    assert reading.legs == (
        Leg("KO", "option", -2, date(2026, 12, 18), 60, "P", 1.15, 100),
        Leg("KO", "shares", 100.5, open_price=61.2, multiplier=1),
    )
    assert [each.line for each in reading.accepted] == [2, 3]
    assert not reading.rejected
    assert not reading.notes


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("ko,12/18/2026,60.00,put,-2,$1.15", "-2 KO 2026-12-18 60P @ 1.15"),
        ('KO,18DEC26,60,P,"-1,000","1,15"', "-1000 KO 2026-12-18 60P @ 1.15"),
        ("KO,2026-12-18,60,P,(2),1.15", "-2 KO 2026-12-18 60P @ 1.15"),
        ("KO261218P00060000,,,,-2,1.15", "-2 KO 2026-12-18 60P @ 1.15"),
        ('"=""KO""",2026-12-18,60,P,-2,1.15', "-2 KO 2026-12-18 60P @ 1.15"),
        ("'KO,2026-12-18,60,P,\u22122,1.15", "-2 KO 2026-12-18 60P @ 1.15"),
        ("SPXW,2026-12-18,6000,C,1,--", "1 ^SPX 2026-12-18 6000C"),
        ("BRK/B,,,,10,", "10 BRK.B"),
        ("KO,,0,,10,61", "10 KO @ 61"),
        ("/ES,,,,1,6000", "1 /ES @ 6000"),
    ],
)
def test_what_a_row_may_look_like(line: str, expected: str) -> None:
    assert leg(line).text == expected


def test_columns_in_any_order_and_case_with_further_ones() -> None:
    header = "Note;OPEN PRICE;Right;Strike;Expiration;Symbol;Quantity;Group;Multiplier"
    found = leg("x;1,15;p;60;2026-12-18;ko;-2;lot 1!;10", header=header)
    assert found.text == "-2 KO 2026-12-18 60P @ 1.15"
    assert found.multiplier == 10
    assert len(found.group) == 12, "a group that is not plain becomes a hash"
    assert leg("KO,,,,1,1,a-1", header=f"{HEADER},group").group == "a-1"


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("KO,2025-12-18,60,P,-2,1.15", "expired 2025-12-18"),
        ("KO1,2026-12-18,60,P,-2,1.15", "something else than 100 shares"),
        ("/ESZ6,2026-12-18,6000,P,-2,1.15", "an option on a future"),
        ("KO,2026-12-18,60,P,-2,", "open price not known"),
        ("KO,2026-12-18,60,P,-2,N/A", "open price not known"),
    ],
)
def test_remarks(line: str, words: str) -> None:
    (accepted,) = read(line).accepted
    assert words in accepted.remark


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("=cmd|'/c calc'!A1,,,,1,1", "a formula, not a ticker"),
        ("+KO,,,,1,1", "a formula, not a ticker"),
        ("@SUM(A1:A2),,,,1,1", "a formula, not a ticker"),
        ("-KO,,,,1,1", "a formula, not a ticker"),
        ("-2,,,,1,1", "a formula, not a ticker"),
        ("KO,2026-12-18,60,P,=1+1,1", "the quantity is a formula, not a number"),
        ("KO,2026-12-18,60,P,-1,@A1", "the open price is a formula, not a number"),
        ("KO,2026-12-18,60,P,-cmd,1", "the quantity is a formula, not a number"),
        (",2026-12-18,60,P,-1,1", "no symbol in it"),
        ("BTC/USD,,,,1,1", "no ticker"),
        ("\u041a\u041e,,,,1,1", "no ticker"),
        ("\ufb01,,,,1,1", "no ticker"),
        ("KO,2026-12-18,60,P,,1", "the quantity is missing"),
        ("KO,2026-12-18,60,P,0,1", "the quantity is zero"),
        ("KO,2026-12-18,60,P,-0.0,1", "the quantity is zero"),
        ("KO,2026-12-18,60,P,1.5,1", "contracts come whole"),
        ("KO,,,,1e9,1", "above 1,000,000"),
        ("KO,,,,1e309,1", "is no number"),
        ("KO,,,,nan,1", "is no number"),
        ("KO,,,,inf,1", "is no number"),
        ("KO,,,,\u0661,1", "is no number"),
        (f"KO,,,,{'9' * 500},1", "is no number"),
        ("KO,2026-12-18,-60,P,1,1", "a strike is above 0"),
        ("KO,2026-12-18,0,P,1,1", "a strike is above 0"),
        ("KO,2026-12-18,3000000,P,1,1", "at most 2,000,000"),
        ("KO,2026-12-18,60,P,1,-1", "the price is negative"),
        ("KO,2026-12-18,60,,1,1", "the right is missing"),
        ("KO,2026-12-18,,P,1,1", "the strike is missing"),
        ("KO,,60,P,1,1", "the expiration is missing"),
        ("KO,2026-13-18,60,P,1,1", "is no date"),
        ("KO,2046-12-18,60,P,1,1", "more than 10 years ahead"),
        ("KO,2026-12-18,60,X,1,1", "neither C nor P"),
        ("^SPX,,,,1,1", "an index and has no shares"),
        ('"KO,2026-12-18,60,P,1,1', "a quote is left open"),
        ("KO" * 2_001 + ",,,,1,1", "longer than 4,000 characters"),
    ],
)
def test_a_row_that_cannot_be_is_refused_and_the_next_one_kept(line: str, words: str) -> None:
    reading = read(line, PUT)
    (rejected,) = reading.rejected
    assert rejected.line == 2
    assert words in rejected.reason
    assert not set(rejected.reason) & set("=+@|<>")
    assert [each.line for each in reading.accepted] == [3]


def test_identical_rows_are_lots_and_all_kept() -> None:
    reading = read(PUT, PUT, "KO,2026-12-18,60,P,-1,2")
    assert sum(found.quantity for found in reading.legs) == -5
    assert len(reading.legs) == 3


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_whatever_program_wrote_it(encoding: str, newline: str, delimiter: str) -> None:
    lines = ["My book, caf\u00e9", "", "# a remark, with, many, commas, in, it, indeed", HEADER, PUT, "", PUT]
    text = newline.join(
        line.replace(",", delimiter) if line in (HEADER, PUT) else line.replace(",", "") for line in lines
    )
    reading = read_book(text.encode(encoding), ASOF)
    assert [each.line for each in reading.accepted] == [5, 7]
    assert reading.legs[0].text == "-2 KO 2026-12-18 60P @ 1.15"


@given(st.lists(legs, min_size=1, max_size=20))
def test_what_is_written_plainly_is_read_again(book: list[Leg]) -> None:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(HEADER.split(","))
    for each in book:
        option = (each.expiration, each.strike, each.right) if each.is_option else ("", "", "")
        writer.writerow([each.symbol, *option, each.quantity, each.open_price])
    reading = read_book(out.getvalue().encode(), ASOF)
    assert not reading.rejected
    assert [replace(each, contract="") for each in reading.legs] == book


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \r\n\r\n", "is empty"),
        (b"\x00" * 100, "no plain text"),
        (b"symbol\x00,quantity", "no plain text"),
        (HEADER.encode("utf-16-le"), "no plain text"),
        (b"PK\x03\x04" + bytes(range(256)), "no plain text"),
        (b"x" * (256 * 1024 + 1), "larger than 256 kB"),
        (b"x" * 10_000_000, "larger than 256 kB"),
        (b"KO,AAPL\n1,2", "no header of positions"),
        (b"symbol,quantity\nKO,-2", "no header of positions"),
        (b"title\n" * 31 + HEADER.encode(), "no header of positions"),
        (b"Date,Action,Symbol,Quantity,Price\n1/2/2026,Buy,KO,1,60", "a history of trades"),
    ],
)
def test_a_file_that_is_no_such_list(data: bytes, words: str) -> None:
    with pytest.raises(UnreadableError, match=words) as caught:
        read_book(data, ASOF)
    assert str(caught.value).endswith(".")


def test_a_file_of_many_rows_ends_with_a_sentence() -> None:
    reading = read(*["KO,,,,1,1"] * 5_000)
    assert len(reading.legs) == 500
    assert reading.rejected[0].reason == "a book holds at most 500 legs"
    assert reading.rejected[-1].reason == "only the first 2,000 rows are read"
    assert len(reading.rejected) == 1_500


@given(st.binary(max_size=400))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    for whole in (data, HEADER.encode() + b"\n" + data):
        try:
            reading = read_book(whole, ASOF)
        except UnreadableError:
            continue
        assert all(each.reason.isprintable() for each in reading.rejected)


@given(st.lists(st.lists(st.text(max_size=12), max_size=8), max_size=8))
def test_no_cells_raise(rows: list[list[str]]) -> None:
    out = io.StringIO()
    csv.writer(out, escapechar="\\").writerows([HEADER.split(","), *rows])
    try:
        reading = read_book(out.getvalue().encode("utf-8", "replace"), ASOF)
    except UnreadableError:
        return
    assert all(len(each.reason) < 150 for each in reading.rejected)
