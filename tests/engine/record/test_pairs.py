"""Pairs in the record."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import StoreError
from engine.record import Store
from engine.record.pairs import save_pairs, stored_pairs
from engine.relative.pairs import PairRow
from tests.engine.record.screens import RULES, a_screen, sql

METALS = PairRow("METALS", "GLD", "SLV", 1.5, 0.9, 0.6, 0.81, 0.77, 0.75, "CONVERGENCE", "GLD")
NOTHING = PairRow("BANKS", "JPM", "BAC", None, None, None, None, None, 0.85, "no data", None)


def test_pairs_come_back_as_they_were_kept(store: Store) -> None:
    run_id = store.save(a_screen(), RULES, True)
    assert stored_pairs(store, run_id) == ()
    save_pairs(store, run_id, [METALS, NOTHING])
    assert stored_pairs(store, run_id) == (NOTHING, METALS)
    assert stored_pairs(store, run_id + 1) == ()
    with Store.open(store.path) as again:
        assert stored_pairs(again, run_id) == (NOTHING, METALS)


def test_kept_again_they_are_replaced_and_only_for_their_run(store: Store) -> None:
    first = store.save(a_screen(), RULES, True)
    second = store.save(a_screen(kind="open"), RULES, True)
    save_pairs(store, first, [METALS, NOTHING])
    save_pairs(store, second, [METALS])
    broken = replace(METALS, correlation=0.5, signal="CORRELATION BROKEN")
    for _ in range(2):
        save_pairs(store, first, [broken])
    assert stored_pairs(store, first) == (broken,)
    assert stored_pairs(store, second) == (METALS,)


def test_what_cannot_be_kept_changes_nothing(store: Store) -> None:
    run_id = store.save(a_screen(), RULES, True)
    save_pairs(store, run_id, [NOTHING])
    for stranger, rows in ((run_id + 1, [METALS]), (run_id, [METALS, METALS])):
        with pytest.raises(StoreError, match="constraint failed"):
            save_pairs(store, stranger, rows)
    assert stored_pairs(store, run_id) == (NOTHING,)


def test_they_leave_with_their_run(store: Store) -> None:
    run_id = store.save(a_screen(), RULES, True)
    save_pairs(store, run_id, [METALS])
    store.write(lambda db: db.execute("DELETE FROM runs WHERE id = ?", (run_id,)))
    assert sql(store, "SELECT count(*) FROM pair_observations") == [(0,)]


def test_a_file_from_before_there_were_pairs_gets_them(tmp_path: Path) -> None:
    path = tmp_path / "variance.db"
    with Store.open(path) as store:
        run_id = store.save(a_screen(), RULES, True)
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("DROP TABLE pair_observations")
        old.execute("DELETE FROM _sqlite_migrations WHERE name = 'm003_pairs'")
    with Store.open(path) as store:
        assert store.load(run_id) == a_screen()
        save_pairs(store, run_id, [METALS])
        assert stored_pairs(store, run_id) == (METALS,)
