"""/calibrate and the monthly note through a simulated Discord: for managers, and nothing is changed."""

from __future__ import annotations

import csv
import io

import pytest

from bot.failures import RunGoneError
from engine.market.simulated import SimulatedMarket
from engine.rules import Listing, Rules
from tests.bot.conftest import (
    PAST,
    SESSION,
    SYMBOLS,
    Clock,
    Desk,
    MakeBot,
    Played,
    discord_around,
    text_of,
)


async def test_a_manager_sees_both_lenses_triggers_and_what_ifs_privately(desk: Desk) -> None:
    before = desk.world.bot.service.rules.model_dump_json()
    await desk.world.bot.service.ready()
    answer = await desk.ask("calibrate")
    assert answer.ephemeral
    text = text_of(answer)
    for words in (
        "SIMULATED · Calibration · Wed 31 Dec 2025",
        "Judged by the rules of the bot: balanced, lens quarterly",
        "LENS",
        "QUARTERLY",
        "YEARLY",
        "IV30/HV90, names",
        "the reference 1.27",
        "What if by rank:** ",
        "What if by regime of HV90:** ",
        "What if consensus:** ",
        "What if by the method's formula:** ",
        "Nothing was changed",
        "is the ordinary state",
        "information, not advice",
    ):
        assert words in text
    assert max(map(len, text.split("```")[1].splitlines())) <= 40
    rows = list(csv.DictReader(io.StringIO((await answer.attachments[0].read()).decode())))
    assert {row["symbol"] for row in rows} == set(SYMBOLS)
    assert answer.attachments[0].filename == "SIMULATED_calibration_2025-12-31.csv"
    screen = (await desk.world.bot.service.screen()).screen
    assert {row["symbol"] for row in rows if row["candidate"] == "true"} == {r.symbol for r in screen.passed}
    assert desk.world.bot.service.rules.model_dump_json() == before


async def test_it_judges_by_the_servers_own_thresholds(ready: Desk) -> None:
    await ready.world.bot.service.ready()
    usual = await ready.said("calibrate")
    await ready.world.rest()
    await ready.ask("config set", field="vrp_structural_threshold", value="0.5")
    await ready.ask("config set", field="numbers", value="de")
    own = await ready.said("calibrate")
    assert "the rules of the bot" in usual
    assert "Judged by the rules of this server: balanced with own thresholds, lens quarterly" in own
    assert "the reference 1,27" in own


async def test_stored_closes_are_pooled(desk: Desk) -> None:
    await desk.world.bot.service.ready()
    text = await desk.said("calibrate", closes=5)
    assert "Calibration · 5 closes to Wed 31 Dec 2025" in text
    assert "Close by close: ratio " in text
    assert "Stored closes, " in text
    await desk.world.rest()
    # The past and the day at hand.
    assert PAST + 1 > 63
    assert "63 closes" in await desk.said("calibrate", closes=63)


async def test_a_stopped_run_gives_way_to_the_last_stored_close(
    make_bot: MakeBot, clock: Clock, listings: tuple[Listing, ...], desk: Desk
) -> None:
    world = desk.world
    world.bot.service.close()
    without = Played(SimulatedMarket(listings, SESSION, without_benchmark=True).snapshot())
    bot = make_bot(without)
    await world.env.restart_bot(bot)
    assert (await bot.service.ready()).table is None
    await world.rest()
    text = await Desk(world, desk.guild, desk.channel, desk.boss).said("calibrate")
    assert "No market at hand can be ranked; this is the last stored close." in text
    assert "Stored close of " in text


async def test_only_managers_find_it_and_are_let_through(desk: Desk) -> None:
    visitor = desk.world.visitor
    assert "calibrate" in desk.boss.available_commands(desk.channel)
    assert "calibrate" not in visitor.available_commands(desk.channel)
    desk.guild.set_command_permissions(desk.world.bot.command_ids["calibrate"], {visitor: True})
    answer = await desk.ask("calibrate", by=visitor)
    assert answer.ephemeral
    assert "For this you need the permission Manage Server." in text_of(answer)


async def test_the_note_speaks_when_a_trigger_fires_and_is_silent_when_none_does(
    make_bot: MakeBot, clock: Clock, rules: Rules
) -> None:
    calm = rules.calibration.model_copy(
        update={"ratio_below": 0.01, "drift_percent": 100.0, "candidates_below": 0, "candidates_above": 999}
    )
    async with discord_around(make_bot(), clock) as world:
        run_id = (await world.bot.service.ready()).official.run_id
        note = await world.bot.answers.calibration.note(run_id)
        assert note is not None
        assert "Calibration note · 21 closes to Wed 31 Dec 2025" in note.title
        assert "of 5: " in note.headline
        details = "\n".join(note.details)
        assert "Nothing was changed" in details
        assert "/calibrate shows the whole" in details
        assert not note.files
        with pytest.raises(RunGoneError):
            await world.bot.answers.calibration.note(10**9)
        world.bot.service.rules = rules.model_copy(update={"calibration": calm})
        assert await world.bot.answers.calibration.note(run_id) is None
