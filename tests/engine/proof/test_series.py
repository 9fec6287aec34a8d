"""From lines to a past: whatever a file does wrong is handled once, and said."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest

from engine.errors import UnreadableError
from engine.market.sessions import sessions_between
from engine.proof.series import past_of, split_ratio
from engine.volatility.realized import close_to_close, realized_after
from tests.engine.proof.pasts import LAST, frame, grid, lines, of_name, past, priced


def test_values_stand_on_the_exchanges_own_days_names_in_order() -> None:
    table = frame(3, 30)
    found = past(table.sample(frac=1.0, random_state=4))
    assert found.symbols == ("A00", "A01", "A02")
    assert np.array_equal(found.sessions, grid(table))
    wide = table.pivot(index="date", columns="symbol", values="close")
    assert np.array_equal(found.close, wide.to_numpy().T)
    assert found.notes == (
        "Every name has closes up to the end of the files: names that disappeared earlier are not in them, "
        "so the figures are those of survivors.",
    )


def test_an_index_alone_is_no_case_of_survivors() -> None:
    assert past(priced(100, 101, 102)).notes == ()


def test_days_without_a_session_are_dropped_half_days_stay() -> None:
    days = pd.date_range("2024-11-27", "2024-12-02").to_numpy().astype("datetime64[D]")  # Thanksgiving week
    table = pd.DataFrame({"date": days, "symbol": "AAA", "iv30": 0.2, "close": 100.0})
    found = past(table)
    # The 29th closed at 13:00 and is a session like any other.
    assert [str(day) for day in found.sessions] == ["2024-11-27", "2024-11-29", "2024-12-02"]
    assert np.isfinite(found.close).all()
    assert found.notes == (
        "3 lines of the IV file on days without a session left out.",
        "3 lines of the price file on days without a session left out.",
    )


def test_repeated_lines_merge_and_of_contradicting_ones_the_later_stands() -> None:
    table = priced(100, 101, 102)
    first, second = table.iloc[[1]], table.iloc[[2]].assign(close=90.0)
    found = past(pd.concat([table, first, second]))
    assert found.close.tolist() == [[100.0, 101.0, 90.0]]
    assert "1 line of the price file repeated word for word merged." in found.notes
    assert any(
        note.startswith("1 line of the price file contradicted by a later line") for note in found.notes
    )


def test_a_missing_value_contradicts_nothing() -> None:
    table = priced(100, 101, 102)
    assert past(pd.concat([table, table.iloc[[1]].assign(close=np.nan)])).close.tolist() == [[100, 101, 102]]


@pytest.mark.parametrize("bad", [0.0, -5.0, np.nan, np.inf])
def test_what_is_no_price_is_missing_and_never_filled(bad: float) -> None:
    found = past(priced(*[100.0] * 10, bad, *[100.0] * 30))
    assert np.isnan(found.close[0, 10])
    assert np.isnan(found.close).sum() == 1
    assert "1 line of the price file without a value above 0 counted as missing." in found.notes
    assert any(note.startswith("1 close missing inside the series of 1 name") for note in found.notes)
    # Twenty returns after the gap a window is whole again, one earlier it is not.
    assert np.isnan(close_to_close(found.close[:, :31], 20))[0]
    assert close_to_close(found.close[:, :32], 20)[0] == 0.0


def test_an_absent_session_breaks_windows_like_a_missing_price() -> None:
    table = priced(*[100.0] * 20)
    found = past(table.drop(index=7))
    assert np.flatnonzero(np.isnan(found.close[0])).tolist() == [7]


@pytest.mark.parametrize("bad", [0.0, -0.2, np.nan])
def test_what_is_no_volatility_is_missing(bad: float) -> None:
    table = priced(100, 101, 102)
    table.loc[1, "iv30"] = bad
    found = past(table)
    assert np.isnan(found.iv30[0]).tolist() == [False, True, False]
    assert "1 line of the IV file without a value above 0 counted as missing." in found.notes


@pytest.mark.parametrize(
    ("times", "ratio"),
    [(0.5, 2), (0.509, 2), (1 / 3, 3), (0.1, 10), (0.0203, 50), (2.0, 0.5), (20.1, 0.05), (0.52, None)],
)
def test_ratios_of_splits(times: float, ratio: float | None) -> None:
    assert split_ratio(times) == (None if ratio is None else pytest.approx(ratio))


def test_an_unadjusted_split_loses_its_jump_and_no_past_close_changes() -> None:
    random = np.random.default_rng(3)
    true = 300 * np.exp(np.cumsum(random.normal(0, 0.01, 60)))
    traded = np.where(np.arange(60) < 40, true, true / 3)
    found = past(priced(*traded))
    assert found.close[0] == pytest.approx(true, rel=0.02)
    assert np.array_equal(found.close[0, :40], true[:40])
    assert np.diff(np.log(found.close[0])) == pytest.approx(np.diff(np.log(true)), abs=1e-12)
    day = found.sessions[40]
    assert any(f"AAA {day} (3 for 1)" in note for note in found.notes)


def test_a_reverse_split_and_a_second_split_are_taken_alike() -> None:
    found = past(priced(10, 10, 1, 1, 2, 2))
    assert found.close[0].tolist() == pytest.approx([10] * 6)
    assert any("(10 for 1)" in note and "(1 for 2)" in note for note in found.notes)


def test_as_is_takes_prices_for_what_they_are() -> None:
    found = past(priced(100, 100, 50, 50), repair=False)
    assert found.close[0].tolist() == [100, 100, 50, 50]
    assert "Prices are taken as they are: no split was looked for." in found.notes


def test_a_large_move_that_fits_no_split_is_real_and_named() -> None:
    found = past(priced(100, 100, 55, 55, 120, 120))
    assert found.close[0].tolist() == [100, 100, 55, 55, 120, 120]
    note = next(note for note in found.notes if "kept as real" in note)
    assert f"AAA {found.sessions[2]} (-45 %)" in note
    assert f"AAA {found.sessions[4]} (+118 %)" in note


def test_a_halving_over_a_missing_session_is_no_one_day_move() -> None:
    found = past(priced(100, 100, np.nan, 50, 50))
    assert not any("split" in note for note in found.notes)
    assert found.close[0, 3:].tolist() == [50, 50]


def test_a_name_that_stops_trading_is_named_with_its_last_day() -> None:
    table = frame(2, 40)
    gone = table["date"].unique()[29]
    found = past(table[(table["symbol"] == "A00") | (table["date"] <= gone)])
    assert found.stopped.tolist() == [False, True]
    assert any(f"A01 after {str(gone)[:10]}" in note for note in found.notes)
    assert not any("survivors" in note for note in found.notes)
    assert np.isnan(realized_after(of_name(found, found.close, "A01")[None], 21)[0, 9:]).all()


def test_names_of_one_file_alone_are_said() -> None:
    table = frame(16, 10)
    only = table[table["symbol"] <= "A01"]
    found = past_of(lines(table, "iv30"), lines(only, "close"), grid(table))
    assert found.symbols == ("A00", "A01")
    assert found.notes[0] == (
        "14 names with IV but no prices left out: A02, A03, A04, A05, A06, A07, A08, A09, A10, A11, A12, A13 "
        "and 2 more."
    )


def test_files_that_share_no_name_or_no_day_are_refused() -> None:
    table = frame(1, 10)
    with pytest.raises(UnreadableError, match="No name stands in both files"):
        past_of(lines(table, "iv30"), lines(table.assign(symbol="B"), "close"), grid(table))
    weekend = table.assign(date=np.datetime64("2024-12-28"))
    with pytest.raises(UnreadableError, match="price file has no value above 0 on a trading day"):
        past_of(lines(table, "iv30"), lines(weekend, "close"), sessions_between(date(2024, 12, 1), LAST))
