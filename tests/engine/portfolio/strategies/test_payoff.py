"""The most a position can win and lose, by hand and against a grid of prices."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.arrays import FloatArray
from engine.portfolio.book import Leg
from engine.portfolio.strategies.payoff import extremes
from tests.engine.portfolio.books import a_book

DECEMBER = date(2026, 12, 18)


@pytest.mark.parametrize(
    ("text", "profit", "loss"),
    [
        # Credit 1.20 + 1.10 - 0.40 - 0.35 = 1.55, wings 5 wide: 155 and 500 - 155.
        ("+1 50P @ 0.40, -1 55P @ 1.20, -1 65C @ 1.10, +1 70C @ 0.35", 155, 345),
        # Two of them for 2.30 each; a call has no upper end.
        ("-2 55P @ 1.20, -2 65C @ 1.10", 460, None),
        # Called away at 60: 2 of price and 1.50 of premium. Worthless shares: 58 less the premium.
        ("100 shares @ 58, -1 60C @ 1.50", 350, 5650),
        # Credit 2.50 against a call spread 2 wide: +50 above 67, 5500 - 250 at 0.
        ("-1 55P @ 1.50, -1 65C @ 1.60, +1 67C @ 0.60", 250, 5250),
        ("-1 60P @ 1.50", 150, 5850),
        ("+1 60P @ 1.50", 5850, 150),
        ("+2 60C @ 1.50", None, 300),
        ("-1 60C @ 1.50", 150, None),
        ("-1 60P @ 2, +1 55P @ 0.80", 120, 380),
        ("+1 60C @ 2, -1 65C @ 0.80", 380, 120),
        # Free to enter, 500 at 55, and below 55 one short put is naked: 5500 - 500.
        ("+1 60P @ 2, -2 55P @ 1", 500, 5000),
        # Debit 1.00: 4.00 at the body, the debit outside.
        ("+1 55C @ 6, -2 60C @ 3, +1 65C @ 1", 400, 100),
        ("100 shares @ 60, +1 55P @ 1, -1 65C @ 1", 500, 500),
        ("37.5 shares @ 60", None, 2250),
        ("-100 shares @ 60", 6000, None),
        ("-100 shares @ 60, -1 55P @ 1", 600, None),
        # Bought at 1.00 and sold at 1.50: 50 whatever happens; the other way it cannot win.
        ("+1 60P @ 1, -1 60P @ 1.50", 50, 0),
        ("-1 60P @ 1, +1 60P @ 1.50", 0, 50),
    ],
)
def test_extremes_by_hand(text: str, profit: float | None, loss: float | None) -> None:
    for legs in (a_book(text), a_book(text)[::-1]):
        assert extremes(legs) == (approx(profit), approx(loss))


def approx(value: float | None) -> object:
    return None if value is None else pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize(
    ("text", "loss"),
    [
        # A long calendar loses the debit, 2.20 - 1.00.
        ("-1 60C @ 1, +1 jan 60C @ 2.20", 120),
        ("-1 55P @ 1, -1 65C @ 1, +1 jan 55P @ 1.90, +1 jan 65C @ 1.80", 170),
        # The later call is worth what the short one is and 10 more: only the debit is at stake.
        ("-1 60C @ 1.20, +1 jan 50C @ 11", 980),
        # The later put is 5 further out: the debit of 0.50 and these 5.
        ("-1 60P @ 1.50, +1 jan 55P @ 2", 550),
        # More short than long: no end above.
        ("-2 60C @ 1, +1 jan 60C @ 2.20", None),
        # What is short outlives what is long.
        ("+1 60C @ 1, -1 jan 60C @ 2.20", None),
        ("-1 60C @ 1, +1 jan 60C @ 2, -1 feb 65C @ 1", None),
    ],
)
def test_over_several_expirations_only_a_covered_loss_is_known(text: str, loss: float | None) -> None:
    assert extremes(a_book(text)) == (None, approx(loss))


@pytest.mark.parametrize(
    "legs",
    [
        [],
        a_book("-1 55P, -1 65C @ 1"),
        a_book("100 shares, -1 65C @ 1"),
        [replace(a_book("-1 55P @ 1")[0], open_price=float("nan"))],
        [replace(a_book("-1 55P @ 1")[0], kind="adjusted option")],
        [Leg("/ES", "future", 1.0, DECEMBER, open_price=6000.0, multiplier=50.0)],
        [Leg("/ES", "future option", -1.0, DECEMBER, 5500.0, "P", 20.0, 50.0)],
    ],
)
def test_what_is_not_known_is_not_guessed(legs: list[Leg]) -> None:
    assert extremes(legs) == (None, None)


def test_shares_in_odd_lots_still_cover_a_call() -> None:
    legs = a_book("33.4 shares @ 58, 33.3 shares @ 58, 33.3 shares @ 58, -1 60C @ 1.50")
    assert extremes(legs) == (approx(350), approx(5650))


LEGS = st.builds(
    Leg,
    symbol=st.just("KO"),
    kind=st.just("option"),
    quantity=st.integers(-3, 3).filter(bool).map(float),
    expiration=st.just(DECEMBER),
    strike=st.integers(20, 160).map(lambda halves: halves / 2),
    right=st.sampled_from(["P", "C"]),
    open_price=st.integers(0, 400).map(lambda cents: cents / 100),
)
STOCK = st.builds(
    Leg,
    symbol=st.just("KO"),
    kind=st.just("shares"),
    quantity=st.integers(-300, 300).filter(bool).map(float),
    open_price=st.just(60.0),
    multiplier=st.just(1.0),
)
# Every strike above is on the grid.
GRID = np.arange(0.0, 100.5, 0.5)


def profit_at(legs: list[Leg], price: FloatArray) -> FloatArray:
    total = np.zeros_like(price)
    for leg in legs:
        size = leg.quantity * leg.multiplier
        worth = price
        if leg.right == "C":
            worth = np.where(price > (leg.strike or 0), price - (leg.strike or 0), 0.0)
        elif leg.right == "P":
            worth = np.where(price < (leg.strike or 0), (leg.strike or 0) - price, 0.0)
        total = total + size * (worth - (leg.open_price or 0))
    return total


@given(st.lists(st.one_of(LEGS, LEGS, STOCK), min_size=1, max_size=6))
def test_extremes_against_a_grid_of_prices(legs: list[Leg]) -> None:
    profit, loss = extremes(legs)
    inside, beyond = profit_at(legs, GRID), profit_at(legs, np.array([1000.0, 2000.0]))
    rises = beyond[1] - beyond[0]
    assert profit == (None if rises > 1e-6 else pytest.approx(max(0.0, inside.max()), abs=1e-6))
    assert loss == (None if rises < -1e-6 else pytest.approx(max(0.0, -inside.min()), abs=1e-6))
