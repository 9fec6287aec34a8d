"""Phrases of a rule and of what happened to it, escaped for Discord unless said otherwise."""

from __future__ import annotations

from bot.cards.facts import KINDS, day
from bot.cards.text import escaped, plural
from bot.people.alerts.rules import News, RunFacts, Wish, shown_key

_HOUR = 3600


def name_of(key: str) -> str:
    """A subject's key for prose."""
    return escaped(shown_key(key))


def rule_words(wish: Wish) -> str:
    """The rule without its number, not yet escaped."""
    return f"{wish.about}: {wish.words}"


def run_text(run: RunFacts) -> str:
    """`closing run of Wed 31 Dec 2025`."""
    return f"{KINDS[run.kind].lower()} run of {day(run.session)}"


def hours_text(seconds: int) -> str:
    """`20 hours`, `3 days`."""
    count = seconds / _HOUR
    return f"{count / 24:g} days" if count % 24 == 0 and count > 24 else f"{count:g} hours"


def way_of(wish: Wish) -> str:
    """Where a rule is told."""
    return "by direct message" if wish.channel is None else f"in <#{wish.channel[1]}>"


def value_text(wish: Wish, value: float | str | None, limit: float | None = None) -> str:
    """A value as the cards show it, with as many decimals as tell it from the rule's level."""
    if isinstance(value, str):
        return escaped(value)
    metric = wish.watched
    if metric is None or value is None:
        return "?"
    return metric.text(value, limit if limit is not None else _mark(wish))


def _mark(wish: Wish) -> float | None:
    return None if wish.condition == "earnings" else wish.level


def happened(news: News) -> str:
    """What a firing is about: `VRP tactical crossed above 1.30`."""
    wish = news.wish
    match wish.condition:
        case "above" | "below":
            return f"{_titled(wish)} crossed {wish.condition} {_level_text(wish)}"
        case "enters":
            return "entered the list"
        case "leaves":
            return "left the list"
        case "regime" | "signal":
            return f"{wish.condition} changed to {escaped(str(news.new))}"
        case "earnings":
            return f"earnings {ahead(news.new)}"
        case "breaks":
            return f"correlation broke, below {value_text(wish, news.limit)}"


def ahead(days: float | str | None) -> str:
    """`in 5 days`, `today`."""
    if not isinstance(days, float | int):
        return "soon"
    return "today" if days < 1 else f"in {plural(round(days), 'day')}"


def once(wish: Wish, limit: float | None) -> str:
    """What must have happened before a rule fires again for the same name."""
    metric = wish.watched
    match wish.condition:
        case "above" | "below" if metric is not None and wish.level is not None:
            side, turn = ("below", -1.0) if wish.condition == "above" else ("above", 1.0)
            return f"once {metric.title} has been {side} {metric.level_text(wish.level + turn * wish.band)}"
        case "enters":
            return "once it has been out of the list"
        case "leaves":
            return "once it has been in the list again"
        case "earnings":
            return "for another report date"
        case "breaks" if metric is not None and limit is not None:
            return f"once the correlation has been above {metric.level_text(limit + wish.band)}"
        case "breaks":
            return "once the correlation has been sound again"
        case _:
            return "at another change"


def _titled(wish: Wish) -> str:
    return wish.watched.title if wish.watched is not None else escaped(wish.metric)


def _level_text(wish: Wish) -> str:
    metric = wish.watched
    return "?" if metric is None or wish.level is None else metric.level_text(wish.level)
