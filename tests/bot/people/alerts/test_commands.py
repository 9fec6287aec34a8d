"""/alert as people use it: every subcommand, what it refuses, and that each sees the own rules only."""

from __future__ import annotations

import json
from typing import Any

import discord
import pytest

from bot.people.alerts.book import MOST_CHANNEL_RULES, MOST_RULES
from bot.people.alerts.rules import CONDITIONS, Wish
from bot.people.watchlists import Watchlists
from tests.bot.conftest import answer_of, text_of
from tests.bot.people.alerts.conftest import GLD_ABOVE, HIGH, LOW, AlertWorld
from tests.bot.people.alerts.runs import a_pair
from tests.bot.test_market_commands import HOSTILE


def watch(desk: AlertWorld, *names: str, by: Any = None) -> None:
    person = by or desk.world.visitor
    Watchlists(desk.bot.service.store).add(person.id, names, desk.now())


def buttons_of(message: discord.Message) -> list[str | None]:
    return [
        item.label
        for row in message.components
        if isinstance(row, discord.ActionRow)
        for item in row.children
        if isinstance(item, discord.Button)
    ]


async def test_a_crossing_reaches_its_owner(desk: AlertWorld) -> None:
    assert "#1 GLD: VRP tactical above 1.30" in await desk.add()
    await desk.run(LOW)
    assert desk.letters() == []
    assert await desk.run(HIGH) == 1
    (letter,) = desk.letters()
    text = text_of(letter)
    assert "SIMULATED · GLD: VRP tactical crossed above 1.30" in text
    assert "1.42 in the closing run of Fri 2 Jan 2026; was 1.20 in the closing run of Thu 1 Jan 2026" in text
    assert "once VRP tactical has been below 1.274" in text
    assert "Rule #1" in text
    assert buttons_of(letter) == ["Snooze 1 day", "Edit", "Off", "Why GLD"]


async def test_what_holds_already_is_said(desk: AlertWorld) -> None:
    await desk.run(HIGH)
    assert "It is above now (1.42): it fires when it crosses again." in await desk.add()
    said = await desk.add(on="gld", when="below", metric="vrp_tactical", level="1.30")
    assert "Now: 1.42, in the closing run of Thu 1 Jan 2026." in said


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"when": "below", "metric": "IV30", "level": "27,4 %"}, "GLD: IV30 below 27.4 %"),
        ({"when": "above", "metric": "iv percentile", "level": "80"}, "GLD: IV percentile above 80"),
        ({"when": "above", "metric": "Term slope", "level": "1.05"}, "GLD: Term slope above 1.05"),
        ({"when": "above", "metric": "25-delta skew", "level": "5"}, "GLD: 25-delta skew above 5 points"),
        ({"when": "below", "metric": "Days to earnings", "level": "9"}, "GLD: Days to earnings below 9 days"),
        ({"when": "above", "metric": "spot", "level": "$250"}, "GLD: Spot above 250.00"),
        ({"when": "above", "metric": "Score", "level": "70"}, "GLD: Score above 70"),
        ({"when": "enters"}, "GLD: enters the list"),
        ({"when": "leaves"}, "GLD: leaves the list"),
        ({"when": "regime"}, "GLD: regime changes"),
        ({"when": "signal"}, "GLD: signal changes"),
        ({"when": "earnings", "days": 7}, "GLD: earnings within 7 days"),
    ],
)
async def test_every_condition_is_taken_in_the_unit_of_the_cards(
    desk: AlertWorld, options: dict[str, Any], words: str
) -> None:
    assert f"#1 {words}" in await desk.add(on="GLD", **options)
    assert f"**#1** {words}" in await desk.ask("list")
    said = await desk.ask("test", rule="1")
    assert "TEST" in said or "no value" in said


async def test_pairs_are_offered_by_their_legs(desk: AlertWorld) -> None:
    await desk.run(pairs=[a_pair(0.80)])
    offered = await desk.world.visitor.autocomplete(desk.world.channel, "alert add", "on", "gld")
    assert {"name": "GLD / SLV (PRECIOUS_METALS)", "value": "PRECIOUS_METALS"} in [
        {key: choice[key] for key in ("name", "value")} for choice in offered
    ]
    assert "correlation breaks" in await desk.add(on="GLD / SLV", when="breaks")
    said = await desk.add(on="precious_metals", when="below", metric="correlation", level="0.7")
    assert "Now: 0.80" in said
    await desk.run(pairs=[a_pair(0.69, signal="CORRELATION BROKEN")])
    texts = [text_of(letter) for letter in desk.letters()]
    assert any("correlation broke, below 0.75" in text for text in texts)
    assert any("Correlation crossed below 0.70" in text for text in texts)


