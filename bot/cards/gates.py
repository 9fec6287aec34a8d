"""A stored verdict put into words: no gate is computed here."""

from __future__ import annotations

import math
from dataclasses import dataclass

from bot.cards.card import TABLE_WIDTH
from bot.cards.table import MISSING, count, fixed, known
from bot.cards.text import escaped, mono
from engine.screen.result import Gate, Row

MARKS = {"pass": "+", "fail": "-", "unknown": "?"}
LABELS = {
    "iv_percentile": "iv pctile",
    "dead_legs": "dead legs",
    "structural_252": "struct 252",
    "tactical_20": "tactical 20",
}
_LABEL_WIDTH = 11
_VALUE_WIDTH = 6
_MAX_DECIMALS = 4


@dataclass(frozen=True, slots=True)
class _Unit:
    scale: float
    decimals: int
    suffix: str


_RATIO = _Unit(1.0, 2, "")
_COUNTS = ("liquidity", "dead_legs")
_UNITS = {
    "iv_percentile": _Unit(1.0, 0, ""),
    "slippage": _Unit(100.0, 1, "%"),
    "earnings": _Unit(1.0, 0, "d"),
}


def label(name: str) -> str:
    """The gate's name as a person reads it."""
    return LABELS.get(name, name.replace("_", " "))


def check_line(gate: Gate) -> str:
    """`- tactical      1.07 > 1.15   short 0.08`, at most TABLE_WIDTH columns."""
    value, limit, margin = _numbers(gate)
    name = mono(label(gate.name), _LABEL_WIDTH)
    head = f"{MARKS[gate.state]} {name:<{_LABEL_WIDTH}}{value:>{_VALUE_WIDTH}}"
    room = TABLE_WIDTH - len(head) - len(margin) - 2
    middle = mono(_requirement(gate, limit), room)
    return f"{head} {middle:<{room}} {margin}".rstrip()


def short_phrase(gate: Gate) -> str:
    """`tactical short 0.08`, the name alone where there is no distance."""
    _, limit, margin = _numbers(gate)
    if limit and known(gate.value) is None:
        margin = _absent(gate)
    return f"{escaped(label(gate.name))} {margin}".strip()


def failures(row: Row, count: int = 3) -> str:
    """Why a name is not listed: its reason, or the gates that keep it out."""
    reason = row.text("missing_reason")
    if reason is not None:
        return f"no data: {escaped(reason)}"
    phrases = [short_phrase(gate) for gate in row.failed]
    more = len(phrases) - count
    return ", ".join(phrases[:count]) + (f" and {more} more" if more > 0 else "")


def verdict(row: Row) -> str:
    """`listed: 11 of 11 gates passed` or `not listed: 2 of 11 gates failed`."""
    total = len(row.gates)
    if not row.passed:
        return f"not listed: {len(row.failed)} of {total} gates failed"
    passed = sum(gate.state == "pass" for gate in row.gates)
    unknown = sum(gate.state == "unknown" for gate in row.gates)
    if unknown:
        return f"listed: {passed} of {total} passed, {unknown} unknown"
    return f"listed: {passed} of {total} gates passed"


def _requirement(gate: Gate, limit: str) -> str:
    if not limit:
        return ""
    return f"not 0..{limit}" if gate.comparison == "outside" else f"{gate.comparison} {limit}"


def _absent(gate: Gate) -> str:
    return "unknown" if gate.state == "unknown" else "missing"


def _numbers(gate: Gate) -> tuple[str, str, str]:
    """Value, limit and margin as text; empty where the gate compares no number."""
    if known(gate.limit) is None and gate.value is None:
        return "", "", ""
    if gate.name in _COUNTS:
        distance = known(gate.distance)
        margin = count(abs(distance)) if distance is not None else ""
        return count(gate.value), count(gate.limit), _directed(gate, margin)
    unit = _UNITS.get(gate.name, _RATIO)
    needed = _needed(gate.limit, unit)
    limit = _text(gate.limit, unit, needed) if known(gate.limit) is not None else ""
    decimals = _telling(gate, unit, needed)
    return _text(gate.value, unit, decimals), limit, _margin(gate, unit, decimals)


def _needed(limit: float | None, unit: _Unit) -> int:
    """Decimals that show a limit whole."""
    scaled = unit.scale * (known(limit) or 0.0)
    exact = (n for n in range(unit.decimals, _MAX_DECIMALS) if math.isclose(round(scaled, n), scaled))
    return next(exact, _MAX_DECIMALS)


def _telling(gate: Gate, unit: _Unit, least: int) -> int:
    """Decimals with which a value looks different from its limit, as far as it is."""
    value, limit = known(gate.value), known(gate.limit)
    if value is None or limit is None or value == limit:
        return least
    differs = (
        n
        for n in range(least, _MAX_DECIMALS)
        if _text(value, unit, n) != _text(limit, unit, n) and unit.scale * abs(value - limit) >= 10.0**-n / 2
    )
    return next(differs, _MAX_DECIMALS)


def _margin(gate: Gate, unit: _Unit, decimals: int) -> str:
    distance = known(gate.distance)
    if distance is None:
        return ""
    size = abs(distance)
    least = 10.0**-decimals / unit.scale
    tiny = 0 < size < least / 2
    return _directed(gate, f"{'<' if tiny else ''}{_text(least if tiny else size, unit, decimals)}")


def _directed(gate: Gate, size: str) -> str:
    if not size:
        return ""
    if gate.state == "pass":
        return f"+{size}"
    return f"{'over' if gate.comparison.startswith('<') else 'short'} {size}"


def _text(value: float | None, unit: _Unit, decimals: int) -> str:
    number = known(value)
    if number is None:
        return MISSING
    return fixed(unit.scale * number, decimals, _VALUE_WIDTH - len(unit.suffix)) + unit.suffix
