"""The one Alerts of a bot, and what commands and buttons answer with."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import discord

from bot.cards.alerts import rules_card
from bot.cards.card import Card
from bot.people.alerts.book import MOST_RULES, Alerts
from bot.people.alerts.deliveries import Deliveries, Letter
from bot.people.alerts.rules import News

if TYPE_CHECKING:
    from bot.app import VarianceBot

_HOMES: WeakKeyDictionary[discord.Client, Alerts] = WeakKeyDictionary()


def alerts_of(bot: VarianceBot) -> Alerts:
    """The alerts of a bot's record; their tables are looked at once a bot."""
    if bot not in _HOMES:
        _HOMES[bot] = Alerts(bot.service.store)
    return _HOMES[bot]


def market_hint(bot: VarianceBot) -> int | None:
    """A run of the market at hand, None while there is none: it tells which realm is meant."""
    return None if bot.service.market is None else bot.service.market.official.run_id


async def own_rules(bot: VarianceBot, user_id: int) -> tuple[Card, list[Letter]]:
    """A person's rules as a card, and the letters on it that count as read once it was shown."""
    alerts, now = alerts_of(bot), bot.now()
    deliveries = Deliveries(bot.service.store)

    def read() -> tuple[Card, list[Letter]]:
        kept = deliveries.undelivered(user_id, "kept")
        failed = deliveries.undelivered(user_id, "failed")
        entries, settings = alerts.of_person(user_id), alerts.settings(user_id)
        card = rules_card(entries, MOST_RULES, settings, news_in(kept), news_in(failed), now)
        return card, [*kept, *failed]

    return await bot.service.desk(read)


def news_in(letters: list[Letter]) -> list[News]:
    """Every firing of several letters."""
    return [news for letter in letters for news in letter.news]