async def test_the_watchlist_is_looked_at_as_it_is(desk: AlertWorld) -> None:
    assert "No name of your watchlist" in await desk.add(on="my watchlist", when="signal")
    watch(desk, "GLD", "KO")
    await desk.run({"GLD": {"iv30": 0.40}, "KO": {"iv30": 0.20}})
    said = await desk.add(on="watchlist", when="above", metric="IV30", level="30")
    assert "It holds for 1 of 2 names of your watchlist" in said
    await desk.run({"KO": {"iv30": 0.40}})
    (letter,) = desk.letters()
    assert "KO: IV30 crossed above 30 %" in text_of(letter)
    assert "holds for GLD, KO · cooling until" in await desk.ask("list")


async def test_the_list_shows_words_state_and_way(desk: AlertWorld) -> None:
    assert "/alert add makes the first" in await desk.ask("list")
    await desk.add()
    said = await desk.ask("list")
    assert "Your alerts: 1 of 20 rules" in said
    assert "armed · by direct message · pause 20 hours" in said
    await desk.run(LOW)
    await desk.run(HIGH)
    assert "holds now · cooling until <t:" in await desk.ask("list")
    await desk.run(LOW)
    await desk.run(HIGH, hours=1)
    await desk.run(LOW, hours=1)
    await desk.run(HIGH, hours=1)
    assert "waiting: told at the first run after the pause" in await desk.ask("list")


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"on": "GLD", "when": "above"}, "needs the option metric"),
    ({"on": "GLD", "when": "above", "metric": "IV30"}, "needs the option level"),
    ({"on": "GLD", "when": "earnings"}, "needs the option days"),
    ({"on": "GLD", "when": "signal", "level": "1"}, "takes no level"),
    ({"on": "GLD", "when": "signal", "metric": "IV30"}, "takes no metric"),
    ({"on": "GLD", "when": "enters", "days": 3}, "takes no days"),
    ({"on": "GLD", "when": "breaks"}, "for a pair only"),
    ({"on": "GLD", "when": "above", "metric": "IV30", "level": "0.274"}, "typed in percent, from 1 to 500"),
    ({"on": "GLD", "when": "above", "metric": "IV30", "level": "1,234"}, "typed in percent"),
    ({"on": "GLD", "when": "above", "metric": "IV30", "level": "nan"}, "typed in percent"),
    ({"on": "GLD", "when": "above", "metric": "IV percentile", "level": "101"}, "from 0 to 100"),
    ({"on": "GLD", "when": "above", "metric": "IV31", "level": "20"}, "Near it: IV30"),
    ({"on": "GLDD", "when": "signal"}, "GLDD is not in this run's universe"),
    ({"on": "GLD", "when": "signal", "pause": 20, "deliver": "dm"}, "#1"),
]


@pytest.mark.parametrize(("options", "sentence"), REFUSED)
async def test_options_that_do_not_go_together_get_one_sentence(
    desk: AlertWorld, options: dict[str, Any], sentence: str
) -> None:
    assert sentence in await desk.add(**options)


@pytest.mark.parametrize(
    ("command", "option"),
    [
        *(("add", "on"), ("add", "metric"), ("add", "level")),
        *(("remove", "rule"), ("settings", "quiet"), ("settings", "zone")),
    ],
)
async def test_nothing_hostile_is_echoed(desk: AlertWorld, command: str, option: str) -> None:
    usual = GLD_ABOVE if command == "add" else {}
    for typed in HOSTILE:
        said = await desk.ask(command, **{**usual, option: typed})
        assert "That did not work" in said
        assert len(typed.strip()) <= 3 or typed not in said
    assert "Your alerts: 0" in await desk.ask("list")


async def test_a_rule_is_kept_once(desk: AlertWorld) -> None:
    await desk.add()
    assert "You have this rule already: it is #1." in await desk.add(**{**GLD_ABOVE, "pause": 5})


