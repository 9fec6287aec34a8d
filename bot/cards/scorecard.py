"""What became of the calls: the scorecard as a card, by whatever groups somebody asks for."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date

from bot.cards.card import Attachment, Button, Card
from bot.cards.csvfile import cell
from bot.cards.evidence import figure
from bot.cards.facts import ADVICE, SIMULATED, day
from bot.cards.scorecard_chart import MOST_GROUPS, describe_outcomes, outcome_chart
from bot.cards.scorecard_table import (
    REGIME,
    Section,
    depth_table,
    is_small,
    outcome_table,
    points_text,
    sections,
    whole_percent,
)
from bot.cards.table import MISSING, grouped
from bot.cards.text import clean, dotted, escaped, listed, plural
from engine.proof.result import ALL, By, Group, Scorecard
from engine.rules import Rules

SPANS = {"quarter": "last quarter (63 sessions)", "year": "last year (252 sessions)", "all": "all time"}
"""How far back a scorecard reaches, in settled sessions, in words."""
FEW = 5
"""Symbols shown at either end."""
_NAMED = 12
METHOD = (
    Button("Method", "method", 0, "Premium captured"),
    Button("Effective n", "method", 0, "Effective n"),
    Button("Groups", "method", 0, "Scorecard groups"),
    Button("Whipsaw", "method", 0, "Whipsaw"),
)
"""The words behind the figures, one click away."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a scorecard is of. `by` None is the overview; `span` one of SPANS."""

    rules: Rules
    simulated: bool
    by: By | None = None
    span: str = "all"

    @property
    def least(self) -> int:
        """The effective n below which a sample is small."""
        return self.rules.proof.evidence_least_n

    @property
    def spoken(self) -> str:
        """`by signal, last quarter (63 sessions)`."""
        return f"by {self.by}, {SPANS[self.span]}" if self.by else SPANS[self.span]


@dataclass(frozen=True, slots=True)
class Stored:
    """Official closes on record, and the session whose close makes the first (or next) outcome known."""

    closes: int = 0
    first: date | None = None
    last: date | None = None
    due: date | None = None


def scorecard_card(card: Scorecard, asked: Asked, stored: Stored) -> Card:
    """The scorecard; before the first outcome when it comes and what is stored so far."""
    every = card.group(ALL)
    if every is None or not every.n:
        return first_card(card, asked, stored, "Scorecard")
    parts = ranked(card, asked.least) if asked.by == "symbol" else sections(card, asked.by)
    table = tables(card, parts, asked)
    return Card(
        title=title(asked, "Scorecard", asked.spoken),
        state="info",
        headline=headline(every, asked),
        table=table,
        sentence=_sentence(card, asked),
        details=(*_of_symbols(card, asked), *_empty(parts), *_undrawn(parts), *footnotes(card, parts, asked)),
        asof=span(card),
        footer=footer(asked),
        buttons=METHOD,
        image=picture(card, parts, asked),
        files=(scorecard_csv(card, asked),),
    )


def first_card(card: Scorecard, asked: Asked, stored: Stored, name: str) -> Card:
    """Nothing is over yet: what is stored, what waits, and when the first outcome is known."""
    horizon = asked.rules.proof.horizon_sessions
    details = (f"{grouped(card.waiting)} observations wait for theirs." if card.waiting else "", lost(card))
    return Card(
        title=title(asked, name, "no outcome yet"),
        state="info",
        headline=f"No outcome yet: it is known {horizon} sessions after a name's official close.",
        sentence=_first_due(stored, horizon),
        details=tuple(filter(None, (*details, *_whipsaw(card, asked)))),
        footer=footer(asked),
        buttons=METHOD,
    )


def title(asked: Asked, *parts: str) -> str:
    """The title, its first word SIMULATED when the market is."""
    return dotted((SIMULATED if asked.simulated else "", *parts))


def footer(asked: Asked) -> str:
    """By which rules the calls were made, in plain text."""
    rules = asked.rules
    return dotted(
        (
            SIMULATED if asked.simulated else "",
            f"official closes, profile {clean(rules.profile, 30)}, lens {rules.lens}",
            f"rules {rules.hash}",
            ADVICE,
        )
    )


def headline(every: Group, asked: Asked) -> str:
    """The hit rate of everything in plain words, with what it is worth."""
    low, high = whole_percent(every.ci_low), whole_percent(every.ci_high)
    said = (
        f"Of {grouped(every.n)} observations (a name at a close) that are over, "
        f"{whole_percent(every.hit_rate)} % moved less than the options charged for; 95 % interval "
        f"{low} to {high} %."
    )
    few = f"\nA small sample: worth {plural(int(every.effective_n), 'independent outcome')}."
    return said + (few if is_small(every, asked.least) else "")


