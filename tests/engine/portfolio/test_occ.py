"""Symbols of the OCC and of the screen."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.portfolio.occ import contract_of, read_occ, spellings, underlying_of, write_occ


@pytest.mark.parametrize(
    ("text", "root", "symbol", "right", "strike"),
    [
        # The OCC's own example of the 21 characters: root, yymmdd, right, five digits and three decimals.
        ("KO    261218P00060000", "KO", "KO", "P", 60.0),
        ("KO261218P00060000", "KO", "KO", "P", 60.0),
        ("ko261218c00062500", "KO", "KO", "C", 62.5),
        ("SPXW  261218C07230000", "SPXW", "^SPX", "C", 7230.0),
        ("BRKB  261218P00400000", "BRKB", "BRK.B", "P", 400.0),
        ("KO1   261218P00060000", "KO1", "KO", "P", 60.0),
        ("F     261218P00012335", "F", "F", "P", 12.335),
        (".SPXW261218C7230", "SPXW", "^SPX", "C", 7230.0),
        (".KO261218P62.5", "KO", "KO", "P", 62.5),
    ],
)
def test_a_symbol_says_its_contract(text: str, root: str, symbol: str, right: str, strike: float) -> None:
    contract = read_occ(text)
    assert contract is not None
    assert (contract.root, contract.symbol, contract.right, contract.strike) == (root, symbol, right, strike)
    assert contract.expiration == date(2026, 12, 18)
    assert contract.adjusted == (root == "KO1")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "KO",
        "KO261318P00060000",
        "KO260230P00060000",
        "KO261218X00060000",
        "KO261218P0006000",
        "TOOLONG261218P00060000",
        "K\u041e261218P00060000",
        "KO\u0662\u06661218P00060000",
        "/ES261218P00060000",
    ],
)
def test_what_is_none(text: str) -> None:
    assert read_occ(text) is None


@given(
    root=st.sampled_from(["KO", "F", "SPXW", "GOOGL", "BRKB", "KO1"]),
    expiration=st.dates(date(2000, 1, 1), date(2099, 12, 31)),
    right=st.sampled_from(["C", "P"]),
    thousandths=st.integers(1, 99_999_999),
)
def test_written_and_read_again(root: str, expiration: date, right: str, thousandths: int) -> None:
    contract = contract_of(root, expiration, "C" if right == "C" else "P", thousandths / 1000)
    text = write_occ(contract)
    assert len(text) == 21
    assert read_occ(text) == contract


@pytest.mark.parametrize(
    ("root", "strike"), [("KO", 0.0), ("KO", 100_000.0), ("KO", 0.0005), ("TOOLONG", 60.0), ("/ES", 6000.0)]
)
def test_what_the_occ_cannot_say_is_empty(root: str, strike: float) -> None:
    assert write_occ(contract_of(root, date(2026, 12, 18), "P", strike)) == ""


@pytest.mark.parametrize(
    ("root", "symbol"),
    [
        ("KO", "KO"),
        ("SPX", "^SPX"),
        ("^SPX", "^SPX"),
        ("NDXP", "^NDX"),
        ("VIXW", "^VIX"),
        ("BRKB", "BRK.B"),
        ("BRKB1", "BRK.B"),
        ("KO2", "KO"),
        ("BRK.B", "BRK.B"),
        ("/ES", "/ES"),
    ],
)
def test_the_underlying_of_a_root(root: str, symbol: str) -> None:
    assert underlying_of(root) == symbol


def test_what_else_markets_call_a_name() -> None:
    assert spellings("KO") == ("KO",)
    assert spellings("^SPX") == ("^SPX", "SPX")
    assert spellings("BRK.B") == ("BRK.B", "BRK-B", "BRK/B")
