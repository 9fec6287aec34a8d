"""Sums over legs, the cost of gamma, a bad day, and how a book's names go together."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arrays import FloatArray
from engine.panel import Panel, Prices
from engine.portfolio.book import Leg
from engine.portfolio.exposure import (
    book_returns,
    concentration,
    exposure_of,
    gamma_cost,
    largest_position,
    mean_correlation,
    two_sigma_loss,
)
from engine.portfolio.value.valuation import value_book
from engine.portfolio.valued import ValuedBook
from engine.screen.measure import measure
from tests.engine.markets import Name
from tests.engine.portfolio.valuing import european, market, option, rules, shares, told, valued

STRANGLE = [option(37, 90.0, "P", -2, 0.80), option(37, 110.0, "C", -2, 1.10)]


def whole(book: ValuedBook) -> list[tuple[int, float]]:
    return [(place, leg.quantity) for place, leg in enumerate(book.legs)]


def made(book: ValuedBook, **columns: Sequence[float]) -> ValuedBook:
    """The book with numbers of our own."""
    return replace(book, **{name: np.array(values, dtype=np.float64) for name, values in columns.items()})


def test_a_short_strangle_against_quantlib() -> None:
    book = valued(STRANGLE)
    put, call = (
        european(100.0, strike, 37, 0.0, 0.30, right) for strike, right in ((90.0, "P"), (110.0, "C"))
    )
    found = exposure_of(book, whole(book))
    assert found.opened == pytest.approx(-200 * 1.90)
    assert found.worth == pytest.approx(-200 * (put.price + call.price), abs=0.01)
    assert found.pl == pytest.approx(200 * (1.90 - put.price - call.price), abs=0.01)
    assert found.days == 37
    assert found.theta == pytest.approx(-200 * (put.theta + call.theta), abs=0.01)
    assert found.delta == pytest.approx(-200 * (put.delta + call.delta), abs=0.01)
    assert found.gamma == pytest.approx(-200 * (put.gamma + call.gamma), abs=0.01)
    assert found.vega == pytest.approx(-2 * (put.vega + call.vega), abs=0.01)
    assert (found.theta or 0) > 0
    # The name is the benchmark itself: beta 1, S = B.
    assert found.beta_delta == pytest.approx(found.delta)
    assert found.beta_gamma == pytest.approx(found.gamma)
    assert found.quality == pytest.approx(book.quality[0])


@pytest.mark.parametrize(
    ("quantity", "paid", "sign"), [(-1, 5.0, 1), (-1, 0.5, -1), (1, 0.5, 1), (1, 5.0, -1)]
)
def test_profit_or_loss_by_side(quantity: float, paid: float, sign: int) -> None:
    # The put at 95 with 37 days is worth about 1.5.
    book = valued([option(37, 95.0, "P", quantity, paid)])
    mark = european(100.0, 95.0, 37, 0.0, 0.30, "P").price
    pl = exposure_of(book, whole(book)).pl
    assert pl == pytest.approx(100 * quantity * (mark - paid), abs=0.01)
    assert np.sign(pl or 0) == sign


def test_a_part_of_a_leg() -> None:
    book = valued([*STRANGLE, shares(100, 95.0)])
    one = exposure_of(book, [(0, -1.0), (1, -1.0)])
    two = exposure_of(book, [(0, -2.0), (1, -2.0)])
    assert one.theta == pytest.approx((two.theta or 0) / 2)
    assert one.pl == pytest.approx((two.pl or 0) / 2)
    covered = exposure_of(book, [(2, 100.0), (1, -1.0)])
    assert covered.opened == pytest.approx(9500 - 110)
    assert covered.days == 37
    assert exposure_of(book, [(2, 40.0)]).pl == pytest.approx(200.0)
    assert exposure_of(book, [(2, 40.0)]).days is None
    assert exposure_of(book, [(2, 40.0)]).quality is None


@pytest.mark.parametrize(("ratio", "expected"), [(1.5, 150.0), (0.5, 50.0)])
def test_a_hundred_dollars_of_theta_at_the_ratio(ratio: float, expected: float) -> None:
    # The seeds' worked case: two contracts short with a theta of -0.50 a share are 100 a day.
    book = made(valued([STRANGLE[0]]), theta=[-0.50], quality=[ratio])
    found = exposure_of(book, whole(book))
    assert found.theta == pytest.approx(100.0)
    assert found.alpha_theta == pytest.approx(expected)
    assert found.quality == pytest.approx(ratio)


def test_beta_weights_by_price_and_beta_and_gamma_by_the_square() -> None:
    # 100 shares at 100 with beta 1.5 against a benchmark at 400: 100 * 1.5 * 100 / 400 = 37.5 of its shares.
    book = replace(valued([shares(100)]), benchmark_spot=400.0)
    book = made(book, beta=[1.5], gamma=[0.02])
    found = exposure_of(book, whole(book))
    assert found.beta_delta == pytest.approx(37.5)
    assert found.beta_gamma == pytest.approx(100 * 0.02 * 0.375**2)


def test_what_a_part_lacks_the_sum_lacks() -> None:
    book = valued([option(37, 90.0, "P", -1), option(37, 110.0, "C", -1, 1.0), shares(5, symbol="ZZZ")])
    found = exposure_of(book, [(0, -1.0), (1, -1.0)])
    assert (found.opened, found.pl) == (None, None)
    assert found.worth is not None
    assert found.theta is not None
    broken = exposure_of(book, whole(book))
    assert (broken.worth, broken.theta, broken.delta, broken.beta_delta) == (None,) * 4
    no_ratio = made(book, quality=[np.nan] * 3)
    assert exposure_of(no_ratio, [(0, -1.0)]).theta is not None
    assert exposure_of(no_ratio, [(0, -1.0)]).alpha_theta is None
    assert exposure_of(no_ratio, [(0, -1.0)]).quality is None
    assert gamma_cost(made(book, hv=[np.nan] * 3), [(0, -1.0)]) is None
    assert gamma_cost(book, whole(book)) is None
    assert two_sigma_loss(made(book, iv30=[np.nan] * 3), [(0, -1.0)], rules()) is None
    assert two_sigma_loss(book, whole(book), rules()) is None
    without = replace(book, benchmark_spot=None)
    assert exposure_of(without, [(0, -1.0)]).beta_delta is None


def test_days_are_those_to_the_next_expiration_to_come() -> None:
    book = valued([option(-3, 100.0, "C"), option(37, 100.0, "C"), option(9, 100.0, "C"), shares(1)])
    assert exposure_of(book, whole(book)).days == 9
    assert exposure_of(book, [(0, 1.0), (3, 1.0)]).days == -3


# --- gamma and a bad day -------------------------------------------------------------------------


def test_the_cost_of_gamma_by_hand() -> None:
    # 1/2 * (200 * 0.03) * 100^2 * 0.2^2 / 365 = 3.2877 a day.
    book = made(valued([STRANGLE[0]]), gamma=[0.03], hv=[0.20])
    assert gamma_cost(book, [(0, -2.0)]) == pytest.approx(0.5 * 6 * 10_000 * 0.04 / 365)
    assert gamma_cost(book, [(0, 2.0)]) == 0.0
    assert gamma_cost(book, []) == 0.0


@pytest.mark.parametrize(("hv", "toxic"), [(0.25, False), (0.35, True)])
def test_theta_covers_gamma_while_implied_is_above_realized(hv: float, toxic: bool) -> None:
    # At the money and 30 %: theta is 1/2 gamma S^2 IV^2 / 365, but for the interest.
    book = made(valued([option(37, 100.0, "P", -1)], Name(carry_yield=0.04)), hv=[hv])
    theta = exposure_of(book, whole(book)).theta
    assert ((gamma_cost(book, whole(book)) or 0) > (theta or 0)) == toxic


def test_a_two_sigma_day_against_quantlib() -> None:
    # 2 * 30 % / sqrt(252) = 3.78 %, up and down; a share more makes one of the sides the worse.
    book = valued([*STRANGLE, shares(100)])
    move = 2 * book.iv30[0] / 252**0.5

    def loss(part: list[tuple[float, str, float]], held: float) -> float:
        results = [
            sum(
                size
                * (
                    european(100 * (1 + side * move), strike, 37, 0.0, 0.30, right).price
                    - european(100.0, strike, 37, 0.0, 0.30, right).price
                )
                for strike, right, size in part
            )
            + held * side * 100 * move
            for side in (-1, 1)
        ]
        return max(-min(results), 0.0)

    short = [(90.0, "P", -200.0), (110.0, "C", -200.0)]
    assert two_sigma_loss(book, whole(book)[:2], rules()) == pytest.approx(loss(short, 0.0), abs=0.05)
    assert two_sigma_loss(book, whole(book), rules()) == pytest.approx(loss(short, 100.0), abs=0.05)
    assert two_sigma_loss(book, [(0, 2.0), (1, 2.0)], rules()) == 0.0
    assert two_sigma_loss(book, [(2, 100.0)], rules()) == pytest.approx(100 * 100 * move)


@given(quantities=st.lists(st.integers(-5, 5).filter(bool), min_size=2, max_size=2))
def test_sums_add_up(quantities: list[int]) -> None:
    parts = [(place, float(quantity)) for place, quantity in enumerate(quantities)]
    together, apart = exposure_of(_BOOK, parts), [exposure_of(_BOOK, [part]) for part in parts]
    for name in ("worth", "theta", "alpha_theta", "delta", "gamma", "vega", "beta_delta", "beta_gamma"):
        assert getattr(together, name) == pytest.approx(sum(getattr(each, name) for each in apart))
    cost, loss = gamma_cost(_BOOK, parts), two_sigma_loss(_BOOK, parts, rules())
    assert cost is not None
    assert loss is not None
    assert cost <= sum(gamma_cost(_BOOK, [part]) or 0 for part in parts) + 1e-9
    assert loss <= sum(two_sigma_loss(_BOOK, [part], rules()) or 0 for part in parts) + 1e-9


_BOOK = valued(STRANGLE)


# --- the book as a whole -------------------------------------------------------------------------


def with_closes(panel: Panel, close: FloatArray, lag: Sequence[float] | None = None) -> Panel:
    late = np.zeros(len(close)) if lag is None else np.array(lag, dtype=np.float64)
    return replace(panel, prices=Prices(close, close, close, close, late))


def closes(names: int, days: int = 300) -> FloatArray:
    """Names with a common factor: correlations of about 0.5."""
    rng = np.random.default_rng(3)
    moves = rng.standard_normal(days) + rng.standard_normal((names, days))
    return 100 * np.exp(np.cumsum(moves / 100, axis=1))


def three() -> tuple[list[Name], list[Leg]]:
    names = [Name("AAA"), Name("BBB", spot=50.0), Name("CCC", spot=200.0)]
    return names, [shares(10), shares(-60, symbol="BBB"), shares(30, symbol="CCC")]


def test_the_mean_correlation_is_numpys() -> None:
    names, legs = three()
    panel = with_closes(market(*names), closes(3))
    book = value_book([*legs, shares(5), *STRANGLE], panel, measure(panel, rules()), rules())
    each = np.corrcoef(np.diff(np.log(panel.prices.close[:, -253:]), axis=1))
    expected = np.mean([each[0, 1], each[0, 2], each[1, 2]])
    assert mean_correlation(book, panel) == pytest.approx(expected)
    assert 0.3 < expected < 0.7


def test_pairs_without_a_correlation_are_left_out() -> None:
    names, legs = three()
    close = closes(3)
    close[2, :-100] = np.nan
    panel = with_closes(market(*names), close)
    book = value_book(legs, panel, measure(panel, rules()), rules())
    one, other = np.diff(np.log(close[:2, -253:]), axis=1)
    assert mean_correlation(book, panel) == pytest.approx(np.corrcoef(one, other)[0, 1])
    assert mean_correlation(replace(book, row=np.array([0, 2, 2])), panel) is None
    flat = with_closes(panel, np.full((3, 300), 100.0))
    assert mean_correlation(book, flat) is None


def test_below_two_names_there_is_no_correlation() -> None:
    names, legs = three()
    panel = market(*names)
    table = measure(panel, rules())
    for few in ([], legs[:1], [legs[0], *STRANGLE, shares(1, symbol="ZZZ")]):
        assert mean_correlation(value_book(few, panel, table, rules()), panel) is None


@pytest.mark.parametrize(
    ("mean", "word"),
    [
        (None, None),
        (-0.2, "diversified"),
        (0.3999, "diversified"),
        (0.40, "bound"),
        (0.6499, "bound"),
        (0.65, "CONCENTRATED"),
    ],
)
def test_concentration_at_its_limits(mean: float | None, word: str | None) -> None:
    assert concentration(mean, rules()) == word


def test_the_books_returns_are_weighted_by_notional() -> None:
    # 10 * 100, 60 * 50 and 30 * 200: weights 1, 3 and 6, whichever way the legs face.
    names, legs = three()
    panel = with_closes(market(*names), closes(3))
    book = value_book(legs, panel, measure(panel, rules()), rules())
    returns = np.diff(np.log(panel.prices.close), axis=1)
    found = book_returns(book, panel)
    assert found is not None
    assert found == pytest.approx(np.array([0.1, 0.3, 0.6]) @ returns)


def test_a_day_without_half_of_the_weight_is_missing() -> None:
    names, legs = three()
    close = closes(3)
    close[1, 10], close[2, 20] = np.nan, np.nan
    panel = with_closes(market(*names), close)
    book = value_book(legs, panel, measure(panel, rules()), rules())
    found = book_returns(book, panel)
    assert found is not None
    returns = np.diff(np.log(close), axis=1)
    assert found[9:11] == pytest.approx((returns[0, 9:11] + 6 * returns[2, 9:11]) / 7)
    assert np.isnan(found[19:21]).all()
    assert np.isfinite(np.delete(found, [19, 20])).all()


def test_a_name_that_lags_keeps_its_days() -> None:
    names, legs = three()
    panel = with_closes(market(*names), closes(3), lag=[0, 0, 2])
    book = value_book(legs[2:], panel, measure(panel, rules()), rules())
    found = book_returns(book, panel)
    assert found is not None
    assert np.isnan(found[-2:]).all()
    assert found[:-2] == pytest.approx(np.diff(np.log(panel.prices.close[2]))[2:])


def test_no_returns_without_a_valued_name_or_a_close() -> None:
    names, legs = three()
    panel = market(*names)
    table = measure(panel, rules())
    nothing = value_book([shares(1, symbol="ZZZ")], panel, table, rules())
    assert book_returns(nothing, panel) is None
    silent = with_closes(panel, np.full((3, 300), np.nan))
    assert book_returns(value_book(legs, panel, table, rules()), silent) is None


def test_the_largest_position_is_the_one_with_most_delta_in_money() -> None:
    # 10 * 100 = 1,000; 60 * 50 = 3,000 short; 30 * 200 = 6,000, of which 25 shares are sold again.
    names, legs = three()
    panel = market(*names)
    table = measure(panel, rules())
    book = value_book(legs, panel, table, rules())
    assert largest_position(book, {}, 50_000.0) == ("CCC", pytest.approx(0.12))
    # What a name loses on a bad day counts where that is more: a strangle has next to no delta.
    assert largest_position(book, {"BBB": 9_000.0}, 50_000.0) == ("BBB", pytest.approx(0.18))
    hedged = value_book([*legs, shares(-25, symbol="CCC")], panel, table, rules())
    assert largest_position(hedged, {}, 50_000.0) == ("BBB", pytest.approx(0.06))
    assert largest_position(book, {}, None) == ("CCC", None)
    assert largest_position(book, {}, 0.0) == ("CCC", None)
    assert largest_position(value_book([], panel, table, rules()), {}, 1.0) == (None, None)


def test_an_empty_book() -> None:
    book = valued([])
    found = exposure_of(book, [])
    assert (found.worth, found.theta, found.pl, found.days, found.quality) == (0.0, 0.0, 0.0, None, None)
    assert two_sigma_loss(book, [], rules()) == 0.0
    assert book.priced.shape == (0,)


def test_the_provider_of_beta_is_used_in_the_sum() -> None:
    book = valued([shares(10), shares(10, symbol="BBB")], Name(), Name("BBB"), change=told(beta=[1.0, 2.0]))
    assert exposure_of(book, whole(book)).beta_delta == pytest.approx(30.0)
