"""/method, /status and /help."""

from __future__ import annotations

import re

import pytest
from discord import app_commands

from bot.demo import WORLD_BEGINS
from engine import __version__
from engine.screen.glossary import METRICS, TERMS
from tests.bot.conftest import PAST, SYMBOLS, World, text_of


async def test_method_without_a_word_names_every_metric(world: World) -> None:
    answer = await world.ask("method")
    assert not answer.ephemeral
    text = text_of(answer).replace("\\", "")
    assert all(metric.title in text for metric in (*METRICS, *TERMS))


@pytest.mark.parametrize("typed", ["IV30", "iv30", "VRP structural", "vrp_structural", "score", "hard gate"])
async def test_method_explains_a_word_however_it_is_written(world: World, typed: str) -> None:
    text = text_of(await world.ask("method", metric=typed))
    assert "**Source**" in text
    assert "**Unit**" in text


async def test_method_offers_every_title_it_completes(world: World) -> None:
    offered = await world.visitor.autocomplete(world.channel, "method", "metric", "vrp")
    assert [choice["value"] for choice in offered][:2] == ["VRP structural", "VRP tactical"]
    assert "**Source**" in text_of(await world.ask("method", metric=offered[0]["value"]))


async def test_an_unknown_word_gets_the_nearest_privately(world: World) -> None:
    answer = await world.ask("method", metric="IV persentile")
    assert answer.ephemeral
    assert "IV percentile" in text_of(answer)


async def test_status_tells_run_record_and_process(world: World) -> None:
    await world.env.advance_time(3720)
    text = text_of(await world.ask("status"))
    assert "SIMULATED" in text
    assert "closing, Wed 31 Dec 2025" in text
    assert f"universe  {len(SYMBOLS)} names" in text
    assert f"{PAST + 1} runs" in text
    assert f"{(PAST + 1) * len(SYMBOLS):,} observations" in text
    assert "1 h 2 min" in text
    assert __version__ in text


async def test_status_takes_its_time_from_the_clock_it_was_given(world: World) -> None:
    assert world.bot.started == WORLD_BEGINS


async def test_help_is_private_and_lists_the_whole_tree(world: World) -> None:
    answer = await world.ask("help")
    assert answer.ephemeral
    text = text_of(answer)
    commands = {
        command.qualified_name: command.description
        for command in world.bot.tree.walk_commands()
        if isinstance(command, app_commands.Command)
    }
    mentioned = dict(re.findall(r"</([a-z ]+):([0-9]+)>", text))
    assert mentioned.keys() == commands.keys()
    assert all(command.description in text for command in world.bot.tree.get_commands())
    roots = {name.split()[0]: int(number) for name, number in mentioned.items()}
    assert roots == world.bot.command_ids


async def test_look_ups_are_limited_per_person_and_say_until_when(world: World) -> None:
    texts = [text_of(await world.ask("status")) for _ in range(6)]
    free = int(WORLD_BEGINS.timestamp()) + 10
    assert f"free for you again <t:{free}:R>" in texts[-1]
    assert "free for you again" not in texts[-2]
    other = world.guild.add_member(world.env.create_user("other"))
    asked = await other.slash(world.channel, "status")
    assert not asked.response.ephemeral
    await world.rest(10)
    assert "free for you again" not in text_of(await world.ask("status"))
