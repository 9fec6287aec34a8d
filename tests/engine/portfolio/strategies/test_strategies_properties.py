"""Whatever the book: nothing is lost, the order decides nothing, and a strategy alone is itself."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from math import fsum
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.portfolio.book import Leg
from engine.portfolio.strategies import group
from tests.engine.portfolio.books import MONTHS, content, named

OPTIONS = st.builds(
    Leg,
    symbol=st.sampled_from(["KO", "KO", "PEP"]),
    kind=st.sampled_from(["option"] * 12 + ["adjusted option", "future option"]),
    quantity=st.sampled_from([-3.0, -2.0, -1.0, 1.0, 2.0, 4.0]),
    expiration=st.sampled_from(list(MONTHS.values())[:2]),
    strike=st.sampled_from([50.0, 55.0, 57.5, 60.0, 65.0]),
    right=st.sampled_from(["P", "C"]),
    open_price=st.sampled_from([None, 1.0, 2.0]),
    group=st.sampled_from(["", "", "a", "b"]),
)
SHARES = st.builds(
    Leg,
    symbol=st.just("KO"),
    kind=st.just("shares"),
    quantity=st.one_of(
        st.sampled_from([100.0, -200.0, 37.0]),
        # Brokers book fractions to four decimals.
        st.integers(-2_500_000, 2_500_000).filter(bool).map(lambda units: units / 10_000),
    ),
    open_price=st.sampled_from([None, 60.0]),
    multiplier=st.just(1.0),
    group=st.sampled_from(["", "a"]),
)
BOOKS = st.lists(st.one_of(OPTIONS, OPTIONS, OPTIONS, SHARES), max_size=14)


@given(BOOKS)
def test_every_contract_and_every_share_is_in_one_place(legs: list[Leg]) -> None:
    parts = [part for each in group(legs) for part in each.parts]
    for place, leg in enumerate(legs):
        held = [many for index, many in parts if index == place]
        assert fsum(held) == (
            pytest.approx(leg.quantity, rel=1e-12) if leg.kind == "shares" else leg.quantity
        )
        assert all(many * leg.quantity > 0 for many in held)


@given(BOOKS, st.randoms(use_true_random=False))
def test_the_order_of_the_legs_decides_nothing(legs: list[Leg], random: Random) -> None:
    shuffled = legs.copy()
    random.shuffle(shuffled)
    assert made_of(shuffled) == made_of(legs)


def made_of(legs: Sequence[Leg]) -> Counter[tuple[object, ...]]:
    return Counter(content(each, legs) for each in group(legs))


@given(BOOKS)
def test_a_strategy_alone_is_the_same_strategy(legs: list[Leg]) -> None:
    for position in group(legs):
        alone = [replace(legs[place], quantity=many) for place, many in position.parts]
        assert [named(each) for each in group(alone)] == [named(position)]


@given(BOOKS)
def test_no_spread_and_no_strangle_is_left_among_the_singles(legs: list[Leg]) -> None:
    """Of one underlying and expiration, single options of one kind are all held the same way, and so on."""
    singles = [
        legs[each.parts[0][0]]
        for each in group(legs)
        if each.strategy in ("long call", "short call", "long put", "short put")
    ]
    sides = {(leg.symbol, leg.expiration, leg.right, leg.quantity > 0) for leg in singles}
    for symbol, expiration, right, is_long in sides:
        assert (symbol, expiration, "C" if right == "P" else "P", is_long) not in sides
        assert not any((symbol, day, right, not is_long) in sides for day in MONTHS.values())


@given(BOOKS)
def test_units_are_whole_except_of_shares(legs: list[Leg]) -> None:
    for position in group(legs):
        assert position.units > 0
        assert position.parts
        if "shares" not in position.strategy and position.strategy != "offset":
            assert position.units == int(position.units)


def test_five_hundred_legs_of_one_name_are_all_placed() -> None:
    random = Random(7)
    legs = [
        Leg(
            "KO",
            "option",
            random.choice([-2.0, -1.0, 1.0, 2.0]),
            random.choice(list(MONTHS.values())),
            30 + 0.5 * random.randrange(120),
            random.choice(["P", "C"]),
        )
        for _ in range(500)
    ]
    shuffled = random.sample(legs, len(legs))
    assert made_of(shuffled) == made_of(legs)
    held: Counter[int] = Counter()
    for position in group(legs):
        for place, many in position.parts:
            held[place] += many
    assert [held[place] for place in range(len(legs))] == [leg.quantity for leg in legs]
