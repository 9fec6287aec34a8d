"""Posts at their time, through a simulated Discord: once, in order, and told when they do not come."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import discord
import pytest

from engine.market.schedule import Schedule
from tests.bot.clock.conftest import Markets, Street, street_of
from tests.bot.conftest import SYMBOLS, Clock, answer_of, text_of

OPEN = "2026-01-02T14:50:01+00:00"
CLOSE = "2026-01-02T21:16:01+00:00"
MESSAGES = "/channels/*/messages"


def states(street: Street) -> dict[str, str]:
    runs = street.ledger.between(street.now() - timedelta(days=30), street.now() + timedelta(days=30))
    return {run.key: run.state for run in runs}


async def test_the_open_and_the_close_are_posted_once_each(street: Street) -> None:
    await street.until(OPEN)
    assert len(street.posts()) == 1
    assert "Opening screen (indicative) · Fri 2 Jan 2026" in street.posts()[0]
    await street.work()
    await street.until(CLOSE)
    await street.work()
    assert len(street.posts()) == 2
    assert "Closing screen · Fri 2 Jan 2026" in street.posts()[1]
    assert "Late" not in "".join(street.posts())
    assert street.markets.asked == ["2025-12-31/close", "2026-01-02/open", "2026-01-02/close"]
    assert set(states(street).values()) == {"done"}


async def test_a_day_without_a_session_is_silent(street: Street) -> None:
    await street.until("2026-01-01T22:00:00+00:00")
    assert street.posts() == []
    assert list(states(street)) == ["2025-12-31/close"]


async def test_the_post_leads_with_the_change_against_the_last_official_close(street: Street) -> None:
    await street.until(OPEN)
    await street.until(CLOSE)
    text = street.posts()[-1]
    assert "No earlier official run" not in text
    headline = text.splitlines()[2]
    assert "new" in headline or "left" in headline or "No change" in headline or "No name" in headline


async def test_an_empty_day_says_so_and_names_the_nearest_miss(street: Street) -> None:
    await street.until(OPEN)
    await street.until(CLOSE)
    text = street.posts()[-1]
    assert "No name passes every gate, of 6 measured" in text
    assert "Nearest miss:" in text or "No name is one gate short." in text
    assert "```" not in text


@pytest.mark.parametrize(
    ("gone", "words"),
    [(12, ("Degraded: ", "The ranking is only of these.")), (24, ("Outage: ", "Nothing is ranked."))],
    ids=["degraded", "outage"],
)
async def test_a_market_with_holes_says_how_far_it_reaches(
    gone: int, words: tuple[str, ...], make_bot: Any, listings: Any, empty: Any, clock: Clock
) -> None:
    markets = Markets(listings, {}, SYMBOLS)
    bot = make_bot(
        markets, path=empty, schedule=Schedule(), universe=SYMBOLS, realm="simulated", by_hand=True
    )
    async with street_of(bot, clock, markets) as street:
        await street.work()
        street.set_up(street.world.guild, street.world.channel)
        markets.without = frozenset(SYMBOLS[-gone:])
        await street.until(OPEN)
        (text,) = street.posts()
        assert all(word in text for word in words)
        assert ("```" in text) == (gone == 12)


async def test_a_button_under_the_post_gives_the_whole_list(street: Street) -> None:
    await street.until(OPEN)
    message = street.world.channel.last_message
    assert "Full list CSV" in [each.label for row in message.components for each in row.children]
    answer = answer_of(await street.world.press(message, "Full list CSV"))
    assert answer.ephemeral
    assert "every metric, every gate" in text_of(answer)


async def test_each_server_gets_its_runs_by_its_rules_and_in_its_numbers(street: Street) -> None:
    guild = street.world.env.create_guild("Other")
    channel = guild.create_text_channel("calls")
    await street.world.env.settle()
    street.set_up(
        guild,
        channel,
        runs=frozenset({"close"}),
        profile="aggressive",
        thresholds=(("price_min", 5.0),),
        numbers="de",
        scope="equities/",
    )
    await street.until(OPEN)
    assert street.posts(channel) == []
    await street.until(CLOSE)
    (text,) = street.posts(channel)
    assert "profile aggressive with own thresholds" in text
    assert "Only single equities" in text
    table = text.split("```")[1] if "```" in text else ""
    assert "." not in table.replace("...", "")
    assert "profile balanced" in street.posts()[-1]
    # The market was asked for once a run, however many rules it was judged by.
    assert street.markets.asked.count("2026-01-02/close") == 1


async def test_a_role_is_mentioned_when_the_server_chose_one_and_nobody_otherwise(street: Street) -> None:
    role = street.world.guild.create_role("sellers", mentionable=True)
    await street.world.env.settle()
    street.set_up(street.world.guild, street.world.channel, role_id=role.id)
    await street.until(OPEN)
    message = street.world.channel.last_message
    assert message.content == f"<@&{role.id}>"
    assert [each.id for each in message.role_mentions] == [role.id]


async def test_a_bot_that_was_away_is_late_within_the_window_and_says_so(
    street: Street, clocked: Any
) -> None:
    await street.away_until("2026-01-02T15:30:00+00:00")
    await street.restart(clocked())
    (text,) = street.posts()
    assert "Opening screen" in text
    assert "Late: this run was due" in text


async def test_what_is_too_late_is_skipped_and_told_once(street: Street, clocked: Any) -> None:
    await street.away_until("2026-01-02T16:00:00+00:00")
    await street.restart(clocked())
    (text,) = street.posts()
    assert "Opening screen skipped · Fri 2 Jan 2026" in text
    assert "the bot was not running then" in text
    assert "2026-01-02/open" in text
    assert states(street)["2026-01-02/open"] == "skipped"
    await street.work()
    await street.restart(clocked())
    assert len(street.posts()) == 1


async def test_after_a_long_silence_one_notice_tells_of_all_and_the_close_still_comes(
    street: Street, clocked: Any
) -> None:
    await street.away_until("2026-01-09T23:00:00+00:00")
    await street.restart(clocked())
    notice, close = street.posts()
    assert "11 runs skipped" in notice
    assert "Closing screen · Fri 9 Jan 2026" in close
    assert "Late: this run was due" in close
    await street.work()
    assert len(street.posts()) == 2


async def test_a_server_hears_nothing_of_what_was_before_it(street: Street, clocked: Any) -> None:
    guild = street.world.env.create_guild("New")
    channel = guild.create_text_channel("calls")
    await street.away_until("2026-01-02T16:00:00+00:00")
    settings = street.set_up(guild, channel)
    street.bot.servers.save(settings, 1, street.now())
    await street.restart(clocked())
    assert len(street.posts()) >= 1
    assert street.posts(channel) == []


async def test_a_market_that_cannot_be_had_is_tried_again_and_then_said_to_have_failed(
    street: Street, markets: Markets
) -> None:
    markets.trouble = "The sources are silent."
    await street.until(OPEN)
    assert street.posts() == []
    await street.until("2026-01-02T14:51:30+00:00")
    assert markets.asked.count("2026-01-02/open") == 2
    await street.until("2026-01-02T15:50:30+00:00")
    (text,) = street.posts()
    assert "Opening screen failed" in text
    assert "The sources are silent" in text
    assert states(street)["2026-01-02/open"] == "failed"


async def test_a_market_that_comes_back_in_time_is_posted(street: Street, markets: Markets) -> None:
    markets.trouble = "The sources are silent."
    await street.until(OPEN)
    markets.trouble = None
    await street.until("2026-01-02T14:53:00+00:00")
    (text,) = street.posts()
    assert "Opening screen (indicative)" in text


async def test_an_outage_is_posted_and_its_message_renewed_when_the_market_is_back(
    street: Street, markets: Markets
) -> None:
    markets.without_benchmark = True
    markets.next_try = street.now() + timedelta(days=1, hours=15)  # 15:00 on 2 January
    await street.until(OPEN)
    (before,) = street.posts()
    assert "Run stopped" in before
    markets.without_benchmark = False
    await street.until("2026-01-02T15:10:00+00:00")
    (after,) = street.posts()
    assert before != after
    assert "measured names pass every gate" in after or "No name passes" in after
    assert states(street)["2026-01-02/open"] == "done"
    edits = [each for each in street.world.env.http_requests if each.method == "PATCH"]
    assert len([each for each in edits if "/messages/" in each.path]) == 1


@pytest.mark.parametrize("status", [500, 502, 503])
async def test_discord_in_trouble_costs_time_and_not_the_post(street: Street, status: int) -> None:
    street.world.env.inject_error("POST", MESSAGES, status=status, times=2)
    await street.until(OPEN)
    first = len(street.posts())
    await street.until("2026-01-02T14:52:00+00:00")
    await street.until("2026-01-02T14:55:00+00:00")
    assert first <= 1
    assert len(street.posts()) == 1


async def test_later_posts_of_a_channel_wait_for_the_one_before(street: Street) -> None:
    street.world.env.inject_error("POST", MESSAGES, status=503, times=1)
    await street.until(OPEN)
    assert street.posts() == []
    store = street.bot.service.store
    later = "2026-01-02T21:20:00.000000+00:00"
    store.write(lambda db: db.execute("UPDATE posts SET next_try = ?", (later,)))
    # As with a window that is still open, else the opening would be told as too late.
    store.write(lambda db: db.execute("UPDATE planned_runs SET until = '2026-01-05T09:00:00.000000+00:00'"))
    await street.until(CLOSE)
    assert street.posts() == []
    await street.until("2026-01-02T21:20:01+00:00")
    opening, closing = street.posts()
    assert "Opening screen" in opening
    assert "Closing screen" in closing


async def test_one_server_in_trouble_keeps_nothing_from_the_others(street: Street) -> None:
    guild = street.world.env.create_guild("Other")
    channel = guild.create_text_channel("calls")
    await street.world.env.settle()
    street.set_up(guild, channel)
    await street.until(OPEN)
    store = street.bot.service.store
    store.write(
        lambda db: db.execute(
            "UPDATE posts SET state = 'pending', what = 'screen', run_id = 1 WHERE channel_id = ?",
            (street.world.channel.id,),
        )
    )
    # A run that cannot be read any more, as after a disk fault.
    store.write(lambda db: db.execute("UPDATE runs SET missing = '[]' WHERE id = 1"))
    street.bot.service._runs.clear()
    await street.until(CLOSE)
    assert "Closing screen" in street.posts(channel)[-1]


async def test_a_channel_without_permission_is_marked_and_its_manager_told_once(street: Street) -> None:
    owner = street.world.guild.owner
    street.world.env.inject_error(
        "POST", f"/channels/{street.world.channel.id}/messages", status=403, code=50013
    )
    await street.until(OPEN)
    settings = street.bot.servers.get(street.world.guild.id)
    assert settings is not None
    assert settings.broken is not None
    assert settings.told
    await street.until(CLOSE)
    await street.work()
    assert street.posts() == []
    tries = [
        each
        for each in street.world.env.http_requests
        if each.path.endswith(f"{street.world.channel.id}/messages")
    ]
    assert len([each for each in tries if each.method == "POST"]) == 1
    told = [text_of(message) for message in owner.dm_channel.history()]
    assert len(told) == 1


async def test_a_clock_that_was_ahead_takes_nothing_from_the_days_it_jumped_over(street: Street) -> None:
    conductor = street.clock.conductor
    real = street.bot.now
    ahead = lambda: real() + timedelta(days=30)  # noqa: E731
    conductor._now = ahead
    await conductor.plan()
    conductor._now = real
    await street.until(OPEN)
    assert len(street.posts()) == 1
    assert "Opening screen (indicative)" in street.posts()[0]


async def test_a_thread_takes_posts_like_a_channel(clocked: Any, clock: Clock, markets: Markets) -> None:
    async with street_of(clocked(), clock, markets) as street:
        await street.work()
        channel = street.bot.get_channel(street.world.channel.id)
        assert isinstance(channel, discord.TextChannel)
        thread = await channel.create_thread(name="screens", type=discord.ChannelType.public_thread)
        street.set_up(street.world.guild, thread)
        await street.until(OPEN)
        found = [each for each in street.world.channel.threads if each.id == thread.id]
        assert len(found[0].history()) >= 1
