"""/screen universe:watchlist: all of a person's names, for that person's eyes."""

from __future__ import annotations

import csv
import io
from typing import Any

from bot.answers import Scope
from bot.cards.people import PAGE_ROWS
from bot.posting import post
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


def watch(world: World, *symbols: str, person: Any = None) -> None:
    user_id = (person or world.visitor).id
    world.bot.answers.watchlists.replace(user_id, symbols, world.bot.now())


def lines_of(message: Any) -> list[str]:
    description = message.embeds[0].description or ""
    lines: list[str] = description.split("```")[1].strip("\n").splitlines()
    return lines[1:]


def symbols_of(message: Any) -> list[str]:
    return [line.split()[1] for line in lines_of(message)]


async def test_passing_names_come_by_rank_then_the_others_with_what_stops_them(world: World) -> None:
    screen = (await world.bot.service.screen()).screen
    passing = [row.symbol for row in screen.passed[:3]]
    stopped = next(row for row in screen.rows if row.failed and not row.text("missing_reason"))
    lacking = next(row for row in screen.rows if row.text("missing_reason"))
    watch(world, "NEWCO", lacking.symbol, stopped.symbol, *reversed(passing))
    answer = await world.ask("screen", universe="watchlist")
    assert answer.ephemeral
    text = text_of(answer)
    assert "Only your watchlist" in text
    assert "3 of your 6 names pass every gate" in text
    found = symbols_of(answer)
    assert found[:3] == passing
    assert found[-1] == "NEWCO"
    assert set(found) == {"NEWCO", lacking.symbol, stopped.symbol, *passing}
    standing = dict(zip(found, lines_of(answer), strict=True))
    assert "passes" in standing[passing[0]]
    assert "not in this run" in standing["NEWCO"]
    assert "no data" in standing[lacking.symbol]
    assert stopped.failed[0].name.split("_")[0] in standing[stopped.symbol]


async def test_an_empty_watchlist_says_how_to_fill_it(world: World) -> None:
    answer = await world.ask("screen", universe="watchlist")
    assert answer.ephemeral
    assert "Your watchlist is empty; /watch add puts names on it." in text_of(answer)


async def test_profile_lens_and_sector_apply(world: World) -> None:
    watch(world, "XLE", "XOM", "KO", "NEWCO")
    answer = await world.ask("screen", universe="watchlist", sector="energy", profile="broad", lens="yearly")
    assert set(symbols_of(answer)) == {"XLE", "XOM"}
    assert "lens yearly, profile broad" in text_of(answer)
    watch(world, "KO")
    refusal = await world.ask("screen", universe="watchlist", sector="energy")
    assert "No name of your watchlist is in this run and sector" in text_of(refusal)


async def test_paging_shows_every_name_once(world: World) -> None:
    watch(world, *SYMBOLS)
    answer = await world.ask("screen", universe="watchlist")
    first = symbols_of(answer)
    assert len(first) == PAGE_ROWS
    assert "page 1 of 2" in text_of(answer)
    await world.press(answer, "Next")
    assert "page 2 of 2" in text_of(answer)
    assert sorted([*first, *symbols_of(answer)]) == sorted(SYMBOLS)


async def test_a_button_shows_the_list_as_it_is_when_pressed(world: World) -> None:
    watch(world, *SYMBOLS)
    answer = await world.ask("screen", universe="watchlist")
    watch(world, "KO", "BA")
    await world.press(answer, "Next")
    assert set(symbols_of(answer)) == {"KO", "BA"}


async def test_the_csv_holds_the_own_names_only(world: World) -> None:
    watch(world, "KO", "BA", "NEWCO")
    answer = await world.ask("screen", universe="watchlist")
    file = answer_of(await world.press(answer, "Full list CSV"))
    assert file.ephemeral
    (attachment,) = file.attachments
    rows = csv.DictReader(io.StringIO((await attachment.read()).decode()))
    assert {row["symbol"] for row in rows} == {"KO", "BA"}
    assert "your watchlist only" in text_of(file)


async def test_names_of_no_run_are_listed_all_the_same(world: World) -> None:
    watch(world, "NEWCO", "OLDCO")
    answer = await world.ask("screen", universe="watchlist")
    assert symbols_of(answer) == ["NEWCO", "OLDCO"]
    assert labels_of(answer) == ["Method"]


async def test_the_buttons_outlive_the_bot(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(), clock) as world:
        watch(world, *SYMBOLS)
        answer = await world.ask("screen", universe="watchlist")
        first = symbols_of(answer)
        world.bot.service.close()
        await world.env.restart_bot(make_bot())
        await world.press(answer, "Next")
        assert len(symbols_of(answer)) == len(SYMBOLS) - PAGE_ROWS
        await world.press(answer, "Previous")
        assert symbols_of(answer) == first


async def test_buttons_that_leaked_show_everybody_the_own_list(world: World) -> None:
    """A list posted for all to see is a mistake; even then its buttons give away nothing more."""
    watch(world, *SYMBOLS)
    card = await world.bot.answers.screen(None, None, Scope("watchlist"), world.visitor.id)
    message = await post(text_channel(world), card)
    assert "KO" not in "".join(button.custom_id for button in card.buttons)
    stranger = world.guild.add_member(world.env.create_user("stranger"))
    for label in ("Next", "Full list CSV"):
        refusal = answer_of(await world.press(message, label, by=stranger))
        assert refusal.ephemeral
        assert "Your watchlist is empty" in text_of(refusal)
    watch(world, "BA", person=stranger)
    own = answer_of(await world.press(message, "Next", by=stranger))
    assert own.ephemeral
    assert symbols_of(own) == ["BA"]


async def test_a_run_without_a_ranking_says_why(make_bot: MakeBot, clock: Clock, listings: Any) -> None:
    from engine.market.simulated import SimulatedMarket
    from tests.bot.conftest import SESSION

    async with discord_around(
        make_bot(SimulatedMarket(listings, SESSION, without_benchmark=True)), clock
    ) as world:
        watch(world, "KO", "BA")
        answer = await world.ask("screen", universe="watchlist")
        assert answer.ephemeral
        assert "Run stopped" in text_of(answer)
        listed = await world.ask("watch list")
        assert "KO, BA" in text_of(listed)
        assert "no run" in text_of(listed)


def test_the_names_never_travel_in_a_button() -> None:
    scope = Scope("watchlist", "Energy", ("KO", "BA"))
    assert scope.text == "watchlist/Energy"
    assert Scope.parse(scope.text) == Scope("watchlist", "Energy")
