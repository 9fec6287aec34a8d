"""/pairs, /sectors and /pair through a simulated Discord: market facts for all, a server's own for it."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest

from bot.people.pairs import MOST, GuildPairs, pair_of
from engine.market.simulated import SimulatedMarket
from engine.record.pairs import stored_pairs
from engine.relative.words import WARNINGS
from engine.rules import Listing, load_pairs
from tests.bot.conftest import (
    CONFIG,
    PAST,
    SESSION,
    Clock,
    Desk,
    MakeBot,
    Played,
    World,
    answer_of,
    discord_around,
    labels_of,
    manager_of,
    text_of,
)

PAIRS = load_pairs(CONFIG)


@dataclass
class Servers:
    """Two servers with a manager each."""

    world: World
    here: Desk
    there: Desk

    def own(self, desk: Desk) -> list[str]:
        return [each.pair.id for each in GuildPairs(self.world.bot.service.store).of(desk.guild.id)]


@pytest.fixture
async def world(make_bot: MakeBot, clock: Clock) -> AsyncIterator[World]:
    async with discord_around(make_bot(pairs=PAIRS), clock) as world:
        yield world


@pytest.fixture
async def servers(world: World, desk: Desk) -> Servers:
    guild = world.env.create_guild("Other")
    channel = guild.create_text_channel("pairs")
    boss = manager_of(world, guild, "other boss")
    await world.env.settle()
    return Servers(world, desk, Desk(world, guild, channel, boss))


async def kept(desk: Desk, legs: str = "KO XOM", threshold: float = 0.1) -> str:
    """A server's manager adds a pair."""
    leg_a, leg_b = legs.split()
    said = await desk.said("pair add", leg_a=leg_a, leg_b=leg_b, threshold=threshold)
    await desk.world.rest()
    return said


def legs_of(message: Any) -> list[str]:
    """The pairs of a list, in order."""
    table = text_of(message).split("```")[1].strip().splitlines()[1:]
    return [line.split()[0] for line in table]


async def test_all_pairs_are_public_with_their_signals(world: World) -> None:
    answer = await world.ask("pairs")
    assert not answer.ephemeral
    assert sorted(legs_of(answer)) == sorted(f"{pair.leg_a}/{pair.leg_b}" for pair in PAIRS)
    text = text_of(answer)
    assert "SIMULATED · Pairs · Wed 31 Dec 2025" in text
    assert "of 5 pairs in convergence" in text
    assert "A-B: the spread; beyond 0.50 either way" in text
    assert labels_of(answer)[1:] == ["Full list CSV", "Method"]


@pytest.mark.parametrize("typed", ["BEVERAGES", "beverages", "KO / PEP", "pep/ko", " ko pep ", "pep"])
async def test_one_pair_is_found_by_id_legs_or_a_leg(world: World, typed: str) -> None:
    answer = await world.ask("pairs", pair=typed)
    assert "Pair KO / PEP" in (answer.embeds[0].title or "")
    assert (answer.embeds[0].image.url or "").endswith("SIMULATED_pair_BEVERAGES.png")


async def test_one_pair_has_its_numbers_its_past_and_the_warnings(world: World) -> None:
    answer = await world.ask("pairs", pair="OIL_MAJORS")
    assert not answer.ephemeral
    text = text_of(answer)
    for word in ("IV30/HV252", "IV30 %", "HV252 %", "Spread A-B", "z-score", "Corr 252", "Corr 60"):
        assert word in text
    assert f"(n={PAST})" in text
    assert "(at least 0.85)" in text
    assert all(warning in text for warning in WARNINGS)


async def test_a_name_in_several_pairs_asks_back(servers: Servers) -> None:
    await kept(servers.here)
    answer = await servers.world.ask("pairs", pair="ko")
    assert answer.ephemeral
    assert "That name is in several pairs: BEVERAGES, KO\\_XOM\\_10." in text_of(answer)


async def test_an_unknown_pair_is_one_sentence_with_what_there_is(world: World) -> None:
    answer = await world.ask("pairs", pair="tulips / bulbs")
    assert answer.ephemeral
    assert "There is no such pair. There is PRECIOUS\\_METALS, OIL\\_MAJORS" in text_of(answer)
    assert "tulips" not in text_of(answer)


