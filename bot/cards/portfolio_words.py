"""What the cards of a book share: money, short names of strategies, the facts of the market behind it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.cards.card import TABLE_WIDTH
from bot.cards.facts import ADVICE, SIMULATED, titled
from bot.cards.table import MISSING, NOT_APPLICABLE, dressed, fixed, grouped, known, signed
from bot.cards.text import clean, dotted, escaped, plural, stamp
from engine.portfolio.book import Leg
from engine.portfolio.result import Analysis, LegView, PositionView, Totals
from engine.screen.result import Run

STRATEGIES: dict[str, str] = {
    "strangle": "STRG",
    "straddle": "STRD",
    "inverted strangle": "INV",
    "iron condor": "IC",
    "iron fly": "IFLY",
    "butterfly": "BFLY",
    "broken-wing butterfly": "BWB",
    "calendar": "CAL",
    "diagonal": "DIAG",
    "double calendar": "DCAL",
    "double diagonal": "DDIA",
    "bull put spread": "BuPS",
    "bear call spread": "BeCS",
    "bull call spread": "BuCS",
    "bear put spread": "BePS",
    "put ratio spread": "PRAT",
    "call ratio spread": "CRAT",
    "put ratio backspread": "PRBK",
    "call ratio backspread": "CRBK",
    "covered call": "CC",
    "covered put": "CP",
    "covered strangle": "CSTR",
    "protective put": "PPUT",
    "protective call": "PCAL",
    "collar": "COLR",
    "jade lizard": "JADE",
    "reverse jade lizard": "RJAD",
    "big lizard": "BIGL",
    "reverse big lizard": "RBIG",
    "call": "CALL",
    "put": "PUT",
    "shares": "SH",
    "offset": "OFFS",
}
"""A strategy without its side -> its code in a table; the card explains those it uses."""
_PLAIN = ("CALL", "PUT")
"""Codes that need no explanation."""
_SIDES = {"short": "-", "long": "+"}
_LEAST = 0.05
_SIGNED_DECIMALS = 9.95
_MONEY_WIDTH = 6
_PART = 0.005
_NUMBER = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+")
_COUNTED = re.compile(r"\d+ legs? without ")


@dataclass(frozen=True, slots=True)
class Market:
    """What a card of a book says about the market it was valued on.

    benchmark   symbol the deltas are weighted to
    size_limit  share of net liquidation above which a single name is a size warning, fraction
    """

    run: Run
    benchmark: str
    size_limit: float

    @property
    def note(self) -> str:
        """How far the market reaches when it is not whole; empty when it is."""
        if self.run.state == "complete":
            return ""
        return f"{self.run.state.capitalize()}: {escaped(self.run.reason or 'no reason is known', 300)}"

    def title(self, *parts: str) -> str:
        """The title of a card."""
        return titled(self.run, *parts)

    @property
    def footer(self) -> str:
        """Session, rules and engine; a book is in no run of the record."""
        run = self.run
        return dotted(
            (
                SIMULATED if run.simulated else "",
                f"{run.session.isoformat()}/{run.kind}",
                "indicative" if run.kind == "open" else "",
                f"rules {clean(run.rules_hash, 20)}",
                f"engine {clean(run.engine_version, 20)}",
                ADVICE,
            )
        )


def asof_of(analysis: Analysis) -> str:
    """When the marks are of, whose they are, and by which lens Alpha-Theta is told."""
    lens = f"lens {escaped(analysis.lens)}"
    return dotted((f"As of {stamp(analysis.asof)}", escaped(analysis.source), lens))


def money(value: float | None, width: int = _MONEY_WIDTH) -> str:
    """Signed money in at most `width` columns: -1,240, +12.3k, -4.1M; one decimal below 10, no sign for 0."""
    number = known(value)
    if number is None:
        return MISSING
    size = abs(number)
    if size < _LEAST:
        return "0"
    # A minus stands within the columns of `signed`'s number, a plus before them.
    room = width + 1 if number < 0 else width
    if size < _SIGNED_DECIMALS and number != round(number):
        return signed(number, 1, room)
    for scale, suffix in ((1.0, ""), (1e3, "k"), (1e6, "M"), (1e9, "G")):
        digits = width - 1 - len(suffix)
        if round(size / scale) < 10**digits:
            return signed(number / scale, 1 if suffix else 0, room - len(suffix)) + suffix
    return signed(number, 0, room)


def money_text(value: float | None) -> str:
    """Signed money for prose, in full: `+1,240`; one decimal below 10."""
    return money(value, 16)


def amount_text(value: float | None) -> str:
    """Money for prose without a sign: `1,240`."""
    return money_text(value).lstrip("+")


def size_text(value: float | None) -> str:
    """Shares of something, signed: `-34`, `+2.5`."""
    return money(value, 10)


def code_of(strategy: str, units: float) -> str:
    """`-2 STRG` for two short strangles, `1 BuPS` where the name has its side, `+100 SH` for shares."""
    side, kind = _sided(strategy)
    return f"{side}{units:g} {_short(kind)}"


def code_legend(positions: Iterable[PositionView]) -> str:
    """`BuPS bull put spread, STRG strangle`: the codes of some positions, each once."""
    kinds = {_sided(position.strategy)[1] for position in positions}
    said = {_short(kind): kind for kind in sorted(kinds) if _short(kind) not in _PLAIN}
    return ", ".join(f"{code} {escaped(kind, 40)}" for code, kind in sorted(said.items()))


def _sided(strategy: str) -> tuple[str, str]:
    """The sign of a side the name begins with, and the name without it."""
    first, _, rest = strategy.partition(" ")
    return (_SIDES[first], rest) if first in _SIDES and rest else ("", strategy)


def _short(kind: str) -> str:
    return STRATEGIES.get(kind) or "".join(word[0] for word in kind.split())[:4].upper() or MISSING


def counted_name(position: PositionView) -> str:
    """`KO 2 short strangles`-like words for prose: `KO short strangle x2`."""
    times = f" x{position.units:g}" if position.units != 1 else ""
    return f"{escaped(position.symbol, 20)} {escaped(position.strategy, 40)}{times}"


def strike_text(leg: Leg) -> str:
    """`60P`, `57.5C`, empty without a strike."""
    return f"{leg.strike:g}{leg.right or ''}" if leg.strike is not None else ""


def leg_text(view: LegView) -> str:
    """A leg or a part of one for prose, `-2 KO 2026-12-18 60P`, without its opening price."""
    leg = view.leg
    expiration = leg.expiration.isoformat() if leg.expiration is not None else ""
    parts = (f"{view.quantity:g}", leg.symbol, expiration, strike_text(leg))
    return clean(" ".join(filter(None, parts)), TABLE_WIDTH)


def per_contract(view: LegView) -> float | None:
    """Delta of one share of one long contract, -1..1; None when it is not known."""
    size = view.quantity * view.leg.multiplier
    delta = known(view.delta)
    return delta / size if delta is not None and size else None


def days_text(days: int | None) -> str:
    """Days for a table; `-` without an expiration, or after it."""
    return NOT_APPLICABLE if days is None or days < 0 else f"{days}"


def quality_text(value: float | None, theta: float | None = None, alpha: float | None = None) -> str:
    """` (x1.32)`, empty when it is not known.

    Where theta and Alpha-Theta are given and the ratio is not theirs, it is told to be of a part: Alpha-Theta
    sums only what has a realized volatility.
    """
    if known(value) is None or value is None:
        return ""
    whole = theta is None or alpha is None or abs(value * theta - alpha) <= _PART * abs(alpha)
    return f" (x{fixed(value, 2, 6)}{'' if whole else ' where known'})"


def worded(text: str, limit: int) -> str:
    """Words of the engine, safe to show, with their numbers in the language in force."""
    return _NUMBER.sub(lambda found: dressed(found[0]), escaped(text, limit))


def sentence_of(note: str) -> str:
    """A remark of the engine as a sentence of its own."""
    text = note.strip().removesuffix(".")
    return f"{worded(text[:1].upper() + text[1:], 240)}."


def sentences_of(notes: Iterable[str]) -> tuple[str, ...]:
    """The engine's remarks but for the legs that a sum lacks: the card counts and names those itself."""
    return tuple(sentence_of(note) for note in notes if not _COUNTED.match(note))


def reach(totals: Totals, benchmark: str, *, with_pl: bool = True) -> str:
    """`Sums over 9 of 11 legs; P/L over 8, SPY delta over 7`: how much of the book they hold; empty for all.

    `with_pl` is whether profit and loss stands among the sums.
    """
    held = totals.legs - totals.left_out
    lacking = (
        ("P/L", totals.without_pl if with_pl else 0),
        ("Alpha-Theta", totals.without_alpha),
        (f"{escaped(benchmark, 10)} delta", totals.without_beta),
    )
    parts = [f"{name} over {grouped(held - count)}" for name, count in lacking if count]
    if not totals.left_out and not parts:
        return ""
    return "; ".join(filter(None, (f"Sums over {held} of {plural(totals.legs, 'leg')}", ", ".join(parts))))
