"""Posts over crashes, restores and changes of mind: what a process left behind is taken up where it stood."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.clock.entries import Post
from bot.clock.lease import LeaseLostError
from engine.rules import Rules
from tests.bot.clock.conftest import Markets, Street

OPEN = "2026-01-02T14:50:01+00:00"


def states(street: Street) -> dict[str, str]:
    runs = street.ledger.between(street.now() - timedelta(days=30), street.now() + timedelta(days=30))
    return {run.key: run.state for run in runs}


def only_post(street: Street) -> Post:
    (post,) = street.ledger.posts("2026-01-02/open")
    return post


def forget_that_it_was_sent(street: Street) -> None:
    """As if the process had died between Discord's answer and its own note of it."""
    street.bot.service.store.write(
        lambda db: db.execute("UPDATE posts SET state = 'sending', message_id = NULL, next_try = NULL")
    )
    street.bot.service.store.write(lambda db: db.execute("UPDATE planned_runs SET state = 'posting'"))


async def test_a_post_that_arrived_before_a_crash_is_found_and_not_repeated(
    street: Street, clocked: Any
) -> None:
    await street.until(OPEN)
    forget_that_it_was_sent(street)
    await street.restart(clocked())
    assert len(street.posts()) == 1
    assert only_post(street).state == "sent"
    assert only_post(street).message_id == street.world.channel.last_message.id
    # Found in the channel: not even the attempt to send it again was made.
    sends = [
        each for each in street.world.env.http_requests if each.method == "POST" and "/messages" in each.path
    ]
    assert len(sends) == 1


async def test_a_ledger_put_back_from_a_backup_repeats_nothing(street: Street, clocked: Any) -> None:
    await street.until(OPEN)
    store = street.bot.service.store
    store.write(lambda db: db.execute("DELETE FROM posts"))
    store.write(lambda db: db.execute("DELETE FROM planned_runs WHERE key = '2026-01-02/open'"))
    await street.until("2026-01-02T15:10:00+00:00")
    assert len(street.posts()) == 1
    assert only_post(street).state == "sent"
    store.write(lambda db: db.execute("DELETE FROM posts"))
    store.write(lambda db: db.execute("DELETE FROM planned_runs WHERE key = '2026-01-02/open'"))
    await street.away_until("2026-01-02T16:00:00+00:00")
    await street.restart(clocked())
    # Nor is it told that what it has was skipped.
    assert len(street.posts()) == 1


async def test_a_post_that_was_claimed_and_never_left_is_sent(street: Street, clocked: Any) -> None:
    await street.until(OPEN)
    street.world.env.backend.messages[street.world.channel.id].clear()
    forget_that_it_was_sent(street)
    await street.restart(clocked())
    (text,) = street.posts()
    assert "Opening screen" in text


async def test_a_run_that_was_stored_before_a_crash_is_not_measured_again(
    street: Street, clocked: Any, markets: Markets
) -> None:
    await street.until(OPEN)
    store = street.bot.service.store
    store.write(lambda db: db.execute("DELETE FROM posts"))
    store.write(
        lambda db: db.execute(
            "UPDATE planned_runs SET state = 'computing', run_id = NULL WHERE key = '2026-01-02/open'"
        )
    )
    await street.restart(clocked())
    assert markets.asked.count("2026-01-02/open") == 1
    assert states(street)["2026-01-02/open"] == "done"


def take_back_the_posting(street: Street) -> None:
    """As if the process had died between the measurement and the naming of the channels."""
    store = street.bot.service.store
    store.write(lambda db: db.execute("DELETE FROM posts"))
    store.write(
        lambda db: db.execute("UPDATE planned_runs SET state = 'computed' WHERE key = '2026-01-02/open'")
    )


async def test_rules_changed_while_a_run_is_under_way_hold_for_it(street: Street, markets: Markets) -> None:
    await street.until(OPEN)
    take_back_the_posting(street)
    street.set_up(street.world.guild, street.world.channel, profile="aggressive")
    await street.work()
    assert "profile aggressive" in street.posts()[-1]
    assert markets.asked.count("2026-01-02/open") == 1


async def test_rules_changed_over_a_crash_are_told_to_come_too_late(street: Street, clocked: Any) -> None:
    await street.until(OPEN)
    take_back_the_posting(street)
    street.set_up(street.world.guild, street.world.channel, profile="aggressive")
    await street.restart(clocked())
    assert "rules were changed while the run was under way" in street.posts()[-1]
    assert only_post(street).state == "sent"


async def test_rules_the_operator_took_away_are_told_instead_of_a_screen(
    street: Street, clocked: Any, rules: Rules
) -> None:
    street.set_up(street.world.guild, street.world.channel, profile="wide")
    fewer = rules.model_copy(update={"profiles": {"balanced": {}}})
    await street.restart(clocked(rules=fewer))
    await street.until(OPEN)
    (text,) = street.posts()
    assert "This server's own rules are not allowed any more" in text


async def test_who_lost_the_lease_sends_nothing_and_knows_it(street: Street, markets: Markets) -> None:
    # Held by a process of another machine, so that nobody can tell whether it still lives.
    street.bot.service.store.write(lambda db: db.execute("UPDATE leases SET owner = 'elsewhere 1 abc'"))
    await street.world.env.advance_time(1)
    await street.clock.turn()
    await asyncio.wait_for(street.clock.lost.wait(), 10)
    assert street.posts() == []
    assert markets.asked == ["2025-12-31/close"]
    with pytest.raises(LeaseLostError):
        await street.clock._alerts()
