"""Answers on disk: how long each kind stays good, and what happens to the file."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.errors import StoreError
from engine.market.live.cache import FILE, AnswerCache, Life, good_until
from engine.market.live.rules import CacheRules
from engine.market.sessions import NEW_YORK

RULES = CacheRules()


def at(text: str) -> datetime:
    """An instant in New York."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


# Closed days and early closes of 2026 as the exchange publishes them: Thanksgiving on 26 November with an
# early close on the 27th, Independence Day observed on Friday 3 July.
@pytest.mark.parametrize(
    ("fetched", "until"),
    [
        ("2026-07-29T11:00", "2026-07-29T11:10"),
        ("2026-07-29T09:30", "2026-07-29T09:40"),
        ("2026-07-29T15:55", "2026-07-29T16:00"),
        ("2026-07-29T16:00", "2026-07-30T09:30"),
        ("2026-07-29T23:59", "2026-07-30T09:30"),
        ("2026-07-29T08:00", "2026-07-29T09:30"),
        ("2026-07-31T17:00", "2026-08-03T09:30"),
        ("2026-08-01T12:00", "2026-08-03T09:30"),
        ("2026-07-02T16:30", "2026-07-06T09:30"),
        ("2026-07-03T11:00", "2026-07-06T09:30"),
        ("2026-11-25T18:00", "2026-11-27T09:30"),
        ("2026-11-27T12:55", "2026-11-27T13:00"),
        ("2026-11-27T13:05", "2026-11-30T09:30"),
        ("2026-10-30T17:00", "2026-11-02T09:30"),
    ],
)
def test_a_chain_lives_ten_minutes_in_session_and_else_until_the_open(fetched: str, until: str) -> None:
    assert good_until("chain", at(fetched), RULES) == at(until)


def test_a_delayed_source_has_closing_quotes_only_after_its_delay() -> None:
    assert good_until("chain", at("2026-07-29T16:05"), RULES, 16.0) == at("2026-07-29T16:15")
    assert good_until("chain", at("2026-07-29T16:10"), RULES, 16.0) == at("2026-07-29T16:16")
    assert good_until("chain", at("2026-07-29T16:16"), RULES, 16.0) == at("2026-07-30T09:30")


@pytest.mark.parametrize(
    ("fetched", "until"),
    [
        ("2026-07-29T11:00", "2026-07-29T16:00"),
        ("2026-07-29T16:30", "2026-07-30T16:30"),
        ("2026-08-01T12:00", "2026-08-02T12:00"),
        ("2026-11-27T09:00", "2026-11-27T13:00"),
    ],
)
def test_a_history_lives_a_day_but_not_past_a_close_it_lacks(fetched: str, until: str) -> None:
    assert good_until("history", at(fetched), RULES) == at(until)


def test_a_day_ends_at_midnight_in_new_york_and_a_directory_after_a_week() -> None:
    assert good_until("day", at("2026-07-29T00:00"), RULES) == at("2026-07-30T00:00")
    assert good_until("day", at("2026-07-29T23:59"), RULES) == at("2026-07-30T00:00")
    assert good_until("directory", at("2026-07-29T10:00"), RULES) == at("2026-08-05T10:00")


@given(
    minutes=st.integers(0, 3 * 365 * 24 * 60),
    life=st.sampled_from(["chain", "history", "day", "directory"]),
    delay=st.sampled_from([0.0, 16.0]),
)
def test_every_answer_is_good_for_a_while_and_not_for_ever(minutes: int, life: Life, delay: float) -> None:
    fetched = at("2025-01-01T00:00") + timedelta(minutes=minutes)
    life_time = good_until(life, fetched, RULES, delay).timestamp() - fetched.timestamp()
    assert 0.0 < life_time <= timedelta(days=8).total_seconds()


@pytest.fixture
def cache(tmp_path: Path) -> object:
    opened = AnswerCache(tmp_path / "cache", RULES)
    yield opened
    opened.close()


def test_an_answer_comes_back_with_its_age_until_it_is_old(cache: AnswerCache) -> None:
    fetched = at("2026-07-29T11:00")
    cache.put("yahoo", "chain:SPY", "ünï\n" * 1000, "chain", fetched)
    assert cache.get("yahoo", "chain:SPY", fetched + timedelta(minutes=9, seconds=59)) == (
        "ünï\n" * 1000,
        fetched,
    )
    assert cache.get("yahoo", "chain:SPY", fetched + timedelta(minutes=10)) is None
    assert cache.get("cboe", "chain:SPY", fetched) is None


