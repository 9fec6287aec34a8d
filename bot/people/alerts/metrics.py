"""What a rule may watch: each metric with the unit people type, the levels that make sense, and its band.

A level is typed and shown in the unit of the cards (volatilities in percent, percentiles 0 to 100) and
kept in the engine's unit (a volatility as a fraction).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from bot.failures import InputError
from engine.screen.glossary import METRICS, TERMS, Kind
from engine.screen.glossary import Metric as Column

BAND_SHARE = 0.02
"""A crossing counts again only after the value went back by this share of the level."""
_MOST_DECIMALS = 6
_NUMBER = re.compile(r"[+-]?([0-9]{1,9}([.,][0-9]{0,9})?|[.,][0-9]{1,9})")
_THOUSANDS = re.compile(r"[+-]?[1-9][0-9]{0,2},[0-9]{3}")


@dataclass(frozen=True, slots=True)
class Dress:
    """How the numbers of one kind are typed and shown, in shown units, and the smallest band."""

    scale: float
    decimals: int
    suffix: str
    step: float
    low: float
    high: float
    unit: str


_PERCENT = "in percent"
_DRESSES: dict[Kind, Dress] = {
    "volatility": Dress(100.0, 1, " %", 0.5, 1.0, 500.0, _PERCENT),
    "percent": Dress(100.0, 1, " %", 0.5, -1000.0, 1000.0, _PERCENT),
    "ratio": Dress(1.0, 2, "", 0.02, -100.0, 100.0, "as a ratio"),
    "percentile": Dress(1.0, 0, "", 2.0, 0.0, 100.0, "from 0 to 100"),
    "price": Dress(1.0, 2, "", 0.05, 0.01, 1_000_000.0, "in dollars"),
    "points": Dress(100.0, 1, " points", 0.3, -500.0, 500.0, "in volatility points"),
    "days": Dress(1.0, 0, " days", 1.0, 0.0, 400.0, "in days"),
    "count": Dress(1.0, 0, "", 1.0, 0.0, 100_000_000.0, "as a plain number"),
}
_BAND_STEPS = {"term_slope": 0.01, "spread_variance": 0.002, "momentum": 0.01, "liquidity_rating": 0.1}
"""Where the step of the kind would be too coarse."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A column of the record a level can be set on."""

    column: str
    title: str
    dress: Dress
    of_pairs: bool = False

    def band(self, level: float) -> float:
        """How far the value must go back before a crossing counts again, in the engine's unit."""
        step = _BAND_STEPS.get(self.column, self.dress.step) / self.dress.scale
        return max(BAND_SHARE * abs(level), step)

    def parse(self, text: str) -> float:
        """A level as typed, in the engine's unit. Raises InputError with what is allowed."""
        shown = _number(text)
        dress = self.dress
        if shown is None or not dress.low <= shown <= dress.high:
            hint = "; 27.4 stands for 27.4 %" if dress.unit == _PERCENT else ""
            raise InputError(
                f"The level of {self.title} is typed {dress.unit}, "
                f"from {_plain(dress.low)} to {_plain(dress.high)}{hint}."
            )
        return round(shown / dress.scale, 10)

    def level_text(self, level: float) -> str:
        """A level with the decimals it was given, at least those of the cards."""
        shown = round(level * self.dress.scale, _MOST_DECIMALS)
        decimals = max(self.dress.decimals if shown % 1 else 0, _decimals(shown), self._least)
        return f"{shown:.{decimals}f}{self.dress.suffix}"

    def text(self, value: float | None, level: float | None = None) -> str:
        """A value as the cards show it; more decimals where it would read like a level it is not at."""
        if value is None or not math.isfinite(value):
            return "?"
        shown = value * self.dress.scale
        decimals = self.dress.decimals
        if level is not None:
            mark = round(level * self.dress.scale, _MOST_DECIMALS)
            decimals = max(decimals, _decimals(mark))
            while decimals < _MOST_DECIMALS and value != level and round(shown, decimals) == mark:
                decimals += 1
        return f"{round(shown, decimals) + 0.0:.{decimals}f}{self.dress.suffix}"

    @property
    def _least(self) -> int:
        """Ratios and prices always carry their decimals: 1.30, not 1.3."""
        return self.dress.decimals if self.dress.decimals == 2 else 0


def _number(text: str) -> float | None:
    """`27.4`, `27,4`, `27.4 %`, `1.3x` or `$70`; None for anything else, a thousands separator included."""
    word = text.strip().removeprefix("$").rstrip("%xX ").strip()
    if not _NUMBER.fullmatch(word) or _THOUSANDS.fullmatch(word):
        return None
    return float(word.replace(",", "."))


def _plain(number: float) -> str:
    return f"{number:,.2f}".rstrip("0").rstrip(".")


def _decimals(shown: float) -> int:
    """The decimals a number needs to be written exactly."""
    return len(f"{shown:.{_MOST_DECIMALS}f}".rstrip("0").partition(".")[2])


# Correlation is of the book, which a market's run does not know; the others describe the measurement.
_LEFT_OUT = frozenset(
    {
        *("correlation", "iv_near_days", "iv_far_days", "iv_error", "trade_days", "trade_strike"),
        *("hv_rank_n", "iv_percentile_n"),
    }
)
_SCORE = next(term for term in TERMS if term.column == "score")


def _of(column: Column) -> Metric | None:
    dress = _DRESSES.get(column.kind)
    if dress is None or column.column in _LEFT_OUT:
        return None
    return Metric(column.column, column.title, dress)


_CORRELATION = Dress(1.0, 2, "", 0.02, -1.0, 1.0, "as a ratio")
_PAIR_METRICS = (
    Metric("spread", "Spread", _DRESSES["ratio"], of_pairs=True),
    Metric("correlation", "Correlation", _CORRELATION, of_pairs=True),
    Metric("correlation_60", "Correlation 60d", _CORRELATION, of_pairs=True),
)
NAME_METRICS: dict[str, Metric] = {
    metric.column: metric for metric in map(_of, (*METRICS, _SCORE)) if metric is not None
}
PAIR_METRICS: dict[str, Metric] = {metric.column: metric for metric in _PAIR_METRICS}
EVERY_METRIC: dict[str, Metric] = NAME_METRICS | PAIR_METRICS
