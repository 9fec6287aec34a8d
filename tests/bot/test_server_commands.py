"""/setup and /config as the managers of a server use them, and as others cannot."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.posting import NEEDED
from engine.market.schedule import USUAL
from engine.rules import TUNABLE
from tests.bot.conftest import Clock, Desk, MakeBot, answer_of, discord_around, labels_of, manager_of, text_of

UNSET = "This server is not set up: it gets no posts."


async def test_a_set_up_sends_a_test_post_and_keeps_what_was_chosen(desk: Desk) -> None:
    posts = desk.guild.create_text_channel("posts")
    role = desk.guild.create_role("premium", mentionable=True)
    await desk.world.env.settle()
    summary = await desk.said(
        "setup",
        channel=posts,
        runs="close only",
        profile="Broad",
        universe="etfs",
        sector="energy",
        role=role,
        numbers="de",
    )
    settings = desk.stored
    assert (settings.channel_id, settings.role_id) == (posts.id, role.id)
    assert (settings.runs, settings.profile) == (frozenset({"close"}), "broad")
    assert (settings.scope, settings.numbers) == ("etfs/Energy", "de")
    assert (settings.configured_by, settings.configured_at) == (desk.boss.id, desk.world.env.now())
    assert "Stored; the test post has arrived." in summary
    assert f"<#{posts.id}>" in summary
    assert f"<@&{role.id}>" in summary
    [test] = desk.posts(posts)
    assert "This channel gets the screen: close only." in test
    assert "1.234,5 (de)" in test
    assert "etfs, Energy" in test
    assert posts.last_message.content == "", "a test mentions nobody"
    assert desk.posts() == []


async def test_what_a_second_set_up_leaves_out_stays(ready: Desk) -> None:
    await ready.ask("config set", field="price_min", value="30")
    await ready.ask("setup", channel=ready.channel, numbers="fr")
    settings = ready.stored
    assert (settings.numbers, settings.runs) == ("fr", frozenset({"open", "close", "weekly"}))
    assert settings.thresholds == (("price_min", 30.0),)


async def test_only_managers_find_the_commands(desk: Desk) -> None:
    theirs = {"setup", "config show", "config set", "config test", "config reset"}
    assert theirs <= set(desk.boss.available_commands(desk.channel))
    assert not theirs & set(desk.world.visitor.available_commands(desk.channel))


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("setup", {"channel": None}),
        ("config show", {}),
        ("config set", {"field": "profile", "value": "broad"}),
        ("config test", {}),
        ("config reset", {}),
    ],
)
async def test_a_member_let_in_by_the_integration_settings_is_refused_all_the_same(
    ready: Desk, command: str, options: dict[str, Any]
) -> None:
    before, history = ready.settings, ready.posts()
    opened = {ready.world.visitor: True}
    ready.guild.set_command_permissions(ready.world.bot.command_ids[command.split()[0]], opened)
    options = {name: ready.channel if value is None else value for name, value in options.items()}
    answer = await ready.ask(command, by=ready.world.visitor, **options)
    assert answer.ephemeral
    assert "For this you need the permission Manage Server." in text_of(answer)
    assert (ready.settings, ready.posts()) == (before, history)


@pytest.mark.parametrize("permission", NEEDED)
async def test_a_channel_the_bot_may_not_post_in_is_refused_at_once(desk: Desk, permission: str) -> None:
    closed = desk.guild.create_text_channel(
        "closed", overwrites={desk.guild.me: discord.PermissionOverwrite(**{permission: False})}
    )
    await desk.world.env.settle()
    said = await desk.said("setup", channel=closed)
    assert f"In #closed I lack {permission.replace('_', ' ').title()}" in said
    assert "Nothing was stored." in said
    assert desk.settings is None
    assert desk.posts(closed) == []


async def test_everything_that_lacks_is_named_in_one_sentence(desk: Desk) -> None:
    denied = discord.PermissionOverwrite(embed_links=False, attach_files=False, send_messages=False)
    closed = desk.guild.create_text_channel("closed", overwrites={desk.guild.me: denied})
    await desk.world.env.settle()
    said = await desk.said("setup", channel=closed)
    assert "I lack Send Messages, Embed Links and Attach Files; grant it" in said


async def test_a_test_post_that_fails_stores_nothing(desk: Desk) -> None:
    desk.world.env.inject_error("POST", f"/channels/{desk.channel.id}/messages", status=403, code=50013)
    said = await desk.said("setup", channel=desk.channel)
    assert "The test post did not arrive in #premium-desk: Discord answered 403." in said
    assert desk.settings is None


async def test_a_role_the_bot_cannot_mention_is_refused(desk: Desk) -> None:
    quiet = desk.guild.create_role("quiet", mentionable=False)
    muted = desk.guild.create_text_channel(
        "muted", overwrites={desk.guild.me: discord.PermissionOverwrite(mention_everyone=False)}
    )
    await desk.world.env.settle()
    assert "I may not mention quiet" in await desk.said("setup", channel=muted, role=quiet)
    assert "I never mention everyone" in await desk.said("setup", channel=muted, role=desk.guild.default_role)
    assert desk.settings is None
    assert desk.posts(muted) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"profile": "brod"}, "There is no such profile. Did you mean broad?"),
        ({"sector": "Sorcery"}, "There is no such sector."),
        ({"universe": "equities", "sector": "Bonds"}, "No name of this run is of that kind and sector"),
    ],
)
async def test_a_choice_that_is_none_stores_and_posts_nothing(
    desk: Desk, options: dict[str, str], said: str
) -> None:
    assert said in await desk.said("setup", channel=desk.channel, **options)
    assert desk.settings is None
    assert desk.posts() == []


async def test_a_thread_takes_posts_too(desk: Desk) -> None:
    parent = desk.world.bot.get_channel(desk.channel.id)
    assert isinstance(parent, discord.TextChannel)
    thread = await parent.create_thread(name="daily", type=discord.ChannelType.public_thread)
    await desk.world.env.settle()
    [handle] = [each for each in desk.channel.threads if each.id == thread.id]
    await desk.ask("setup", channel=handle)
    assert desk.stored.channel_id == thread.id
    assert len(desk.posts(handle)) == 1


async def test_show_before_the_set_up_says_how(desk: Desk) -> None:
    said = await desk.said("config show")
    assert UNSET in said
    assert "/setup channel:" in said


async def test_show_tells_settings_and_who_changed_what_and_when(ready: Desk) -> None:
    await ready.ask("config set", field="profile", value="broad")
    said = await ready.said("config show")
    stamp = f"<t:{int(ready.world.env.now().timestamp())}:f>"
    assert f"{stamp} · <@{ready.boss.id}> · profile balanced to broad" in said
    assert f"channel <#{ready.channel.id}>, runs open and close and weekly, profile balanced" in said
    assert "/screen and the other commands keep the bot's own" in said


@pytest.mark.parametrize(
    ("field", "value", "attribute", "expected"),
    [
        ("runs", "Open only", "runs", frozenset({"open"})),
        ("runs", "close and weekly", "runs", frozenset({"close", "weekly"})),
        ("profile", "WIDE", "profile", "wide"),
        ("universe", "etfs", "scope", "etfs/"),
        ("sector", "energy", "scope", "all/Energy"),
        ("sector", "none", "scope", ""),
        ("numbers", "ch", "numbers", "ch"),
        ("role", "none", "role_id", None),
        ("price_min", "30", "thresholds", (("price_min", 30.0),)),
        ("vrp_tactical_threshold", "1,25", "thresholds", (("vrp_tactical_threshold", 1.25),)),
        ("price_min", "none", "thresholds", ()),
    ],
)
async def test_one_field_is_set(
    ready: Desk, field: str, value: str, attribute: str, expected: object
) -> None:
    assert "Stored." in await ready.said("config set", field=field, value=value)
    assert getattr(ready.stored, attribute) == expected


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        (
            "runs",
            "hourly",
            "There is no such choice of runs. There is open and close and weekly, open and close, close and",
        ),
        ("profile", "yolo", "There is no such profile."),
        ("universe", "watchlist", "There is no such universe. There is all, equities, etfs."),
        ("sector", "Sorcery", "There is no such sector."),
        ("numbers", "tlh", "There is no such language of numbers. There is en, de, fr, ch."),
        ("role", "nobody here", "There is no such role here"),
        ("role", "@everyone", "I never mention everyone"),
        ("channel", "#nowhere", "There is no such text channel or thread here"),
        ("channel", "<#1456074443980899999>", "There is no such text channel or thread here"),
        ("price_min", "-3", "A threshold is a number such as 1.15, or none"),
        ("price_min", "1,000", "Write the number without marks between thousands"),
        ("iv_percentile_min", "101", "has the value 101; allowed is less than or equal to 100. Nothing"),
        ("earnings_days", "2.5", "has the value 2.5; allowed is a valid integer"),
        ("vrp_tactical_threshold", "0", "has the value 0; allowed is greater than 0"),
    ],
)
async def test_a_value_that_will_not_do_changes_nothing(
    ready: Desk, field: str, value: str, said: str
) -> None:
    before = ready.stored
    assert said in (await ready.said("config set", field=field, value=value)).replace("\\", "")
    assert ready.stored == before


async def test_another_channel_gets_a_test_post_first(ready: Desk) -> None:
    closed = ready.guild.create_text_channel(
        "closed", overwrites={ready.guild.me: discord.PermissionOverwrite(send_messages=False)}
    )
    new = ready.guild.create_text_channel("new")
    await ready.world.env.settle()
    assert "I lack Send Messages" in await ready.said("config set", field="channel", value=f"<#{closed.id}>")
    assert ready.stored.channel_id == ready.channel.id
    await ready.ask("config set", field="channel", value="#New")
    assert ready.stored.channel_id == new.id
    assert len(ready.posts(new)) == 1


async def test_a_role_is_set_by_name_and_dropped_when_it_is_deleted(ready: Desk) -> None:
    role = ready.guild.create_role("premium", mentionable=True)
    await ready.world.env.settle()
    await ready.ask("config set", field="role", value="@Premium")
    assert ready.stored.role_id == role.id
    known = ready.world.bot.get_guild(ready.guild.id)
    assert known is not None
    found = known.get_role(role.id)
    assert found is not None
    await found.delete()
    await ready.world.env.settle()
    assert ready.stored.role_id is None
    assert "nobody · role" in await ready.said("config show")


async def test_a_field_without_a_set_up_is_refused(desk: Desk) -> None:
    for command, options in (
        ("config set", {"field": "profile", "value": "broad"}),
        ("config test", {}),
        ("config reset", {}),
    ):
        assert "This server is not set up. /setup channel:" in await desk.said(command, **options)


async def test_values_are_completed_field_by_field(ready: Desk) -> None:
    async def offered(field: str, typed: str = "") -> list[str]:
        found = await ready.boss.autocomplete(ready.channel, "config set", "value", typed, field=field)
        assert len(found) <= 25
        return [choice["value"] for choice in found]

    assert str(ready.channel.id) in await offered("channel")
    assert (await offered("role"))[0] == "none"
    assert "close only" in await offered("runs", "close")
    assert await offered("profile", "bro") == ["broad"]
    assert await offered("universe") == ["all", "equities", "etfs"]
    assert "Energy" in await offered("sector", "ener")
    assert await offered("numbers") == ["en", "de", "fr", "ch"]
    await ready.ask("config set", field="price_min", value="30")
    assert await offered("price_min") == ["30", "none"]
    for name in TUNABLE:
        assert "none" in await offered(name)


async def test_a_threshold_is_shown_beside_the_profiles_own(ready: Desk) -> None:
    said = await ready.said("config set", field="vrp_structural_threshold", value="1.25")
    assert "vrp_structural_threshold  1.25 (not 1.1)" in said


async def test_a_test_goes_to_the_channel_and_mends_it(ready: Desk) -> None:
    assert "The test post has arrived." in await ready.said("config test")
    assert len(ready.posts()) == 2
    ready.world.bot.servers.mark_broken(
        ready.guild.id, ready.channel.id, "no permission", ready.world.env.now()
    )
    assert "No posts since" in await ready.said("config show")
    assert "posts go on" in await ready.said("config test")
    assert ready.stored.broken is None


async def test_a_reset_asks_first(ready: Desk) -> None:
    asked = await ready.ask("config reset")
    assert asked.ephemeral
    assert labels_of(asked) == ["Reset", "Keep"]
    before = ready.stored
    await ready.boss.click(asked, label="Keep")
    assert ready.stored == before
    asked = await ready.ask("config reset")
    await ready.boss.click(asked, label="Reset")
    assert ready.settings is None
    said = await ready.said("config show")
    assert UNSET in said
    assert f"<@{ready.boss.id}> · reset" in said


async def test_a_reset_asked_before_another_change_is_void(ready: Desk) -> None:
    asked = await ready.ask("config reset")
    await ready.world.rest()
    await ready.ask("config set", field="numbers", value="de")
    refused = answer_of(await ready.boss.click(asked, label="Reset"))
    assert "The settings were changed since this was asked" in text_of(refused)
    assert ready.stored.numbers == "de"


async def test_who_manages_no_longer_cannot_reset_with_an_old_button(ready: Desk) -> None:
    asked = await ready.ask("config reset")
    before = ready.stored
    known = ready.world.bot.get_guild(ready.guild.id)
    assert known is not None
    role = known.get_role(ready.guild.roles["managers of boss"].id)
    assert role is not None
    await role.edit(permissions=discord.Permissions.none())
    await ready.world.env.settle()
    refused = answer_of(await ready.boss.click(asked, label="Reset"))
    assert "For this you need the permission Manage Server." in text_of(refused)
    assert ready.stored == before


async def test_a_restart_keeps_settings_and_the_reset_button(
    make_bot: MakeBot, clock: Clock, database: Path
) -> None:
    async with discord_around(make_bot(), clock) as world:
        boss = manager_of(world, world.guild, "boss")
        await world.env.settle()
        desk = Desk(world, world.guild, world.channel, boss)
        await desk.ask("setup", channel=desk.channel, numbers="de")
        before, asked = desk.stored, await desk.ask("config reset")
        world.bot = make_bot(path=database)
        await world.env.restart_bot(world.bot)
        assert desk.stored == before
        await boss.click(asked, label="Reset")
        assert desk.settings is None


async def test_two_servers_see_only_their_own(ready: Desk) -> None:
    guild = ready.world.env.create_guild("Other")
    channel = guild.create_text_channel("posts")
    chief = manager_of(ready.world, guild, "chief")
    await ready.world.env.settle()
    other = Desk(ready.world, guild, channel, chief)
    mine = ready.stored
    assert UNSET in await other.said("config show")
    foreign = await other.said("setup", channel=channel, profile="wide")
    assert str(ready.channel.id) not in foreign
    assert str(ready.boss.id) not in foreign
    refused = await other.said("config set", field="channel", value=str(ready.channel.id))
    assert "There is no such text channel" in refused
    asked = await other.ask("config reset")
    await chief.click(asked, label="Reset")
    assert other.settings is None
    assert ready.stored == mine
    shown = await ready.said("config show")
    assert str(chief.id) not in shown
    assert "wide" not in shown


async def test_the_next_run_is_the_next_of_those_chosen(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(schedule=USUAL), clock) as world:
        boss = manager_of(world, world.guild, "boss")
        await world.env.settle()
        desk = Desk(world, world.guild, world.channel, boss)
        both = await desk.said("setup", channel=desk.channel)
        # New Year's Day is no session; the next opens at 14:30 UTC on the second and closes at 21:00.
        assert f"Next opening run: <t:{stamp_of(2, 14, 50)}:f>" in both
        assert f"Next opening run: <t:{stamp_of(2, 14, 50)}:f>" in desk.posts()[0]
        close = await desk.said("config set", field="runs", value="close only")
        assert f"Next closing run: <t:{stamp_of(2, 21, 16)}:f>" in close
        weekly = await desk.said("config set", field="runs", value="weekly only")
        assert f"Next weekly run: <t:{stamp_of(3, 15, 0)}:f>" in weekly


def stamp_of(day: int, hour: int, minute: int) -> int:
    return int(datetime(2026, 1, day, hour, minute, tzinfo=UTC).timestamp())
