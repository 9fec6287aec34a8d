"""What a person sees of the own alerts: one firing, several, the rules, how one begins, the settings."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import datetime, time

from bot.cards.card import Attachment, Card
from bot.cards.facts import ADVICE, SIMULATED, day
from bot.cards.text import clean, dotted, escaped, listed, plural, stamp
from bot.people.alerts.beginning import Begun
from bot.people.alerts.rules import (
    News,
    PersonSettings,
    Present,
    Rule,
    RunFacts,
    Standing,
    Wish,
    shown_key,
)
from bot.people.alerts.words import (
    ahead,
    happened,
    hours_text,
    name_of,
    once,
    rule_words,
    run_text,
    value_text,
    way_of,
)

MOST_LINES = 25
"""Firings shown on a digest; all of them go along as a file when there are more."""
MOST_UNTOLD = 5
"""Firings of each kind that the list of rules repeats."""
TEST = "TEST"
HOW_TO_OPEN = (
    "Your direct messages are closed to me. Open them in the privacy settings of a server we share, "
    "then /alert test."
)


def alert_card(news: News, *, stops: str = "", note: str = "", mark: str = "", test: bool = False) -> Card:
    """One firing. `stops` is what keeps a name out that left the list; `mark` tells the message apart."""
    simulated = SIMULATED if news.run.simulated else ""
    held = (
        news.crossed is not None and f"It is so since the {run_text(news.crossed)}, within the rule's pause."
    )
    details = (
        f"Rule #{news.number} of <@{news.user_id}>: {escaped(rule_words(news.wish))}.",
        held or "",
        f"It fails {stops}." if stops else "",
        note,
        "The message would look like this; nothing has happened." if test else "",
    )
    return Card(
        title=dotted((TEST if test else "", simulated, f"{name_of(news.symbol)}: {happened(news)}")),
        state="info",
        headline=_change(news),
        sentence=f"It may fire again from {stamp(news.again_at)}, {once(news.wish, news.limit)}.",
        details=tuple(filter(None, details)),
        footer=_footer([news], mark),
    )


def no_sample_card(rule: Rule) -> Card:
    """A test of a rule whose names no run has a value for yet."""
    return Card(
        title=f"{TEST} · Rule #{rule.number}",
        state="info",
        headline=escaped(rule.words),
        sentence="The latest run has no value for it, so there is nothing to show; this only tries the way.",
        footer=ADVICE,
    )


def digest_card(news: Sequence[News], *, note: str = "", mark: str = "") -> Card:
    """Several firings in one message, a line each, in the order of the rules."""
    simulated = SIMULATED if any(each.run.simulated for each in news) else ""
    return Card(
        title=dotted((simulated, f"Your alerts: {len(news)}")),
        state="info",
        details=(*_lines(news, MOST_LINES), *((note,) if note else ())),
        footer=_footer(news, mark),
        files=(_file(news),) if len(news) > MOST_LINES else (),
    )


def kept_card(news: Sequence[News]) -> Card:
    """What could not be sent because the person's messages are closed."""
    return Card(
        title=f"Alerts that could not reach you: {len(news)}",
        state="info",
        headline=HOW_TO_OPEN,
        details=_lines(news, MOST_LINES),
        footer=_footer(news, ""),
        files=(_file(news),) if len(news) > MOST_LINES else (),
    )


def begun_card(title: str, begun: Begun) -> Card:
    """A rule that was added or changed, what stands there now, and how it will be told."""
    rule = begun.rule
    back = (
        f"A firing silences a name for {hours_text(rule.wish.cooldown)}; then again {once(rule.wish, None)}."
    )
    simulated = SIMULATED if begun.run is not None and begun.run.simulated else ""
    return Card(
        title=dotted((simulated, title)),
        state="info",
        headline=f"#{rule.number} {escaped(rule.words)}",
        sentence=_beginning(begun),
        details=(f"It is told {way_of(rule.wish)}. {back}",),
        footer=dotted((simulated, ADVICE)),
    )


