"""Watchlists in the file: order, limit, one person's only."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.people import watchlists
from bot.people.watchlists import MOST, Added, Watchlists
from engine.record.store import Store

NOW = datetime(2026, 1, 2, 15, 0, tzinfo=UTC)
ANN, BEN = 1001, 1002


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "lists.db") as store:
        yield store


@pytest.fixture
def lists(store: Store) -> Watchlists:
    return Watchlists(store)


def names(first: int, count: int) -> list[str]:
    return [f"N{number}" for number in range(first, first + count)]


def test_names_keep_the_order_they_were_added_in(lists: Watchlists) -> None:
    assert lists.symbols(ANN) == []
    assert lists.add(ANN, ["KO", "AAPL", "KO"], NOW) == Added(("KO", "AAPL"), (), ())
    assert lists.add(ANN, ["BA", "AAPL"], NOW) == Added(("BA",), ("AAPL",), ())
    assert lists.symbols(ANN) == ["KO", "AAPL", "BA"]


def test_a_removed_name_comes_back_at_the_end(lists: Watchlists) -> None:
    lists.add(ANN, ["KO", "AAPL", "BA"], NOW)
    assert lists.remove(ANN, ["KO", "ZZ", "KO"]) == ["KO"]
    lists.add(ANN, ["KO"], NOW)
    assert lists.symbols(ANN) == ["AAPL", "BA", "KO"]


def test_the_limit_names_what_found_no_room(lists: Watchlists) -> None:
    lists.add(ANN, names(0, MOST - 1), NOW)
    assert lists.add(ANN, ["KO", "N3", "AAPL", "BA"], NOW) == Added(("KO",), ("N3",), ("AAPL", "BA"))
    assert len(lists.symbols(ANN)) == MOST


def test_adds_at_once_never_exceed_the_limit(store: Store, lists: Watchlists, tmp_path: Path) -> None:
    with Store.open(tmp_path / "lists.db") as other_process, ThreadPoolExecutor(8) as pool:
        both = (lists, Watchlists(other_process))
        done = list(pool.map(lambda turn: both[turn % 2].add(ANN, names(10 * turn, 10), NOW), range(8)))
    kept = lists.symbols(ANN)
    assert len(kept) == MOST
    assert sorted(kept) == sorted(symbol for added in done for symbol in added.new)
    assert sum(len(added.over) for added in done) == 80 - MOST


def test_replace_puts_others_in_the_place_of_all(lists: Watchlists) -> None:
    lists.add(ANN, names(0, MOST), NOW)
    added = lists.replace(ANN, ["KO", "N3", *names(100, MOST)], NOW)
    assert added.new[:2] == ("KO", "N3")
    assert len(added.over) == 2
    assert lists.symbols(ANN) == list(added.new)


def test_clear_says_how_many_went(lists: Watchlists) -> None:
    lists.add(ANN, ["KO", "BA"], NOW)
    assert lists.clear(ANN) == 2
    assert lists.clear(ANN) == 0
    assert lists.symbols(ANN) == []


def test_one_person_never_reaches_another(lists: Watchlists) -> None:
    lists.add(ANN, ["KO", "BA"], NOW)
    lists.add(BEN, ["KO", "T"], NOW)
    lists.remove(ANN, ["KO", "T"])
    assert lists.symbols(BEN) == ["KO", "T"]
    lists.clear(ANN)
    lists.replace(ANN, ["X"], NOW)
    assert lists.symbols(BEN) == ["KO", "T"]


def test_the_list_outlives_the_process(lists: Watchlists, store: Store, tmp_path: Path) -> None:
    lists.add(ANN, ["KO", "AAPL"], NOW)
    store.close()
    with Store.open(tmp_path / "lists.db") as again:
        assert Watchlists(again).symbols(ANN) == ["KO", "AAPL"]


def test_memory_answers_until_the_list_changes(lists: Watchlists) -> None:
    assert lists.remembered(ANN) is None
    lists.add(ANN, ["KO"], NOW)
    assert lists.remembered(ANN) is None
    lists.symbols(ANN)
    assert lists.remembered(ANN) == ("KO",)
    for change in (
        lambda: lists.add(ANN, ["BA"], NOW),
        lambda: lists.remove(ANN, ["BA"]),
        lambda: lists.replace(ANN, ["T"], NOW),
        lambda: lists.clear(ANN),
    ):
        change()
        assert lists.remembered(ANN) is None
        assert lists.remembered(ANN) != tuple(lists.symbols(ANN))
        assert lists.remembered(ANN) == tuple(lists.symbols(ANN))


def test_memory_stays_small_and_forgets_who_came_least(
    lists: Watchlists, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchlists, "REMEMBERED", 3)
    for person in (1, 2, 3):
        lists.symbols(person)
    assert lists.remembered(1) == ()
    lists.symbols(4)
    assert lists.remembered(2) is None
    assert [lists.remembered(person) for person in (1, 3, 4)] == [(), (), ()]


SYMBOLS = st.lists(st.sampled_from(names(0, 70)), max_size=60)
STEPS = st.lists(st.tuples(st.sampled_from(["add", "remove", "replace", "clear"]), SYMBOLS), max_size=8)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_any_history_agrees_with_a_plain_list(lists: Watchlists, steps: list[tuple[str, list[str]]]) -> None:
    lists.clear(ANN)
    plain: list[str] = []
    for step, symbols in steps:
        wanted = list(dict.fromkeys(symbols))
        if step == "add":
            lists.add(ANN, symbols, NOW)
            plain = [*plain, *(symbol for symbol in wanted if symbol not in plain)][:MOST]
        elif step == "remove":
            lists.remove(ANN, symbols)
            plain = [symbol for symbol in plain if symbol not in wanted]
        elif step == "replace":
            lists.replace(ANN, symbols, NOW)
            plain = wanted[:MOST]
        else:
            lists.clear(ANN)
            plain = []
        assert lists.symbols(ANN) == plain