async def test_pairs_are_completed_by_leg_and_id(world: World) -> None:
    for typed in ("gld", "precious", "slv"):
        [offered] = await world.visitor.autocomplete(world.channel, "pairs", "pair", typed)
        assert offered["name"] == "GLD / SLV (PRECIOUS_METALS)"
        assert offered["value"] == "PRECIOUS_METALS"
    assert len(await world.visitor.autocomplete(world.channel, "pairs", "pair", "")) == len(PAIRS)


async def test_a_pairs_button_leads_to_it_and_back(world: World) -> None:
    listed = await world.ask("pairs")
    label = labels_of(listed)[0]
    one = answer_of(await world.press(listed, label))
    assert one.ephemeral
    assert f"Pair {label}" in (one.embeds[0].title or "")
    again = answer_of(await world.press(one, "All pairs"))
    assert legs_of(again) == legs_of(listed)
    assert "IV30/HV252 of the first leg less" in text_of(answer_of(await world.press(listed, "Method")))


async def test_the_file_holds_every_pair(world: World) -> None:
    answer = answer_of(await world.press(await world.ask("pairs"), "Full list CSV"))
    assert answer.ephemeral
    rows = list(csv.DictReader(io.StringIO((await answer.attachments[0].read()).decode())))
    assert {row["id"] for row in rows} == {pair.id for pair in PAIRS}


async def test_a_long_list_is_turned_by_the_one_who_asked(servers: Servers) -> None:
    pairs, guild = GuildPairs(servers.world.bot.service.store), servers.here.guild.id
    for symbol in ("AAPL", "MSFT", "NVDA", "AMD", "TSLA", "META", "NFLX", "DIS"):
        pairs.add(guild, pair_of("SPY", symbol, 0.1), PAIRS, 1, servers.world.env.now())
    listed = await servers.world.ask("pairs")
    assert "page 1 of 2" in text_of(listed)
    first = legs_of(listed)
    await servers.world.press(listed, "Next")
    assert "page 2 of 2" in text_of(listed)
    assert len(first) + len(legs_of(listed)) == len(PAIRS) + 8
    private = answer_of(await servers.world.press(listed, "Previous", by=servers.here.boss))
    assert private.ephemeral
    assert legs_of(private) == first


async def test_buttons_of_an_earlier_run_tell_of_that_run(
    servers: Servers, make_bot: MakeBot, listings: tuple[Listing, ...]
) -> None:
    world = servers.world
    await kept(servers.here)
    listed, sectors = await world.ask("pairs"), await world.ask("sectors")
    one = await world.ask("pairs", pair="BEVERAGES")
    world.bot.service.close()
    later = Played(SimulatedMarket(listings, SESSION, "open").snapshot())
    bot = make_bot(later, pairs=PAIRS)
    await world.env.restart_bot(bot)
    await bot.service.ready()
    await world.rest()
    before = text_of(one).split("```")[1]
    again = answer_of(await world.press(await world.ask("pairs"), "Full list CSV"))
    assert b"KO_XOM_10" in await again.attachments[0].read()
    label = labels_of(listed)[0]
    pressed = answer_of(await world.press(listed, label))
    assert "2025-12-31/close" in text_of(pressed)
    back = answer_of(await world.press(one, "All pairs"))
    assert "KO/XOM*" not in legs_of(back), "it was not measured in that run"
    stored = await bot.answers.relative.pair("BEVERAGES", None, run_of(one))
    assert before.strip("\n") == stored.table
    table = text_of(sectors).split("```")[1]
    assert (await bot.answers.relative.sectors(run_of(sectors))).table == table.strip("\n")


def run_of(message: Any) -> int:
    return int(text_of(message).split("run ")[1].split(" ")[0])


async def test_sectors_are_public_and_sorted_by_their_mean(world: World) -> None:
    answer = await world.ask("sectors")
    assert not answer.ephemeral
    lines = text_of(answer).split("```")[1].strip().splitlines()
    assert lines[0].split() == ["SECTOR", "n", "MEAN", "MED", "RICH", "CHEAP"]
    stocks = [line for line in lines[1:] if not line.startswith("Broad Market")]
    means = [float(line.split()[-4]) for line in stocks]
    assert means == sorted(means, reverse=True)
    assert "Too few names to compare: " in text_of(answer)


