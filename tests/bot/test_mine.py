"""/screen mine:True: the list judged beside the own book, for its owner alone and kept nowhere."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot.answers import Scope
from bot.failures import InputError
from engine.market.simulated import SimulatedMarket
from engine.rules import Listing
from tests.bot.conftest import (
    SESSION,
    SYMBOLS,
    Clock,
    MakeBot,
    World,
    answer_of,
    discord_around,
    labels_of,
    text_of,
)

LEAD = "Judged beside your book: one gate more, the correlation with it"


async def held(world: World, *positions: str) -> None:
    await world.ask("portfolio add", positions="; ".join(positions))
    await world.rest()


def runs_of(world: World) -> int:
    return world.bot.service.store.counts().runs


async def test_an_empty_book_is_one_sentence(world: World) -> None:
    answer = await world.ask("screen", mine=True)
    assert answer.ephemeral
    assert "Your book is empty; /portfolio add and /portfolio import" in text_of(answer)


async def test_names_that_move_with_the_book_do_not_pass(world: World) -> None:
    everybody = text_of(await world.ask("screen"))
    await world.rest()
    await held(world, "-1 QQQ 2026-02-20 600P @ 9", "100 SPY @ 680")
    before = runs_of(world)
    answer = await world.ask("screen", mine=True)
    text = text_of(answer)
    assert answer.ephemeral
    assert LEAD in text
    assert "correlation" in text
    assert LEAD not in everybody
    assert runs_of(world) == before
    assert world.channel.history()[-1].id != answer.id


async def test_it_goes_with_a_sector_a_watchlist_and_the_file(world: World) -> None:
    await held(world, "100 SPY @ 680")
    sector = text_of(
        await world.ask("screen", mine=True, sector="Information Technology", universe="equities")
    )
    assert LEAD in sector
    assert "Only single equities, sector Information Technology" in sector
    await world.rest()
    await world.ask("watch add", symbols="KO AAPL")
    await world.rest()
    answer = await world.ask("screen", mine=True, universe="watchlist")
    assert LEAD in text_of(answer)
    await world.rest()
    file = answer_of(await world.press(await world.ask("screen", mine=True), "Full list CSV"))
    assert file.ephemeral
    (attachment,) = file.attachments
    assert b"correlation_gate" in (await attachment.read()).splitlines()[0]


async def test_another_who_presses_sees_the_own_book_or_none(world: World) -> None:
    await held(world, "100 SPY @ 680")
    answer = await world.ask("screen", mine=True)
    assert "Full list CSV" in labels_of(answer)
    other: Any = world.guild.add_member(world.env.create_user("other"))
    market = world.bot.service.market
    assert market is not None
    with pytest.raises(InputError, match="Your book is empty"):
        await world.bot.answers.page(market.official.run_id, "0|mine+all/", other.id)


async def test_why_explains_a_name_beside_the_book_as_the_list_judged_it(world: World) -> None:
    await held(world, "100 SPY @ 680")
    answer = await world.ask("screen", mine=True)
    (label,) = [label for label in labels_of(answer) if label.startswith("Why ")]
    why = answer_of(await world.press(answer, label))
    assert why.ephemeral
    assert "+ correlation" in text_of(why)
    assert "10 of 10 gates passed" in text_of(why)
    await world.rest()
    world.bot.portfolios.clear(world.visitor.id)
    assert "Your book is empty" in text_of(answer_of(await world.press(answer, label)))


async def test_a_book_of_unknown_names_is_not_said_to_have_judged(world: World) -> None:
    await held(world, "100 ZZZZ @ 10")
    answer = await world.ask("screen", mine=True)
    assert answer.ephemeral
    assert LEAD not in text_of(answer)
    assert "Judged without your book: this run knows the closes of none of its names" in text_of(answer)


async def test_the_file_says_what_it_was_judged_beside(world: World) -> None:
    await held(world, "100 SPY @ 680")
    file = answer_of(await world.press(await world.ask("screen", mine=True), "Full list CSV"))
    assert LEAD in text_of(file)


async def test_a_list_of_an_earlier_market_is_not_judged_anew(world: World) -> None:
    await held(world, "100 SPY @ 680")
    answer = await world.ask("screen", mine=True)
    service = world.bot.service
    assert service.market is not None
    again = replace(service.market.official, run_id=service.market.official.run_id + 1)
    service.market = replace(service.market, official=again)
    for label in ("Full list CSV", next(each for each in labels_of(answer) if each.startswith("Why "))):
        refused = answer_of(await world.press(answer, label))
        assert refused.ephemeral
        assert "The market has moved on since that list; /screen mine:True" in text_of(refused)


@pytest.mark.parametrize("universe", ["all", "equities", "etfs", "watchlist"])
@pytest.mark.parametrize("sector", ["", "Energy", "A/B + C"])
def test_the_scope_of_a_button_is_read_back_as_it_was(universe: str, sector: str) -> None:
    for mine in (False, True):
        scope = Scope(universe, sector, mine=mine)
        assert Scope.parse(scope.text) == scope
    assert Scope.parse("hers+mine+all/") == Scope()


async def test_a_stopped_run_says_so_to_whoever_asks_about_a_book(
    make_bot: MakeBot, clock: Clock, listings: tuple[Listing, ...]
) -> None:
    stopped = SimulatedMarket(listings, SESSION, without_benchmark=True)
    async with discord_around(make_bot(stopped), clock) as world:
        await held(world, "100 KO @ 60")
        for command in ("portfolio show", "portfolio stress"):
            answer = await world.ask(command)
            assert answer.ephemeral
            assert "There is nothing to value a book by. SPY has no valid price" in text_of(answer)
        answer = await world.ask("screen", mine=True)
        assert answer.ephemeral
        assert "Run stopped: SPY has no valid price" in text_of(answer)
        assert "Judged" not in text_of(answer)


async def test_buttons_under_a_book_that_was_cleared_since_say_it_is_empty(world: World) -> None:
    await held(world, "; ".join(f"1 {symbol} @ 10" for symbol in SYMBOLS[:14]))
    answer = await world.ask("portfolio show")
    before = text_of(answer)
    world.bot.portfolios.clear(world.visitor.id)
    for label in ("Next", "Stress", "CSV"):
        refused = answer_of(await world.press(answer, label))
        assert refused.ephemeral
        assert "Your book is empty" in text_of(refused)
    assert text_of(answer) == before