def test_counts_and_clearing_up(cache: AnswerCache) -> None:
    fetched = at("2026-07-29T11:00")
    cache.put("yahoo", "chain:SPY", "old", "chain", fetched)
    cache.put("yahoo", "history:SPY", "young", "history", fetched)
    cache.put("cboe", "chain:SPY", "wrong", "chain", fetched)
    cache.forget("cboe", "chain:SPY")
    later = fetched + timedelta(hours=1)
    assert cache.counts(later) == {"yahoo": (2, 1)}
    cache.drop_old(later)
    assert cache.counts(later) == {"yahoo": (1, 1)}
    assert cache.get("yahoo", "history:SPY", later) == ("young", fetched)


def test_the_folder_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "cache"
    AnswerCache(folder, RULES).close()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_answers_and_pauses_survive_a_restart(tmp_path: Path) -> None:
    now = at("2026-07-29T11:00")
    before = AnswerCache(tmp_path, RULES)
    before.put("yahoo", "chain:SPY", "kept", "chain", now)
    before.pause("yahoo", now + timedelta(minutes=5), "rate limited (429)")
    before.close()
    after = AnswerCache(tmp_path, RULES)
    assert after.get("yahoo", "chain:SPY", now) == ("kept", now)
    assert after.paused_until("yahoo") == (now + timedelta(minutes=5), "rate limited (429)")
    after.pause("yahoo", None, "")
    assert after.paused_until("yahoo") is None
    after.close()


@pytest.mark.parametrize("damage", [b"", b"no database at all, only text " * 200])
def test_a_damaged_file_is_set_aside_and_begun_anew(tmp_path: Path, damage: bytes) -> None:
    now = at("2026-07-29T11:00")
    before = AnswerCache(tmp_path, RULES)
    before.put("yahoo", "chain:SPY", "lost", "chain", now)
    before.close()
    (tmp_path / FILE).write_bytes(damage)
    after = AnswerCache(tmp_path, RULES)
    assert after.get("yahoo", "chain:SPY", now) is None
    after.put("yahoo", "chain:SPY", "new", "chain", now)
    assert after.get("yahoo", "chain:SPY", now) == ("new", now)
    after.close()
    assert (tmp_path / "answers.damaged").exists() == bool(damage)


def test_damage_behind_an_intact_head_is_found_too(tmp_path: Path) -> None:
    now = at("2026-07-29T11:00")
    before = AnswerCache(tmp_path, RULES)
    for place in range(200):
        before.put(
            "yahoo", f"chain:{place}", "".join(chr(33 + place % 90) for _ in range(3000)), "chain", now
        )
    before.close()
    file = tmp_path / FILE
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))
    after = AnswerCache(tmp_path, RULES)
    assert after.get("yahoo", "chain:150", now) is None
    after.close()
    assert (tmp_path / "answers.damaged").exists()


def test_an_answer_whose_own_bytes_are_damaged_is_asked_for_again(tmp_path: Path) -> None:
    now = at("2026-07-29T11:00")
    before = AnswerCache(tmp_path, RULES)
    before.put("yahoo", "chain:SPY", "text", "chain", now)
    before.close()
    with closing(sqlite3.connect(tmp_path / FILE)) as connection, connection:
        connection.execute("UPDATE answers SET body = ?", [b"not packed"])
    after = AnswerCache(tmp_path, RULES)
    assert after.get("yahoo", "chain:SPY", now) is None
    after.close()


def test_a_folder_that_cannot_be_is_told_in_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    with pytest.raises(StoreError, match=r"^The cache folder .* cannot be used: .*\.$"):
        AnswerCache(blocked, RULES)


def test_threads_share_it(cache: AnswerCache) -> None:
    now = at("2026-07-29T11:00")

    def work(worker: int) -> bool:
        for place in range(30):
            cache.put("yahoo", f"{worker}:{place}", f"text {worker} {place}", "chain", now)
        return all(
            cache.get("yahoo", f"{worker}:{place}", now) == (f"text {worker} {place}", now)
            for place in range(30)
        )

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))
    assert cache.counts(now) == {"yahoo": (240, 240)}
