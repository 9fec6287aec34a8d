"""The list: the answer to /screen and the scheduled post."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.cards.card import Button, Card
from bot.cards.changes import Arrival, Changes, Departure, Move, compare
from bot.cards.facts import asof, day, footer, run_name, state_line, titled
from bot.cards.gates import failures, label
from bot.cards.premium import tactical_columns
from bot.cards.table import MISSING, NOT_APPLICABLE, Column, known, layout, percent, ratio, times_text, whole
from bot.cards.text import clean, dotted, escaped, listed, mono, plural, stamp
from engine.screen.result import Row, Screen

PAGE_ROWS = 12
SIGNALS = {"EXPANDING": "EXPAND", "DISCOUNT": "DISC"}
LEGEND = "IV, RV in % a year; VRP = IV/RV, tactical; IVP percentile of IV30; ERNd days to earnings."
NO_PERCENTILE = "IVP ?: too few closes of IV30 are stored yet."
_NO_EARNINGS = ("etf", "index", "future")
_SHOWN_ANYWAY = ("earnings_soon",)
_NAMED = 3
_HALTED = ("outage", "aborted")


def screen_card(screen: Screen, run_id: int, page: int = 0, *, scope: str = "") -> Card:
    """One page of the list; on an empty day the near misses take its place.

    `page` counts from 0 and is brought into range. `scope` is handed back in the paging buttons
    (`page|scope`) and with the CSV. A run without a ranking shows its reason only.
    """
    if screen.run.state in _HALTED:
        return _halted(screen, run_id)
    rows = screen.passed or _nearest(screen)
    pages = max(1, -(-len(rows) // PAGE_ROWS))
    page = min(max(page, 0), pages - 1)
    shown = rows[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
    counted = _counted(screen) + (f", page {page + 1} of {pages}" if pages > 1 else "")
    return Card(
        title=titled(screen.run, run_name(screen.run), day(screen.run.session)),
        state=screen.run.state,
        headline="\n".join(filter(None, (state_line(screen.run, screen.coverage), counted))),
        table=screen_table(shown) if shown else "",
        sentence=_sentence(screen),
        details=_footnotes(screen, shown),
        asof=asof(screen.run, screen.coverage),
        footer=footer(screen.run, run_id),
        buttons=_buttons(shown, run_id, scope, page, pages),
    )


def post_card(
    screen: Screen,
    run_id: int,
    previous: Screen | None,
    *,
    scope: str = "",
    late_since: datetime | None = None,
    pairs: str = "",
) -> Card:
    """The scheduled post: what changed since the last official run first, then the head of the list.

    An empty day, a degraded run, an outage and a stopped run each have their own short form. `scope` is
    handed back in the buttons; `late_since` is when a late run was due; `pairs` is the line about pairs.
    """
    if screen.run.state in _HALTED:
        halted = _halted(screen, run_id)
        return replace(halted, headline="\n".join(filter(None, (_late(late_since), halted.headline))))
    changes = compare(screen, previous)
    shown = screen.passed[:PAGE_ROWS]
    lead = (
        _late(late_since),
        state_line(screen.run, screen.coverage),
        _news(changes, previous),
        _counted(screen),
    )
    return Card(
        title=titled(screen.run, run_name(screen.run), day(screen.run.session)),
        state=screen.run.state,
        headline="\n".join(filter(None, lead)),
        table=screen_table(shown) if shown else "",
        sentence="" if shown else _sentence(screen),
        details=_post_details(screen, changes, shown, pairs),
        asof=asof(screen.run, screen.coverage),
        footer=footer(screen.run, run_id),
        buttons=_buttons(shown or _nearest(screen), run_id, scope, 0, 1, len(screen.passed) - len(shown)),
    )


def _late(since: datetime | None) -> str:
    return f"Late: this run was due {stamp(since)}" if since is not None else ""


def screen_table(rows: Sequence[Row]) -> str:
    """Rank, symbol, IV, RV, VRP, IV percentile, days to earnings, signal: at most TABLE_WIDTH columns."""
    common = _common(rows)
    return layout(
        (
            Column("#", [NOT_APPLICABLE if row.rank is None else whole(row.rank) for row in rows]),
            Column("SYM", [clean(row.symbol, 20) for row in rows], right=False, flexible=True),
            Column("IV%", [percent(row.number("iv30"), 4) for row in rows]),
            Column("RV%", [percent(row.number(tactical_columns(row)[0]), 4) for row in rows]),
            Column("VRP", [ratio(row.number(tactical_columns(row)[1]), 4) for row in rows]),
            Column("IVP", [whole(row.number("iv_percentile"), 3) for row in rows]),
            Column("ERNd", [_earnings(row) for row in rows]),
            Column("TAG", [_tag(row, common) for row in rows], right=False),
        )
    )


def _ranked(row: Row) -> bool:
    return known(row.number("iv_percentile")) is not None


def _earnings(row: Row) -> str:
    days = known(row.number("earnings_days"))
    if days is None:
        return NOT_APPLICABLE if row.text("asset_class") in _NO_EARNINGS else MISSING
    return whole(days, 4)


def _tag(row: Row, common: set[str]) -> str:
    signal = SIGNALS.get(row.signal, row.signal) if row.signal else MISSING
    return mono(signal, 6) + ("*" if set(_remarks(row)) - common else "")


def _remarks(row: Row) -> tuple[str, ...]:
    """What a reader should know before comparing this line with the others."""
    flags = (flag.replace("_", " ") for flag in row.flags if flag not in _SHOWN_ANYWAY)
    tags = (gate for gate in row.tags if gate.state == "fail" and gate.name != "earnings")
    return (*flags, *(f"{label(gate.name)} fails" for gate in tags))


def _common(rows: Sequence[Row]) -> set[str]:
    """Remarks that hold for every row: they set no line apart, so they earn no star."""
    return set.intersection(*(set(_remarks(row)) for row in rows)) if len(rows) > 1 else set()


def _nearest(screen: Screen) -> tuple[Row, ...]:
    rows = (screen.find(symbol) for symbol in screen.near_misses)
    return tuple(row for row in rows if row is not None)


def _counted(screen: Screen) -> str:
    coverage = screen.coverage
    if not screen.passed:
        return f"No name passes every gate, of {coverage.measured} measured"
    return f"{len(screen.passed)} of {coverage.measured} measured names pass every gate"


def _sentence(screen: Screen) -> str:
    misses = [f"{escaped(row.symbol)} ({failures(row)})" for row in _nearest(screen)]
    if not misses:
        return "No name is one gate short." if not screen.passed else ""
    if screen.passed:
        return f"Near misses: {listed(misses, _NAMED)}."
    return f"Nearest miss: {listed(misses, 1)}."


def _footnotes(screen: Screen, shown: Sequence[Row]) -> tuple[str, ...]:
    """What stopped the others, how to read the table, what the run left out."""
    measured = (row for row in screen.rows if row.text("missing_reason") is None)
    failing = Counter(label(gate.name) for row in measured for gate in row.failed)
    often = ", ".join(f"{escaped(name)} {count}" for name, count in failing.most_common(4))
    notes = "; ".join(escaped(note.removesuffix("."), 160) for note in screen.notes)
    return (
        *((f"Names stopped, by gate: {often}.",) if often else ()),
        *(_reading(shown) if shown else ()),
        *((f"Of this run: {notes}.",) if notes else ()),
    )


def _reading(shown: Sequence[Row]) -> tuple[str, ...]:
    """The stars and the headers of the table."""
    common = _common(shown)
    remarks = Counter(remark for row in shown for remark in _remarks(row) if remark not in common)
    marked = listed((f"{escaped(remark)} ({n})" for remark, n in remarks.most_common()), 4)
    return (
        *((f"\\* {marked}.",) if marked else ()),
        *((f"All of them: {listed(map(escaped, sorted(common)), 4)}.",) if common else ()),
        LEGEND,
        *((NO_PERCENTILE,) if not any(map(_ranked, shown)) else ()),
    )


def _buttons(
    shown: Sequence[Row], run_id: int, scope: str, page: int, pages: int, more: int = 0
) -> tuple[Button, ...]:
    last = pages - 1
    paging = (
        Button("Previous", "page", run_id, f"{max(page - 1, 0)}|{scope}", disabled=page == 0),
        Button("Next", "page", run_id, f"{min(page + 1, last)}|{scope}", disabled=page == last),
    )
    return (
        *((Button(f"Why {clean(shown[0].symbol, 12)}", "why", run_id, shown[0].symbol),) if shown else ()),
        *((Button(f"All {len(shown) + more}", "screen", run_id, scope),) if more else ()),
        Button("Full list CSV", "csv", run_id, scope),
        Button("Method", "method", run_id),
        *(paging if pages > 1 else ()),
    )


def _halted(screen: Screen, run_id: int) -> Card:
    """An outage or a run the hard gate stopped: what happened, no ranking."""
    run = screen.run
    # A live market names its next try in the reason.
    planned = "next try" in (run.reason or "")
    again = "" if planned else "The next run starts afresh; /status tells when."
    return Card(
        title=titled(run, run_name(run), day(run.session)),
        state=run.state,
        headline=state_line(run, screen.coverage),
        sentence=again,
        asof=asof(run, screen.coverage),
        footer=footer(run, run_id),
        buttons=(
            *((Button("Full list CSV", "csv", run_id),) if screen.rows else ()),
            Button("Method", "method", run_id),
        ),
    )


def _news(changes: Changes, previous: Screen | None) -> str:
    if changes.obstacle is not None or previous is None:
        return ""
    since = f" since the close of {day(previous.run.session)}"
    if not (changes.new or changes.left):
        return f"No change in the list{since}" if changes.stayed else ""
    stayed = f"{changes.stayed} stayed" if changes.stayed else ""
    return dotted((f"{len(changes.new)} new", f"{len(changes.left)} left", stayed)) + since


def _post_details(screen: Screen, changes: Changes, shown: Sequence[Row], pairs: str) -> tuple[str, ...]:
    obstacle = (changes.obstacle,) if changes.obstacle else ()
    related = (pairs,) if pairs else ()
    if not shown:
        return (*_left_line(changes), *related, *obstacle)
    rest = len(screen.passed) - len(shown)
    more = f"{plural(rest, 'more name')} in the full list." if rest else ""
    news = (more, *_change_lines(changes), *related, *obstacle, _sentence(screen))
    return (*filter(None, news), "", *_reading(shown))


def _change_lines(changes: Changes) -> tuple[str, ...]:
    moved = [_move(move) for move in changes.moved]
    return (
        *((f"**New** {listed(map(_arrival, changes.new), 8)}",) if changes.new else ()),
        *_left_line(changes),
        *((f"**Moved** {listed(moved, 6)}",) if moved else ()),
    )


def _left_line(changes: Changes) -> tuple[str, ...]:
    return (f"**Left** {listed(map(_departure, changes.left), 8)}",) if changes.left else ()


def _arrival(arrival: Arrival) -> str:
    row = arrival.row
    unseen = "" if arrival.measured_before else ", not measured before"
    return f"{escaped(row.symbol)} ({times_text(row.number(tactical_columns(row)[1]))}{unseen})"


def _departure(departure: Departure) -> str:
    if departure.row is None:
        return f"{escaped(departure.symbol)} (not in this run)"
    return f"{escaped(departure.symbol)} ({failures(departure.row)})"


def _move(move: Move) -> str:
    signal = ""
    if move.signal_changed:
        signal = f"{move.before.signal or MISSING} to {move.now.signal or MISSING}"
    place = f"rank {move.before.rank} to {move.now.rank}" if move.places else ""
    return f"{escaped(move.now.symbol)} ({', '.join(filter(None, (place, escaped(signal))))})"
