"""What one person sees of the own names: the watchlist and how each name stands in a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bot.cards.card import Attachment, Button, Card
from bot.cards.facts import SIMULATED, asof, day, footer, run_name, state_line, titled
from bot.cards.gates import label, short_phrase
from bot.cards.premium import tactical_columns
from bot.cards.screen import SIGNALS, screen_card
from bot.cards.table import MISSING, NOT_APPLICABLE, Column, layout, percent, ratio, whole
from bot.cards.text import clean, dotted, escaped, listed, plural
from bot.people.kept import KEPT, NEVER, kept
from engine.screen.result import Row, Screen

PAGE_ROWS = 25
ABSENT = "not in this run"
_REFUSALS = 15
_BACKUPS = "Backups hold what was deleted here until they are too old and go too; the operator sets the days."
_HALTED = ("outage", "aborted")
LEGEND = "IV in % a year; VRP = IV/RV, tactical. /why tells every gate of a name."


def ranked_card(screen: Screen, run_id: int, names: Sequence[str], page: int = 0, scope: str = "") -> Card:
    """One page of a person's names in a run: those that pass by rank, then the others with what stops them.

    `page` counts from 0 and is brought into range; `scope` is handed back in the buttons. A run without a
    ranking shows its reason only.
    """
    if screen.run.state in _HALTED:
        return screen_card(screen, run_id)
    order = [row.symbol for row in screen.rows]
    order += [symbol for symbol in names if screen.find(symbol) is None]
    last = max(-(-len(order) // PAGE_ROWS), 1) - 1
    page = min(max(page, 0), last)
    counted = f"{len(screen.passed)} of your {plural(len(order), 'name')} pass every gate"
    return Card(
        title=titled(screen.run, run_name(screen.run), day(screen.run.session)),
        state=screen.run.state,
        headline="\n".join(
            (
                "Only your watchlist",
                *filter(None, (state_line(screen.run, screen.coverage),)),
                counted + (f", page {page + 1} of {last + 1}" if last else ""),
            )
        ),
        table=standing_table(screen, order[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]),
        details=(LEGEND,),
        asof=asof(screen.run, screen.coverage),
        footer=footer(screen.run, run_id),
        buttons=_buttons(screen, run_id, scope, page, last),
    )


def watchlist_card(names: Sequence[str], most: int, screen: Screen | None, run_id: int = 0) -> Card:
    """A person's names in their own order with how they stand; bare names while there is no run."""
    title = f"Your watchlist, {len(names)} of {most} names"
    if not names:
        return Card(title=title, state="info", sentence="It is empty; /watch add puts names on it.")
    if screen is None or screen.run.state in _HALTED:
        why = "There is no run to look them up in at the moment."
        return Card(title=title, state="info", sentence=", ".join(names), details=(why,))
    absent = [symbol for symbol in names if screen.find(symbol) is None]
    gone = f"Not in this run: {listed(absent, 12)}; /vrp may still know them." if absent else ""
    return Card(
        title=dotted((SIMULATED if screen.run.simulated else "", title)),
        state=screen.run.state,
        headline=state_line(screen.run, screen.coverage),
        table=standing_table(screen, names),
        details=tuple(filter(None, (gone, LEGEND))),
        asof=asof(screen.run),
        footer=footer(screen.run, run_id),
    )


def added_card(
    title: str, groups: Sequence[tuple[str, Sequence[str]]], refused: Sequence[tuple[str, str]]
) -> Card:
    """What became of each name somebody entered: groups of names, then each refusal with its place.

    More refusals than a card shows at a glance go along whole as a file.
    """
    lines = [f"**{group}** {', '.join(map(escaped, names))}" for group, names in groups if names]
    lines += [f"{place}: {escaped(reason, 200)}" for place, reason in refused[:_REFUSALS]]
    more = len(refused) - _REFUSALS
    file = "".join(f"{place}: {clean(reason, 200)}\n" for place, reason in refused)
    return Card(
        title=title,
        state="info",
        details=(*lines, *((f"... and {more} more in the file.",) if more > 0 else ())),
        files=(Attachment("refused.txt", file.encode("utf-8", "replace")),) if more > 0 else (),
    )


