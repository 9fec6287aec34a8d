"""Buttons: for everybody, in private, and after a restart."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from bot.answers import Scope
from bot.buttons import RunButton, view_of
from bot.cards.card import Button, Card
from bot.cards.screen import PAGE_ROWS
from bot.posting import post
from engine.record.store import Store
from engine.rules import Rules
from tests.bot.conftest import (
    SYMBOLS,
    Clock,
    MakeBot,
    World,
    answer_of,
    discord_around,
    labels_of,
    text_channel,
    text_of,
)


@pytest.fixture
def easy(rules: Rules) -> Rules:
    """Rules so easy that the list takes more than one page."""
    gates = rules.gates.model_copy(
        update={"momentum_min": 0.0, "iv_percentile_min": 0.0, "strict": False, "liquidity_rating_min": 0.0}
    )
    lens = {
        name: each.model_copy(update={"vrp_structural_threshold": 0.01, "vrp_tactical_threshold": 0.01})
        for name, each in rules.lenses.items()
    }
    return rules.model_copy(update={"gates": gates, "lenses": lens})


async def test_why_method_and_csv_answer_in_private(world: World) -> None:
    screen = await world.ask("screen")
    for label in labels_of(screen)[:3]:
        answer = answer_of(await world.press(screen, label))
        assert answer.ephemeral
        assert text_of(answer).strip()


async def test_why_tells_of_the_first_name(world: World) -> None:
    screen = await world.ask("screen")
    label = labels_of(screen)[0]
    answer = answer_of(await world.press(screen, label))
    assert label.removeprefix("Why ") in (answer.embeds[0].title or "")


async def test_a_stranger_may_press_the_buttons_of_a_post(world: World) -> None:
    message = await post(text_channel(world), await world.bot.answers.post())
    stranger = world.guild.add_member(world.env.create_user("stranger"))
    answer = answer_of(await world.press(message, "Method", by=stranger))
    assert answer.ephemeral


async def test_the_csv_holds_every_name_with_every_gate(world: World) -> None:
    screen = await world.ask("screen")
    answer = answer_of(await world.press(screen, "Full list CSV"))
    (attachment,) = answer.attachments
    rows = list(csv.DictReader(io.StringIO((await attachment.read()).decode())))
    assert sorted(row["symbol"] for row in rows) == sorted(SYMBOLS)
    official = (await world.bot.service.screen()).screen
    row, found = official.rows[0], rows[0]
    assert found["symbol"] == row.symbol
    assert float(found["iv30"]) == row.number("iv30")
    assert {f"{gate.name}_gate" for gate in row.gates} <= set(found)


async def test_the_csv_of_a_narrowed_list_is_narrowed(world: World) -> None:
    screen = await world.ask("screen", universe="etfs")
    answer = answer_of(await world.press(screen, "Full list CSV"))
    (attachment,) = answer.attachments
    rows = list(csv.DictReader(io.StringIO((await attachment.read()).decode())))
    assert {row["asset_class"] for row in rows} == {"etf"}
    assert "ETFs only" in text_of(answer)


async def test_vrp_and_why_lead_to_each_other(world: World) -> None:
    why = answer_of(await world.press(await world.ask("vrp", symbol="KO"), "Why KO"))
    assert "structural" in text_of(why)
    chart = answer_of(await world.press(why, "Chart KO"))
    assert (chart.embeds[0].image.url or "").endswith("vrp.png")
    assert chart.ephemeral


async def test_paging_edits_the_list_of_the_one_who_asked(
    make_bot: MakeBot, clock: Clock, easy: Rules
) -> None:
    async with discord_around(make_bot(rules=easy), clock) as world:
        screen = await world.ask("screen")
        assert "page 1 of 3" in text_of(screen)
        before = len(world.channel.history())
        first = listed(screen)
        await world.press(screen, "Next")
        assert "page 2 of 3" in text_of(screen)
        assert len(first) == PAGE_ROWS
        assert not set(first) & set(listed(screen))
        await world.press(screen, "Previous")
        assert listed(screen) == first
        assert len(world.channel.history()) == before


async def test_paging_keeps_the_scope(make_bot: MakeBot, clock: Clock, easy: Rules) -> None:
    async with discord_around(make_bot(rules=easy), clock) as world:
        screen = await world.ask("screen", universe="equities")
        await world.press(screen, "Next")
        assert "Only single equities" in text_of(screen)
        official = (await world.bot.service.screen()).screen
        for symbol in listed(screen):
            row = official.find(symbol)
            assert row is not None
            assert row.text("asset_class") == "equity"


async def test_paging_somebody_elses_list_opens_a_private_one(
    make_bot: MakeBot, clock: Clock, easy: Rules
) -> None:
    async with discord_around(make_bot(rules=easy), clock) as world:
        screen = await world.ask("screen")
        first = listed(screen)
        stranger = world.guild.add_member(world.env.create_user("stranger"))
        private = answer_of(await world.press(screen, "Next", by=stranger))
        assert private.ephemeral
        assert "page 2 of 3" in text_of(private)
        assert listed(screen) == first
        await world.press(private, "Previous", by=stranger)
        assert listed(private) == first


async def test_buttons_outlive_the_bot(make_bot: MakeBot, clock: Clock, easy: Rules) -> None:
    async with discord_around(make_bot(rules=easy), clock) as world:
        screen = await world.ask("screen", profile="aggressive", lens="yearly", universe="equities")
        message = await post(text_channel(world), await world.bot.answers.post())
        why, run = labels_of(screen)[0], text_of(screen).split("run ")[1].split(" ")[0]
        world.bot.service.close()
        await world.env.restart_bot(make_bot(rules=easy))
        await world.rest()
        answer = answer_of(await world.press(screen, why))
        assert f"run {run} " in text_of(answer)
        assert "profile aggressive" in text_of(answer)
        await world.press(screen, "Next")
        assert "page 2 of" in text_of(screen)
        assert "Only single equities" in text_of(screen)
        csv_answer = answer_of(await world.press(message, "Full list CSV"))
        assert csv_answer.attachments


async def test_a_run_that_is_gone_is_one_sentence(make_bot: MakeBot, clock: Clock, tmp_path: Path) -> None:
    async with discord_around(make_bot(), clock) as world:
        screen = await world.ask("screen")
        with Store.open(tmp_path / "empty.db"):
            pass
        await world.env.restart_bot(make_bot(path=tmp_path / "empty.db"))
        await world.rest()
        answer = answer_of(await world.press(screen, labels_of(screen)[0]))
        assert answer.ephemeral
        assert "no longer in the record" in text_of(answer)


async def test_a_button_is_limited_per_person(world: World) -> None:
    screen = await world.ask("screen")
    answers = [answer_of(await world.press(screen, "Method")) for _ in range(9)]
    assert "free for you again <t:" in text_of(answers[-1])
    assert "free for you again" not in text_of(answers[-2])
    await world.rest(11)
    assert "free for you again" not in text_of(answer_of(await world.press(screen, "Method")))


async def test_no_view_is_kept_in_memory(world: World) -> None:
    for _ in range(2):
        await world.ask("screen")
        await world.rest()
    assert world.bot.persistent_views == []


async def test_an_id_holds_all_a_button_needs() -> None:
    button = Button("Next", "page", 123456, Scope("etfs", "Information Technology").text)
    view = view_of(Card(title="", state="info", buttons=(button,)))
    (item,) = view.children
    assert isinstance(item, RunButton)
    assert item.custom_id == "variance:page:123456:etfs/Information Technology"


@pytest.mark.parametrize("text", ["", "all/", "etfs/Energy", "equities/", "all/Health Care"])
def test_a_scope_survives_its_button(text: str) -> None:
    assert Scope.parse(Scope.parse(text).text) == Scope.parse(text)


def test_a_scope_of_no_use_is_everything() -> None:
    assert Scope.parse("moon") == Scope()


def listed(message: object) -> list[str]:
    """Symbols of a list, in order."""
    description = message.embeds[0].description  # type: ignore[attr-defined]
    return [line.split()[1] for line in description.split("```")[1].strip("\n").splitlines()[1:]]
