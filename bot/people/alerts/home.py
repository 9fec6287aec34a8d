"""What commands, buttons and the courier of one bot share."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import discord

from bot.cards.alerts import rules_card
from bot.cards.card import Card
from bot.people.alerts.book import MOST_RULES
from bot.people.alerts.deliveries import Deliveries, Letter
from bot.people.alerts.rules import News, Rule, Standing

if TYPE_CHECKING:
    from bot.app import VarianceBot


class Home:
    """Rules, deliveries, and one lock."""

    def __init__(self, bot: VarianceBot) -> None:
        self.alerts = bot.alerts
        self.deliveries = Deliveries(bot.service.store)
        self.showing = asyncio.Lock()
        """Held while kept messages are shown: two commands at once do not show them twice."""


_HOMES: WeakKeyDictionary[discord.Client, Home] = WeakKeyDictionary()


def home_of(bot: VarianceBot) -> Home:
    """The one home of a bot."""
    if bot not in _HOMES:
        _HOMES[bot] = Home(bot)
    return _HOMES[bot]


def market_hint(bot: VarianceBot) -> int | None:
    """A run of the market at hand, None while there is none: it tells which realm is meant."""
    return None if bot.service.market is None else bot.service.market.official.run_id


async def own_rules(bot: VarianceBot, user_id: int) -> tuple[Card, list[Letter]]:
    """A person's rules as a card, and the letters on it that count as read once it was shown."""
    home, now = home_of(bot), bot.now()

    def read() -> tuple[Card, list[Letter]]:
        kept = home.deliveries.undelivered(user_id, "kept")
        failed = home.deliveries.undelivered(user_id, "failed")
        entries, settings = home.alerts.of_person(user_id), home.alerts.settings(user_id)
        if any(rule.wish.subject == "pair" for rule, _ in entries):
            pairs = {pair.id for pair in (*bot.service.pairs, *bot.answers.relative.own.everyone())}
            entries = [_of_pairs(rule, standing, pairs) for rule, standing in entries]
        card = rules_card(entries, MOST_RULES, settings, news_in(kept), news_in(failed), now)
        return card, [*kept, *failed]

    return await bot.service.desk(read)


def _of_pairs(rule: Rule, standing: Standing, pairs: Collection[str]) -> tuple[Rule, Standing]:
    """A rule with how it stands, where nobody keeps its pair any more."""
    gone = rule.wish.subject == "pair" and rule.wish.target not in pairs
    return rule, replace(standing, unmeasured=gone)


def news_in(letters: list[Letter]) -> list[News]:
    """Every firing of several letters."""
    return [news for letter in letters for news in letter.news]