def rules_card(
    entries: Sequence[tuple[Rule, Standing]],
    most: int,
    settings: PersonSettings,
    kept: Sequence[News],
    failed: Sequence[News],
    now: datetime,
) -> Card:
    """Every rule of a person with how it stands, and what could not be delivered."""
    lines = [line for rule, standing in entries for line in _rule_lines(rule, standing, now)]
    empty = "" if entries else "/alert add makes the first."
    return Card(
        title=f"Your alerts: {len(entries)} of {plural(most, 'rule')}",
        state="info",
        headline=HOW_TO_OPEN if settings.dm_closed_at is not None else "",
        sentence=empty,
        details=(
            *lines,
            *_untold("Not sent, your messages are closed", kept),
            *_untold("Not sent, Discord did not take it for a day", failed),
            "",
            _when(settings),
        ),
        footer=ADVICE,
        files=(_file([*kept, *failed]),) if max(len(kept), len(failed)) > MOST_UNTOLD else (),
    )


def settings_card(settings: PersonSettings, digest_next: datetime | None) -> Card:
    """When a person wants to hear."""
    following = "" if digest_next is None else f"The next digest comes {stamp(digest_next)}."
    return Card(
        title="When your alerts come",
        state="info",
        headline=_when(settings),
        sentence=following,
        details=(
            "A digest gathers direct messages only; what you sent to a channel comes singly.",
            *((HOW_TO_OPEN,) if settings.dm_closed_at is not None else ()),
        ),
    )


def said_card(text: str) -> Card:
    """One sentence of what was done."""
    return Card(title="Alerts", state="info", sentence=text)


def _change(news: News) -> str:
    now = f"{value_text(news.wish, news.new, news.limit)} in the {run_text(news.run)}"
    if news.wish.condition == "earnings":
        date = f"Report on {day(news.report)}" if news.report is not None else "Report"
        return f"{date}, {ahead(news.new)} by the {run_text(news.run)}"
    if news.old is None:
        before = "no value before" if news.old_run is None else f"none in the {run_text(news.old_run)}"
    else:
        where = "" if news.old_run is None else f" in the {run_text(news.old_run)}"
        before = f"was {value_text(news.wish, news.old, news.limit)}{where}"
    return f"{now}; {before}"


def _lines(news: Sequence[News], most: int) -> tuple[str, ...]:
    ordered = _ordered(news)
    rest = len(ordered) - most
    lines = (
        f"**#{n.number}** {name_of(n.symbol)}: {happened(n)} ({_short_change(n)})" for n in ordered[:most]
    )
    return (*lines, *((f"... and {rest} more in the file.",) if rest > 0 else ()))


def _ordered(news: Sequence[News]) -> list[News]:
    return sorted(news, key=lambda each: (each.run.session, each.number, each.symbol))


def _short_change(news: News) -> str:
    if news.wish.condition == "earnings":
        return day(news.report) if news.report is not None else "?"
    old, new = (value_text(news.wish, value, news.limit) for value in (news.old, news.new))
    return f"{old} to {new}, {news.run.session:%d %b} {news.run.kind}"


