"""The monthly note: one administrator of each server, once a month, whatever happens in between."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from bot.clock.notes import GuildNotes
from engine.rules import Rules
from tests.bot.clock.conftest import Markets, Street, street_of
from tests.bot.conftest import Clock, answer_of, manager_of, text_of

CLOSE = "2026-01-02T21:16:01+00:00"
LATER = "2026-01-02T21:20:00+00:00"


@pytest.fixture
def eager(rules: Rules) -> Rules:
    """Few names are enough to judge by, and six are too few to pass: a trigger fires."""
    calibration = rules.calibration.model_copy(update={"least_names": 2})
    return rules.model_copy(update={"calibration": calibration})


@pytest.fixture
async def noted(clocked: Any, clock: Clock, markets: Markets, eager: Rules) -> AsyncIterator[Street]:
    """As `street`, with rules by which the note of January 2026 has something to say."""
    async with street_of(clocked(rules=eager), clock, markets) as street:
        await street.work()
        street.set_up(street.world.guild, street.world.channel)
        yield street


def told(person: Any) -> list[str]:
    channel = person.dm_channel
    return [] if channel is None else [text_of(message) for message in channel.history()]


def notes(street: Street) -> list[tuple[str, str]]:
    with street.bot.service.store.reading() as db:
        return list(db.execute("SELECT month, state FROM guild_notes ORDER BY month, guild_id").fetchall())


def forget_that_it_was_sent(street: Street) -> None:
    """As if the process had died between Discord's answer and its own note of it."""
    street.bot.service.store.write(lambda db: db.execute("UPDATE guild_notes SET state = 'sending'"))


async def test_the_first_close_of_a_month_brings_one_note_to_the_owner(noted: Street, clocked: Any) -> None:
    # The close of 31 December was done before the server was set up.
    owner = noted.world.guild.owner
    await noted.until(CLOSE)
    (text,) = told(owner)
    assert "SIMULATED · Calibration note" in text
    assert "For those who manage" in text
    assert "note " in text.splitlines()[-1]
    assert notes(noted) == [("2026-01", "sent")]
    await noted.until("2026-01-05T21:16:01+00:00")
    await noted.restart(clocked())
    assert len(told(owner)) == 1
    await noted.until("2026-02-02T21:16:01+00:00")
    assert [month for month, _ in notes(noted)] == ["2026-01", "2026-02"]


async def test_who_set_the_server_up_is_told_while_still_a_manager(noted: Street) -> None:
    boss = manager_of(noted.world, noted.world.guild, "boss")
    await noted.world.env.settle()
    settings = noted.set_up(noted.world.guild, noted.world.channel)
    noted.bot.servers.save(settings, boss.id, noted.now())
    await noted.until(CLOSE)
    assert len(told(boss.user)) == 1
    assert told(noted.world.guild.owner) == []


@pytest.mark.parametrize("arrived", [True, False], ids=["arrived", "never left"])
async def test_a_crash_between_claim_and_settling_costs_and_doubles_nothing(
    noted: Street, clocked: Any, eager: Rules, arrived: bool
) -> None:
    owner = noted.world.guild.owner
    await noted.until(CLOSE)
    forget_that_it_was_sent(noted)
    if not arrived:
        noted.world.env.backend.messages[owner.dm_channel.id].clear()
    await noted.restart(clocked(rules=eager))
    assert len(told(owner)) == 1
    assert notes(noted) == [("2026-01", "sent")]


async def test_a_run_announced_twice_enters_its_month_once(noted: Street, clocked: Any, eager: Rules) -> None:
    await noted.until(CLOSE)
    store = noted.bot.service.store
    store.write(lambda db: db.execute("DELETE FROM posts"))
    store.write(
        lambda db: db.execute("UPDATE planned_runs SET state = 'computed' WHERE key = '2026-01-02/close'")
    )
    await noted.restart(clocked(rules=eager))
    assert len(told(noted.world.guild.owner)) == 1


async def test_a_closed_mailbox_counts_as_told_and_shows_in_the_settings(noted: Street) -> None:
    noted.world.env.inject_error("POST", "/users/@me/channels", status=403, code=50007)
    await noted.until(CLOSE)
    assert notes(noted) == [("2026-01", "closed")]
    await noted.work()
    boss = manager_of(noted.world, noted.world.guild, "boss")
    await noted.world.env.settle()
    shown = text_of(answer_of(await boss.slash(noted.world.channel, "config show")))
    assert "The note on calibration of 2026-01 reached nobody" in shown


async def test_discord_in_trouble_costs_time_and_not_the_note(noted: Street) -> None:
    noted.world.env.inject_error("POST", "/users/@me/channels", status=503, times=1)
    await noted.until(CLOSE)
    assert notes(noted) == [("2026-01", "sending")]
    await noted.until(LATER)
    assert len(told(noted.world.guild.owner)) == 1


async def test_a_pause_holds_the_note_and_months_later_it_is_given_up(noted: Street) -> None:
    await noted.until(CLOSE)
    store = noted.bot.service.store
    store.write(lambda db: db.execute("UPDATE guild_notes SET state = 'pending'"))
    noted.world.env.backend.messages[noted.world.guild.owner.dm_channel.id].clear()
    await noted.clock.pause(True)
    await noted.until(LATER)
    assert told(noted.world.guild.owner) == []
    await noted.clock.pause(False)
    await noted.until("2026-01-08T12:00:00+00:00")
    assert notes(noted) == [("2026-01", "failed")]
    assert told(noted.world.guild.owner) == []


async def test_without_a_trigger_nothing_is_sent_and_the_month_is_done(street: Street) -> None:
    await street.until(CLOSE)
    assert told(street.world.guild.owner) == []
    assert notes(street) == [("2026-01", "silent")]
    assert 'variance_notes_total{result="silent"} 1.0' in street.bot.metrics.exposition().decode()


async def test_a_market_that_could_not_be_measured_leaves_the_month_to_the_next_close(
    noted: Street, markets: Markets
) -> None:
    markets.without_benchmark = True
    await noted.until(CLOSE)
    assert notes(noted) == []
    markets.without_benchmark = False
    await noted.until("2026-01-05T21:16:01+00:00")
    assert notes(noted) == [("2026-01", "sent")]


async def test_a_server_that_goes_takes_its_notes_along(noted: Street) -> None:
    await noted.until(CLOSE)
    guild_id = noted.world.guild.id
    book: GuildNotes = noted.ledger.notes
    noted.bot.servers.reset(guild_id, 1, noted.now())
    assert notes(noted) == []
    noted.set_up(noted.world.guild, noted.world.channel)
    store = noted.bot.service.store
    store.write(lambda db: db.execute("DELETE FROM settings WHERE key = 'guilds/last-note-month'"))
    session = noted.now().date()
    assert book.enter(session, 2, noted.now()) == 1
    assert book.enter(session, 2, noted.now()) == 0
    noted.ledger.prune(noted.now() - timedelta(days=1))
    assert len(notes(noted)) == 1
    noted.ledger.prune(noted.now() + timedelta(days=1))
    assert notes(noted) == []
    assert book.enter(date(2026, 2, 2), 2, noted.now()) == 1
    noted.bot.servers.forget(guild_id)
    assert notes(noted) == []
