"""Monospace tables and every number's dress: right aligned, `?` for missing, `-` for not applicable."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from bot.cards.card import TABLE_WIDTH
from bot.cards.text import mono

MISSING = "?"
NOT_APPLICABLE = "-"

LANGUAGES = {"en": ",.", "de": ".,", "fr": " ,", "ch": "'."}
"""Languages of numbers: the mark between thousands, the mark before decimals. Words stay English."""
_marks: ContextVar[str] = ContextVar("language of numbers", default=LANGUAGES["en"])


@contextmanager
def numbers(language: str | None) -> Iterator[None]:
    """Every number drawn within is dressed in one of LANGUAGES; None is English.

    Holds for the thread or task that enters it. Raises KeyError for an unknown language.
    """
    before = _marks.set(LANGUAGES[language or "en"])
    try:
        yield
    finally:
        _marks.reset(before)


def speak(language: str | None) -> None:
    """As `numbers`, for the rest of the task that calls it."""
    _marks.set(LANGUAGES[language or "en"])


def dressed(text: str) -> str:
    """An English number in the language of numbers in force."""
    return text.translate(str.maketrans(",.", _marks.get()))


@dataclass(frozen=True, slots=True)
class Column:
    """Header and cells of one column; the flexible one gives way when a line grows too long."""

    header: str
    cells: Sequence[str]
    right: bool = True
    flexible: bool = False

    @property
    def natural(self) -> int:
        """The columns it would like to have."""
        return max(len(text) for text in (self.header, *self.cells))


def layout(columns: Sequence[Column], width: int = TABLE_WIDTH) -> str:
    """Header and rows, one blank between columns, no line longer than `width`."""
    widths = [column.natural for column in columns]
    over = sum(widths) + len(columns) - 1 - width
    for place in sorted(range(len(columns)), key=lambda i: not columns[i].flexible):
        cut = max(0, min(over, widths[place] - 1))
        widths[place] -= cut
        over -= cut
    height = max((len(column.cells) for column in columns), default=0)
    lines = [_line(columns, widths, row, width) for row in range(-1, height)]
    return "\n".join(lines)


def pairs(entries: Sequence[tuple[str, str]], width: int = TABLE_WIDTH) -> str:
    """Label left, value right beside it, one entry a line; a long value is cut."""
    room = max((len(label) for label, _ in entries), default=0)
    return "\n".join(mono(f"{label:<{room}}  {value}", width).rstrip() for label, value in entries)


def known(value: float | None) -> float | None:
    """The number, None for what is missing, not a number or infinite."""
    return value if value is not None and math.isfinite(value) else None


def fixed(value: float | None, decimals: int = 2, width: int = 6) -> str:
    """A number in at most `width` columns: the marks between thousands give way first, then decimals.

    What is too large even so is only bounded.
    """
    number = known(value)
    if number is None:
        return MISSING
    for places in range(decimals, -1, -1):
        text = f"{round(number, places) + 0.0:,.{places}f}"
        for form in (text, text.replace(",", "")):
            if len(form) <= width:
                return dressed(form)
    return ">" + "9" * (width - 1) if number > 0 else "<-" + "9" * (width - 2)


def percent(value: float | None, width: int = 5) -> str:
    """A fraction as percent, one decimal, without the sign (the header carries it)."""
    number = known(value)
    return MISSING if number is None else fixed(100.0 * number, 1, width)


def ratio(value: float | None, width: int = 5) -> str:
    """A ratio with two decimals."""
    return fixed(value, 2, width)


def whole(value: float | None, width: int = 4) -> str:
    """A number without decimals."""
    return fixed(value, 0, width)


def plain(value: float | None) -> str:
    """A number with the digits it has, six at most below a million: a setting, a tick, a source's word."""
    number = known(value)
    if number is None:
        return MISSING
    return dressed(f"{number:,.6g}" if abs(number) < 1e6 - 0.5 else f"{number:,.0f}")


def grouped(value: int) -> str:
    """A count in full for prose: `12,400`."""
    return dressed(f"{value:,}")


def count(value: float | None) -> str:
    """A count in at most six columns: 842, 12.3k, 4.1M."""
    number = known(value)
    if number is None or abs(number) < 10_000:
        return fixed(number, 0, 6)
    scale, suffix = (1e3, "k") if abs(number) < 1e6 else (1e6, "M") if abs(number) < 1e9 else (1e9, "G")
    return fixed(number / scale, 1, 5) + suffix


def signed(value: float | None, decimals: int = 2, width: int = 7) -> str:
    """A number that always shows its sign."""
    number = known(value)
    if number is None:
        return MISSING
    text = fixed(number, decimals, width - 1)
    return text if text.startswith(("-", "<")) else f"+{text}"


def percent_text(value: float | None) -> str:
    """A fraction for prose: `27.4 %`."""
    return f"{percent(value, 7)} %" if known(value) is not None else MISSING


def times_text(value: float | None) -> str:
    """A ratio for prose: `1.51x`."""
    return f"{ratio(value, 7)}x" if known(value) is not None else MISSING


def ordinal(value: float | None) -> str:
    """A percentile for prose: `88th`, `91st`."""
    number = known(value)
    if number is None:
        return MISSING
    rank = round(number)
    tens = abs(rank) % 100
    ending = "th" if tens in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(tens % 10, "th")
    return f"{rank}{ending}"


def _line(columns: Sequence[Column], widths: Sequence[int], row: int, width: int) -> str:
    parts = []
    for column, room in zip(columns, widths, strict=True):
        cells = (column.header, *column.cells)
        text = mono(cells[row + 1] if row + 1 < len(cells) else "", room)
        parts.append(f"{text:>{room}}" if column.right else f"{text:<{room}}")
    return " ".join(parts).rstrip()[:width]
