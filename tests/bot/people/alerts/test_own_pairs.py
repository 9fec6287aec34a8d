"""Alerts on a server's own pair: offered there alone, told as any other, silent once nobody keeps it."""

from __future__ import annotations

from dataclasses import replace

from bot.people.pairs import GuildPairs, pair_of
from tests.bot.conftest import MakeBot, text_of
from tests.bot.people.alerts.conftest import AlertWorld
from tests.bot.people.alerts.runs import a_pair

KO_XOM = pair_of("KO", "XOM", 0.3)
CALM = a_pair(0.4, pair=KO_XOM.id, leg_a="KO", leg_b="XOM", threshold=0.3, rich_leg="KO")
BROKEN = replace(CALM, correlation=0.2, signal="CORRELATION BROKEN")


def keep(desk: AlertWorld) -> GuildPairs:
    pairs = GuildPairs(desk.bot.service.store)
    pairs.add(desk.world.guild.id, KO_XOM, (), 1, desk.now())
    return pairs


async def test_it_may_be_watched_before_any_run_has_it_and_after_a_restart(
    desk: AlertWorld, make_bot: MakeBot
) -> None:
    keep(desk)
    offered = await desk.world.visitor.autocomplete(desk.world.channel, "alert add", "on", "ko / x")
    assert offered[0]["value"] == KO_XOM.id
    said = await desk.add(on="KO / XOM", when="breaks")
    assert "correlation breaks" in said
    await desk.run(pairs=[CALM])
    assert desk.letters() == []
    await desk.restart(make_bot)
    await desk.run(pairs=[BROKEN])
    (letter,) = desk.letters()
    assert "correlation broke, below 0.30" in text_of(letter)
    assert KO_XOM.id in text_of(letter).replace("\\", "")


async def test_another_server_is_not_offered_it_and_cannot_choose_it(desk: AlertWorld) -> None:
    keep(desk)
    await desk.run(pairs=[CALM])
    world = desk.world
    guild = world.env.create_guild("Other")
    channel = guild.create_text_channel("alerts")
    person = guild.add_member(world.env.create_user("neighbour"))
    await world.env.settle()
    for typed in ("ko / x", KO_XOM.id):
        offered = await person.autocomplete(channel, "alert add", "on", typed)
        assert KO_XOM.id not in [choice["value"] for choice in offered]
        said = await desk.add(person, channel, on=typed, when="breaks")
        assert "A ticker is 1 to 10 letters" in said
    assert "correlation breaks" in await desk.add(person, channel, on="GLD / SLV", when="breaks")


async def test_it_is_silent_once_no_server_keeps_it(desk: AlertWorld) -> None:
    pairs = keep(desk)
    await desk.run(pairs=[CALM])
    await desk.add(on=KO_XOM.id, when="breaks")
    assert "nobody keeps this pair" not in await desk.ask("list")
    pairs.remove(desk.world.guild.id, KO_XOM.id)
    assert await desk.run() == 0
    listed = await desk.ask("list")
    assert "correlation breaks" in listed
    assert "silent: nobody keeps this pair any more, so no run measures it" in listed
    assert "armed" not in listed
    assert desk.letters() == []
