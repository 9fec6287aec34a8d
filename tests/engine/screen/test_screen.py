"""Whole runs: the hard gate, coverage, missing reasons, bad markets, percentiles of the stored history."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.columns import panel_of
from engine.panel import IvHistory, Panel
from engine.rules import Rules
from engine.screen.flags import FLAGS
from engine.screen.glossary import GLOSSARY, METRICS
from engine.screen.measure import measure
from engine.screen.screen import run_screen
from tests.engine.markets import Name, panel, snapshot

from .tables import rules

SPY = Name("SPY", days=(23, 37, 51))


def test_without_the_benchmark_nothing_is_ranked() -> None:
    stopped = run_screen(panel_of(snapshot(Name("AAA")), "SPY"), rules())
    assert stopped.run.state == "aborted"
    assert stopped.run.reason == "SPY has no valid price and no history in this run, so nothing is ranked."
    assert stopped.rows == ()
    assert stopped.coverage.missing == {"no data from the source": 1}


def test_the_benchmark_s_history_alone_is_enough() -> None:
    market = snapshot(Name("AAA"), SPY)
    without = replace(market, underlyings=market.underlyings[market.underlyings["symbol"] != "SPY"])
    assert run_screen(panel_of(without, "SPY"), rules()).run.state == "complete"


def test_what_was_asked_and_is_not_there_counts_as_missing() -> None:
    found = run_screen(panel_of(snapshot(SPY), "SPY"), rules(), universe=["SPY", "KO", "PEP"])
    assert (found.coverage.universe, found.coverage.measured) == (3, 1)
    assert found.coverage.missing == {"no data from the source": 2}


@pytest.mark.parametrize(
    ("broken", "state"), [(3, "complete"), (4, "degraded"), (7, "outage"), (10, "outage")]
)
def test_coverage_decides_the_state(broken: int, state: str) -> None:
    market = snapshot(*(Name(f"N{n}", days=(23, 37)) for n in range(9)), replace(SPY, days=(23, 37)))
    spot = np.where(np.arange(10) < broken, np.nan, 100.0)
    found = run_screen(
        panel_of(replace(market, underlyings=market.underlyings.assign(spot=spot)), "SPY"), rules()
    )
    assert found.run.state == state
    assert (found.run.reason is None) == (state == "complete")
    assert found.coverage.measured == 10 - broken


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"spot": np.nan}, "no valid spot"),
        ({"spot": -1.0}, "no valid spot"),
        ({"quote_time": "2026-04-28T16:00:00-04:00"}, "stale quotes"),
        ({"error": "timed out [yahoo]"}, "timed out [yahoo]"),
    ],
)
def test_a_name_that_cannot_be_used_says_why_and_is_not_ranked(
    change: dict[str, object], reason: str
) -> None:
    market = snapshot(Name("AAA"), SPY)
    mask = market.underlyings["symbol"] == "AAA"
    underlyings = market.underlyings.copy()
    for column, value in change.items():
        if column not in underlyings:
            underlyings[column] = None
        underlyings.loc[mask, column] = value
    row = run_screen(panel_of(replace(market, underlyings=underlyings), "SPY"), rules()).find("AAA")
    assert row is not None
    assert row.text("missing_reason") == reason
    assert not row.passed
    assert row.signal is None
    assert row.gates[0].name == "data"
    assert row.gates[0].state == "fail"


@pytest.mark.parametrize(
    ("sessions", "reason"), [(0, "no price history"), (20, "price history too short"), (21, None)]
)
def test_history_long_enough_for_hv20(sessions: int, reason: str | None) -> None:
    market = snapshot(Name("AAA"), SPY)
    own = market.history[market.history["symbol"] == "AAA"].tail(sessions)
    rest = market.history[market.history["symbol"] == "SPY"]
    found = run_screen(panel_of(replace(market, history=pd.concat([own, rest])), "SPY"), rules()).find("AAA")
    assert found is not None
    assert found.text("missing_reason") == reason
    assert found.number("hv30") is None
    assert found.number("vrp_tactical") is None


def test_an_empty_quotes_table_is_a_reason_and_no_error() -> None:
    market = snapshot(Name("AAA"), SPY)
    found = run_screen(panel_of(replace(market, quotes=market.quotes.iloc[:0]), "SPY"), rules())
    assert found.coverage.missing == {"no option quotes": 2}
    assert found.coverage.passed == 0


def test_the_percentile_comes_from_stored_closes_and_grows() -> None:
    market = panel(Name("SPY"))
    stored = np.linspace(0.10, 0.50, 252)[None, :]
    whole = run_screen(market, rules(), IvHistory(stored)).rows[0]
    assert whole.number("iv_percentile") == pytest.approx(100 * np.mean(stored < 0.30))
    assert whole.number("iv_percentile_n") == 252
    short = run_screen(market, rules(), IvHistory(stored[:, :59])).rows[0]
    assert short.number("iv_percentile") is None
    assert short.number("iv_percentile_n") == 59
    assert next(gate for gate in short.gates if gate.name == "iv_percentile").state == "unknown"


def test_the_provider_s_percentile_is_used_until_the_own_is_long_enough_and_said() -> None:
    market = snapshot(Name("SPY"))
    given_one = replace(market, underlyings=market.underlyings.assign(iv_percentile=77.0))
    row = run_screen(panel_of(given_one, "SPY"), rules()).rows[0]
    assert row.number("iv_percentile") == 77.0
    assert "iv_percentile_provider" in row.flags


def test_what_a_provider_brings_beside_is_compared_and_marked() -> None:
    market = snapshot(Name("SPY"))
    own = run_screen(panel_of(market, "SPY"), rules()).rows[0]
    hv30, hv90 = own.number("hv30"), own.number("hv90")
    assert hv30 is not None
    assert hv90 is not None
    extra = {
        "hv30_provider": hv30 * 1.2,
        "hv90_provider": hv90 * 1.05,
        "dividend_date": "2026-05-08",
        "dividend_amount": 0.80,
        "earnings_date": "2026-05-05",
        "earnings_verified": "false",
    }
    brought = panel_of(replace(market, underlyings=market.underlyings.assign(**extra)), "SPY")
    row = run_screen(brought, rules()).rows[0]
    assert row.flags == ("dividend_before_expiry", "earnings_unverified", "hv_differs", "earnings_soon")
    assert row.signal == "EVENT"
    assert row.number("vrp_tactical") == own.number("vrp_tactical")
    body = rules().model_dump(by_alias=True)
    body["volatility"]["hv_source"] = "provider"
    iv30 = row.number("iv30")
    by_provider = run_screen(brought, Rules.model_validate(body)).rows[0]
    assert iv30 is not None
    assert by_provider.number("vrp_tactical") == pytest.approx(iv30 / (hv30 * 1.2))
    assert "hv_computed" in run_screen(panel_of(market, "SPY"), Rules.model_validate(body)).rows[0].flags


def test_progress_is_told_after_every_chunk() -> None:
    told: list[tuple[int, int]] = []
    run_screen(panel(SPY), rules(), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 1)]


def test_rows_stand_by_rank_then_near_misses_then_names() -> None:
    names = [Name(f"N{n}", vol=lambda d, k, n=n: 0.2 + n / 50, days=(23, 51)) for n in range(9)]  # type: ignore[misc]
    found = run_screen(panel(SPY, *names), rules())
    kinds = [
        "listed" if row.passed else "near" if row.symbol in found.near_misses else "out" for row in found.rows
    ]
    assert kinds == sorted(kinds, key=["listed", "near", "out"].index)
    assert [row.rank for row in found.passed] == list(range(1, len(found.passed) + 1))


def test_without_an_active_floor_structural_is_tactical_times_momentum() -> None:
    names = [Name(f"N{n}", history_vol=0.15 + n / 20) for n in range(8)]
    table = measure(panel(*names), rules())
    np.testing.assert_allclose(table["vrp_structural"], table["vrp_tactical"] * table["momentum"], rtol=1e-12)


def test_the_floor_bounds_the_denominator() -> None:
    calm = measure(panel(Name("SPY", history_vol=0.01, vol=lambda d, k: 0.08)), rules()).iloc[0]
    assert calm["hv90"] < 0.05
    assert calm["vrp_structural"] == pytest.approx(1.60, abs=1e-8)


def test_every_column_is_explained_and_every_flag_has_its_sentence() -> None:
    row = run_screen(panel(Name("SPY")), rules()).rows[0]
    assert set(row.values) == set(GLOSSARY) == {metric.column for metric in METRICS}
    assert all(metric.formula and metric.source for metric in METRICS)
    assert all(sentence.endswith(".") for sentence in FLAGS.values())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0.0, -1.0, 0.01, 3.0, np.nan, np.inf, 1e12]),
            st.sampled_from([0.0, -1.0, 0.01, 3.0, np.nan, np.inf, 1e12]),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_no_quote_however_odd_raises_or_becomes_a_zero(pairs: list[tuple[float, float]]) -> None:
    market = snapshot(SPY)
    quotes = market.quotes.copy()
    rows = np.arange(len(pairs)) * 7 % len(quotes)
    quotes.iloc[rows, quotes.columns.get_indexer(["bid", "ask"])] = pairs
    found: Panel = panel_of(replace(market, quotes=quotes), "SPY")
    row = run_screen(found, rules()).rows[0]
    assert row.number("iv30") is None or row.number("iv30") > 0  # type: ignore[operator]
