"""/screen mine:True: the list judged beside the own book, for its owner alone and kept nowhere."""

from __future__ import annotations

from typing import Any

import pytest

from bot.failures import InputError
from tests.bot.conftest import World, answer_of, labels_of, text_of

LEAD = "Judged beside your book: one gate more, the correlation with it"


async def held(world: World, *positions: str) -> None:
    await world.ask("portfolio add", positions="; ".join(positions))
    await world.rest()


def runs_of(world: World) -> int:
    return world.bot.service.store.counts().runs


async def test_an_empty_book_is_one_sentence(world: World) -> None:
    answer = await world.ask("screen", mine=True)
    assert answer.ephemeral
    assert "Your book is empty; /portfolio add or /portfolio import" in text_of(answer)


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
