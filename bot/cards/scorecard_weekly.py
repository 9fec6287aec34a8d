"""The weekly post: what became known since the last one, and the scorecard as it stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from bot.cards.card import Card
from bot.cards.facts import day
from bot.cards.scorecard import (
    METHOD,
    Asked,
    Stored,
    first_card,
    footer,
    footnotes,
    headline,
    picture,
    span,
    tables,
    title,
)
from bot.cards.scorecard_table import points_text, sections, whole_percent
from bot.cards.table import grouped
from bot.cards.text import escaped
from engine.proof.result import ALL, Scorecard


@dataclass(frozen=True, slots=True)
class Call:
    """One outcome by name; `session` is the close it was judged at, `gap` a fraction."""

    symbol: str
    session: date
    gap: float
    listed: bool


@dataclass(frozen=True, slots=True)
class Week:
    """Outcomes that became known after the close of `since`, up to that of `upto`.

    `due` is the session whose close makes the next ones known, None when nothing waits.
    """

    since: date
    upto: date
    n: int = 0
    hits: int = 0
    mean_gap: float | None = None
    listed: int = 0
    listed_hits: int = 0
    best: Call | None = None
    worst: Call | None = None
    due: date | None = None


def weekly_card(card: Scorecard, week: Week, asked: Asked, stored: Stored) -> Card:
    """What was settled since the last post, then the running scorecard by premium gates and signals.

    Before the first outcome it says when that comes; in a week without any when the next ones do.
    """
    every = card.group(ALL)
    if every is None or not every.n:
        return first_card(card, asked, stored, f"Scorecard of the week to {day(week.upto)}")
    parts = sections(card, None)
    return Card(
        title=title(asked, "Scorecard of the week", day(week.upto)),
        state="info",
        headline=_settled(week),
        table=tables(card, parts, asked),
        sentence=headline(every, asked),
        details=(*_calls(week), *_next(week), *footnotes(card, parts, asked)),
        asof=span(card),
        footer=footer(asked),
        buttons=METHOD,
        image=picture(card, parts, asked),
    )


def _settled(week: Week) -> str:
    if not week.n:
        return f"No outcome became known since {day(week.since)}."
    figures = f"{_share(week.hits, week.n)} % hits, mean {points_text(week.mean_gap)}"
    said = f"{grouped(week.n)} outcomes became known since {day(week.since)}: {figures}."
    if not week.listed:
        return f"{said}\nNone of them was listed."
    return f"{said}\nListed of these: {grouped(week.listed)}, {_share(week.listed_hits, week.listed)} % hits."


def _calls(week: Week) -> tuple[str, ...]:
    told = ((word, call) for word, call in (("Best", week.best), ("Worst", week.worst)) if call is not None)
    return tuple(f"**{word}** {_call(call)}" for word, call in told)


def _call(call: Call) -> str:
    where = "listed" if call.listed else "not listed"
    return f"{escaped(call.symbol, 20)} {points_text(call.gap)}, judged {day(call.session)}, {where}."


def _next(week: Week) -> tuple[str, ...]:
    if week.n:
        return ()
    if week.due is None:
        return ("Nothing waits for its outcome.",)
    return (f"The next outcomes are known after the close of {day(week.due)}.",)


def _share(hits: int, n: int) -> str:
    return whole_percent(hits / n)
