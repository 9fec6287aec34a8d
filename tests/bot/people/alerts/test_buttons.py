"""Snooze, edit and off under a message: for the owner alone, and after a restart."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bot.conftest import MakeBot, answer_of, text_of
from tests.bot.people.alerts.conftest import GLD_ABOVE, HIGH, LOW, AlertWorld

LABELS = ("Snooze 1 day", "Edit", "Off")


async def fired(desk: AlertWorld, **options: Any) -> Any:
    """A rule that has just spoken; its message."""
    await desk.add(**{**GLD_ABOVE, **options})
    await desk.run(LOW)
    await desk.run(HIGH)
    return desk.world.channel.last_message if options else desk.letters()[-1]


async def press(desk: AlertWorld, message: Any, label: str, by: Any = None) -> Any:
    await desk.world.rest()
    return await (by or desk.world.visitor.user).click(message, label=label)


async def said(desk: AlertWorld, message: Any, label: str, by: Any = None) -> str:
    answer = answer_of(await press(desk, message, label, by))
    assert answer.ephemeral
    return text_of(answer)


async def test_snooze_silences_the_rule_for_a_day(desk: AlertWorld) -> None:
    letter = await fired(desk)
    assert "Rule #1 is silent until <t:" in await said(desk, letter, "Snooze 1 day")
    assert "snoozed until" in await desk.ask("list")


async def test_off_switches_off_and_on_again(desk: AlertWorld) -> None:
    letter = await fired(desk)
    answer = answer_of(await press(desk, letter, "Off"))
    assert "Rule #1 is off." in text_of(answer)
    assert "off · by direct message" in await desk.ask("list")
    await desk.run(LOW)
    assert await desk.run(HIGH) == 0
    assert "Rule #1 is on again." in await said(desk, answer, "On again")
    assert "holds now" in await desk.ask("list")


async def test_edit_takes_another_level_and_pause(desk: AlertWorld) -> None:
    letter = await fired(desk)
    shown = await press(desk, letter, "Edit")
    assert shown.modal["title"] == "Rule #1"
    answer = await desk.world.visitor.user.submit_modal(shown, {"level": "1,4", "pause": "48"})
    text = text_of(answer_of(answer))
    assert "#1 GLD: VRP tactical above 1.40" in text
    assert "It is above now (1.42): it fires when it crosses again." in text
    listed = await desk.ask("list")
    assert "VRP tactical above 1.40" in listed
    assert "pause 2 days" in listed


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"level": "much", "pause": "20"}, "The level of VRP tactical is typed as a ratio"),
        ({"level": "1.4", "pause": "0"}, "1 to 336"),
        ({"level": "1.4", "pause": "337"}, "1 to 336"),
        ({"level": "1.4", "pause": "@everyone"}, "1 to 336"),
    ],
)
async def test_edit_refuses_in_one_sentence_and_changes_nothing(
    desk: AlertWorld, values: dict[str, str], sentence: str
) -> None:
    letter = await fired(desk)
    shown = await press(desk, letter, "Edit")
    answer = answer_of(await desk.world.visitor.user.submit_modal(shown, values))
    assert answer.ephemeral
    assert sentence in text_of(answer)
    assert "@everyone" not in text_of(answer)
    assert "above 1.30" in await desk.ask("list")


async def test_edit_of_earnings_takes_days(desk: AlertWorld) -> None:
    await desk.add(on="KO", when="earnings", days=7)
    date = {"earnings_date": "2026-02-01"}
    await desk.run({"KO": {"earnings_days": 9.0, **date}})
    await desk.run({"KO": {"earnings_days": 6.0, **date}})
    (letter,) = desk.letters()
    assert "KO: earnings in 6 days" in text_of(letter)
    assert "Report on Sun 1 Feb 2026" in text_of(letter)
    shown = await press(desk, letter, "Edit")
    answer = answer_of(await desk.world.visitor.user.submit_modal(shown, {"level": "3", "pause": "20"}))
    assert "earnings within 3 days" in text_of(answer)


async def test_a_name_that_left_the_list_says_by_which_gate(desk: AlertWorld) -> None:
    listed = desk.runs.screen.passed[0]
    failing = next(row for row in desk.runs.screen.rows if row.failed and row.text("missing_reason") is None)
    await desk.add(on=listed.symbol, when="leaves")
    await desk.run({listed.symbol: {"passed": False, "gates": failing.gates}})
    (letter,) = desk.letters()
    assert f"{listed.symbol}: left the list" in text_of(letter)
    assert "It fails " in text_of(letter)
    assert f"Why {listed.symbol}" in labels(letter)


def labels(message: Any) -> list[str]:
    return [item.label for row in message.components for item in row.children]


async def test_the_why_button_tells_of_that_run(desk: AlertWorld) -> None:
    letter = await fired(desk)
    assert f"run {desk.runs.run_id} " in await said(desk, letter, "Why GLD")


async def test_only_the_owner_may_press(desk: AlertWorld) -> None:
    message = await fired(desk, deliver="channel")
    stranger = desk.world.guild.add_member(desk.world.env.create_user("stranger"))
    for label in LABELS:
        text = await said(desk, message, label, by=stranger)
        assert "These buttons are for the person whose rule this is" in text
        assert "1.30" not in text
    assert "armed" not in await desk.ask("list")
    assert "holds now" in await desk.ask("list")
    assert "silent until" in await said(desk, message, "Snooze 1 day", by=desk.world.visitor)


async def test_the_buttons_of_a_rule_that_is_gone_say_so(desk: AlertWorld) -> None:
    letter = await fired(desk)
    await desk.ask("remove", rule="1")
    await desk.add(on="KO", when="signal")
    for label in LABELS:
        assert "That rule is gone; /alert list shows yours." in await said(desk, letter, label)


async def test_the_buttons_outlive_the_bot(desk: AlertWorld, make_bot: MakeBot) -> None:
    letter = await fired(desk)
    await desk.restart(make_bot)
    assert "Rule #1 is silent until" in await said(desk, letter, "Snooze 1 day")
    shown = await press(desk, letter, "Edit")
    answer = await desk.world.visitor.user.submit_modal(shown, {"level": "1.5", "pause": "20"})
    assert "above 1.50" in text_of(answer_of(answer))
    assert "Rule #1 is off." in await said(desk, letter, "Off")


async def test_a_digest_leads_to_the_rules(desk: AlertWorld) -> None:
    await desk.add()
    await desk.ask("settings", digest="12:00", zone="UTC")
    await desk.run(LOW)
    await desk.run(HIGH)
    await desk.world.env.advance_time(24 * 3600)
    await desk.courier.deliver()
    (letter,) = desk.letters()
    assert labels(letter) == ["My rules"]
    assert "Your alerts: 1 of 20 rules" in await said(desk, letter, "My rules")


async def test_no_view_is_kept_in_memory(desk: AlertWorld) -> None:
    await fired(desk)
    assert desk.bot.persistent_views == []
