"""Legs as rows: the preview of an import, what came of it, the plain list of a book."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from bot.cards.card import Attachment, Card
from bot.cards.csvfile import cell
from bot.cards.table import Column, layout, plain
from bot.cards.text import clean, escaped, listed, plural, stamp
from engine.portfolio.book import MOST_LEGS, Accepted, FileFormat, Leg, Reading, Rejected
from engine.portfolio.strategies import Position
from engine.screen.result import Value

PREVIEW_ROWS = 15
"""Rows of a file that a card shows; the others go along as a file."""
LIST_ROWS = 40
_REFUSALS = 10
_REMARKS = 6
_RECOGNISED = 15
_LINES_NAMED = 4

FORMATS: dict[FileFormat, str] = {
    "notation": "Option notation",
    "plain": "The plain format",
    "tastytrade": "Tastytrade's export",
    "schwab": "Schwab's export",
    "account": "An account",
}
_LEG_COLUMNS = (
    *("symbol", "expiration", "strike", "right", "quantity", "open_price"),
    *("kind", "multiplier", "contract"),
)
EMPTY = "Your book is empty; /portfolio add and /portfolio import put positions in it."


def position_text(position: Position, legs: Sequence[Leg]) -> str:
    """What legs are recognised as, with its parts: `KO short strangle x2: -2 KO ..., -2 KO ...`."""
    # A single leg says itself how many there are.
    times = f" x{position.units:g}" if position.units != 1 and len(position.parts) > 1 else ""
    parts = (replace(legs[place], quantity=part).text for place, part in position.parts)
    return f"{position.symbol} {position.strategy}{times}: {', '.join(parts)}"


def book_title(held: int) -> str:
    """`Your book, 3 of 500 legs`."""
    return f"Your book, {held} of {MOST_LEGS} legs"


def preview_card(reading: Reading, held: int, repeated: int, remarks: Sequence[str], until: datetime) -> Card:
    """What a file holds, row by row, before anything of it is stored.

    held      legs in the book already; `repeated` legs of the file whose contract is among them
    remarks   sentences about the legs as a whole
    until     when the buttons under it stop working
    """
    good, bad = len(reading.accepted), len(reading.rejected)
    rows = _rows(reading)
    more = len(rows) - PREVIEW_ROWS
    cannot = f", {bad} cannot" if bad else ""
    return Card(
        title=f"{FORMATS[reading.format]}: {plural(good, 'row')} can be used{cannot}",
        state="info",
        headline="Nothing is stored yet" if good else "Nothing is stored",
        table=_table(rows[:PREVIEW_ROWS]),
        sentence=_room(good, held, repeated) if good else "No row of the file can be used.",
        details=(
            *_refusals(reading.rejected, "line"),
            *_remarks(reading.accepted, "line"),
            *(escaped(note, 300) for note in (*reading.notes, *remarks)),
            *((f"{plural(more, 'more row')} in the file.",) if more > 0 else ()),
        ),
        asof=f"The buttons work until {stamp(until, 't')}." if good else "",
        files=(verdicts_csv(reading),) if more > 0 else (),
    )


def stored_card(
    title: str,
    held: int,
    over: Sequence[Leg],
    recognised: Sequence[str],
    reading: Reading | None = None,
    remarks: Sequence[str] = (),
) -> Card:
    """What became of legs that were to be stored.

    recognised  what the new legs are in the book as it is now, in words
    reading     of what was typed: its refusals and remarks are told too
    """
    shown = [f"- {escaped(text, 200)}" for text in recognised[:_RECOGNISED]]
    more = len(recognised) - _RECOGNISED
    if more > 0:
        shown.append(f"- and {more} more")
    known = ("In your book they are:", *shown) if shown else ()
    full = f"No room, {MOST_LEGS} legs is the limit: {listed((leg.text for leg in over), 5)}." if over else ""
    refused: list[str] = []
    said = [escaped(each, 300) for each in remarks]
    if reading is not None:
        refused = _refusals(reading.rejected, "entry")
        said = [*_remarks(reading.accepted, "entry"), *reading.notes, *said]
    return Card(
        title=title,
        state="info",
        headline=book_title(held),
        # What was refused first; an empty line ends a list, which would take the next line in.
        details=(
            *filter(None, (full,)),
            *(("Not added:", *(f"- {each}" for each in refused), "") if refused else ()),
            *known,
            *(("", *said) if said else ()),
        ),
    )


def list_card(legs: Sequence[tuple[int, Leg]], net_liquidation: float | None) -> Card:
    """The plain list of a book: each leg with the number /portfolio remove takes."""
    if not legs:
        return Card(title=book_title(0), state="info", sentence=EMPTY)
    shown = legs[:LIST_ROWS]
    table = layout(
        (
            Column("#", [str(number) for number, _ in shown]),
            Column("LEG", [_narrow(leg) for _, leg in shown], right=False, flexible=True),
        )
    )
    more = len(legs) - len(shown)
    return Card(
        title=book_title(len(legs)),
        state="info",
        table=table,
        details=(
            *((f"{plural(more, 'more leg')} in the file.",) if more > 0 else ()),
            "/portfolio remove takes the numbers.",
            worth_text(net_liquidation),
        ),
        files=(legs_csv(legs),) if more > 0 else (),
    )


def removed_card(gone: Sequence[tuple[int, Leg]], absent: Sequence[int], held: int) -> Card:
    """Which legs went, and which numbers were not in the book."""
    lines = [f"- #{number} {escaped(leg.text)}" for number, leg in gone[:_RECOGNISED]]
    more = len(gone) - _RECOGNISED
    strangers = listed((f"#{number}" for number in absent), 10)
    return Card(
        title=f"{plural(len(gone), 'leg')} removed" if gone else "Nothing removed",
        state="info",
        headline=book_title(held),
        details=(
            *lines,
            *((f"- and {more} more",) if more > 0 else ()),
            *((f"Not in your book: {strangers}.",) if absent else ()),
        ),
    )


def settings_card(net_liquidation: float | None) -> Card:
    """What the person chose for the book."""
    return Card(
        title="Settings of your book",
        state="info",
        sentence=worth_text(net_liquidation),
        details=("The rules of size hold positions against it; 0 forgets it.",),
    )


def worth_text(net_liquidation: float | None) -> str:
    """Net liquidation in a sentence."""
    if net_liquidation is None:
        return "Net liquidation is not set, so no size is judged."
    return f"Net liquidation is {plain(net_liquidation)}."


def verdicts_csv(reading: Reading) -> Attachment:
    """Every row of a file with its verdict; no cell is one that a spreadsheet takes for a formula."""
    lines: dict[int, list[tuple[Value, ...]]] = {}
    empty = ("",) * len(_LEG_COLUMNS)
    for good in reading.accepted:
        verdict = "note" if good.remark else "ok"
        row = (good.line, verdict, clean(good.remark, 300), *_leg_values(good.leg))
        lines.setdefault(good.line, []).append(row)
    for bad in reading.rejected:
        lines.setdefault(bad.line, []).append((bad.line, "no", clean(bad.reason, 300), *empty))
    rows = [row for line in sorted(lines) for row in lines[line]]
    return _file("import_verdicts.csv", ("line", "verdict", "reason", *_LEG_COLUMNS), rows, "Every row")


def legs_csv(legs: Iterable[tuple[int, Leg]]) -> Attachment:
    """A book in the plain format, which /portfolio import reads again."""
    rows = [(*_leg_values(leg), number) for number, leg in legs]
    return _file("portfolio_legs.csv", (*_LEG_COLUMNS, "number"), rows, "Every leg of your book")


def _room(good: int, held: int, repeated: int) -> str:
    said = f"Your book holds {held} of {MOST_LEGS} legs."
    if repeated:
        said += f" {plural(repeated, 'contract')} of the file stand there already: adding makes further lots."
    room = MOST_LEGS - held
    if good > room:
        first = f"adding keeps the first {room}" if room else "there is no room to add"
        said += f" {first[0].upper()}{first[1:]}, replacing the first {min(good, MOST_LEGS)}."
    return said


def _rows(reading: Reading) -> list[tuple[int, str, str]]:
    """(line, verdict, text) in the order of the lines."""
    rows = [(good.line, "note" if good.remark else "ok", _narrow(good.leg)) for good in reading.accepted]
    rows += [(bad.line, "no", clean(bad.reason)) for bad in reading.rejected]
    return sorted(rows, key=lambda row: row[0])


def _narrow(leg: Leg) -> str:
    return leg.text.replace("@ ", "@")


def _table(rows: Sequence[tuple[int, str, str]]) -> str:
    if not rows:
        return ""
    return layout(
        (
            Column("LINE", [str(line) for line, _, _ in rows]),
            Column("", [verdict for _, verdict, _ in rows], right=False),
            Column("ROW", [text for _, _, text in rows], right=False, flexible=True),
        )
    )


def _refusals(rejected: Sequence[Rejected], place: str) -> list[str]:
    return _gathered([(each.line, each.reason) for each in rejected], place, _REFUSALS)


def _remarks(accepted: Sequence[Accepted], place: str) -> list[str]:
    return _gathered([(each.line, each.remark) for each in accepted if each.remark], place, _REMARKS)


def _gathered(said: Sequence[tuple[int, str]], place: str, most: int) -> list[str]:
    """`line 3: reason`; the same words of several lines are said once."""
    lines: dict[str, list[int]] = {}
    for line, text in said:
        lines.setdefault(text, []).append(line)
    shown = []
    for text, found in list(lines.items())[:most]:
        numbers = list(dict.fromkeys(found))
        where = f"{place} {numbers[0]}" if len(numbers) == 1 else _several(numbers, place)
        shown.append(f"{where}: {escaped(text, 200)}")
    more = len(lines) - most
    return [*shown, *((f"... and {plural(more, 'further reason')}.",) if more > 0 else ())]


def _several(numbers: Sequence[int], place: str) -> str:
    many = "entries" if place == "entry" else f"{place}s"
    return f"{many} {listed(map(str, numbers), _LINES_NAMED)}"


def _leg_values(leg: Leg) -> tuple[Value, ...]:
    return (
        leg.symbol,
        None if leg.expiration is None else leg.expiration.isoformat(),
        leg.strike,
        leg.right,
        leg.quantity,
        leg.open_price,
        leg.kind,
        leg.multiplier,
        leg.contract,
    )


def _file(name: str, header: Sequence[str], rows: Iterable[Sequence[Value]], what: str) -> Attachment:
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(header)
    writer.writerows([cell(value) for value in row] for row in rows)
    return Attachment(name, file.getvalue().encode("utf-8", "replace"), what)
