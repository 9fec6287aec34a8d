"""Pairs as people see them: all of them, one with its picture, and the line of the closing post."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields

from bot.cards.card import Attachment, Button, Card
from bot.cards.csvfile import cell
from bot.cards.facts import SIMULATED, asof, day, footer, state_line, titled
from bot.cards.relative_charts import describe_pair, pair_chart, pair_drawable
from bot.cards.table import (
    MISSING,
    NOT_APPLICABLE,
    Column,
    dressed,
    layout,
    pairs,
    percent,
    ratio,
    signed,
    whole,
)
from bot.cards.text import clean, escaped, listed, plural
from engine.relative.pairs import PairDetail, PairRow, Signal, SpreadHistory
from engine.relative.words import (
    WARNINGS,
    actions,
    earnings_words,
    missing_words,
    past_words,
    verdict,
    wide_words,
)
from engine.screen.result import Run, Screen

PAGE_ROWS = 12
SIGNALS: dict[Signal, str] = {
    "CONVERGENCE": "CONV",
    "CORRELATION BROKEN": "BROKEN",
    "none": NOT_APPLICABLE,
    "no data": MISSING,
}
"""Each signal in a table."""
NEWS: tuple[Signal, ...] = ("CONVERGENCE", "CORRELATION BROKEN")
"""Signals the closing post speaks of."""
WORD = "Pair spread"
"""The word of the method behind a pair."""
_ORDER: tuple[Signal, ...] = ("CONVERGENCE", "none", "CORRELATION BROKEN", "no data")
_SAID = 2
_NOTED = 6
_IN_POST = 4
_DECIMAL = re.compile(r"\d+\.\d+")


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a pair at a run; volatilities as fractions, None where missing.

    `reports` is False for what has no earnings, such as a fund.
    """

    symbol: str
    iv30: float | None
    hv252: float | None
    reports: bool = True


@dataclass(frozen=True, slots=True)
class PairView:
    """A pair with all that is shown beside it; `own` pairs are this server's."""

    row: PairRow
    detail: PairDetail
    history: SpreadHistory | None
    legs: tuple[Leg, Leg]
    own: bool = False


