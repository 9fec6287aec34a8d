"""Model-free variance: the white paper's example, lognormal strips and a plain reading of the rules."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vollib.black_scholes import black_scholes  # type: ignore[import-untyped]

from engine.arrays import FloatArray
from engine.volatility.model_free import ModelFree, interpolate_total_variance, model_free_variance

QUOTES = ("call_bid", "call_ask", "put_bid", "put_ask")
MINUTES = 525_600
Row = tuple[float, float, float, float, float]
"""strike, call bid, call ask, put bid, put ask"""


@dataclass
class Expiry:
    rows: list[Row]
    years: float = 0.1
    rate: float = 0.02


@dataclass
class Answer:
    variance: float = math.nan
    forward: float = math.nan
    k0: float = math.nan
    used: list[tuple[float, float]] = field(default_factory=list)
    """Strike and quote of every strike that counts, ascending."""


def measure(expiries: list[Expiry]) -> ModelFree:
    rows = [row for expiry in expiries for row in expiry.rows]
    strike, call_bid, call_ask, put_bid, put_ask = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    starts = np.concatenate([[0], np.cumsum([len(expiry.rows) for expiry in expiries], dtype=np.int64)])
    years = np.array([expiry.years for expiry in expiries])
    rate = np.array([expiry.rate for expiry in expiries])
    return model_free_variance(strike, call_bid, call_ask, put_bid, put_ask, starts, years, rate)


def mid(bid: float, ask: float) -> float | None:
    return (bid + ask) / 2 if bid > 0 and ask >= bid else None


def wing(candidates: list[tuple[float, float | None]]) -> list[tuple[float, float]]:
    """Strikes walking away from k0: one gap is stepped over, two end the walk."""
    kept: list[tuple[float, float]] = []
    gaps = 0
    for strike, quote in candidates:
        gaps = gaps + 1 if quote is None else 0
        if gaps == 2:
            break
        if quote is not None:
            kept.append((strike, quote))
    return kept


def by_the_rules(expiry: Expiry) -> Answer:
    """The white paper read line by line, one expiry and one strike at a time."""
    answer, growth = Answer(), math.exp(expiry.rate * expiry.years)
    book = [(strike, mid(cb, ca), mid(pb, pa)) for strike, cb, ca, pb, pa in expiry.rows]
    pairs = [(abs(c - p), strike, c - p) for strike, c, p in book if c is not None and p is not None]
    if not pairs:
        return answer
    _, strike, gap = min(pairs)
    answer.forward = strike + growth * gap
    under = [line for line in book if line[0] <= answer.forward]
    if not under:
        return answer
    answer.k0, call, put = under[-1]
    if call is None or put is None:
        return answer
    puts = wing([(strike, p) for strike, _, p in reversed(under[:-1])])
    calls = wing([(strike, c) for strike, c, _ in book[len(under) :]])
    answer.used = [*reversed(puts), (answer.k0, (call + put) / 2), *calls]
    strikes = [strike for strike, _ in answer.used]
    if len(strikes) < 2:
        return answer
    total = 0.0
    for place, (strike, quote) in enumerate(answer.used):
        left, right = max(place - 1, 0), min(place + 1, len(strikes) - 1)
        total += (strikes[right] - strikes[left]) / (right - left) / strike**2 * growth * quote
    variance = (2 * total - (answer.forward / answer.k0 - 1) ** 2) / expiry.years
    answer.variance = variance if variance > 0 else math.nan
    return answer


def check(expiries: list[Expiry]) -> ModelFree:
    got = measure(expiries)
    expected = [by_the_rules(expiry) for expiry in expiries]
    for name in ("variance", "forward", "k0"):
        plain = [getattr(answer, name) for answer in expected]
        np.testing.assert_allclose(getattr(got, name), plain, rtol=1e-9, atol=1e-15, err_msg=name)
    for row, answer in enumerate(expected):
        assert got.puts[row] == sum(strike < answer.k0 for strike, _ in answer.used)
        assert got.calls[row] == sum(strike > answer.k0 for strike, _ in answer.used)
    return got


def lognormal(
    volatility: float, years: float, reach: float, strikes: int, spot: float = 100.0, rate: float = 0.03
) -> Expiry:
    """Quotes of a flat volatility, half a percent wide, `reach` standard deviations to either side."""
    forward = spot * math.exp(rate * years)
    rows: list[Row] = []
    for place in np.linspace(-reach, reach, strikes):
        strike = forward * math.exp(place * volatility * math.sqrt(years))
        call, put = (black_scholes(flag, spot, strike, years, rate, volatility) for flag in "cp")
        rows.append((strike, call * 0.9975, call * 1.0025, put * 0.9975, put * 1.0025))
    return Expiry(rows, years, rate)


CHAIN: list[Row] = [
    (80.0, 20.9, 21.1, 0.0, 0.1),
    (85.0, 15.9, 16.1, 0.1, 0.2),
    (90.0, 11.1, 11.3, 0.3, 0.4),
    (95.0, 6.8, 7.0, 1.0, 1.2),
    (100.0, 3.5, 3.7, 2.6, 2.8),
    (105.0, 1.4, 1.6, 5.5, 5.7),
    (110.0, 0.4, 0.6, 9.5, 9.7),
    (115.0, 0.1, 0.2, 14.2, 14.4),
    (120.0, 0.05, 0.1, 19.1, 19.3),
]


def with_row(place: int, **changes: float) -> list[Row]:
    names = ("strike", *QUOTES)
    rows = list(CHAIN)
    changed = dict(zip(names, rows[place], strict=True)) | changes
    rows[place] = (
        changed["strike"],
        changed["call_bid"],
        changed["call_ask"],
        changed["put_bid"],
        changed["put_ask"],
    )
    return rows


def test_the_white_paper_example(shared_data: Path) -> None:
    """Published: forwards, k0, both variances and an index of 13.69."""
    quotes = pd.read_csv(shared_data / "vix_whitepaper" / "quotes_spx_2014.csv")
    near = int((quotes["term"] == "near").sum())
    strike, call_bid, call_ask, put_bid, put_ask = (
        quotes[name].to_numpy(np.float64) for name in ("strike", *QUOTES)
    )
    starts = np.array([0, near, len(quotes)])
    years = np.array([35_924, 46_394]) / MINUTES
    rate = np.array([0.000305, 0.000286])
    got = model_free_variance(strike, call_bid, call_ask, put_bid, put_ask, starts, years, rate)
    np.testing.assert_allclose(got.forward, [1962.89996, 1962.40006], atol=1e-5)
    np.testing.assert_allclose(got.k0, [1960.0, 1960.0])
    np.testing.assert_allclose(got.variance, [0.01846292, 0.01882101], atol=2e-8)
    assert got.complete.all()
    index = 100 * interpolate_total_variance(
        years[:1], got.variance[:1], years[1:], got.variance[1:], 43_200 / MINUTES
    )
    assert index[0] == pytest.approx(13.69, abs=5e-3)


def test_the_published_variances_make_the_published_index() -> None:
    near, far = np.array([0.01846292]), np.array([0.01882101])
    years_near, years_far = np.array([35_924 / MINUTES]), np.array([46_394 / MINUTES])
    volatility = interpolate_total_variance(years_near, near, years_far, far, 43_200 / MINUTES)
    assert 100 * volatility[0] == pytest.approx(13.69, abs=5e-3)


def test_a_small_chain_by_hand() -> None:
    """Three strikes and no rate: F = 101, so (100 - 90) / 90^2 * 1 + 10 / 100^2 * 4.5 + 10 / 110^2 * 2."""
    rows = [(90.0, 11.9, 12.1, 0.9, 1.1), (100.0, 4.9, 5.1, 3.9, 4.1), (110.0, 1.9, 2.1, 10.9, 11.1)]
    got = measure([Expiry(rows, years=0.25, rate=0.0)])
    total = 10 / 8100 * 1.0 + 10 / 10_000 * 4.5 + 10 / 12_100 * 2.0
    assert got.forward[0] == pytest.approx(101.0, rel=1e-14)
    assert got.k0[0] == 100.0
    assert got.variance[0] == pytest.approx((2 * total - 0.01**2) / 0.25, rel=1e-13)
    assert (got.puts[0], got.calls[0]) == (1, 1)


def test_one_zero_bid_is_skipped_and_its_width_goes_to_the_neighbours() -> None:
    got = check([Expiry(with_row(2, put_bid=0.0)), Expiry(CHAIN)])
    assert got.puts.tolist() == [2, 3]
    assert got.variance[0] != pytest.approx(got.variance[1], rel=1e-3)


def test_two_zero_bids_in_a_row_end_a_wing_for_good() -> None:
    puts = with_row(2, put_bid=0.0)
    puts[1] = (85.0, 15.9, 16.1, 0.0, 0.2)
    puts[0] = (80.0, 20.9, 21.1, 0.05, 0.1)
    calls = with_row(6, call_bid=0.0)
    calls[7] = (115.0, 0.0, 0.2, 14.2, 14.4)
    got = check([Expiry(puts), Expiry(calls)])
    assert got.puts.tolist() == [1, 3]
    assert got.calls.tolist() == [4, 1]


def test_zero_bids_on_either_side_of_k0_are_no_pair() -> None:
    rows = with_row(3, put_bid=0.0)
    rows[5] = (105.0, 0.0, 1.6, 5.5, 5.7)
    got = check([Expiry(rows)])
    assert (got.puts[0], got.calls[0]) == (2, 3)


@pytest.mark.parametrize("changes", [{"call_ask": 0.3}, {"call_bid": np.nan}, {"call_ask": np.nan}])
def test_a_crossed_or_absent_quote_counts_as_a_zero_bid(changes: dict[str, float]) -> None:
    got = check([Expiry(with_row(6, **changes)), Expiry(with_row(6, call_bid=0.0))])
    assert got.variance[0] == got.variance[1]


def test_an_empty_row_does_not_become_the_forward() -> None:
    """Both sides at 0 have the smallest difference of all; only quoted strikes are searched."""
    rows = list(CHAIN)
    rows[8] = (120.0, 0.0, 0.0, 0.0, 0.0)
    assert check([Expiry(rows)]).forward[0] == pytest.approx(measure([Expiry(CHAIN)]).forward[0])


@pytest.mark.parametrize(
    "expiry",
    [
        Expiry([]),
        Expiry(CHAIN[4:5]),
        Expiry([(strike, 0.0, ca, pb, pa) for strike, _, ca, pb, pa in CHAIN]),
        Expiry([(110.0, 0.4, 0.6, 9.5, 9.7), (120.0, 0.05, 0.1, 19.1, 19.3)]),
        Expiry(with_row(4, put_bid=0.0)),
        Expiry(CHAIN, years=0.0),
        Expiry(CHAIN, years=-0.1),
        Expiry(CHAIN, years=math.nan),
        Expiry(CHAIN, rate=math.nan),
    ],
    ids=[
        "empty",
        "one strike",
        "no calls",
        "all above",
        "k0 unquoted",
        "settled",
        "past",
        "no time",
        "no rate",
    ],
)
def test_what_a_segment_does_not_carry_is_missing_and_harms_no_neighbour(expiry: Expiry) -> None:
    alone = measure([Expiry(CHAIN)])
    got = measure([Expiry(CHAIN), expiry, Expiry(CHAIN)])
    assert math.isnan(got.variance[1])
    assert not got.complete[1]
    for row in (0, 2):
        assert got.variance[row] == pytest.approx(alone.variance[0], rel=1e-12)
        assert (got.puts[row], got.calls[row]) == (alone.puts[0], alone.calls[0])
    assert math.isnan(measure([expiry]).variance[0])


def test_no_expiries_give_no_rows() -> None:
    assert measure([]).variance.shape == (0,)


@pytest.mark.parametrize("volatility", [0.15, 0.4, 0.9])
@pytest.mark.parametrize("years", [0.03, 0.25])
def test_a_fine_lognormal_strip_returns_its_volatility(volatility: float, years: float) -> None:
    got = measure([lognormal(volatility, years, reach=6, strikes=241)])
    assert math.sqrt(got.variance[0]) == pytest.approx(volatility, rel=2e-3)
    assert got.forward[0] == pytest.approx(100 * math.exp(0.03 * years), rel=1e-9)
    assert got.complete[0]
    assert got.reach_down[0] == pytest.approx(6, rel=0.03)
    assert got.reach_up[0] == pytest.approx(6, rel=0.03)


@pytest.mark.parametrize(("reach", "lost"), [(2.0, 0.0115), (1.0, 0.151)])
def test_what_cut_wings_leave_out(reach: float, lost: float) -> None:
    """((1 + z^2) N(-z) - z n(z)) * 2 of the variance lies beyond z standard deviations."""
    full, short = measure([lognormal(0.2, 0.1, 6, 1201), lognormal(0.2, 0.1, reach, 401)]).variance
    assert 1 - short / full == pytest.approx(lost, abs=0.006)


@pytest.mark.parametrize(
    ("reach", "strikes", "complete"),
    [(2.3, 13, True), (1.7, 41, False), (6.0, 7, False), (2.3, 9, False)],
    ids=["enough", "short", "coarse", "few"],
)
def test_completeness_needs_reach_and_strikes(reach: float, strikes: int, complete: bool) -> None:
    got = measure([lognormal(0.3, 0.1, reach, strikes)])
    assert bool(got.complete[0]) is complete


def test_a_cut_wing_does_not_lengthen_its_own_yardstick() -> None:
    both, no_puts = lognormal(0.3, 0.1, 3, 31), lognormal(0.3, 0.1, 3, 31)
    no_puts.rows = no_puts.rows[13:]
    got = measure([both, no_puts])
    assert got.complete.tolist() == [True, False]
    assert got.reach_down[1] < 0.6
    assert got.reach_up[1] == pytest.approx(got.reach_up[0], rel=1e-12)


quote = st.sampled_from([0.0, 0.0, 0.05, 0.3, math.nan]) | st.floats(0.05, 20.0)


@st.composite
def expiries(draw: st.DrawFn) -> Expiry:
    """Any book at all: crossed, empty and unordered quotes around prices that make some sense."""
    strikes = sorted(draw(st.sets(st.integers(60, 140), max_size=14)))
    rows: list[Row] = []
    for strike in strikes:
        call, put = max(100.0 - strike, 0.0) + 1.0, max(strike - 100.0, 0.0) + 1.0
        if draw(st.booleans()):
            rows.append((float(strike), call, call + draw(quote), put, put + draw(quote)))
        else:
            rows.append((float(strike), draw(quote), draw(quote), draw(quote), draw(quote)))
    return Expiry(rows, draw(st.sampled_from([0.02, 0.1, 1.0])), draw(st.sampled_from([0.0, 0.05])))


@settings(max_examples=300)
@given(st.lists(expiries(), max_size=5))
def test_any_book_is_read_as_the_rules_say(book: list[Expiry]) -> None:
    check(book)


def test_columns_that_do_not_fit_are_refused() -> None:
    strike, one, years = np.array([90.0, 100.0, 110.0]), np.ones(3), np.array([0.1])

    def attempt(strikes: FloatArray, starts: list[int], ask: FloatArray = one) -> None:
        model_free_variance(strikes, one, ask, one, one, np.array(starts), years, 0.0)

    with pytest.raises(ValueError, match="differ in length"):
        attempt(strike, [0, 3], np.ones(2))
    with pytest.raises(ValueError, match="1 segments need 2 offsets, got 3"):
        attempt(strike, [0, 1, 3])
    for starts in ([0, 2], [1, 3]):
        with pytest.raises(ValueError, match="do not cover the 3 strikes"):
            attempt(strike, starts)
    for bad in (strike[::-1], np.array([90.0, 90.0, 100.0]), np.array([0.0, 1.0, 2.0]), strike * np.nan):
        with pytest.raises(ValueError, match="positive and ascend"):
            attempt(bad, [0, 3])


def test_interpolation_is_linear_in_total_variance() -> None:
    near, far = np.array([0.05]), np.array([0.15])
    volatility = interpolate_total_variance(near, np.array([0.04]), far, np.array([0.09]), 0.10)
    assert volatility[0] == pytest.approx(math.sqrt((0.05 * 0.04 + 0.15 * 0.09) / 2 / 0.10), rel=1e-14)


def test_at_an_expiry_the_interpolation_is_that_expiry() -> None:
    near, far = np.array([0.05, 0.05, 0.05]), np.array([0.15, 0.15, 0.05])
    years = np.array([0.05, 0.15, 0.05])
    volatility = interpolate_total_variance(near, np.full(3, 0.04), far, np.full(3, 0.09), years)
    np.testing.assert_allclose(volatility, [0.2, 0.3, 0.2])


def test_interpolation_never_extrapolates_and_needs_both_sides() -> None:
    near, far = np.full(5, 0.05), np.full(5, 0.15)
    variance_near = np.array([0.04, 0.04, np.nan, 0.04, -0.01])
    variance_far = np.array([0.09, 0.09, 0.09, np.nan, 0.09])
    years = np.array([0.04999, 0.15001, 0.1, 0.1, 0.1])
    assert np.isnan(interpolate_total_variance(near, variance_near, far, variance_far, years)).all()
    nowhere = np.array([np.nan])
    assert np.isnan(interpolate_total_variance(nowhere, nowhere, nowhere, nowhere, 0.1)).all()


@given(
    volatility=st.floats(0.01, 3.0),
    near=st.floats(0.01, 0.5),
    span=st.floats(0.01, 1.0),
    place=st.floats(0.0, 1.0),
)
def test_a_flat_term_structure_stays_flat(volatility: float, near: float, span: float, place: float) -> None:
    variance = np.array([volatility**2])
    years = min(near + place * span, near + span)
    got = interpolate_total_variance(np.array([near]), variance, np.array([near + span]), variance, years)
    assert got[0] == pytest.approx(volatility, rel=1e-9)
