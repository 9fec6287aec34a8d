"""The scorecard of the week: posted once to every server that wants it, or told when it does not come."""

from __future__ import annotations

from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.cards.card import Card
from engine.market.schedule import Schedule, Weekly
from tests.bot.clock.conftest import Markets, Street, street_of
from tests.bot.conftest import Clock, text_of

SATURDAY = "2026-01-03T15:00:01+00:00"
KEY = "2026-01-03/weekly"
WEEKLY = frozenset({"weekly"})


def states(street: Street) -> dict[str, str]:
    runs = street.ledger.between(street.now() - timedelta(days=30), street.now())
    return {run.key: run.state for run in runs}


def states_of(street: Street, key: str) -> str | None:
    run = street.ledger.run(key)
    return None if run is None else run.state


def sends(street: Street) -> int:
    return len(
        [
            each
            for each in street.world.env.http_requests
            if each.method == "POST" and each.path.endswith("/messages")
        ]
    )


async def test_the_scorecard_is_posted_once_to_who_wants_it(
    street: Street, clocked: Any, markets: Markets
) -> None:
    street.set_up(street.world.guild, street.world.channel, runs=WEEKLY)
    guild = street.world.env.create_guild("Other")
    other = guild.create_text_channel("calls")
    await street.world.env.settle()
    street.set_up(guild, other)
    await street.until(SATURDAY)
    (text,) = street.posts()
    assert text.startswith("\nSIMULATED")
    assert "Scorecard of the week to Fri 2 Jan 2026" in text
    assert "Late" not in text
    assert not any("Scorecard" in post for post in street.posts(other))
    # It measures nothing and wakes nobody.
    assert markets.asked == ["2025-12-31/close", "2026-01-02/close"]
    run = street.ledger.run(KEY)
    assert run is not None
    assert (run.state, run.alerted, run.again_at) == ("done", False, None)
    assert run.run_id == street.ledger.newest_close(run.session, simulated=True)
    figures = street.bot.metrics.exposition().decode()
    assert 'variance_runs_total{kind="weekly",state="complete"} 1.0' in figures
    await street.work()
    await street.restart(clocked())
    assert len(street.posts()) == 1


@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "never left"])
async def test_a_crash_between_claim_and_settling_costs_and_doubles_nothing(
    street: Street, clocked: Any, arrived: bool
) -> None:
    street.set_up(street.world.guild, street.world.channel, runs=WEEKLY)
    await street.until(SATURDAY)
    store = street.bot.service.store
    store.write(lambda db: db.execute("UPDATE posts SET state = 'sending', next_try = NULL"))
    store.write(lambda db: db.execute("UPDATE planned_runs SET state = 'posting' WHERE kind = 'weekly'"))
    if not arrived:
        street.world.env.backend.messages[street.world.channel.id].clear()
    await street.restart(clocked())
    assert len(street.posts()) == 1
    assert sends(street) == (1 if arrived else 2)
    assert states_of(street, KEY) == "done"


@pytest.mark.parametrize(
    ("back", "words"),
    [
        ("2026-01-04T12:00:00+00:00", ["Scorecard of the week to", "Late: this post was due"]),
        (
            "2026-01-05T12:00:00+00:00",
            [
                "Scorecard of the week skipped · Fri 2 Jan 2026",
                "Weekly, Fri 2 Jan 2026: the bot was not running then",
                "/scorecard answers meanwhile",
                KEY,
            ],
        ),
    ],
    ids=["within its window", "too late"],
)
async def test_a_bot_that_was_away_is_late_or_says_that_it_was(
    street: Street, clocked: Any, back: str, words: list[str]
) -> None:
    street.set_up(street.world.guild, street.world.channel, runs=WEEKLY)
    await street.away_until(back)
    await street.restart(clocked())
    (text,) = street.posts()
    assert all(word in text for word in words), text
    status = text_of(await street.world.ask("status"))
    assert ("Missed in the last 30 days: 2026-01-05" in status or KEY in status) == ("skipped" in text)
    await street.work()
    assert len(street.posts()) == 1


async def test_a_scorecard_waits_for_what_the_close_before_it_settles(street: Street, clocked: Any) -> None:
    """Both are computed within a second when the bot comes back on a Saturday."""
    street.set_up(street.world.guild, street.world.channel, runs=WEEKLY)
    seen = (
        "CREATE TRIGGER seen AFTER UPDATE OF state ON planned_runs"
        " WHEN new.kind = 'weekly' AND new.state = 'computed'"
        " BEGIN INSERT INTO settings SELECT 'settled by then', count(*) FROM outcome_days; END"
    )
    street.bot.service.store.write(lambda db: db.execute(seen))
    await street.away_until(SATURDAY)
    await street.restart(clocked())
    assert states(street)["2026-01-02/close"] == "done"
    assert len(street.posts()) == 1
    assert street.bot.service.store.get_setting("settled by then") == "2"


