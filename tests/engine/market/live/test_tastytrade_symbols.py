"""Symbols of options as the OCC and as Tastytrade's stream write them."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.market.live.tastytrade import streamer_symbol


@pytest.mark.parametrize(
    ("occ", "streamed"),
    [
        ("AAPL  261218P00200000", ".AAPL261218P200"),
        ("AAPL  261218C00202500", ".AAPL261218C202.5"),
        ("F     260618C00012370", ".F260618C12.37"),
        ("SPXW  260522P05005000", ".SPXW260522P5005"),
        ("AAPL1 260618C00000125", ".AAPL1260618C0.125"),
        ("CPB   260618P00040000", ".CPB260618P40"),
    ],
)
def test_symbols_of_options(occ: str, streamed: str) -> None:
    assert streamer_symbol(occ) == streamed
    assert streamer_symbol(occ.replace(" ", "")) == streamed


@given(
    root=st.from_regex(r"[A-Z]{1,5}[0-9]?", fullmatch=True),
    day=st.dates(date(2020, 1, 1), date(2035, 12, 31)),
    right=st.sampled_from("CP"),
    thousandths=st.integers(1, 99_999_999),
)
def test_nothing_of_a_symbol_is_lost(root: str, day: date, right: str, thousandths: int) -> None:
    streamed = streamer_symbol(f"{root:<6}{day:%y%m%d}{right}{thousandths:08d}")
    head, _, strike = streamed.rpartition(right)
    assert head == f".{root}{day:%y%m%d}"
    assert Decimal(strike) * 1000 == thousandths


@pytest.mark.parametrize("text", ["", "AAPL", ".AAPL", "AAPL  261218X00200000", ".AAPL261218C", "C1", ".C5"])
def test_what_is_no_option_symbol(text: str) -> None:
    with pytest.raises(ValueError, match="no "):
        streamer_symbol(text)
