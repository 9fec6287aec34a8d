"""How messages reach people: once, whatever Discord or a crash does meanwhile."""

from __future__ import annotations

import asyncio
from typing import Any

import discord
import pytest

from bot.people.watchlists import Watchlists
from tests.bot.conftest import MakeBot, text_of
from tests.bot.people.alerts.conftest import GLD_ABOVE, HIGH, LOW, AlertWorld

HERE = {**GLD_ABOVE, "deliver": "channel"}


def states(desk: AlertWorld) -> list[str]:
    with desk.bot.service.store.reading() as db:
        return [state for (state,) in db.execute("SELECT state FROM alert_deliveries ORDER BY id")]


def set_back(desk: AlertWorld, **columns: Any) -> None:
    """Leave every delivery as a crash would have left it."""
    sets = ", ".join(f"{column} = ?" for column in columns)
    desk.bot.service.store.write(
        lambda db: db.execute(f"UPDATE alert_deliveries SET {sets}", tuple(columns.values()))
    )


async def fire(desk: AlertWorld) -> None:
    """A crossing, judged but not delivered."""
    await desk.judge(LOW)
    assert await desk.judge(HIGH) == 1


async def test_a_message_is_marked_after_it_was_sent(desk: AlertWorld) -> None:
    await desk.add()
    await fire(desk)
    assert states(desk) == ["pending"]
    assert desk.bot.alerts.queued() == 1
    await desk.courier.deliver()
    (letter,) = desk.letters()
    assert states(desk) == ["sent"]
    assert desk.bot.alerts.queued() == 0
    with desk.bot.service.store.reading() as db:
        assert db.execute("SELECT message_id FROM alert_deliveries").fetchone() == (letter.id,)
    await desk.courier.deliver()
    assert len(desk.letters()) == 1


async def test_a_crash_after_the_message_left_sends_nothing_again(
    desk: AlertWorld, make_bot: MakeBot
) -> None:
    await desk.add()
    await fire(desk)
    await desk.courier.deliver()
    set_back(desk, state="sending", message_id=None)
    await desk.restart(make_bot)
    await desk.courier.deliver()
    assert states(desk) == ["sent"]
    assert len(desk.letters()) == 1


async def test_a_crash_before_the_message_left_sends_it_with_the_same_nonce(
    desk: AlertWorld, make_bot: MakeBot
) -> None:
    await desk.add()
    await fire(desk)
    dm = desk.world.visitor.user.dm_channel.id
    desk.world.env.inject_error("POST", f"/channels/{dm}/messages", status=400, code=50035)
    await desk.courier.deliver()
    assert desk.letters() == []
    set_back(desk, state="sending")
    await desk.restart(make_bot)
    await desk.courier.deliver()
    assert len(desk.letters()) == 1
    nonces = [sent["nonce"] for sent in desk.sends(dm)]
    assert len(nonces) == 2
    assert len(set(nonces)) == 1
    assert len(nonces[0]) <= 25
    assert all(sent["enforce_nonce"] for sent in desk.sends(dm))


async def test_two_deliveries_at_once_send_once(desk: AlertWorld) -> None:
    await desk.add()
    await fire(desk)
    await asyncio.gather(desk.courier.deliver(), desk.courier.deliver())
    assert len(desk.letters()) == 1


async def test_closed_messages_are_remembered_and_not_tried_again(desk: AlertWorld) -> None:
    await desk.add()
    desk.close_messages()
    await desk.run(LOW)
    await desk.run(HIGH)
    await desk.run(LOW)
    await desk.run(HIGH)
    dm = desk.world.visitor.user.dm_channel.id
    assert len(desk.sends(dm)) == 1
    assert states(desk) == ["kept", "kept"]
    shown = await kept_notice(desk)
    assert "Alerts that could not reach you: 2" in shown
    assert shown.count("GLD: VRP tactical crossed above 1.30") == 2
    assert states(desk) == ["shown", "shown"]
    assert await kept_notice(desk) == ""


async def kept_notice(desk: AlertWorld) -> str:
    """What the visitor is shown beside the answer of the next command."""
    result = await desk.world.visitor.slash(desk.world.channel, "help")
    await desk.world.env.settle()
    await desk.world.rest()
    return "".join(text_of(each) for each in result.followups if "could not reach you" in text_of(each))


async def test_nobody_else_is_shown_what_was_kept(desk: AlertWorld) -> None:
    await desk.add()
    desk.close_messages()
    await desk.run(LOW)
    await desk.run(HIGH)
    stranger = desk.world.guild.add_member(desk.world.env.create_user("stranger"))
    result = await stranger.slash(desk.world.channel, "help")
    await desk.world.env.settle()
    assert result.followups == []
    assert states(desk) == ["kept"]


async def test_what_discord_does_not_take_waits_for_the_next_command(desk: AlertWorld) -> None:
    await desk.add()
    desk.close_messages()
    await desk.run(LOW)
    await desk.run(HIGH)
    desk.world.env.inject_error("POST", "/webhooks/*", status=400, code=50035)
    assert await kept_notice(desk) == ""
    assert states(desk) == ["kept"]
    assert "could not reach you: 1" in await kept_notice(desk)


