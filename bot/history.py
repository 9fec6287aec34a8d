"""One name through the record: the history asked for and drawn."""

from __future__ import annotations

from bot.cards.card import Card
from bot.cards.history_card import history_card
from bot.failures import InputError
from bot.service import MarketService
from engine.record.names import Window, name_history
from engine.record.rows import Realm


class HistoryAnswers:
    """Reads the record only: no source is asked for a history."""

    def __init__(self, service: MarketService) -> None:
        self.service = service

    async def history(self, symbol: str, window: Window) -> Card:
        """A name's official closes with their picture. Raises InputError for a name that was never stored."""
        service, realm = self.service, await self._realm()
        near = service.index.near(symbol)

        def draw() -> Card:
            found = name_history(service.store, symbol, realm, window, service.rules, brief=True)
            if found is None:
                raise InputError(_never_stored(symbol, near))
            return history_card(found, service.rules)

        return await service.desk(draw)

    async def _realm(self) -> Realm:
        """Which series people are shown; with live sources nothing has to be gathered to know."""
        if self.service.answers_any:
            return "live"
        market = await self.service.ready()
        return self.service.realm_of(market.official.screen.run)


def _never_stored(symbol: str, near: list[str]) -> str:
    if symbol in near:
        return f"No official close of {symbol} is stored yet; the next closing run brings the first."
    hint = f" Did you mean {', '.join(near)}?" if near else ""
    return f"The record holds no official close of {symbol}.{hint}"
