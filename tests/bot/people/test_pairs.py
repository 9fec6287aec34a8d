"""A server's own pairs in the record: ids, limits, and no server's in another's."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.failures import InputError
from bot.people.data import PersonalData
from bot.people.pairs import MOST, GuildPairs, pair_of
from engine.record.store import Store
from engine.rules import Pair, load_pairs
from tests.bot.conftest import CONFIG

NOW = datetime(2026, 1, 2, 22, tzinfo=UTC)
HERE, THERE = 100, 200
ANN, BEN = 7, 8
KO_PEP = pair_of("KO", "PEP", 0.7)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "record.db") as store:
        yield store


@pytest.fixture
def pairs(store: Store) -> GuildPairs:
    return GuildPairs(store)


def names(pairs: GuildPairs, guild: int) -> list[str]:
    return [each.pair.id for each in pairs.of(guild)]


@pytest.mark.parametrize(
    ("legs", "threshold", "name"),
    [
        (("KO", "PEP"), 0.7, "KO_PEP_70"),
        (("PEP", "KO"), 0.7, "PEP_KO_70"),
        (("KO", "PEP"), 0.05, "KO_PEP_05"),
        (("KO", "PEP"), 0.0, "KO_PEP_00"),
        (("KO", "PEP"), 0.29, "KO_PEP_29"),
    ],
)
def test_an_id_is_made_of_legs_and_threshold(legs: tuple[str, str], threshold: float, name: str) -> None:
    assert pair_of(*legs, threshold).id == name


TICKERS = st.from_regex(r"[/^]?[A-Z0-9][A-Z0-9.\-]{0,9}", fullmatch=True)


@given(
    one=st.tuples(TICKERS, TICKERS, st.integers(0, 99)), other=st.tuples(TICKERS, TICKERS, st.integers(0, 99))
)
def test_two_pairs_never_share_an_id_and_every_id_is_allowed(
    one: tuple[str, str, int], other: tuple[str, str, int]
) -> None:
    first, second = (pair_of(a, b, hundredths / 100) for a, b, hundredths in (one, other))
    assert (first.id == second.id) == (one == other)
    assert re.fullmatch("[A-Z0-9_]{1,40}", first.id)


def test_names_that_differ_in_a_sign_have_ids_of_their_own() -> None:
    ids = {pair_of(*legs, 0.7).id for legs in (("BRK.B", "A"), ("BRK-B", "A"), ("BRK", "B.A"), ("/BRK", "A"))}
    assert len(ids) == 4


def test_each_server_has_its_own_in_the_order_they_came(pairs: GuildPairs) -> None:
    for guild, legs, minutes in ((HERE, "XOM CVX", 2), (HERE, "KO PEP", 1), (THERE, "GLD SLV", 0)):
        pairs.add(guild, pair_of(*legs.split(), 0.8), (), ANN, NOW + timedelta(minutes=minutes))
    assert names(pairs, HERE) == ["KO_PEP_80", "XOM_CVX_80"]
    assert names(pairs, THERE) == ["GLD_SLV_80"]
    first = pairs.of(HERE)[0]
    assert (first.added_by, first.added_at) == (ANN, NOW + timedelta(minutes=1))
    assert first.pair.correlation_threshold == 0.8


def test_what_two_servers_share_is_measured_once(pairs: GuildPairs) -> None:
    for guild in (HERE, THERE):
        pairs.add(guild, KO_PEP, (), ANN, NOW)
    assert pairs.everyone() == (KO_PEP,)
    pairs.add(THERE, pair_of("GLD", "SLV", 0.75), (), ANN, NOW)
    assert [pair.id for pair in pairs.everyone()] == ["GLD_SLV_75", "KO_PEP_70"]


@pytest.mark.parametrize("again", [("KO", "PEP", 0.7), ("PEP", "KO", 0.7), ("KO", "PEP", 0.9)])
def test_legs_make_one_pair_whichever_comes_first(pairs: GuildPairs, again: tuple[str, str, float]) -> None:
    pairs.add(HERE, KO_PEP, (), ANN, NOW)
    with pytest.raises(InputError, match="a pair already: KO_PEP_70"):
        pairs.add(HERE, pair_of(*again), (), ANN, NOW)
    pairs.add(THERE, pair_of(*again), (), ANN, NOW)


def test_the_operators_pairs_need_no_second_one(pairs: GuildPairs) -> None:
    with pytest.raises(InputError, match="PEP are a pair already: BEVERAGES"):
        pairs.add(HERE, pair_of("PEP", "KO", 0.5), load_pairs(CONFIG), ANN, NOW)
    taken = Pair(id="KO_XOM_70", leg_a="GM", leg_b="TSLA", correlation_threshold=0.5)
    with pytest.raises(InputError, match="belongs to another pair"):
        pairs.add(HERE, pair_of("KO", "XOM", 0.7), [taken], ANN, NOW)
    assert pairs.of(HERE) == []


def test_one_server_keeps_twenty_and_leaves_room_to_others(pairs: GuildPairs) -> None:
    for place in range(MOST):
        pairs.add(HERE, pair_of("KO", f"X{place}", 0.7), (), ANN, NOW)
    with pytest.raises(InputError, match=f"This server has {MOST} pairs.*/pair remove makes room"):
        pairs.add(HERE, KO_PEP, (), ANN, NOW)
    pairs.add(THERE, KO_PEP, (), ANN, NOW)
    assert pairs.remove(HERE, "KO_X3_70")
    pairs.add(HERE, KO_PEP, (), ANN, NOW)


def test_removing_and_forgetting_touch_one_server(pairs: GuildPairs) -> None:
    for guild in (HERE, THERE):
        pairs.add(guild, KO_PEP, (), ANN, NOW)
    assert not pairs.remove(HERE, "GLD_SLV_70")
    assert pairs.remove(HERE, "KO_PEP_70")
    assert not pairs.remove(HERE, "KO_PEP_70")
    assert (names(pairs, HERE), names(pairs, THERE)) == ([], ["KO_PEP_70"])
    pairs.forget(THERE)
    assert pairs.everyone() == ()


def test_a_deleted_person_is_not_named_any_more_and_the_pairs_stay(store: Store, pairs: GuildPairs) -> None:
    pairs.add(HERE, KO_PEP, (), ANN, NOW)
    pairs.add(THERE, KO_PEP, (), BEN, NOW)
    gone = PersonalData(store).delete(ANN)
    assert gone.named == {"guild_pairs": 1}
    assert [pairs.of(guild)[0].added_by for guild in (HERE, THERE)] == [None, BEN]


def test_pairs_outlive_the_process(tmp_path: Path) -> None:
    path = tmp_path / "record.db"
    for _ in range(2):
        with Store.open(path) as store:
            pairs = GuildPairs(store)
            if not pairs.of(HERE):
                pairs.add(HERE, KO_PEP, (), ANN, NOW)
    with Store.open(path) as store:
        assert names(GuildPairs(store), HERE) == ["KO_PEP_70"]
