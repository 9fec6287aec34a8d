"""Names out of pasted words and uploaded files: taken or refused one by one, never an exception."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.inputs import SymbolIndex
from bot.people.imports import LARGEST, Found, Refused, check, read_file, read_words
from bot.people.watchlists import MOST, Watchlists
from engine.errors import UnreadableError
from engine.record.store import Store
from engine.symbols import as_ticker

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)

UNIVERSE = SymbolIndex([("AAPL", "Apple Inc."), ("KO", "Coca-Cola"), ("BRK.B", "Berkshire"), ("XOM", None)])


def symbols(data: bytes | str) -> list[str]:
    return [found.symbol for found in read_file(data.encode() if isinstance(data, str) else data).names]


@pytest.mark.parametrize(
    "text",
    ["aapl KO brk.b", "AAPL,KO,BRK.B", " aapl ;$ko\n brk.b ", "AAPL, , KO,,BRK.B,", "NYSE:AAPL KO 'BRK.B"],
)
def test_words_come_by_blank_or_comma(text: str) -> None:
    reading = read_words(text)
    assert [found.symbol for found in reading.names] == ["AAPL", "KO", "BRK.B"]
    assert reading.refused == ()


def test_a_bad_word_names_its_place_and_the_others_are_taken() -> None:
    reading = read_words("KO @everyone AAPL =CMD() ko")
    assert reading.names == (Found(1, "KO"), Found(3, "AAPL"))
    assert reading.refused == (
        Refused(2, "a formula, not a ticker"),
        Refused(4, "a formula, not a ticker"),
    )
    assert reading.repeated == 1


FILES = {
    "one a line": "AAPL\nKO\nXOM\n",
    "windows": "AAPL\r\nKO\r\nXOM\r\n",
    "old mac": "AAPL\rKO\rXOM",
    "mark": "\ufeffAAPL\nKO\nXOM",
    "header": "Ticker\nAAPL\nKO\nXOM",
    "comments": "# mine\nAAPL\n\n  \nKO\nXOM\n",
    "quotes": '"AAPL"\n"KO"\n"XOM"',
    "lower case": "aapl\nko\nxom",
    "column": 'Account,SYMBOL,Quantity\nA,AAPL,"1,000"\nA,KO,5\nB,XOM,2\n',
    "semicolons": "Symbol;Menge\nAAPL;1,5\nKO;2\nXOM;3\n",
    "tabs": "Name\tTicker\nApple\tAAPL\nCoke\tKO\nExxon\tXOM\n",
    "broker": '"Positions as of 1/2/2026"\n\n"Symbol","What"\n"AAPL","APPLE"\n"KO","COKE"\n"XOM","EXXON"\n',
    "first column": "AAPL,Apple,1\nKO,Coke,2\nXOM,Exxon,3",
    "one line": "NASDAQ:AAPL,NYSE:KO,NYSE:XOM",
    "spreadsheet": '="AAPL"\n="KO"\n="XOM"',
}


@pytest.mark.parametrize("name", FILES)
def test_each_kind_of_file_gives_the_same_names(name: str) -> None:
    reading = read_file(FILES[name].encode())
    assert [found.symbol for found in reading.names] == ["AAPL", "KO", "XOM"]
    assert reading.refused == ()


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "cp1252"])
def test_a_file_is_read_in_the_code_it_was_saved_in(encoding: str) -> None:
    assert symbols("Symbol,Name\nKO,Café\nAAPL,x".encode(encoding)) == ["KO", "AAPL"]


def test_each_bad_line_has_its_number_and_reason() -> None:
    reading = read_file(
        b'Symbol,Qty\r\nKO,1\r\n=CMD(),2\r\n,3\r\n"cash & co",4\r\n\r\nKO,5\r\n"AAPL,6\r\nXOM\r\n'
    )
    assert reading.names == (Found(2, "KO"), Found(9, "XOM"))
    assert reading.repeated == 1
    assert reading.refused == (
        Refused(3, "a formula, not a ticker"),
        Refused(4, "no name in it"),
        Refused(5, "cash ? co is no ticker"),
        Refused(8, "AAPL?6 is no ticker"),
    )


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"\r\n \r\n", "empty"),
        (b"# only a comment", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"PK\x03\x04\x14\x00\x06\x00", "no plain text"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "no plain text"),
        (b"KO\n\x00\n", "no plain text"),
        (b"K" * (LARGEST + 1), "larger than 64 kB"),
    ],
)
def test_what_holds_no_list_is_refused_whole(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableError, match=said):
        read_file(data)


def test_what_a_person_wrote_is_never_repeated_raw() -> None:
    hostile = (
        "<@123456789012345678>\n**bold**\n[click](https://example.org)\n`code`\n\u202eLPAA\n" + "A" * 300
    )
    for refused in read_file(hostile.encode()).refused:
        assert len(refused.reason) < 50
        assert not set(refused.reason) & set("<>@*[]()`\u202e")


def test_unknown_names_are_refused_with_what_is_near() -> None:
    checked = check(read_words("KO APPL AAPL ?"), UNIVERSE, anything=False)
    assert checked.symbols == ("KO", "AAPL")
    assert checked.refused == (
        Refused(2, "APPL is not in the universe; did you mean AAPL?"),
        Refused(4, "? is no ticker"),
    )


def test_a_live_market_takes_any_ticker_and_says_which_it_does_not_list() -> None:
    checked = check(read_words("KO NEWCO ?"), UNIVERSE, anything=True)
    assert checked.symbols == ("KO", "NEWCO")
    assert checked.strangers == ("NEWCO",)
    assert [refused.place for refused in checked.refused] == [3]


def test_thousands_of_unknown_names_are_answered_in_good_time() -> None:
    many = SymbolIndex((f"S{number}", f"Company {number}") for number in range(5_000))
    checked = check(read_file("\n".join(f"Q{n}" for n in range(9_000)).encode()), many, anything=False)
    assert len(checked.refused) == 9_000


@given(st.binary(max_size=400))
def test_no_file_raises_anything_but_its_one_sentence(data: bytes) -> None:
    try:
        reading = read_file(data)
    except UnreadableError:
        return
    found = [each.symbol for each in reading.names]
    assert len(found) == len(set(found))
    assert all(as_ticker(symbol) == symbol for symbol in found)


@given(st.text(max_size=300))
def test_no_sentence_raises(text: str) -> None:
    reading = read_words(text)
    again = read_words(" ".join(found.symbol for found in reading.names))
    assert [found.symbol for found in again.names] == [found.symbol for found in reading.names]
    assert again.refused == ()


TICKERS = st.lists(st.from_regex(r"[A-Z][A-Z0-9]{0,5}(\.[AB])?", fullmatch=True), min_size=1, unique=True)
CELLS = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=12)


@given(
    names=TICKERS,
    others=st.lists(CELLS, min_size=3, max_size=3),
    delimiter=st.sampled_from(",;\t"),
    end=st.sampled_from(["\n", "\r\n"]),
    mark=st.sampled_from([b"", b"\xef\xbb\xbf"]),
)
def test_a_written_table_is_read_back_in_its_order(
    names: list[str], others: list[str], delimiter: str, end: str, mark: bytes
) -> None:
    file = io.StringIO()
    writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
    writer.writerow(["Account", "Symbol", "Note", "Quantity"])
    writer.writerows([others[0], name, others[1], others[2]] for name in names)
    assert symbols(mark + file.getvalue().encode()) == names


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files=st.lists(TICKERS.map("\n".join), min_size=1, max_size=4))
def test_imports_keep_the_limit_and_the_order_and_change_nothing_twice(
    tmp_path: Path, files: list[str]
) -> None:
    with Store.open(tmp_path / "lists.db") as store:
        lists = Watchlists(store)
        lists.clear(1)
        order = list(dict.fromkeys(symbol for file in files for symbol in symbols(file)))
        for _ in range(2):
            for file in files:
                lists.add(1, symbols(file), NOW)
            assert lists.symbols(1) == order[:MOST]
