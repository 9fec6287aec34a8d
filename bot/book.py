"""A person's book, asked and drawn: what it stands at, what a bad day does to it, what one trade more would.

Nothing here is kept, logged or shared: the legs come with the question and go with the answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import pandas as pd

from bot.cards.card import Card
from bot.cards.portfolio import BookCard, portfolio_card
from bot.cards.portfolio_csv import portfolio_csv_card
from bot.cards.portfolio_fit import fit_card
from bot.cards.portfolio_rows import EMPTY
from bot.cards.portfolio_stress import stress_card
from bot.cards.portfolio_words import Market
from bot.failures import InputError, NoMarketError
from bot.service import MarketService
from engine.panel import Panel
from engine.portfolio.analysis import analyse, fit_of
from engine.portfolio.book import Leg
from engine.portfolio.result import Analysis
from engine.screen.result import Screen

T = TypeVar("T")


class BookAnswers:
    """Values a book on the market at hand and draws it; every method returns a card for its owner alone.

    legs             the person's whole book; quantity and prices as in Leg
    net_liquidation  money, None when the person has not told it: then no size is judged
    """

    def __init__(self, service: MarketService) -> None:
        self.service = service

    async def show(self, legs: Sequence[Leg], net_liquidation: float | None, page: int = 0) -> BookCard:
        """Totals, positions by urgency and the triage; `page` counts from 0 and is brought into range.

        Raises InputError for an empty book, NoMarketError when the market was stopped.
        """
        analysis, market = await self._analysis(legs, net_liquidation)
        return await self.service.desk(lambda: portfolio_card(analysis, market, page))

    async def stress(self, legs: Sequence[Leg], net_liquidation: float | None) -> Card:
        """The scenarios of the rules with the picture. Raises as `show`."""
        analysis, market = await self._analysis(legs, net_liquidation)
        return await self.service.desk(lambda: stress_card(analysis, market))

    async def fit(self, symbol: str, legs: Sequence[Leg], net_liquidation: float | None) -> Card:
        """What a standard strangle in `symbol` would do to the book, which may be empty.

        Raises NoMarketError when the market was stopped.
        """
        panel, table, market = await self._market(legs, (symbol,))
        rules = self.service.rules
        found = await self.service.engine(lambda: fit_of(symbol, legs, panel, table, rules, net_liquidation))
        return await self.service.desk(lambda: fit_card(found, market))

    async def csv(self, legs: Sequence[Leg], net_liquidation: float | None) -> Card:
        """Every leg with its numbers as a file. Raises as `show`."""
        analysis, market = await self._analysis(legs, net_liquidation)
        return await self.service.desk(lambda: portfolio_csv_card(analysis, market))

    async def _analysis(self, legs: Sequence[Leg], net_liquidation: float | None) -> tuple[Analysis, Market]:
        if not legs:
            raise InputError(EMPTY)
        panel, table, market = await self._market(legs)
        rules = self.service.rules
        return await self.service.engine(lambda: analyse(legs, panel, table, rules, net_liquidation)), market

    async def _market(
        self, legs: Sequence[Leg], extra_symbols: Sequence[str] = ()
    ) -> tuple[Panel, pd.DataFrame, Market]:
        found = await self.service.book_market(legs, extra_symbols)
        screen: Screen = found.screen
        if found.table is None:
            reason = screen.run.reason or "The run was stopped."
            raise NoMarketError(f"There is nothing to value a book by. {reason}")
        rules = self.service.rules
        limit = rules.portfolio.position_size_percent / 100.0
        return found.panel, found.table, Market(screen.run, rules.benchmark, limit)
