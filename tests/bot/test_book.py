"""A person's book asked through the service: the whole way from legs to a card, over the small market."""

from __future__ import annotations

import asyncio
import csv
import logging
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from io import StringIO
from pathlib import Path

import pytest

from bot.book import BookAnswers
from bot.cards.card import TABLE_WIDTH, Card
from bot.cards.embed import to_message
from bot.cards.table import numbers
from bot.failures import InputError, NoMarketError
from bot.service import MarketService
from engine.market.simulated import SimulatedMarket
from engine.portfolio.book import Leg
from engine.portfolio.reading.notation import parse_notation
from engine.record.store import Store
from engine.rules import Listing, Rules
from tests.bot.cards.builders import shown
from tests.bot.conftest import SESSION, SYMBOLS, Played

NET = 50_000.0


@pytest.fixture
async def service(played: Played, rules: Rules, database: Path) -> AsyncIterator[MarketService]:
    service = MarketService(played, rules, Store.open(database), realm="simulated")
    yield service
    await asyncio.to_thread(service.close)


@pytest.fixture
async def answers(service: MarketService) -> BookAnswers:
    return BookAnswers(service)


async def a_book(service: MarketService) -> list[Leg]:
    """A strangle in KO, shares of PEP, a put that expired, a name nobody knows; strikes near the spot."""
    market = await service.ready()
    row = market.official.screen.find("KO")
    assert row is not None
    expiry, strike = row.text("trade_expiry"), row.number("trade_strike")
    text = f"-2 KO {expiry} {strike:g}P @ 1.15; -2 KO {expiry} {strike:g}C @ 1.05; 100 PEP @ 150"
    legs = list(parse_notation(text, SESSION).legs)
    assert len(legs) == 3
    gone = replace(legs[0], expiration=SESSION - timedelta(days=7), quantity=-1.0)
    return [*legs, gone, replace(gone, symbol="ZZZZ", expiration=SESSION + timedelta(days=30))]


def fits(card: Card) -> bool:
    (embed,) = to_message(card)["embeds"]
    wide = max((len(line) for line in card.table.splitlines()), default=0)
    return len(embed.description) <= 4096 and wide <= TABLE_WIDTH


async def test_show_groups_values_and_says_what_is_left_out(
    answers: BookAnswers, service: MarketService
) -> None:
    card = await answers.show(await a_book(service), NET)
    assert fits(card)
    assert card.title.startswith("SIMULATED")
    assert "short straddle" in shown(card) or "-2 STRD" in card.table
    assert "expired" in shown(card)
    assert "ZZZZ" in shown(card)
    assert (card.page, card.pages) == (0, 1)
    theta = card.headline.splitlines()[0]
    assert theta.startswith("Theta +")


async def test_stress_has_every_scenario_of_the_rules_and_a_picture(
    answers: BookAnswers, service: MarketService, rules: Rules
) -> None:
    card = await answers.stress(await a_book(service), NET)
    assert fits(card)
    assert card.image is not None
    for line, scenario in zip(card.table.splitlines()[1:], rules.portfolio.scenarios, strict=False):
        assert line.startswith(scenario.label[:12])
    assert "NL%" in card.table


async def test_fit_compares_the_book_with_and_without(answers: BookAnswers, service: MarketService) -> None:
    card = await answers.fit("AAPL", await a_book(service), NET)
    assert fits(card)
    assert "AAPL" in card.title
    assert "YOUR BOOK" in card.table or "No standard strangle" in card.headline
    alone = await answers.fit("AAPL", [], None)
    assert fits(alone)


async def test_the_file_holds_every_leg(answers: BookAnswers, service: MarketService) -> None:
    legs = await a_book(service)
    card = await answers.csv(legs, None)
    rows = list(csv.DictReader(StringIO(card.files[0].data.decode())))
    assert sorted(row["symbol"] for row in rows) == sorted(leg.symbol for leg in legs)
    assert {row["status"] for row in rows} == {"valued", "expired", "unknown underlying"}


async def test_an_empty_book_is_a_sentence(answers: BookAnswers) -> None:
    for ask in (answers.show, answers.stress, answers.csv):
        with pytest.raises(InputError, match="book is empty"):
            await ask([], None)


async def test_a_stopped_market_names_its_reason(
    listings: tuple[Listing, ...], rules: Rules, tmp_path: Path
) -> None:
    without = SimulatedMarket(listings, SESSION, without_benchmark=True)
    service = MarketService(
        without, rules, Store.open(tmp_path / "x.db"), universe=SYMBOLS, listings=listings
    )
    try:
        legs = parse_notation("100 PEP @ 150", SESSION).legs
        with pytest.raises(NoMarketError, match=r"nothing to value a book by\. SPY"):
            await BookAnswers(service).show(legs, None)
        with pytest.raises(NoMarketError, match="SPY"):
            await BookAnswers(service).fit("KO", legs, None)
    finally:
        await asyncio.to_thread(service.close)


async def test_several_questions_at_once_each_in_its_own_language(
    answers: BookAnswers, service: MarketService
) -> None:
    legs = await a_book(service)

    async def ask(language: str) -> Card:
        with numbers(language):
            return await answers.stress(legs, NET)

    english, german = await asyncio.gather(ask("en"), ask("de"))
    vix = next(line for line in english.details if line.startswith("VIX at"))
    assert vix.replace(".", ",", 1).split(" points")[0] in "\n".join(german.details)


async def test_nothing_of_a_book_is_logged(
    answers: BookAnswers,
    service: MarketService,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    legs = await a_book(service)
    capsys.readouterr()
    with caplog.at_level(logging.DEBUG):
        await answers.show(legs, 54_321.0)
        await answers.stress(legs, 54_321.0)
    said = caplog.text + "".join(capsys.readouterr())
    assert "54321" not in said
    assert "PEP" not in said