def going_card(rows: Mapping[str, int], named: Mapping[str, int], done: bool, log_left: bool = False) -> Card:
    """What `/mydata delete` will take away, or has taken away: counts by kind."""
    if not rows and not named:
        return Card(title="Your data", state="info", headline="Nothing is stored about you.")
    verb = "deleted" if done else "will be deleted"
    out = "taken out of" if done else "will be taken out of"
    lines = [f"**{_kind(name)}** {plural(number, 'row')} {verb}" for name, number in rows.items()]
    lines += [f"**{_kind(name)}** your id {out} {plural(number, 'row')}" for name, number in named.items()]
    left = "The database's log was in use: its old pages go as I write on, at the latest when I stop."
    after = (_BACKUPS, *((left,) if log_left else ())) if done else ("There is no way back.", _BACKUPS)
    return Card(
        title="Your data is deleted" if done else "Delete everything stored about you?",
        state="info",
        details=(*lines, "", *after),
    )


def export_card(counts: Mapping[str, int], packed: bytes) -> Card:
    """The zip of everything stored about a person."""
    lines = [f"**{_kind(name)}** {plural(number, 'row')}" for name, number in counts.items()]
    return Card(
        title="Your data",
        state="info",
        headline="" if lines else "Nothing is stored about you.",
        details=tuple(lines),
        files=(Attachment("variance_mydata.zip", packed, "Everything stored about you"),) if lines else (),
    )


def privacy_card(contact: str = "") -> Card:
    """What is stored, for how long, who sees it, what is not. `contact` is a mention of the operator."""
    return Card(
        title="What is stored, and what is not",
        state="info",
        details=(
            *(
                f"**{entry.title}** {entry.what}. Kept {entry.until}. Seen by {entry.seen_by}."
                for entry in KEPT
            ),
            "",
            "**Never stored**",
            *NEVER,
            "",
            "Everything lies in one file on the machine of the operator, who alone can read it there.",
            _BACKUPS,
            "/mydata export hands you everything stored about you; /mydata delete takes it away.",
            f"Questions go to the operator of this bot{f', {contact}' if contact else ''}.",
        ),
    )


def _kind(table: str) -> str:
    entry = kept(table)
    return entry.title if entry is not None else escaped(table.replace("_", " "))


def standing_table(screen: Screen, names: Sequence[str]) -> str:
    """Rank, symbol, IV, VRP and what stands in the way, a line a name; at most TABLE_WIDTH columns."""
    rows = [screen.find(symbol) for symbol in names]
    return layout(
        (
            Column(
                "#", [NOT_APPLICABLE if row is None or row.rank is None else whole(row.rank) for row in rows]
            ),
            Column("SYM", [clean(symbol, 11) for symbol in names], right=False),
            Column("IV%", [MISSING if row is None else percent(row.number("iv30"), 4) for row in rows]),
            Column("VRP", [MISSING if row is None else _premium(row) for row in rows]),
            Column("STANDS", [_standing(row) for row in rows], right=False, flexible=True),
        )
    )


def _premium(row: Row) -> str:
    return ratio(row.number(tactical_columns(row)[1]), 4)


def _standing(row: Row | None) -> str:
    if row is None:
        return ABSENT
    reason = row.text("missing_reason")
    if reason is not None:
        return f"no data: {clean(reason)}"
    if row.passed or not row.failed:
        return f"passes {SIGNALS.get(row.signal, row.signal) if row.signal else ''}".rstrip()
    first, *others = row.failed
    return f"{label(first.name)} +{len(others)} more" if others else short_phrase(first)


def _buttons(screen: Screen, run_id: int, scope: str, page: int, last: int) -> tuple[Button, ...]:
    paging = (
        Button("Previous", "page", run_id, f"{max(page - 1, 0)}|{scope}", disabled=page == 0),
        Button("Next", "page", run_id, f"{min(page + 1, last)}|{scope}", disabled=page == last),
    )
    return (
        *((Button("Full list CSV", "csv", run_id, scope),) if screen.rows else ()),
        Button("Method", "method", run_id),
        *(paging if last else ()),
    )
