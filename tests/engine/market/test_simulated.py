"""The simulated market as a provider: the same for a seed and a date, and shaped like any snapshot."""

from collections import Counter
from datetime import date

import numpy as np
import pandas as pd
import pytest

from engine.errors import SnapshotError
from engine.market.columns import panel_of
from engine.market.sessions import close_of, sessions_between
from engine.market.simulated import BENCHMARK, FIRST_SESSION, SimulatedMarket
from engine.market.simulated.events import FAR_FUTURE, board
from engine.market.snapshot import HISTORY_COLUMNS, QUOTE_COLUMNS, UNDERLYING_COLUMNS, Snapshot
from engine.panel import Kind
from engine.rules import load_pairs, load_rules
from engine.screen.measure import measure
from engine.screen.screen import run_screen
from tests.engine.market.simulation import (
    CONFIG,
    DEMO,
    FEW,
    LISTINGS,
    UNHEARD_OF,
    demo_market,
    demo_snapshot,
    spots,
    usable,
)


@pytest.fixture(scope="module")
def demo() -> SimulatedMarket:
    return demo_market()


@pytest.fixture(scope="module")
def whole() -> Snapshot:
    return demo_snapshot()


# --- the universe ------------------------------------------------------------------------------


def test_the_universe_is_broad_and_holds_every_leg_of_the_pairs() -> None:
    symbols = {item.symbol for item in LISTINGS}
    legs = {leg for pair in load_pairs(CONFIG) for leg in (pair.leg_a, pair.leg_b)}
    assert 110 <= len(symbols) <= 130
    assert legs | {BENCHMARK, "QQQ", "IWM", "DIA", "AAPL", "NVDA"} <= symbols
    assert min(Counter(item.sector for item in LISTINGS).values()) >= 3


# --- the same for a seed and a date --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["close", "open"])
def test_the_same_seed_and_session_give_the_same_market(kind: Kind) -> None:
    first, again = (SimulatedMarket(FEW, DEMO, kind, seed=11).snapshot() for _ in range(2))
    for table in ("quotes", "underlyings", "history"):
        pd.testing.assert_frame_equal(getattr(first, table), getattr(again, table))


def test_another_seed_gives_another_market(whole: Snapshot) -> None:
    other = SimulatedMarket(LISTINGS, DEMO, seed=8).snapshot()
    assert other.source == "SIMULATED market, seed 8"
    assert np.isclose(spots(whole), spots(other)).mean() < 0.05


def test_a_later_session_extends_the_path_and_leaves_the_past_alone() -> None:
    early = SimulatedMarket(FEW, date(2026, 1, 5)).snapshot().history
    late = SimulatedMarket(FEW, date(2026, 6, 1)).snapshot().history
    both = early.merge(late, on=["date", "symbol"], suffixes=("", "_late"))
    assert len(both) > 2500
    assert (both["close"] == both["close_late"]).all()
    assert (both["high"] == both["high_late"]).all()


def test_a_name_keeps_its_path_whatever_stands_beside_it(whole: Snapshot) -> None:
    alone = SimulatedMarket([item for item in LISTINGS if item.symbol == "AAPL"], DEMO).snapshot()
    pd.testing.assert_frame_equal(
        alone.quotes.astype({"symbol": "str"}),
        whole.quotes[whole.quotes["symbol"] == "AAPL"].astype({"symbol": "str"}).reset_index(drop=True),
    )


def test_past_closes_are_parts_of_the_closes_of_their_own_days() -> None:
    past = list(SimulatedMarket(LISTINGS, DEMO).past_closes(2))
    assert [snapshot.session for snapshot in past] == [date(2025, 12, 29), date(2025, 12, 30)]
    for lean in past:
        own = SimulatedMarket(LISTINGS, lean.session)
        full = own.snapshot()
        pd.testing.assert_frame_equal(lean.underlyings, full.underlyings)
        pd.testing.assert_frame_equal(
            lean.history.reset_index(drop=True), full.history.reset_index(drop=True)
        )
        key = ["symbol", "expiration", "right", "strike"]
        plain = full.quotes[full.quotes["contract"].isna()].drop_duplicates(key)
        merged = lean.quotes.merge(plain, on=key, suffixes=("", "_full"))
        assert len(merged) == len(lean.quotes) < len(full.quotes) / 4
        for column in ("bid", "ask", "last", "volume", "open_interest"):
            np.testing.assert_array_equal(merged[column], merged[f"{column}_full"])
        truth, seen_later = own.truth(), SimulatedMarket(LISTINGS, DEMO).truth(lean.session)
        np.testing.assert_array_equal(truth.iv30, seen_later.iv30)


def test_past_closes_measure_like_the_whole_chains_of_their_days() -> None:
    rules = load_rules(CONFIG)
    lean = next(SimulatedMarket(LISTINGS, DEMO).past_closes(1))
    full = SimulatedMarket(LISTINGS, lean.session).snapshot()
    tables = [measure(panel_of(snapshot, BENCHMARK), rules) for snapshot in (lean, full)]
    for column in ("iv30", "iv60", "slippage", "atm_volume", "hv252"):
        part, all_of_it = (table[column].to_numpy(dtype=float) for table in tables)
        assert np.count_nonzero(np.isfinite(part)) > 100
        np.testing.assert_allclose(part, all_of_it, rtol=1e-9)


def test_past_closes_stop_at_the_first_session() -> None:
    session = FIRST_SESSION.replace(day=7)
    past = [snapshot.session for snapshot in SimulatedMarket(FEW, session).past_closes(252)]
    assert past == list(sessions_between(FIRST_SESSION, session).astype(object))[:-1]


# --- what a snapshot looks like ------------------------------------------------------------------