def pairs_card(
    rows: Sequence[PairRow],
    screen: Screen,
    run_id: int,
    limit: float,
    own: Collection[str] = (),
    page: int = 0,
) -> Card:
    """Every pair, those that converge first; `limit` is the spread beyond which they do.

    `own` are the ids of this server's pairs; `page` counts from 0 and is brought into range. A run the
    hard gate stopped shows its reason only.
    """
    run = screen.run
    if run.state == "aborted":
        return stopped_card(screen, run_id, "Pairs")
    ordered = sorted(rows, key=_urgency)
    pages = max(1, -(-len(ordered) // PAGE_ROWS))
    page = min(max(page, 0), pages - 1)
    shown = ordered[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
    paged = f", page {page + 1} of {pages}" if pages > 1 else ""
    return Card(
        title=titled(run, "Pairs", day(run.session)),
        state=run.state,
        headline="\n".join(filter(None, (state_line(run, screen.coverage), _counted(rows) + paged))),
        table=_table(shown, own) if shown else "",
        sentence=_sentence(ordered, limit),
        details=_notes(shown, limit, own),
        asof=asof(run, screen.coverage),
        footer=footer(run, run_id),
        buttons=_buttons(shown, run_id, page, pages),
    )


def pair_card(view: PairView, screen: Screen, run_id: int, limit: float) -> Card:
    """One pair: both legs, spread, correlations, what the signal would mean, warnings, the picture."""
    run, row = screen.run, view.row
    if run.state == "aborted":
        return stopped_card(screen, run_id, f"Pair {escaped(row.leg_a)} / {escaped(row.leg_b)}")
    drawn = pair_drawable(row, run, view.history)
    name = f"{escaped(row.pair, 40)}{', a pair of this server' if view.own else ''}"
    return Card(
        title=titled(run, f"Pair {escaped(row.leg_a)} / {escaped(row.leg_b)}", day(run.session)),
        state=run.state,
        headline="\n".join(filter(None, (state_line(run, screen.coverage), f"{_signal(row)} · {name}"))),
        table=f"{_legs(view)}\n{pairs(_facts(view, limit))}",
        sentence=spoken(verdict(row, limit)),
        details=_said(view),
        asof=asof(run, screen.coverage),
        footer=footer(run, run_id),
        buttons=(
            Button("All pairs", "pairs", run_id, "0"),
            *(Button(f"Chart {clean(leg.symbol, 12)}", "vrp", run_id, leg.symbol) for leg in view.legs),
            Button("Method", "method", run_id, WORD),
        ),
        image=_picture(view, run, limit) if drawn else None,
    )


def stopped_card(screen: Screen, run_id: int, what: str) -> Card:
    """A run the hard gate stopped: nothing was measured, so nothing is compared."""
    run = screen.run
    return Card(
        title=titled(run, what, day(run.session)),
        state=run.state,
        headline=state_line(run, screen.coverage),
        sentence="Nothing was measured in this run, so nothing is compared. /status tells when the next is.",
        asof=asof(run, screen.coverage),
        footer=footer(run, run_id),
    )


def pairs_csv_card(rows: Sequence[PairRow], screen: Screen, run_id: int) -> Card:
    """All pairs as a file: ratios as they are, missing as empty."""
    run = screen.run
    said = f"{plural(len(rows), 'pair')}: both ratios, spread, correlations, threshold, signal"
    return Card(
        title=titled(run, "Pairs", "full list"),
        state=run.state,
        sentence=f"{said}.",
        footer=footer(run, run_id),
        files=(_csv(rows, run, said),),
    )


def pairs_line(rows: Sequence[PairRow], before: Mapping[str, Signal]) -> str:
    """What a closing post says of pairs that converge or are broken; empty when there is none.

    `before` holds the signals of the close before by pair: what was known and differed is called new, and
    what was broken then too is only named.
    """
    told = [row for row in rows if row.signal in NEWS]
    told.sort(key=lambda row: (not _is_new(row, before), _urgency(row)))
    # A pair may stay broken for months: its numbers are no news of the day.
    stale = [row for row in told if row.signal == before.get(row.pair) == "CORRELATION BROKEN"]
    fresh = [row for row in told if row not in stale]
    rest = len(fresh) - _IN_POST
    names = listed((f"{escaped(row.leg_a)} / {escaped(row.leg_b)}" for row in stale), _IN_POST)
    parts = (
        *(_news(row, before) for row in fresh[:_IN_POST]),
        f"{rest} more in /pairs" if rest > 0 else "",
        f"broken as before: {names}" if stale else "",
    )
    return f"**Pairs** {'; '.join(filter(None, parts))}" if told else ""


def spoken(text: str) -> str:
    """A sentence of the engine with its numbers in the language in force."""
    return _DECIMAL.sub(lambda found: dressed(found[0]), text)


def _urgency(row: PairRow) -> tuple[int, float, str]:
    """The signal, then how far apart, then the name."""
    return _ORDER.index(row.signal), -abs(row.spread or 0.0), row.pair


def _table(rows: Sequence[PairRow], own: Collection[str]) -> str:
    """Legs, both ratios, spread, correlation over the year, signal: at most TABLE_WIDTH columns."""
    return layout(
        (
            Column("PAIR", [_name(row, own) for row in rows], right=False, flexible=True),
            Column("A", [ratio(row.structural_a, 4) for row in rows]),
            Column("B", [ratio(row.structural_b, 4) for row in rows]),
            Column("A-B", [signed(row.spread, width=6) for row in rows]),
            Column("CORR", [ratio(row.correlation, 5) for row in rows]),
            Column("SIGNAL", [SIGNALS[row.signal] for row in rows], right=False),
        )
    )


def _name(row: PairRow, own: Collection[str]) -> str:
    return f"{clean(row.leg_a, 20)}/{clean(row.leg_b, 20)}" + ("*" if row.pair in own else "")


def _counted(rows: Sequence[PairRow]) -> str:
    if not rows:
        return "No pairs are kept here"
    found = sum(row.signal == "CONVERGENCE" for row in rows)
    broken = sum(row.signal == "CORRELATION BROKEN" for row in rows)
    unknown = sum(row.signal == "no data" for row in rows)
    return f"{found} of {plural(len(rows), 'pair')} in convergence" + "".join(
        f", {count} {word}" for count, word in ((broken, "broken"), (unknown, "without data")) if count
    )


def _sentence(ordered: Sequence[PairRow], limit: float) -> str:
    """The verdict on what converges; without any, on the pair farthest apart."""
    if not ordered:
        return "/pair add keeps a server's own, for those who manage it."
    found = [row for row in ordered if row.signal == "CONVERGENCE"]
    if found:
        more = len(found) - _SAID
        verdicts = " ".join(spoken(verdict(row, limit)) for row in found[:_SAID])
        return verdicts + (f" And {more} more." if more > 0 else "")
    nearest = next((row for row in ordered if row.signal == "none"), None)
    return "" if nearest is None else f"Farthest apart: {spoken(verdict(nearest, limit))}"


def _notes(shown: Sequence[PairRow], limit: float, own: Collection[str]) -> tuple[str, ...]:
    """What keeps the others from a verdict, and how to read the table."""
    if not shown:
        return ()
    broken = [_broken(row) for row in shown if row.signal == "CORRELATION BROKEN"]
    unknown = [row for row in shown if row.signal == "no data"]
    rest = len(unknown) - _NOTED
    return (
        *((f"**Broken** by correlation: {'; '.join(broken)}.",) if broken else ()),
        *(f"{escaped(row.leg_a)} / {escaped(row.leg_b)}: {spoken(verdict(row))}" for row in unknown[:_NOTED]),
        *((f"{plural(rest, 'more pair')} without data.",) if rest > 0 else ()),
        *(("\\* a pair of this server.",) if any(row.pair in own for row in shown) else ()),
        f"A, B: IV30/HV252 of the first and the second leg. A-B: the spread; beyond {ratio(limit)} either "
        "way, with a correlation at or above the pair's threshold, CONV (convergence); below it BROKEN.",
        "CORR: daily log returns over 252 sessions. /pairs pair: actions, warnings, history of one pair.",
    )


def _broken(row: PairRow) -> str:
    """`NVDA / AMD 0.62 below 0.80 (0.49 over 60 days)`: the spread stands in the table and means nothing."""
    recent = "" if row.correlation_60 is None else f" ({ratio(row.correlation_60)} over 60 days)"
    legs = f"{escaped(row.leg_a)} / {escaped(row.leg_b)}"
    return f"{legs} {ratio(row.correlation)} below {ratio(row.threshold)}{recent}"


def _buttons(shown: Sequence[PairRow], run_id: int, page: int, pages: int) -> tuple[Button, ...]:
    last = pages - 1
    paging = (
        Button("Previous", "pairs", run_id, str(max(page - 1, 0)), disabled=page == 0),
        Button("Next", "pairs", run_id, str(min(page + 1, last)), disabled=page == last),
    )
    first = shown[0] if shown else None
    legs = "" if first is None else f"{clean(first.leg_a, 12)} / {clean(first.leg_b, 12)}"
    return (
        *((Button(legs, "pair", run_id, first.pair),) if first is not None else ()),
        *((Button("Full list CSV", "pairs_csv", run_id),) if shown else ()),
        Button("Method", "method", run_id, WORD),
        *(paging if pages > 1 else ()),
    )


def _signal(row: PairRow) -> str:
    words = {"none": "No signal", "no data": "No data"}
    return words.get(row.signal, row.signal)


def _legs(view: PairView) -> str:
    row, (a, b) = view.row, view.legs
    earnings = (view.detail.earnings_a, view.detail.earnings_b)
    return layout(
        (
            Column("", ["IV30/HV252", "IV30 %", "HV252 %", "Earnings d"], right=False),
            *(
                Column(
                    clean(leg.symbol, 12),
                    [
                        ratio(structural),
                        percent(leg.iv30),
                        percent(leg.hv252),
                        whole(days) if leg.reports else NOT_APPLICABLE,
                    ],
                )
                for leg, structural, days in zip(
                    (a, b), (row.structural_a, row.structural_b), earnings, strict=True
                )
            ),
        )
    )


def _facts(view: PairView, limit: float) -> list[tuple[str, str]]:
    row, detail = view.row, view.detail
    z = MISSING if detail.z is None else signed(detail.z, 1)
    return [
        ("Spread A-B", f"{signed(row.spread)}  (limit {ratio(limit)})"),
        ("z-score", f"{z}  (n={detail.n})"),
        ("Corr 252", f"{ratio(row.correlation)}  (at least {ratio(row.threshold)})"),
        ("Corr 60", ratio(row.correlation_60)),
        ("Signal", row.signal),
    ]


def _said(view: PairView) -> tuple[str, ...]:
    """The legs' actions, the past, earnings, what is missing; the warnings of every pair trade."""
    row, detail = view.row, view.detail
    beside = (
        past_words(row, detail),
        earnings_words(row, detail),
        missing_words(row, detail),
        wide_words(row, detail),
    )
    return (
        *map(spoken, actions(row)),
        *(spoken(escaped(words, 300)) for words in beside if words),
        "",
        *WARNINGS,
    )


def _picture(view: PairView, run: Run, limit: float) -> Attachment:
    mark = f"{SIMULATED}_" if run.simulated else ""
    return Attachment(
        filename=f"{mark}pair_{view.row.pair}.png",
        data=pair_chart(view.row, run, view.history, limit),
        description=describe_pair(view.row, run, view.history, limit),
    )


def _csv(rows: Sequence[PairRow], run: Run, said: str) -> Attachment:
    file = io.StringIO()
    writer = csv.writer(file)
    columns = [field.name for field in fields(PairRow)]
    writer.writerow(("id", *columns[1:], "session", "kind", "source"))
    for row in rows:
        values = (
            *(getattr(row, column) for column in columns),
            run.session.isoformat(),
            run.kind,
            run.source,
        )
        writer.writerow([cell(value) for value in values])
    mark = f"{SIMULATED}_" if run.simulated else ""
    return Attachment(
        filename=f"{mark}variance_pairs_{run.session.isoformat()}_{run.kind}.csv",
        data=file.getvalue().encode("utf-8", "replace"),
        description=f"{SIMULATED}: {said}" if run.simulated else said,
    )


def _is_new(row: PairRow, before: Mapping[str, Signal]) -> bool:
    """Whether the close before said otherwise; what it could not tell is not otherwise."""
    return before.get(row.pair, "no data") not in ("no data", row.signal)


def _news(row: PairRow, before: Mapping[str, Signal]) -> str:
    legs = f"{escaped(row.leg_a)} / {escaped(row.leg_b)}"
    lead = f"new: {legs}" if _is_new(row, before) else legs
    correlation = ratio(row.correlation)
    if row.signal == "CORRELATION BROKEN":
        return f"{lead} broken: correlation {correlation}, below {ratio(row.threshold)}"
    rich = "" if row.rich_leg is None else f", {escaped(row.rich_leg)} rich"
    return f"{lead} convergence: spread {signed(row.spread)}{rich} (correlation {correlation})"
