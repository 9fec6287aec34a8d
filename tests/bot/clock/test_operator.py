"""/ops and /status around the clock: for the owner alone, and red when a run is overdue."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest

from bot.cards.embed import COLOURS
from bot.clock.clock import PAUSED
from bot.operation.jobs import BackupPlan
from engine.record.store import Store
from tests.bot.clock.conftest import Markets, Street
from tests.bot.conftest import World, answer_of, text_of

OPEN = "2026-01-02T14:50:01+00:00"
CLOSE = "2026-01-02T21:16:01+00:00"


def administrator(world: World) -> Any:
    role = world.guild.create_role("admins", permissions=discord.Permissions(administrator=True))
    return world.guild.add_member(world.env.create_user("admin"), roles=[role])


async def ops(street: Street, command: str, **options: Any) -> Any:
    owner = administrator(street.world)
    street.bot.owner_id = owner.id
    await street.world.rest()
    answer = answer_of(await owner.slash(street.world.channel, f"ops {command}", **options))
    await street.work()
    return answer


@pytest.mark.parametrize("command", ["run", "pause", "resume", "drain", "backup"])
async def test_nobody_but_the_owner_may(street: Street, command: str) -> None:
    answer = answer_of(await administrator(street.world).slash(street.world.channel, f"ops {command}"))
    assert answer.ephemeral
    assert "Only the owner of this bot may use /ops." in text_of(answer)


async def test_the_tree_hides_it_from_who_is_no_administrator(street: Street) -> None:
    (command,) = [each for each in street.bot.tree.payload() if each["name"] == "ops"]
    assert command["default_member_permissions"] == 8


async def test_run_now_fills_the_record_and_posts_only_when_asked(street: Street, markets: Markets) -> None:
    before = len(markets.asked)
    answer = await ops(street, "run")
    assert "2025-12-31/close/extra-" in text_of(answer)
    assert len(markets.asked) == before + 1
    assert street.posts() == []


async def test_run_now_with_post_reaches_every_channel_once(street: Street) -> None:
    await ops(street, "run", post=True)
    assert len(street.posts()) == 1
    await street.work()
    assert len(street.posts()) == 1


async def test_a_pause_outlives_a_restart_and_what_is_due_comes_after_it(
    street: Street, clocked: Any
) -> None:
    await ops(street, "pause")
    await street.restart(clocked())
    await street.until(OPEN)
    assert street.posts() == []
    assert "Paused by the owner" in text_of(await street.world.ask("status"))
    await ops(street, "resume")
    assert len(street.posts()) == 1
    assert "Opening screen (indicative)" in street.posts()[0]


async def test_drain_says_when_nothing_is_under_way(street: Street) -> None:
    answer = await ops(street, "drain")
    assert "Nothing is under way any more." in text_of(answer)
    assert street.bot.service.store.get_setting(PAUSED) == "1"


async def test_a_failed_post_is_sent_again_on_request(street: Street) -> None:
    street.world.env.inject_error("POST", "/channels/*/messages", status=400, code=50035)
    await street.until(OPEN)
    assert street.posts() == []
    answer = await ops(street, "resend", run="2026-01-02/open")
    assert "1 post tried again" in text_of(answer)
    assert len(street.posts()) == 1


async def test_an_unknown_run_is_one_sentence(street: Street) -> None:
    answer = await ops(street, "resend", run="yesterday")
    assert "There is no such run" in text_of(answer)


async def test_a_backup_on_request_can_be_opened(street: Street, tmp_path: Path) -> None:
    store = street.bot.service.store
    street.bot.backups = BackupPlan(store.path, tmp_path / "copies", 7, 4)
    answer = await ops(street, "backup")
    assert "Backup made" in text_of(answer)
    (copy,) = (tmp_path / "copies").glob("*.db")
    with Store.open(copy) as copied:
        assert copied.counts().runs == store.counts().runs


async def test_without_a_clock_it_says_so(world: World) -> None:
    owner = administrator(world)
    world.bot.owner_id = owner.id
    answer = answer_of(await owner.slash(world.channel, "ops run"))
    assert "this market stands still" in text_of(answer)
    assert "No run is scheduled" in text_of(await world.ask("status"))


async def test_status_names_the_next_run_the_queue_and_what_was_missed(street: Street, clocked: Any) -> None:
    text = text_of(await street.world.ask("status"))
    assert "Next run: open, 2026-01-02" in text
    assert "queue" in text
    await street.away_until("2026-01-02T16:00:00+00:00")
    await street.restart(clocked())
    text = text_of(await street.world.ask("status"))
    assert "2026-01-02/open (the bot was not running then)" in text


async def test_status_and_readiness_turn_red_when_a_run_is_overdue(street: Street, markets: Markets) -> None:
    assert (await street.bot.readiness()).ready
    await street.until(CLOSE)
    markets.trouble = "The sources are silent."
    await street.away_until("2026-01-05T22:30:00+00:00")
    readiness = await street.bot.readiness()
    assert any("2026-01-05/close" in reason for reason in readiness.reasons)
    answer = await street.world.ask("status")
    assert answer.embeds[0].colour is not None
    assert answer.embeds[0].colour.value == COLOURS["outage"]
    assert "Overdue: " in text_of(answer)
    assert "2026-01-05/close" in text_of(answer)


async def test_what_happened_can_be_read_off_the_metrics(street: Street) -> None:
    await street.until(OPEN)
    await street.world.ask("vrp", symbol="KO")
    await street.world.ask("vrp", symbol="NOTHING")
    await street.until(CLOSE)
    figures = street.bot.metrics.exposition().decode()
    for line in (
        'variance_runs_total{kind="open",state="complete"} 1.0',
        'variance_runs_total{kind="close",state="complete"} 2.0',
        'variance_run_coverage_ratio{kind="close"} 1.0',
        'variance_posts_total{result="sent"} 2.0',
        'variance_command_seconds_count{command="vrp"} 1.0',
        'variance_commands_refused_total{command="vrp",reason="UnknownSymbolError"} 1.0',
    ):
        assert line in figures, line
