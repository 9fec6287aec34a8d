"""Gates, score and signal on tables made by hand: the method's worked cases and every boundary."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.screen.gates import GATES, State, judge
from engine.screen.lens import under_lens
from engine.screen.score import scores, signals
from engine.screen.screen import judge_table, near_misses

from .tables import row, rules, table


def verdict(
    values: dict[str, object], gate: str, profile: str | None = None, lens: str | None = None
) -> State:
    verdicts = judge_table(table(values), rules(profile, lens)).verdicts
    return State(int(verdicts.state[[spec.name for spec in verdicts.specs].index(gate), 0]))


@pytest.mark.parametrize(
    ("iv", "hv90", "hv30", "structural", "tactical", "momentum"),
    [
        (28, 20, 18, State.PASS, State.PASS, State.PASS),
        (30, 20, 35, State.PASS, State.FAIL, State.PASS),
        (28, 20, 25, State.PASS, State.FAIL, State.PASS),
        (22, 25, 20, State.FAIL, State.FAIL, State.FAIL),
        (30, 28, 18, State.FAIL, State.PASS, State.FAIL),
        (18.56, 17.62, 16, State.FAIL, State.PASS, State.PASS),
        (8, 2, 2, State.PASS, State.PASS, State.PASS),
        (6, 0.3, 0.3, State.PASS, State.PASS, State.PASS),
    ],
)
def test_worked_cases(
    iv: float, hv90: float, hv30: float, structural: State, tactical: State, momentum: State
) -> None:
    values = row(iv, hv90, hv30)
    assert verdict(values, "structural") == structural
    assert verdict(values, "tactical") == tactical
    assert verdict(values, "momentum") == momentum


@pytest.mark.parametrize(
    ("column", "gate", "limit", "at", "below", "above"),
    [
        ("vrp_structural", "structural", 1.10, State.FAIL, State.FAIL, State.PASS),
        ("vrp_tactical", "tactical", 1.15, State.FAIL, State.FAIL, State.PASS),
        ("momentum", "momentum", 0.85, State.PASS, State.FAIL, State.PASS),
        ("iv_percentile", "iv_percentile", 20.0, State.PASS, State.FAIL, State.PASS),
        ("slippage", "slippage", 0.05, State.PASS, State.PASS, State.FAIL),
        ("spot", "price", 25.0, State.PASS, State.FAIL, State.PASS),
        ("earnings_days", "earnings", 10.0, State.FAIL, State.FAIL, State.PASS),
        ("atm_volume", "dead_legs", 0.0, State.FAIL, State.FAIL, State.PASS),
    ],
)
def test_the_limit_itself_and_its_neighbours(
    column: str, gate: str, limit: float, at: State, below: State, above: State
) -> None:
    for value, expected in (
        (limit, at),
        (np.nextafter(limit, -np.inf), below),
        (np.nextafter(limit, np.inf), above),
    ):
        assert verdict(row(**{column: float(value)}), gate) == expected


@pytest.mark.parametrize(
    ("column", "gate", "state", "passes"),
    [
        ("vrp_structural", "structural", State.UNKNOWN, False),
        ("vrp_tactical", "tactical", State.UNKNOWN, False),
        ("momentum", "momentum", State.UNKNOWN, False),
        ("iv_percentile", "iv_percentile", State.UNKNOWN, True),
        ("slippage", "slippage", State.FAIL, False),
        ("spot", "price", State.UNKNOWN, False),
        ("earnings_days", "earnings", State.UNKNOWN, True),
    ],
)
def test_missing_is_never_zero(column: str, gate: str, state: State, passes: bool) -> None:
    values = row(**{column: np.nan, "structural_252": np.nan})
    assert verdict(values, gate) == state
    assert bool(judge_table(table(values), rules()).verdicts.passed[0]) is passes


def test_a_healthy_name_passes_every_gate() -> None:
    judged = judge_table(table(row()), rules())
    assert judged.verdicts.passed.tolist() == [True]
    assert (judged.verdicts.state[judged.verdicts.in_force] == State.PASS).all()


@pytest.mark.parametrize(
    ("rating", "volume", "interest", "state", "value", "limit"),
    [
        (4.0, 0.0, 0.0, State.PASS, 4.0, 4.0),
        (3.0, 9000.0, 9000.0, State.FAIL, 3.0, 4.0),
        (np.nan, 100.0, 0.0, State.PASS, 100.0, 100.0),
        (np.nan, 99.0, 500.0, State.PASS, 500.0, 500.0),
        (np.nan, 99.0, 100.0, State.FAIL, 99.0, 100.0),
        (np.nan, np.nan, 500.0, State.PASS, 500.0, 500.0),
        (np.nan, np.nan, np.nan, State.UNKNOWN, np.nan, 100.0),
    ],
)
def test_liquidity_takes_the_rating_first_then_either_number(
    rating: float, volume: float, interest: float, state: State, value: float, limit: float
) -> None:
    values = row(liquidity_rating=rating, atm_volume=volume, atm_open_interest=interest)
    verdicts = judge_table(table(values), rules()).verdicts
    place = [spec.name for spec in verdicts.specs].index("liquidity")
    assert verdicts.state[place, 0] == state
    np.testing.assert_equal(verdicts.value[place, 0], value)
    assert verdicts.limit[place, 0] == limit


def test_futures_need_no_price() -> None:
    assert verdict(row(spot=3.0, asset_class="future"), "price") == State.PASS


def test_strict_mode_and_earnings_policy_decide_what_blocks() -> None:
    wide = row(slippage=0.3, atm_volume=0.0, earnings_days=3.0)
    strict = judge_table(table(wide), rules()).verdicts
    loose = judge_table(table(wide), rules("broad")).verdicts
    quality = judge_table(table(row(earnings_days=3.0)), rules("high_quality")).verdicts
    names = [spec.name for spec in strict.specs]
    assert [name for name, on in zip(names, strict.in_force, strict=True) if not on] == ["earnings"]
    assert [name for name, on in zip(names, loose.in_force, strict=True) if not on] == [
        "dead_legs",
        "slippage",
        "earnings",
    ]
    assert not strict.passed[0]
    assert loose.passed[0]
    assert not quality.passed[0]
    assert [spec.name for spec in GATES] == names


def test_each_lens_is_judged_by_its_own_thresholds() -> None:
    values = row(iv=18.56, hv90=17.62, hv30=15, hv252=21.0, hv20=20.0)
    assert verdict(values, "structural") == State.FAIL  # 1.0533 against 1.10
    assert verdict(values, "structural", lens="yearly") == State.PASS  # 0.8838 against 0.85
    assert verdict(values, "tactical", lens="yearly") == State.PASS  # 0.928 against 0.90
    assert not judge_table(table(values), rules(lens="consensus")).verdicts.passed[0]
    both = row(iv=30, hv90=20, hv30=20, hv252=25, hv20=22)
    assert judge_table(table(both), rules(lens="consensus")).verdicts.passed[0]


def test_without_hv90_the_yearly_lens_is_taken_and_said() -> None:
    values = row(iv=19.0, hv252=20.0, hv20=20.0) | {"vrp_structural": np.nan, "hv90": np.nan}
    seen = under_lens(table(values), rules())
    assert seen["lens"].tolist() == ["yearly"]
    assert seen["flags"].tolist() == [("yearly_lens",)]
    assert verdict(values, "structural") == State.PASS  # 0.95 against 0.85, not against 1.10
    unmarked = under_lens(table(values), rules(lens="yearly"))
    assert unmarked["flags"].tolist() == [()]


def test_score_of_a_name_computed_by_hand() -> None:
    # richness 100 * clip; momentum (1.0-.85)/.35 = 42.857; yield (10-3)/12 = 58.333; liquidity 60
    values = row(iv=24, hv90=20, hv30=20, iv_percentile=60.0)
    expected = 0.30 * 40 + 0.30 * 40 + 0.15 * 60 + 0.10 * 42.857142857 + 0.10 * 58.33333333 + 0.05 * 60
    result = scores(under_lens(table(values), rules()), rules())
    assert result.score[0] == pytest.approx(expected, abs=1e-6)
    assert result.share[0] == pytest.approx(1.0)


def test_a_missing_component_drops_out_and_the_share_says_so() -> None:
    values = row(iv=24, hv90=20, hv30=20, iv_percentile=np.nan)
    result = scores(under_lens(table(values), rules()), rules())
    whole = 0.30 * 40 + 0.30 * 40 + 0.10 * 42.857142857 + 0.10 * 58.33333333 + 0.05 * 60
    assert result.share[0] == pytest.approx(0.85)
    assert result.score[0] == pytest.approx(whole / 0.85, abs=1e-6)


def test_penalties_multiply_and_are_named() -> None:
    plain, trapped = row(), row(hv_rank=14.9, regime="COILED")
    proxied = row(flags=("proxy_iv",))
    result = scores(under_lens(table(plain, trapped, proxied), rules()), rules())
    assert result.score[1] / result.score[0] == pytest.approx(0.40)
    assert result.score[2] / result.score[0] == pytest.approx(0.85)
    assert result.penalties.tolist() == [(), ("volatility_trap", "compression"), ("proxy_iv",)]


def test_cheap_volatility_scores_no_richness() -> None:
    cheap = row(iv=10, iv_percentile=np.nan, slippage=np.nan, **{"yield": np.nan}, momentum=np.nan)
    assert scores(under_lens(table(cheap), rules()), rules()).score[0] == 0.0


@pytest.mark.parametrize(
    ("changes", "signal"),
    [
        ({"earnings_days": 0.0, "iv_percentile": 99.0}, "EVENT"),
        ({"earnings_days": 10.0}, "EVENT"),
        ({"earnings_days": 11.0, "iv_percentile": 80.1}, "RICH"),
        ({"vrp_tactical": 1.2001}, "RICH"),
        ({"vrp_structural": 1.3001}, "RICH"),
        ({"regime": "COILED"}, "COILED"),
        ({"regime": "EXPANDING"}, "EXPANDING"),
        ({"vrp_tactical": 0.8999}, "DISCOUNT"),
        ({}, "FAIR"),
        ({"missing_reason": "stale quotes"}, None),
    ],
)
def test_the_first_signal_that_matches(changes: dict[str, object], signal: str | None) -> None:
    calm = {"vrp_structural": 1.2, "vrp_tactical": 1.1}
    assert signals(under_lens(table(row(**(calm | changes))), rules()), rules()).tolist() == [signal]


def test_near_misses_are_one_number_short_and_nearest_first() -> None:
    rows = table(
        row(slippage=0.06),  # 20 % beyond the limit
        row(spot=24.9),  # 0.4 %
        row(slippage=0.051, spot=20.0),  # two gates
        row(slippage=np.nan),  # nothing to measure the distance by
        row(vrp_tactical=1.10),  # 4.3 %
        row(),
        row(atm_volume=0.0, liquidity_rating=5.0),  # the limit is 0: last
    )
    assert near_misses(judge_table(rows, rules()).verdicts) == [1, 4, 0, 6]


@given(st.floats(0.01, 10) | st.just(float("nan")))
def test_state_and_distance_always_agree(value: float) -> None:
    verdicts = judge(under_lens(table(row(vrp_structural=value)), rules()), rules())
    place = [spec.name for spec in verdicts.specs].index("structural")
    state, distance = verdicts.state[place, 0], verdicts.distance[place, 0]
    assert (state == State.PASS) == (distance > 0)
    assert (state == State.UNKNOWN) == bool(np.isnan(distance))