def test_a_snapshot_has_the_columns_and_types_of_the_contract(whole: Snapshot) -> None:
    assert whole.source == "SIMULATED market, seed 7"
    assert (whole.session, whole.kind, whole.asof, whole.rate) == (DEMO, "close", close_of(DEMO), 0.04)
    assert list(whole.quotes.columns) == [*QUOTE_COLUMNS, "contract"]
    assert set(UNDERLYING_COLUMNS) <= set(whole.underlyings.columns)
    assert list(whole.history.columns) == list(HISTORY_COLUMNS)
    assert whole.symbols == [item.symbol for item in LISTINGS]
    assert whole.quotes.dtypes.astype("str").to_dict() == {
        "symbol": "category",
        "expiration": "datetime64[s]",
        "right": "category",
        "contract": "str",
    } | dict.fromkeys(["strike", "bid", "ask", "last", "volume", "open_interest"], "float64")
    assert str(whole.history["date"].dtype) == "datetime64[s]"
    assert list(whole.quotes["right"].cat.categories) == ["C", "P"]
    assert 300 * len(LISTINGS) < len(whole.quotes) < 700 * len(LISTINGS)


def test_history_ends_with_the_session_at_the_close_and_before_it_at_the_open() -> None:
    close, opening = (SimulatedMarket(FEW, DEMO, kind).snapshot() for kind in ("close", "open"))
    assert close.history["date"].max() == pd.Timestamp(DEMO)
    assert opening.history["date"].max() == pd.Timestamp(2025, 12, 30)
    assert close.history.groupby("symbol", observed=True).size().eq(640).all()
    last = close.history[close.history["date"] == pd.Timestamp(DEMO)].set_index("symbol")
    for symbol in ("SPY", "AMZN"):
        assert spots(close)[symbol] == last["close"][symbol]
        assert spots(opening)[symbol] == last["open"][symbol]


def test_the_open_quotes_are_wider_and_thinner() -> None:
    close, opening = (SimulatedMarket(FEW, DEMO, kind).snapshot().quotes for kind in ("close", "open"))
    width = [(quotes["ask"] - quotes["bid"]).mean() for quotes in (close, opening)]
    assert width[1] > 1.3 * width[0]
    assert opening["volume"].sum() < 0.2 * close["volume"].sum()


def test_a_part_of_the_market_is_the_same_market(whole: Snapshot) -> None:
    part = SimulatedMarket(LISTINGS, DEMO).snapshot(["KO", "XOM", "NOSUCH"])
    assert part.symbols == ["KO", "XOM"]
    of_ko = [
        snapshot.quotes[snapshot.quotes["symbol"] == "KO"]["bid"].to_numpy() for snapshot in (part, whole)
    ]
    np.testing.assert_array_equal(of_ko[0], of_ko[1])
    assert {"KO", "XOM", BENCHMARK} == set(part.history["symbol"])


def test_what_cannot_be_simulated_is_said_in_one_sentence() -> None:
    with pytest.raises(SnapshotError, match="2025-12-25 is no trading day"):
        SimulatedMarket(FEW, date(2025, 12, 25))
    with pytest.raises(SnapshotError, match="begins on 2022-01-04"):
        SimulatedMarket(FEW, date(2021, 6, 1))
    with pytest.raises(SnapshotError, match="lists none of NOSUCH"):
        SimulatedMarket(FEW, DEMO).snapshot(["NOSUCH"])
    with pytest.raises(SnapshotError, match="universe is empty"):
        SimulatedMarket([], DEMO)
    with pytest.raises(SnapshotError, match="seed is -1"):
        SimulatedMarket(FEW, DEMO, seed=-1)


def test_tickers_it_has_never_heard_of_get_a_market_too() -> None:
    snapshot = SimulatedMarket([*FEW, UNHEARD_OF], DEMO).snapshot(["ZZZZ"])
    assert 5 < spots(snapshot)["ZZZZ"] < 500
    assert len(usable(snapshot.quotes)) > 30


def test_without_the_benchmark_the_hard_gate_has_something_to_stop() -> None:
    rules = load_rules(CONFIG)
    with_it, without = (
        SimulatedMarket(FEW, DEMO, without_benchmark=gone).snapshot() for gone in (False, True)
    )
    assert run_screen(panel_of(with_it, BENCHMARK), rules).run.state != "aborted"
    assert run_screen(panel_of(without, BENCHMARK), rules).run.state == "aborted"
    assert BENCHMARK not in set(without.history["symbol"])


# --- the calendar ----------------------------------------------------------------------------------


@pytest.mark.parametrize("session", [date(2025, 4, 14), date(2025, 12, 31), date(2026, 6, 15)])
def test_every_expiration_is_a_trading_day_ahead_and_most_are_fridays(session: date) -> None:
    days = board(session).days
    sessions = sessions_between(session, date(session.year + 3, 12, 31))
    assert np.isin(days, sessions).all()
    assert (days > np.datetime64(session)).all()
    assert (pd.DatetimeIndex(days).dayofweek >= 3).all()


def test_good_friday_and_juneteenth_move_the_monthly_to_thursday() -> None:
    assert np.datetime64("2025-04-17") in board(date(2025, 4, 1)).days
    assert np.datetime64("2026-06-18") in board(date(2026, 6, 1)).days


def test_equities_report_four_times_a_year_and_funds_never(demo: SimulatedMarket) -> None:
    reports = demo.world.reports
    in_2025 = ((reports >= np.datetime64("2025-01-01")) & (reports <= np.datetime64("2025-12-31"))).sum(
        axis=1
    )
    equity = np.array([item.asset_class == "equity" for item in LISTINGS])
    assert set(in_2025[equity]) == {4}
    assert (reports[~equity] == FAR_FUTURE).all()