async def test_removing_frees_room_and_keeps_numbers(desk: AlertWorld) -> None:
    for level in range(MOST_RULES):
        wish = Wish("name", "KO", "above", "spot", 10.0 + level)
        desk.alerts.add(desk.world.visitor.id, wish, desk.now())
    assert "You have 20 rules, the most one person may keep; /alert remove makes room." in await desk.add()
    assert "Rule #7 is gone." in await desk.ask("remove", rule="7")
    assert "Rule #21 added" in await desk.add()
    said = await desk.ask("remove", rule="7")
    assert "You have no rule of that number. Yours are #1," in said


async def test_a_server_carries_so_many_rules(desk: AlertWorld) -> None:
    place = (desk.world.guild.id, desk.world.channel.id)
    for person in range(MOST_CHANNEL_RULES // MOST_RULES):
        for level in range(MOST_RULES):
            wish = Wish("name", "KO", "above", "spot", 10.0 + level, channel=place)
            desk.alerts.add(1_000 + person, wish, desk.now())
    assert "carry 200 rules" in await desk.add(**GLD_ABOVE, deliver="channel")
    assert "Rule #1 added" in await desk.add()
    other = desk.world.env.create_guild("Other desk")
    room = other.create_text_channel("room")
    member = other.add_member(desk.world.visitor.user)
    await desk.world.env.settle()
    options = {"on": "KO", "when": "signal", "deliver": "channel"}
    assert "Rule #2 added" in await desk.add(by=member, channel=room, **options)


async def test_a_channel_must_take_both_the_person_and_the_bot(desk: AlertWorld) -> None:
    silent = discord.PermissionOverwrite(send_messages=False)
    for target in (desk.world.guild.default_role, desk.world.guild.me):
        closed = desk.world.guild.create_text_channel("closed", overwrites={target: silent})
        await desk.world.env.settle()
        said = await desk.add(channel=closed, **GLD_ABOVE, deliver="channel")
        assert "permission Send Messages" in said
    await desk.world.visitor.send_dm("hello")
    result = await desk.world.visitor.user.slash("alert add", **GLD_ABOVE, deliver="channel")
    assert "Only a server's text channel" in text_of(result.followups[-1])
    assert "Your alerts: 0" in await desk.ask("list")


async def test_it_works_in_a_direct_message(desk: AlertWorld) -> None:
    await desk.world.visitor.send_dm("hello")
    result = await desk.world.visitor.user.slash("alert add", **GLD_ABOVE)
    assert "Rule #1 added" in text_of(answer_of(result))


async def test_two_people_never_meet(desk: AlertWorld) -> None:
    other = desk.world.guild.add_member(desk.world.env.create_user("other"))
    await desk.add()
    await desk.add(by=other, on="GLD", when="signal")
    assert "signal" not in await desk.ask("list")
    assert "VRP tactical" not in await desk.ask("list", by=other)
    stranger = desk.world.guild.add_member(desk.world.env.create_user("stranger"))
    for command in ("remove", "test"):
        assert "You have no rule of that number." in await desk.ask(command, by=stranger, rule="1")
    assert "0 rules: off." in await desk.ask("snooze", by=stranger, **{"rule": "all", "for": -1})
    offered = await other.autocomplete(desk.world.channel, "alert remove", "rule", "")
    assert [choice["name"] for choice in offered] == ["#1 GLD: signal changes"]
    await desk.run(LOW)
    await desk.run(HIGH)
    assert len(desk.letters()) == 1
    assert desk.letters(other) == []


@pytest.mark.parametrize(("rule", "said"), [("1", "Rule #1"), ("#1", "Rule #1"), ("all", "1 rule")])
async def test_snooze_silences_and_wakes(desk: AlertWorld, rule: str, said: str) -> None:
    await desk.add()
    await desk.run(LOW)
    assert f"{said}: silent until <t:" in await desk.ask("snooze", **{"rule": rule, "for": 72})
    assert "snoozed until <t:" in await desk.ask("list")
    assert await desk.run(HIGH) == 0
    assert "· waiting" in await desk.ask("list")
    assert f"{said}: awake." in await desk.ask("snooze", **{"rule": rule, "for": 0})
    assert await desk.run(HIGH) == 1
    assert f"{said}: off." in await desk.ask("snooze", **{"rule": rule, "for": -1})
    assert "off · by direct message" in await desk.ask("list")
    assert f"{said}: awake." in await desk.ask("snooze", **{"rule": rule, "for": 0})
    assert "holds now" in await desk.ask("list")


async def test_a_test_shows_the_message_and_tries_the_way(desk: AlertWorld) -> None:
    await desk.run(LOW)
    await desk.run(HIGH)
    await desk.add()
    said = await desk.ask("test", rule="1")
    assert "TEST · SIMULATED · GLD: VRP tactical crossed above 1.30" in said
    assert "1.42 in the closing run of Fri 2 Jan 2026; was 1.20" in said
    assert "The test is in your direct messages." in said
    (letter,) = desk.letters()
    assert "nothing has happened" in text_of(letter)
    await desk.add(on="GLD", when="signal", deliver="channel")
    assert f"The test stands in <#{desk.world.channel.id}>." in await desk.ask("test", rule="2")


async def test_settings_are_shown_and_changed(desk: AlertWorld) -> None:
    assert "Messages come singly; no quiet hours." in await desk.ask("settings")
    assert "Name your time zone as well" in await desk.ask("settings", quiet="22:00-07:00")
    said = await desk.ask("settings", quiet="22:00-7:00", zone="europe/berlin")
    assert "quiet from 22:00 to 07:00, Europe/Berlin" in said
    said = await desk.ask("settings", digest="08:30")
    assert "one digest a day at 08:30" in said
    assert "The next digest comes <t:" in said
    assert "within your quiet hours" in await desk.ask("settings", digest="23:00")
    assert "no quiet hours" in await desk.ask("settings", quiet="off")
    for options, sentence in (
        ({"quiet": "22:00"}, "Quiet hours are two times"),
        ({"quiet": "22:00-22:00"}, "two different times"),
        ({"digest": "25:00"}, "The digest is a time"),
        ({"zone": "Europe/Berln"}, "Did you mean Europe/Berlin"),
    ):
        assert sentence in await desk.ask("settings", **options)
    assert "08:30" in await desk.ask("settings")


async def test_quiet_hours_keep_a_message_back(desk: AlertWorld) -> None:
    await desk.add()
    now = desk.now()
    await desk.ask("settings", quiet=f"{now:%H}:00-{(now.hour + 3) % 24:02}:00", zone="UTC")
    await desk.run(LOW)
    await desk.run(HIGH)
    assert desk.letters() == []
    await desk.world.env.advance_time(4 * 3600)
    await desk.courier.deliver()
    assert len(desk.letters()) == 1


@pytest.mark.parametrize("option", ["on", "metric"])
async def test_completion_stays_within_the_limits(desk: AlertWorld, option: str) -> None:
    for typed in ("", "i", "my", "x" * 300, "@everyone", "\\"):
        offered = await desk.world.visitor.autocomplete(desk.world.channel, "alert add", option, typed)
        assert len(offered) <= 25
    assert offered == []


async def test_zones_and_rules_are_completed(desk: AlertWorld) -> None:
    visitor, channel = desk.world.visitor, desk.world.channel
    offered = await visitor.autocomplete(channel, "alert settings", "zone", "new york")
    assert "America/New_York" in [choice["value"] for choice in offered]
    await desk.add()
    for command in ("remove", "test"):
        (choice,) = await visitor.autocomplete(channel, f"alert {command}", "rule", "")
        assert (choice["name"], choice["value"]) == ("#1 GLD: VRP tactical above 1.30", "1")
    offered = await visitor.autocomplete(channel, "alert snooze", "rule", "")
    assert [choice["value"] for choice in offered] == ["all", "1"]


async def test_the_command_stays_small(desk: AlertWorld) -> None:
    (alert,) = (each for each in desk.bot.tree.payload() if each["name"] == "alert")
    assert len(json.dumps(alert)) < 8000
    add = next(each for each in alert["options"] if each["name"] == "add")
    when = next(each for each in add["options"] if each["name"] == "when")
    assert [choice["value"] for choice in when["choices"]] == list(CONDITIONS)


async def test_too_many_in_a_row_are_told_when_to_come_back(desk: AlertWorld) -> None:
    answers = []
    for _ in range(9):
        result = await desk.world.visitor.slash(desk.world.channel, "alert list")
        answers.append(text_of(answer_of(result)))
    assert "free for you again <t:" in answers[-1]
    assert "free for you again" not in answers[-2]
