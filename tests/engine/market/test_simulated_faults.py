"""The simulated market is dirty enough that every fault, gate, signal and regime occurs."""

from collections import Counter
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from engine.market.columns import panel_of
from engine.market.simulated import BENCHMARK, SimulatedMarket
from engine.market.simulated.dirt import SHORT_HISTORY, Dirt, dirt_of
from engine.market.snapshot import Snapshot
from engine.panel import IvHistory
from engine.rules import load_rules
from engine.screen.measure import measure
from engine.screen.result import Screen
from engine.screen.screen import run_screen
from tests.engine.market.simulation import (
    CONFIG,
    DEMO,
    LISTINGS,
    demo_market,
    demo_snapshot,
)


@pytest.fixture(scope="module")
def demo() -> SimulatedMarket:
    return demo_market()


@pytest.fixture(scope="module")
def whole() -> Snapshot:
    return demo_snapshot()


@pytest.fixture(scope="module")
def dirt(demo: SimulatedMarket) -> dict[str, list[str]]:
    """Symbols with each fault at the demo's session."""
    ordinal = int(np.searchsorted(demo.world.sessions, np.datetime64(DEMO)))
    faults = dirt_of(demo.world.quoting.frail, demo.seed, ordinal)
    kinds = [field.name for field in fields(Dirt) if field.name != "error_text"]
    return {kind: [LISTINGS[row].symbol for row in getattr(faults, kind)] for kind in kinds}


# --- dirt --------------------------------------------------------------------------------------------


def test_the_benchmark_and_the_names_a_visitor_tries_are_clean_in_every_session(
    demo: SimulatedMarket,
) -> None:
    for ordinal in range(1000, 1250):
        faults = dirt_of(demo.world.quoting.frail, demo.seed, ordinal)
        sick = {
            row for kind in fields(Dirt) if kind.name != "error_text" for row in getattr(faults, kind.name)
        }
        assert not {LISTINGS[row].symbol for row in sick} & {BENCHMARK, "AAPL", "KO", "NVDA", "QQQ"}


def test_faults_of_the_underlyings_occur(whole: Snapshot, dirt: dict[str, list[str]]) -> None:
    table = whole.underlyings.set_index("symbol")
    assert list(table.index[table["error"].notna()]) == dirt["error"]
    assert sorted(table.index[table["spot"].isna()]) == sorted(dirt["error"] + dirt["no_spot"])
    assert list(table.index[~table["quote_time"].str.startswith(str(DEMO))]) == dirt["stale"]
    assert table["liquidity_rating"].notna().mean() == pytest.approx(0.5, abs=0.15)
    assert set(table["earnings_verified"].dropna()) == {"true", "false"}
    assert table.loc[["SPY", "GLD"], "earnings_date"].isna().all()


def test_faults_of_the_history_occur(whole: Snapshot, dirt: dict[str, list[str]]) -> None:
    lengths = whole.history["symbol"].astype("str").value_counts()
    assert not set(dirt["no_history"]) & set(lengths.index)
    for kind, sessions in SHORT_HISTORY.items():
        assert (lengths[dirt[kind]] == sessions).all()


def test_faults_of_the_quotes_occur(whole: Snapshot, dirt: dict[str, list[str]]) -> None:
    quotes = whole.quotes.astype({"symbol": "str"})
    own = {kind: quotes[quotes["symbol"].isin(symbols)] for kind, symbols in dirt.items()}
    assert own["error"].empty
    assert (own["one_sided"]["bid"] == 0).mean() > 0.95
    crossed = own["crossed"][own["crossed"]["bid"] > own["crossed"]["ask"]]
    assert set(crossed["symbol"]) == set(dirt["crossed"])
    assert quotes["bid"].isna().any()
    expired = quotes[quotes["expiration"] < pd.Timestamp(DEMO)]
    assert set(expired["symbol"]) == set(dirt["expired"])
    key = ["symbol", "expiration", "strike", "right"]
    assert set(quotes[quotes.duplicated(key) & quotes["contract"].isna()]["symbol"]) == set(dirt["repeated"])
    adjusted = quotes[quotes["contract"].notna()]
    assert set(adjusted["symbol"]) == set(dirt["adjusted"])
    assert adjusted["contract"].str.match(r"^[A-Z]+1 \d{6}[CP]\d{8}$").all()


def test_the_reader_tells_what_it_left_out(whole: Snapshot) -> None:
    assert set(panel_of(whole, BENCHMARK).dropped) == {"adjusted contract", "expired quote", "repeated quote"}


def test_prices_stand_on_ticks_and_far_puts_have_no_bid(whole: Snapshot) -> None:
    prices = whole.quotes[["bid", "ask"]].to_numpy().ravel()
    prices = prices[np.isfinite(prices)]
    np.testing.assert_allclose(prices, np.round(prices, 2), atol=1e-9)
    assert prices.min() == 0.0
    assert 0.02 < (whole.quotes["bid"] == 0).mean() < 0.3


# --- the demo's own session ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def screen(demo: SimulatedMarket, whole: Snapshot) -> Screen:
    """The demo's closing screen, half a year of closes measured and stored before it."""
    rules = load_rules(CONFIG)
    past = [
        measure(panel_of(snapshot, BENCHMARK), rules)["iv30"].to_numpy(dtype=float)
        for snapshot in demo.past_closes(126)
    ]
    return run_screen(panel_of(whole, BENCHMARK), rules, IvHistory(np.array(past).T))


def test_the_demo_has_a_lively_close(screen: Screen) -> None:
    assert screen.run.state == "complete"
    assert screen.run.simulated
    assert screen.coverage.measured == screen.coverage.universe - 6
    assert len(screen.coverage.missing) == 6
    assert 8 <= screen.coverage.passed <= 24
    assert len(screen.near_misses) >= 5


def test_every_signal_and_regime_occurs_in_the_demo(screen: Screen) -> None:
    measured = [row for row in screen.rows if row.text("missing_reason") is None]
    signals = Counter(row.signal for row in measured)
    assert set(signals) == {"EVENT", "RICH", "COILED", "EXPANDING", "DISCOUNT", "FAIR"}
    assert {row.text("regime") for row in measured} == {"NORMAL", "COILED", "EXPANDING", "UNKNOWN"}


def test_every_gate_passes_for_some_and_fails_for_others_in_the_demo(screen: Screen) -> None:
    verdicts: dict[str, set[str]] = {}
    for row in screen.rows:
        for gate in (*row.gates, *row.tags):
            verdicts.setdefault(gate.name, set()).add(gate.state)
    assert {"structural", "momentum", "iv_percentile", "dead_legs", "slippage", "earnings"} <= set(verdicts)
    lacking = {name for name, states in verdicts.items() if not {"pass", "fail"} <= states}
    assert not lacking


@pytest.mark.parametrize("symbol", ["AAPL", "KO"])
def test_the_names_a_visitor_tries_are_measured(screen: Screen, symbol: str) -> None:
    row = screen.find(symbol)
    assert row is not None
    assert row.text("missing_reason") is None
    assert all(row.number(column) is not None for column in ("iv30", "hv252", "iv_percentile", "slippage"))


def test_ko_is_rejected_and_every_verdict_has_a_number(screen: Screen) -> None:
    row = screen.find("KO")
    assert row is not None
    assert not row.passed
    assert {gate.name for gate in row.failed} >= {"structural"}