async def test_an_empty_record_is_waited_for_while_its_first_close_is_under_way(
    clocked: Any, clock: Clock, markets: Markets
) -> None:
    markets.trouble = "The sources are silent."
    async with street_of(clocked(), clock, markets) as street:
        await street.work()
        street.set_up(street.world.guild, street.world.channel, runs=WEEKLY)
        await street.until(SATURDAY)
        assert street.posts() == []
        assert states_of(street, KEY) == "computing"
        markets.trouble = None
        await street.until("2026-01-03T15:30:00+00:00")
        (text,) = street.posts()
        assert "Scorecard of the week to Fri 2 Jan 2026" in text


async def test_an_empty_record_with_nothing_under_way_is_told(
    clocked: Any, clock: Clock, markets: Markets
) -> None:
    markets.trouble = "The sources are silent."
    friday = Schedule(weekly=Weekly(weekday="friday", time=time(8, 0)))
    async with street_of(clocked(schedule=friday), clock, markets) as street:
        await street.work()
        street.set_up(street.world.guild, street.world.channel, runs=WEEKLY)
        await street.until("2026-01-02T13:00:01+00:00")
        (text,) = street.posts()
        assert "Scorecard of the week skipped · Wed 31 Dec 2025" in text
        assert "the record holds no official close yet" in text


async def test_a_new_ledger_takes_the_last_close_and_the_week_after_it(
    street: Street, markets: Markets
) -> None:
    store = street.bot.service.store
    store.write(lambda db: db.execute("DELETE FROM planned_runs"))
    street.set_up(street.world.guild, street.world.channel, runs=frozenset({"close", "weekly"}))
    await street.until("2026-01-03T20:00:00+00:00")
    assert list(states(street)) == ["2026-01-02/close", KEY]
    close, week = street.posts()
    assert "Closing screen" in close
    assert "Scorecard of the week" in week


async def test_a_clock_that_was_ahead_takes_no_scorecard_away(street: Street, markets: Markets) -> None:
    street.set_up(street.world.guild, street.world.channel, runs=WEEKLY)
    conductor, real = street.clock.conductor, street.bot.now
    markets.trouble = "No market of the future."
    conductor._now = lambda: real() + timedelta(days=3)
    await conductor.compute()
    assert states_of(street, KEY) == "posting"
    conductor._now, markets.trouble = real, None
    await street.until(SATURDAY)
    (text,) = street.posts()
    assert "Scorecard of the week to Fri 2 Jan 2026" in text


async def test_a_weekly_run_that_is_overdue_shows_and_the_next_is_named(street: Street) -> None:
    await street.until("2026-01-02T21:16:01+00:00")
    assert "Next run: weekly, 2026-01-02" in text_of(await street.world.ask("status"))
    assert not await street.clock.brings_market()
    await street.away_until("2026-01-03T16:30:00+00:00")
    readiness = await street.bot.readiness()
    assert readiness.reasons == (f"run {KEY} is overdue",)


async def test_each_language_is_drawn_once_for_all_its_servers(
    clocked: Any, clock: Clock, markets: Markets, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with street_of(clocked(path=database), clock, markets) as street:
        await street.work()
        street.set_up(street.world.guild, street.world.channel, runs=WEEKLY, numbers="de")
        others = []
        for name, language in (("Other", "en"), ("Third", "de")):
            guild = street.world.env.create_guild(name)
            others.append(guild.create_text_channel("calls"))
            await street.world.env.settle()
            street.set_up(guild, others[-1], runs=WEEKLY, numbers=language)
        drawn: list[str | None] = []
        proof = street.bot.answers.proof
        weekly = proof.weekly

        async def counted(upto: date, since: date, numbers: str | None) -> Card:
            drawn.append(numbers)
            return await weekly(upto, since, numbers)

        monkeypatch.setattr(proof, "weekly", counted)
        await street.until(SATURDAY)
        (german,), (english,), (again,) = (
            street.posts(channel) for channel in (street.world.channel, *others)
        )
        assert "WORSTpt" in german
        assert german.rpartition(" · post ")[0] == again.rpartition(" · post ")[0]
        assert (
            german.replace(",", ".").rpartition(" · post ")[0]
            == english.replace(",", ".").rpartition(" · post ")[0]
        )
        assert german.rpartition(" · post ")[0] != english.rpartition(" · post ")[0]
        assert sorted(map(str, drawn)) == ["de", "en"]