def tables(card: Scorecard, parts: Sequence[Section], asked: Asked) -> str:
    """Groups over the baselines; beneath, median, distance from the universe and worst case."""
    baselines = Section("BASELINE", tuple(group for group in card.baselines if group.n))
    deep = [part for part in parts if part.title != "EACH GATE"]
    return "\n\n".join(
        (outcome_table((*parts, baselines), asked.least), depth_table((*deep, baselines), asked.least))
    )


def ranked(card: Scorecard, least: int) -> tuple[Section, ...]:
    """Symbols with the largest and the smallest mean gap; only those with a sample of their own once there
    are enough of them."""
    names = [group for group in card.groups if group.name != ALL and group.n and group.mean_gap is not None]
    enough = [group for group in names if not is_small(group, least)]
    if len(enough) >= 2 * FEW:
        names = enough
    names.sort(key=lambda group: (-(group.mean_gap or 0.0), group.name))
    if len(names) <= 2 * FEW:
        return (Section("SYMBOL", tuple(names)),)
    return (Section("BEST", tuple(names[:FEW])), Section("WORST", tuple(names[-FEW:])))


def footnotes(card: Scorecard, parts: Sequence[Section], asked: Asked) -> tuple[str, ...]:
    """How to read the figures, what they are worth, what is not in them."""
    horizon, every = asked.rules.proof.horizon_sessions, card.group(ALL)
    assert every is not None
    return (
        *_whipsaw(card, asked),
        *_marks(parts, card, asked),
        f"HIT%: IV30 at the close above the volatility of the next {horizon} sessions. MEANpt, MEDpt, "
        "WORSTpt: IV30 less that volatility, in points. OVERpt: mean over the universe on the same days.",
        f"Windows of {horizon} sessions overlap and names move together: {grouped(every.n)} observations are "
        f"worth {_worth(every)} independent of each other (effective n); the 95 % intervals (Wilson) rest on "
        "those.",
        dotted((f"Waiting: {grouped(card.waiting)}, not over yet", lost(card) or "lost: none")) + ".",
        *_fallbacks(card),
        "It is no claim of profit: no cost, no position and no path is in it.",
    )


def _fallbacks(card: Scorecard) -> tuple[str, ...]:
    """What else the figures rest on: several rules, rules completed, another horizon, a median of bins."""
    said = card.settings
    rules, filled = len(said.get("rules", ())), said.get("sessions_judged_by_filled_rules", 0)
    other, median = said.get("sessions_of_another_horizon", 0), said.get("median", "exact")
    parts = (
        f"judged by {rules} sets of rules, each close by those of its day" if rules > 1 else "",
        f"other lens: rules of {plural(filled, 'close')} completed from today's" if filled else "",
        f"{plural(other, 'close')} of another horizon left out" if other else "",
        f"median {escaped(str(median), 120)}" if median != "exact" else "",
    )
    return (f"{dotted(parts).capitalize()}.",) if any(parts) else ()


def lost(card: Scorecard) -> str:
    """Observations that never will have an outcome, by reason; empty when there is none."""
    total = sum(card.lost.values())
    reasons = (f"{escaped(reason.replace('_', ' '), 60)} {grouped(n)}" for reason, n in card.lost.items())
    return f"lost: {grouped(total)} ({listed(reasons, 3)})" if total else ""


def span(card: Scorecard) -> str:
    """The closes the observations were made at."""
    first, last = (day(each) if each is not None else MISSING for each in (card.first, card.last))
    return f"Closes of {first} to {last}" if first != last else f"Close of {first}"


def picture(card: Scorecard, parts: Sequence[Section], asked: Asked) -> Attachment | None:
    """The groups against both baselines; None while there is no group to draw."""
    groups = tuple(group for part in parts for group in part.groups)[:MOST_GROUPS]
    if not groups:
        return None
    mark = f"{SIMULATED}_" if asked.simulated else ""
    drawn = (groups, card.baselines, asked.least)
    return Attachment(
        filename=f"{mark}scorecard_{asked.by or 'overview'}.png",
        data=outcome_chart(*drawn, f"Scorecard {asked.spoken}", asked.simulated),
        description=describe_outcomes(*drawn, f"Scorecard {asked.spoken}", asked.simulated),
    )


