"""Days of a past judged: the screen's own functions over whole blocks of days, under every lens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from engine.proof.dayrows import ROWS, DayRows, blocks_of, day_rows
from engine.proof.days import DayArray, NameDays, Seen, name_days
from engine.proof.lenses import under
from engine.proof.series import Past
from engine.rules import Lens, Rules
from engine.screen.gates import CONSENSUS, GATES, judge
from engine.screen.lens import under_lens
from engine.screen.score import signals

OneLens = Literal["quarterly", "yearly"]
BOTH: tuple[OneLens, OneLens] = ("quarterly", "yearly")
JUDGED = ("data", "structural", "tactical", "momentum", "iv_percentile", *(gate.name for gate in CONSENSUS))
"""Gates whose metrics IV30 and closes are enough for."""
NOT_JUDGED: Mapping[str, str] = {
    "dead_legs": "no quotes",
    "slippage": "no quotes",
    "liquidity": "no quotes",
    "price": "adjusted closes are not the prices of their day",
    "earnings": "no dates",
}
"""The others, and what a past lacks for each. Earnings tag no signal EVENT either."""


@dataclass(frozen=True, slots=True)
class JudgedDays:
    """A block of days judged by the rules' own lens and by each lens alone, rows as in `DayRows`.

    own      the rules' own lens
    lenses   the same name-days whose verdicts, DUAL group and list are those of one lens
    table    metrics, with the columns of the rules' own lens
    """

    rows: DayRows
    own: NameDays
    lenses: Mapping[OneLens, NameDays]
    table: pd.DataFrame


def judged_gates(rules: Rules) -> tuple[str, ...]:
    """Gates of these rules that a past is judged by, in the order they are shown."""
    known = [gate.name for gate in GATES if gate.name in JUDGED]
    return (*known, *(gate.name for gate in CONSENSUS if rules.lens == "consensus"))


def judged_days(
    past: Past, rules: Rules, first: int, last: int, rows_at_once: int = ROWS
) -> Iterator[JudgedDays]:
    """Columns first..last-1 of a past, judged day by day as they came, in blocks of whole sessions."""
    by_lens = {lens: under(rules, lens) for lens in BOTH}
    for start, stop in blocks_of(past, first, last, rows_at_once):
        rows = day_rows(past, rules, start, stop, rules.proof.horizon_sessions)
        yield judge_rows(rows, past.symbols, past.sessions, rules, by_lens)


def judge_rows(
    rows: DayRows,
    symbols: tuple[str, ...],
    sessions: DayArray,
    rules: Rules,
    by_lens: Mapping[OneLens, Rules],
) -> JudgedDays:
    """One block under the rules' lens and, all else equal, under each lens of `by_lens`."""
    seen: dict[Lens, Seen] = {lens: seen_rows(rows.table, by_lens[lens]) for lens in BOTH}
    own = seen[rules.lens] if rules.lens in seen else seen_rows(rows.table, rules)
    lists = {lens: seen[lens].verdicts for lens in BOTH}
    days = {
        lens: name_days(symbols, sessions[rows.session], rows.name, rows.realized, seen[lens], lists)
        for lens in BOTH
    }
    if rules.lens in BOTH:
        of_own = days[rules.lens]
    else:
        of_own = name_days(symbols, sessions[rows.session], rows.name, rows.realized, own, lists)
    return JudgedDays(rows, of_own, days, own.table)


def seen_rows(table: pd.DataFrame, rules: Rules) -> Seen:
    """Measured name-days under the rules' lens, judged by the gates that a past has data for."""
    seen = under_lens(table, rules)
    return Seen(seen, judge(seen, rules, only=JUDGED), signals(seen, rules))
