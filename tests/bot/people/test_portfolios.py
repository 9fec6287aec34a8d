"""Books in the file: lots, limit, numbers that are never given twice, one person's only."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.failures import InputError
from bot.people.portfolio_draft import DRAFT_FOR, Draft, Drafts
from bot.people.portfolios import Added, Book, Portfolios
from engine.portfolio.book import MOST_LEGS, Leg
from engine.record.store import Store

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
ANN, BEN = 1001, 1002
EXPIRATION = date(2026, 12, 18)
PUT = Leg("KO", "option", -2.0, EXPIRATION, 60.0, "P", 1.15, group="a1")
CALL = replace(PUT, strike=70.0, right="C", open_price=0.0)
SHARES = Leg("KO", "shares", 12.5, open_price=61.2, multiplier=1.0)
EVERY_KIND = (
    PUT,
    CALL,
    SHARES,
    Leg("KO", "adjusted option", 1.0, EXPIRATION, 17.5, "C", contract="KO1   261218C00017500"),
    Leg("/ES", "future", -1.0, open_price=6001.25, multiplier=50.0, contract="/ESZ6"),
    Leg("/ES", "future option", 3.0, EXPIRATION, 6000.0, "P", multiplier=50.0),
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "books.db") as store:
        yield store


@pytest.fixture
def books(store: Store) -> Portfolios:
    return Portfolios(store)


def legs(first: int, count: int) -> list[Leg]:
    return [replace(PUT, strike=float(number)) for number in range(first, first + count)]


def test_every_kind_comes_back_as_it_was(books: Portfolios) -> None:
    assert books.legs(ANN) == []
    added = books.add(ANN, EVERY_KIND, NOW)
    assert added == Added(tuple(enumerate(EVERY_KIND, 1)))
    assert books.legs(ANN) == list(enumerate(EVERY_KIND, 1))
    assert books.book(ANN) == Book(EVERY_KIND, None)


def test_the_same_contract_again_is_another_lot(books: Portfolios) -> None:
    books.add(ANN, [PUT], NOW)
    books.add(ANN, [PUT, replace(PUT, quantity=1.0)], NOW)
    assert [leg.quantity for _, leg in books.legs(ANN)] == [-2.0, -2.0, 1.0]


def test_the_limit_names_what_found_no_room(books: Portfolios) -> None:
    books.add(ANN, legs(1, MOST_LEGS - 1), NOW)
    added = books.add(ANN, [SHARES, PUT, CALL], NOW)
    assert added == Added(((MOST_LEGS, SHARES),), (PUT, CALL))
    assert books.add(ANN, [PUT], NOW) == Added((), (PUT,))
    assert len(books.legs(ANN)) == MOST_LEGS
    replaced = books.replace(ANN, legs(1, MOST_LEGS + 2), NOW)
    assert len(replaced.new) == MOST_LEGS
    assert len(replaced.over) == 2


def test_adds_at_once_never_exceed_the_limit(store: Store, books: Portfolios, tmp_path: Path) -> None:
    with Store.open(tmp_path / "books.db") as other_process, ThreadPoolExecutor(8) as pool:
        both = (books, Portfolios(other_process))
        done = list(pool.map(lambda turn: both[turn % 2].add(ANN, legs(1, 80), NOW), range(8)))
    assert sum(len(added.new) for added in done) == MOST_LEGS
    assert len({number for number, _ in books.legs(ANN)}) == MOST_LEGS


def test_a_number_is_never_given_twice(books: Portfolios) -> None:
    books.add(ANN, [PUT, CALL], NOW)
    assert books.remove(ANN, [2, 7, 2]) == [(2, CALL)]
    assert books.add(ANN, [CALL], NOW).new == ((3, CALL),)
    assert books.clear(ANN) == 2
    assert books.replace(ANN, [SHARES], NOW).new == ((4, SHARES),)


def test_numbers_are_a_persons_own(books: Portfolios) -> None:
    books.add(ANN, [PUT, CALL], NOW)
    assert books.add(BEN, [SHARES], NOW).new == ((1, SHARES),)


def test_a_change_touches_one_person_only(books: Portfolios) -> None:
    books.add(ANN, [PUT, CALL], NOW)
    books.add(BEN, [SHARES, PUT], NOW)
    books.choose(BEN, 50_000.0)
    before = books.book(BEN)
    assert books.remove(ANN, [1, 2]) == [(1, PUT), (2, CALL)]
    books.replace(ANN, [CALL], NOW)
    books.choose(ANN, 1.0)
    books.clear(ANN)
    books.choose(ANN, None)
    assert books.book(BEN) == before
    assert books.book(ANN) == Book((), None)


def test_net_liquidation_is_kept_changed_and_forgotten(books: Portfolios) -> None:
    assert books.net_liquidation(ANN) is None
    books.choose(ANN, None)
    assert books.net_liquidation(ANN) is None
    books.choose(ANN, 25_000)
    assert books.net_liquidation(ANN) == 25_000.0
    books.add(ANN, [PUT], NOW)
    assert books.book(ANN) == Book((PUT,), 25_000.0)
    books.choose(ANN, None)
    assert books.net_liquidation(ANN) is None
    assert books.add(ANN, [CALL], NOW).new == ((2, CALL),), "the last number is not forgotten with it"


def test_the_book_outlives_the_process(books: Portfolios, store: Store, tmp_path: Path) -> None:
    books.add(ANN, EVERY_KIND, NOW)
    store.close()
    with Store.open(tmp_path / "books.db") as again:
        assert [leg for _, leg in Portfolios(again).legs(ANN)] == list(EVERY_KIND)


def test_numbers_of_arrays_are_stored_as_plain_ones(books: Portfolios, store: Store) -> None:
    books.add(ANN, [replace(PUT, strike=np.float64(60), quantity=np.int64(-2))], NOW)
    with closing(sqlite3.connect(store.path)) as db:
        kinds = db.execute("SELECT typeof(strike), typeof(quantity) FROM positions").fetchall()
    assert kinds == [("real", "real")]


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "remove", "replace", "clear"]), st.lists(st.integers(1, 30), max_size=8)
    ),
    max_size=10,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_history_agrees_with_a_plain_list(books: Portfolios, steps: list[tuple[str, list[int]]]) -> None:
    books.clear(ANN)
    plain: dict[int, Leg] = {}
    for step, numbers in steps:
        wanted = [replace(PUT, strike=float(number)) for number in numbers]
        if step == "add":
            plain |= books.add(ANN, wanted, NOW).new
        elif step == "remove":
            books.remove(ANN, numbers)
            plain = {number: leg for number, leg in plain.items() if number not in numbers}
        elif step == "replace":
            plain = dict(books.replace(ANN, wanted, NOW).new)
            assert list(plain.values()) == wanted
        else:
            assert books.clear(ANN) == len(plain)
            plain = {}
        assert books.legs(ANN) == list(plain.items())


def test_a_draft_serves_once_and_its_owner_only() -> None:
    drafts = Drafts()
    drafts.keep(ANN, Draft(7, (PUT,), NOW))
    for person, token in ((BEN, 7), (ANN, 8)):
        with pytest.raises(InputError, match="expired; import the file again"):
            drafts.take(person, token, NOW)
    assert drafts.take(ANN, 7, NOW + DRAFT_FOR).legs == (PUT,)
    with pytest.raises(InputError, match="answered already"):
        drafts.take(ANN, 7, NOW)


def test_a_draft_grows_old() -> None:
    drafts = Drafts()
    drafts.keep(ANN, Draft(7, (PUT,), NOW))
    with pytest.raises(InputError, match="has expired"):
        drafts.take(ANN, 7, NOW + DRAFT_FOR + timedelta(seconds=1))


def test_a_newer_draft_takes_the_place_of_the_older() -> None:
    drafts = Drafts()
    drafts.keep(ANN, Draft(7, (PUT,), NOW))
    drafts.keep(ANN, Draft(8, (CALL,), NOW))
    with pytest.raises(InputError, match="has expired"):
        drafts.take(ANN, 7, NOW)
    drafts.drop(ANN, 7)
    assert drafts.take(ANN, 8, NOW).legs == (CALL,)


def test_what_is_dropped_or_forgotten_is_gone() -> None:
    drafts = Drafts()
    drafts.keep(ANN, Draft(7, (PUT,), NOW))
    drafts.keep(BEN, Draft(9, (CALL,), NOW))
    drafts.drop(ANN, 7)
    drafts.forget(BEN)
    assert len(drafts) == 0
    with pytest.raises(InputError, match="has expired"):
        drafts.take(BEN, 9, NOW)