async def test_one_sector_has_its_names_and_a_picture(world: World) -> None:
    answer = await world.ask("sectors", sector="information technology")
    assert not answer.ephemeral
    assert (answer.embeds[0].image.url or "").endswith("SIMULATED_sector_Information_Technology.png")
    lines = text_of(answer).split("```")[1].strip().splitlines()[1:]
    deltas = [float(line.split()[2]) for line in lines]
    assert deltas == sorted(deltas, reverse=True)
    assert sum(deltas) == pytest.approx(0.0, abs=0.05)
    assert "the sector's own part is" in text_of(answer)
    file = answer_of(await world.press(answer, "Full list CSV"))
    names = [
        row["symbol"] for row in csv.DictReader(io.StringIO((await file.attachments[0].read()).decode()))
    ]
    assert {line.split()[0] for line in lines} <= set(names)
    every = answer_of(await world.press(answer, "All sectors"))
    assert "Information Tec" in text_of(every)
    one = answer_of(await world.press(every, labels_of(every)[0]))
    assert "Sector " in (one.embeds[0].title or "")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("tulips", "There is no such sector."),
        ("consumer staples", "Consumer Staples has 2 of the 3 names with IV30/HV90 that a comparison takes."),
    ],
)
async def test_a_sector_that_cannot_be_compared_is_one_sentence(world: World, typed: str, said: str) -> None:
    await world.bot.service.ready()
    answer = await world.ask("sectors", sector=typed)
    assert answer.ephemeral
    assert said in text_of(answer)
    assert "tulips" not in text_of(answer)


async def test_a_stopped_run_says_so(make_bot: MakeBot, clock: Clock, listings: tuple[Listing, ...]) -> None:
    without = Played(SimulatedMarket(listings, SESSION, without_benchmark=True).snapshot())
    async with discord_around(make_bot(without, pairs=PAIRS), clock) as world:
        for command, options in (
            ("pairs", {}),
            ("pairs", {"pair": "BANKS"}),
            ("sectors", {}),
            ("sectors", {"sector": "Energy"}),
        ):
            text = text_of(await world.ask(command, **options))
            assert "Run stopped: " in text
            assert "nothing is compared" in text
            await world.rest()


async def test_a_manager_keeps_a_pair_of_the_server(servers: Servers) -> None:
    assert "KO / XOM is kept as KO\\_XOM\\_10" in await kept(servers.here)
    assert "KO/XOM*" in legs_of(await servers.world.ask("pairs"))
    text = text_of(await servers.world.ask("pairs", pair="xom ko"))
    assert "KO\\_XOM\\_10, a pair of this server" in text
    assert "(at least 0.10)" in text
    listed = await servers.here.said("pair list")
    assert "KO/XOM         0.10" in listed
    assert f"<@{servers.here.boss.id}>" in listed
    await servers.world.rest()
    assert "is not kept any more" in await servers.here.said("pair remove", pair="KO / XOM")
    assert "KO/XOM*" not in legs_of(await servers.world.ask("pairs"))


async def test_two_servers_do_not_see_each_others(servers: Servers) -> None:
    here, there = servers.here, servers.there
    await kept(here)
    await kept(there, "GM TSLA", 0.2)
    assert (servers.own(here), servers.own(there)) == (["KO_XOM_10"], ["GM_TSLA_20"])
    answer = answer_of(await there.boss.slash(there.channel, "pairs"))
    assert "GM/TSLA*" in legs_of(answer)
    assert "KO/XOM*" not in legs_of(answer)
    await servers.world.rest()
    assert "There is no such pair" in text_of(await there.ask("pairs", pair="KO_XOM_10"))
    for command, option in (("pairs", "pair"), ("alert add", "on"), ("pair remove", "pair")):
        offered = await there.boss.autocomplete(there.channel, command, option, "_")
        values = [choice["value"] for choice in offered]
        assert "GM_TSLA_20" in values
        assert "KO_XOM_10" not in values
    await servers.world.rest()
    listed = await servers.world.ask("pairs", pair="KO_XOM_10")
    pressed = answer_of(await servers.world.press(listed, "All pairs"))
    assert "GM/TSLA*" not in legs_of(pressed)
    assert "no such pair" in await there.said("pair remove", pair="KO_XOM_10")
    assert servers.own(here) == ["KO_XOM_10"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"leg_a": "KO", "leg_b": "KO"}, "A pair is of two different names."),
        ({"leg_a": "KO", "leg_b": "PEP"}, "KO and PEP are a pair already: BEVERAGES."),
        ({"leg_a": "PEP", "leg_b": "KO"}, "PEP are a pair already: BEVERAGES."),
        ({"leg_a": "KO", "leg_b": "ZZZZ"}, "ZZZZ is not in this run's universe."),
        ({"leg_a": "=KO()", "leg_b": "PEP"}, "A ticker is 1 to 10 letters"),
        ({"leg_a": "KO", "leg_b": "XOM", "threshold": 0.705}, "0.00 to 0.99 with two decimals"),
    ],
)
async def test_what_cannot_be_a_pair_is_refused_in_a_sentence(
    servers: Servers, options: dict[str, Any], said: str
) -> None:
    await servers.world.bot.service.ready()
    assert said in await servers.here.said("pair add", **options)
    assert servers.own(servers.here) == []