def _file(news: Sequence[News]) -> Attachment:
    """Every firing, a line each, numbers in the engine's unit."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("rule", "words", "name", "session", "run", "new", "old", "may_fire_again_at"))
    for each in _ordered(news):
        run = (each.run.session.isoformat(), each.run.kind)
        values = ("" if value is None else value for value in (each.new, each.old))
        again = each.again_at.isoformat(timespec="seconds")
        writer.writerow((each.number, rule_words(each.wish), shown_key(each.symbol), *run, *values, again))
    return Attachment("alerts.csv", text.getvalue().encode())


def _footer(news: Sequence[News], mark: str) -> str:
    runs = sorted({each.run.run_id for each in news})
    simulated = SIMULATED if any(each.run.simulated for each in news) else ""
    shown = f"run {runs[0]}" if len(runs) == 1 else f"runs {runs[0]} to {runs[-1]}" if runs else ""
    return dotted((simulated, shown, mark, ADVICE))


def _beginning(begun: Begun) -> str:
    wish, present = begun.rule.wish, begun.present
    if begun.run is None:
        return "No run is stored yet: it begins with the first one."
    if wish.subject == "watchlist":
        return _beginning_of_list(wish, present, begun.run)
    if not present:
        return f"The {run_text(begun.run)} has no value for it: it begins with the first run that has one."
    (only,) = present
    if not only.holds:
        return f"Now: {value_text(wish, only.value)}, in the {run_text(begun.run)}."
    return f"{_already(wish, only)}: {_again(wish)}."


def _already(wish: Wish, present: Present) -> str:
    value = value_text(wish, present.value)
    match wish.condition:
        case "above" | "below":
            return f"It is {wish.condition} now ({value})"
        case "enters":
            return "It is in the list now"
        case "leaves":
            return "It is not in the list now"
        case "earnings":
            return f"Its earnings are {ahead(present.value)} already"
        case _:
            return f"The correlation is broken now ({value})"


def _again(wish: Wish) -> str:
    verbs = {"enters": "it enters again", "leaves": "it leaves again", "breaks": "it breaks again"}
    if wish.condition == "earnings":
        return "it fires for the next report date"
    return f"it fires when {verbs.get(wish.condition, 'it crosses again')}"


def _beginning_of_list(wish: Wish, present: Sequence[Present], run: RunFacts) -> str:
    if not present:
        return (
            "No name of your watchlist is in the latest run; the rule looks at the list as it is at each run."
        )
    holding = [name_of(each.symbol) for each in present if each.holds]
    among = f"{plural(len(present), 'name')} of your watchlist in the {run_text(run)}"
    if not holding:
        return f"It looks at {among}, and at the list as it is at each run."
    return f"It holds for {len(holding)} of {among} already ({listed(holding, 8)}): {_again(wish)}."


def _rule_lines(rule: Rule, standing: Standing, now: datetime) -> tuple[str, str]:
    state = _state(rule, standing, now)
    return (
        f"**#{rule.number}** {escaped(rule.words)}",
        dotted((state, way_of(rule.wish), f"pause {hours_text(rule.wish.cooldown)}")),
    )


def _state(rule: Rule, standing: Standing, now: datetime) -> str:
    """armed, cooling, waiting, snoozed, off or never again, with the instant it ends."""
    if rule.off:
        return "off"
    if standing.unmeasured:
        return "silent: nobody keeps this pair any more, so no run measures it"
    snoozed = rule.snoozed_until
    if snoozed is not None and now < snoozed:
        return dotted((f"snoozed until {stamp(snoozed)}", _waiting(rule, standing)))
    cooling = sorted(until for _, until in standing.cooling if until > now)
    parts = (
        _beyond(rule, standing),
        f"cooling until {stamp(cooling[-1])}" if cooling else "",
        _waiting(rule, standing),
    )
    if any(parts):
        return dotted(parts)
    return "armed" if standing.known else "begins with the first run that has a value"


def _beyond(rule: Rule, standing: Standing) -> str:
    if not standing.beyond:
        return ""
    if rule.wish.subject != "watchlist":
        return "holds now"
    return f"holds for {listed(map(name_of, standing.beyond), 3)}"


def _waiting(rule: Rule, standing: Standing) -> str:
    if not standing.waiting:
        return ""
    names = "" if rule.wish.subject != "watchlist" else f" for {listed(map(name_of, standing.waiting), 3)}"
    return f"waiting{names}: told at the first run after the pause if it still holds"


def _untold(title: str, news: Sequence[News]) -> tuple[str, ...]:
    return ("", f"**{title}: {len(news)}**", *_lines(news, MOST_UNTOLD)) if news else ()


def _when(settings: PersonSettings) -> str:
    quiet = (
        f"quiet from {_clock(settings.quiet[0])} to {_clock(settings.quiet[1])}"
        if settings.quiet is not None
        else "no quiet hours"
    )
    digest = (
        "messages come singly"
        if settings.digest_at is None
        else f"direct messages come as one digest a day at {_clock(settings.digest_at)}"
    )
    zone = f", {clean(settings.zone)}" if settings.zone is not None else ""
    return f"{digest[0].upper()}{digest[1:]}; {quiet}{zone}."


def _clock(moment: time) -> str:
    return moment.isoformat("minutes")