async def test_a_test_that_gets_through_opens_the_way_again(desk: AlertWorld) -> None:
    await desk.add()
    desk.close_messages()
    await desk.run(LOW)
    await desk.run(HIGH)
    desk.open_messages()
    await desk.run()
    assert desk.letters() == []
    assert "in your direct messages" in await desk.ask("test", rule="1")
    await desk.courier.deliver()
    titles = [letter.embeds[0].title or "" for letter in desk.letters()]
    assert sorted(title.startswith("TEST") for title in titles) == [False, True]
    assert states(desk) == ["sent"]


async def test_a_test_that_is_refused_closes_it(desk: AlertWorld) -> None:
    await desk.add()
    desk.close_messages()
    assert "closed to me" in await desk.ask("test", rule="1")
    assert "closed to me" in await desk.ask("list")
    await desk.run(LOW)
    await desk.run(HIGH)
    assert len(desk.sends(desk.world.visitor.user.dm_channel.id)) == 1
    assert states(desk) == ["kept"]


@pytest.mark.parametrize("status", [429, 502])
async def test_trouble_of_discord_is_tried_again_with_growing_pauses(desk: AlertWorld, status: int) -> None:
    await desk.add()
    await fire(desk)
    dm = desk.world.visitor.user.dm_channel.id
    desk.world.env.inject_error("POST", f"/channels/{dm}/messages", status=status, times=None)
    await desk.courier.deliver()
    assert states(desk) == ["pending"]
    tried = len(desk.sends(dm))
    await desk.courier.deliver()
    assert len(desk.sends(dm)) == tried
    desk.open_messages()
    await desk.world.env.advance_time(61)
    await desk.courier.deliver()
    assert states(desk) == ["sent"]
    assert len(desk.letters()) == 1


async def test_after_a_day_it_is_given_up_and_listed(desk: AlertWorld) -> None:
    await desk.add()
    await fire(desk)
    dm = desk.world.visitor.user.dm_channel.id
    desk.world.env.inject_error("POST", f"/channels/{dm}/messages", status=429, times=None)
    for _ in range(27):
        await desk.courier.deliver()
        await desk.world.env.advance_time(3600)
    assert states(desk) == ["failed"]
    assert len(desk.sends(dm)) < 30
    said = await desk.ask("list")
    assert "Discord did not take it for a day: 1" in said
    assert "GLD: VRP tactical crossed above 1.30" in said
    assert "Discord did not take it" not in await desk.ask("list")


async def test_a_channel_gets_its_rule(desk: AlertWorld) -> None:
    said = await desk.add(**HERE)
    assert f"in <#{desk.world.channel.id}>" in said
    await desk.run(LOW)
    await desk.run(HIGH)
    message = desk.world.channel.last_message
    assert message is not None
    assert "GLD: VRP tactical crossed above 1.30" in text_of(message)
    assert desk.letters() == []
    (sent,) = desk.sends(desk.world.channel.id)
    assert sent["allowed_mentions"]["parse"] == []


async def test_a_channel_that_is_gone_is_named_in_the_direct_message(desk: AlertWorld) -> None:
    await desk.add(**HERE)
    channel = desk.bot.get_channel(desk.world.channel.id)
    assert isinstance(channel, discord.TextChannel)
    await desk.run(LOW)
    await channel.delete()
    await desk.run(HIGH)
    (letter,) = desk.letters()
    assert f"Meant for <#{channel.id}>, where I may not post any more" in text_of(letter)
    assert states(desk) == ["sent"]


async def test_a_channel_that_refuses_is_not_asked_again(desk: AlertWorld) -> None:
    await desk.add(**HERE)
    await desk.run(LOW)
    path = f"/channels/{desk.world.channel.id}/messages"
    desk.world.env.inject_error("POST", path, status=403, code=50013)
    await desk.run(HIGH)
    assert len(desk.letters()) == 1
    assert len(desk.sends(desk.world.channel.id)) == 1


async def test_a_digest_is_one_message(desk: AlertWorld) -> None:
    names = [row.symbol for row in desk.runs.screen.rows if row.text("missing_reason") is None]
    await desk.bot.service.desk(
        lambda: Watchlists(desk.bot.service.store).add(desk.world.visitor.id, names, desk.now())
    )
    await desk.ask("settings", digest="23:30", zone="utc")
    await desk.run({name: {"iv30": 0.20} for name in names})
    await desk.add(on="my watchlist", when="above", metric="IV30", level="30")
    await desk.judge({name: {"iv30": 0.40} for name in names})
    await desk.courier.deliver()
    assert desk.letters() == []
    await desk.world.env.advance_time(24 * 3600)
    await desk.courier.deliver()
    (letter,) = desk.letters()
    text = text_of(letter)
    assert f"Your alerts: {len(names)}" in text
    assert "**#1** AAPL: IV30 crossed above 30 % (20.0 % to 40.0 %" in text
    (attachment,) = letter.attachments
    assert (await attachment.read()).decode().count("\n") == len(names) + 1