def scorecard_csv(card: Scorecard, asked: Asked) -> Attachment:
    """Every group, both baselines and both whipsaws; gaps and shares as fractions, missing as empty."""
    columns = [field.name for field in fields(Group)]
    file = io.StringIO()
    writer = csv.writer(file)
    around = ("first", "last", "profile", "lens", "rules_hash", "source")
    writer.writerow(("kind", *columns, "share_left", *around))
    first, last = (each.isoformat() if each is not None else None for each in (card.first, card.last))
    rules = asked.rules
    source = SIMULATED if asked.simulated else "record"
    trailing = (first, last, rules.profile, rules.lens, rules.hash, source)
    for kind, groups in (("group", card.groups), ("baseline", card.baselines)):
        for group in groups:
            values = (kind, *(getattr(group, column) for column in columns), None, *trailing)
            writer.writerow([cell(value) for value in values])
    for whipsaw in card.whipsaw:
        blank = [None] * (len(columns) - 2)
        writer.writerow(
            [cell(each) for each in ("whipsaw", whipsaw.lens, whipsaw.n, *blank, whipsaw.share, *trailing)]
        )
    mark = f"{SIMULATED}_" if asked.simulated else ""
    said = f"{len(card.groups)} groups, {len(card.baselines)} baselines, gaps as fractions"
    return Attachment(
        filename=f"{mark}variance_scorecard_{asked.by or 'overview'}_{asked.span}.csv",
        data=file.getvalue().encode("utf-8", "replace"),
        description=f"{SIMULATED}: {said}" if asked.simulated else said,
    )


def _sentence(card: Scorecard, asked: Asked) -> str:
    """The answer to the question whether both gates are needed, where they are asked for."""
    both = card.group("both gates")
    if asked.by not in (None, "gate") or both is None or not both.n:
        return ""
    over = (
        ""
        if both.over_universe is None
        else f", {points_text(both.over_universe)} over the universe on the same days"
    )
    small = " A small sample." if is_small(both, asked.least) else ""
    return f"Names that pass both premium gates: {figure(both)}{over}.{small}"


def _of_symbols(card: Scorecard, asked: Asked) -> tuple[str, ...]:
    """How many names there are, and which have a sample of their own."""
    if asked.by != "symbol":
        return ()
    names = [group for group in card.groups if group.name != ALL and group.n]
    enough = [group.name for group in names if not is_small(group, asked.least)]
    counted = f"{len(enough)} of {len(names)} names have an effective n of {asked.least} or more"
    shown = f": {listed(map(escaped, enough), _NAMED)}" if enough else ""
    return (f"{counted}{shown}. BEST and WORST by MEANpt; all names are in the file.",)


def _empty(parts: Sequence[Section]) -> tuple[str, ...]:
    names = [name.removeprefix(REGIME).replace("_", " ") for part in parts for name in part.empty]
    return (f"No outcome yet: {', '.join(names)}.",) if names else ()


def _undrawn(parts: Sequence[Section]) -> tuple[str, ...]:
    """That the picture leaves groups out, where it does."""
    groups = sum(len(part.groups) for part in parts)
    return (f"The picture shows the first {MOST_GROUPS} of {groups} groups.",) if groups > MOST_GROUPS else ()


def _marks(parts: Sequence[Section], card: Scorecard, asked: Asked) -> tuple[str, ...]:
    """What the marks in the tables mean, as far as they stand there."""
    groups = [*(group for part in parts for group in part.groups), *card.baselines]
    small = any(group.n and is_small(group, asked.least) for group in groups)
    gates = any(": " in group.name for group in groups)
    said = (
        f"\\* a small sample, worth fewer than {asked.least} independent outcomes" if small else "",
        "EACH GATE: + passed it, - failed it" if gates else "",
    )
    return (f"{dotted(said)}.",) if any(said) else ()


def _whipsaw(card: Scorecard, asked: Asked) -> tuple[str, ...]:
    within = asked.rules.proof.whipsaw_sessions
    told = [
        f"{each.lens} {whole_percent(each.share)} % of {grouped(each.n)}"
        for each in card.whipsaw
        if each.n and each.share is not None
    ]
    said = f"of listed name-days, left the list within {within} sessions: {', '.join(told)}."
    return (f"**Whipsaw** {said}",) if told else ()


def _first_due(stored: Stored, horizon: int) -> str:
    if stored.first is None or stored.last is None:
        return f"No official close is stored yet; the first outcome comes {horizon} sessions after the first."
    closes = "close is" if stored.closes == 1 else "closes are"
    through = f"{day(stored.first)} to {day(stored.last)}" if stored.closes > 1 else day(stored.first)
    said = f"{grouped(stored.closes)} official {closes} stored ({through})."
    if stored.due is None:
        return said
    if stored.due > stored.last:
        return f"{said} The first outcome is known after the close of {day(stored.due)}."
    return f"{said} The first outcome has been due since {day(stored.due)}."


def _worth(group: Group) -> str:
    return grouped(int(group.effective_n))