async def test_twenty_pairs_are_the_most(servers: Servers) -> None:
    pairs, here = GuildPairs(servers.world.bot.service.store), servers.here
    for place in range(MOST):
        pairs.add(here.guild.id, pair_of("SPY", f"X{place}", 0.1), (), 1, servers.world.env.now())
    assert "This server has 20 pairs, the most one server may keep" in await kept(here)
    assert "/pair add keeps one" in await servers.there.said("pair remove", pair="SPY / X1")


async def test_only_managers_find_the_commands_and_are_let_through(servers: Servers) -> None:
    here, visitor = servers.here, servers.world.visitor
    theirs = {"pair add", "pair remove", "pair list"}
    assert theirs <= set(here.boss.available_commands(here.channel))
    assert not theirs & set(visitor.available_commands(here.channel))
    assert {"pairs", "sectors"} <= set(visitor.available_commands(here.channel))
    here.guild.set_command_permissions(servers.world.bot.command_ids["pair"], {visitor: True})
    for command, options in (
        ("pair add", {"leg_a": "KO", "leg_b": "XOM"}),
        ("pair remove", {"pair": "KO_XOM_70"}),
        ("pair list", {}),
    ):
        answer = await here.ask(command, by=visitor, **options)
        assert answer.ephemeral
        assert "For this you need the permission Manage Server." in text_of(answer)
        await servers.world.rest()
    assert servers.own(here) == []


async def test_own_pairs_outlive_the_bot_and_are_stored_with_its_next_run(
    servers: Servers, make_bot: MakeBot
) -> None:
    world = servers.world
    await kept(servers.here)
    await kept(servers.there)
    world.bot.service.close()
    bot = make_bot(pairs=PAIRS)
    await world.env.restart_bot(bot)
    market = await bot.service.ready()
    stored = [row.pair for row in stored_pairs(bot.service.store, market.official.run_id)]
    assert stored.count("KO_XOM_10") == 1
    assert len(stored) == len(PAIRS) + 1
    await world.rest()
    assert "KO/XOM*" in legs_of(await world.ask("pairs"))


async def test_a_server_the_bot_leaves_takes_its_pairs_with_it(servers: Servers) -> None:
    await kept(servers.here)
    await kept(servers.there)
    guild = servers.world.bot.get_guild(servers.there.guild.id)
    assert guild is not None
    await guild.leave()
    await servers.world.env.settle()
    assert (servers.own(servers.here), servers.own(servers.there)) == (["KO_XOM_10"], [])


async def test_numbers_speak_the_servers_language(servers: Servers) -> None:
    await servers.here.ask("setup", channel=servers.here.channel, numbers="de")
    await servers.world.rest()
    text = text_of(await servers.world.ask("pairs", pair="BANKS"))
    assert "(limit 0,50)" in text
    assert "at least 0,85" in text


async def test_a_direct_message_knows_the_operators_pairs_alone(servers: Servers) -> None:
    await kept(servers.here)
    visitor = servers.world.visitor
    answer = answer_of(await visitor.user.slash("pairs"))
    assert len(legs_of(answer)) == len(PAIRS)
