"""Pairs and sectors on a terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from engine.console import MISSING
from engine.relative.pairs import PairDetail, PairRow
from engine.relative.sectors import SectorReport, SectorRow, SmallSector
from engine.relative.words import (
    WARNINGS,
    actions,
    earnings_words,
    missing_words,
    past_words,
    verdict,
    wide_words,
)
from engine.report import harmless
from engine.screen.glossary import title_of
from engine.screen.result import EARLY, Screen

_PAIR_KEYS = {"pair": "id"}
_PAIR_FIELDS = (
    "pair",
    "leg_a",
    "leg_b",
    "structural_a",
    "structural_b",
    "spread",
    "correlation",
    "correlation_60",
    "threshold",
    "signal",
    "rich_leg",
)
_WINDOWS = {"vrp_structural": 90, "structural_252": 252}
_SIGNAL_STYLES = {"CONVERGENCE": "bold green", "CORRELATION BROKEN": "bold yellow", "no data": "dim"}


@dataclass(frozen=True, slots=True)
class SectorView:
    """All reports of a market, the sectors too small for one, and the sector asked for."""

    every: tuple[SectorReport, ...]
    small: tuple[SmallSector, ...]
    wanted: str | None

    @property
    def reports(self) -> tuple[SectorReport, ...]:
        """The reports asked for."""
        return tuple(each for each in self.every if self.wanted in (None, each.sector))


# --- JSON and CSV ---------------------------------------------------------------------------------


def pairs_json(rows: Sequence[PairRow]) -> str:
    """A list of pairs; ratios and correlations as they are, missing is null."""
    return json.dumps([_pair_shape(row) for row in rows], indent=1, allow_nan=False)


def pairs_csv(rows: Sequence[PairRow]) -> str:
    """One line a pair, missing is an empty cell."""
    return _csv(
        [_PAIR_KEYS.get(name, name) for name in _PAIR_FIELDS], (_pair_shape(r).values() for r in rows)
    )


def sectors_json(reports: Sequence[SectorReport]) -> str:
    """A list of sectors with their names; `vrp_structural` is the ratio of the lens asked for."""
    shape = [
        {
            "sector": report.sector,
            "n": report.n,
            "mean": report.mean,
            "median": report.median,
            "rows": [
                {"symbol": row.symbol, "vrp_structural": row.vrp_structural, "delta": row.delta}
                for row in report.rows
            ],
        }
        for report in reports
    ]
    return json.dumps(shape, indent=1, allow_nan=False)


def sectors_csv(reports: Sequence[SectorReport]) -> str:
    """One line a name, with the numbers of its sector."""
    header = ("sector", "n", "mean", "median", "symbol", "vrp_structural", "delta", "word")
    lines = (
        (
            report.sector,
            report.n,
            report.mean,
            report.median,
            row.symbol,
            row.vrp_structural,
            row.delta,
            row.word,
        )
        for report in reports
        for row in report.rows
    )
    return _csv(header, lines)


def _pair_shape(row: PairRow) -> dict[str, Any]:
    return {_PAIR_KEYS.get(name, name): getattr(row, name) for name in _PAIR_FIELDS}


def _csv(header: Sequence[str], lines: Iterable[Iterable[object]]) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in line] for line in lines)
    return out.getvalue()


# --- pairs on a terminal --------------------------------------------------------------------------


def pairs_sheet(
    screen: Screen, rows: Sequence[PairRow], details: Sequence[PairDetail], apart: float, alone: bool
) -> RenderableType:
    """Numbers, then every pair in words; all there is to say of a single one."""
    table = _table("Pair", ">Leg A", ">Leg B", ">Spread", ">Corr", ">60 d", ">Least", "Signal")
    for row in rows:
        table.add_row(
            row.pair,
            f"{row.leg_a} {_number(row.structural_a)}",
            f"{row.leg_b} {_number(row.structural_b)}",
            _number(row.spread, "+.2f"),
            _number(row.correlation),
            _number(row.correlation_60),
            _number(row.threshold),
            Text(row.signal, style=_SIGNAL_STYLES.get(row.signal, "")),
        )
    parts: list[RenderableType] = [_heading("Pairs", screen), Text(), table, Text()]
    for row, detail in zip(rows, details, strict=True):
        parts.append(_pair_words(row, detail, apart, alone))
    if alone or any(row.signal == "CONVERGENCE" for row in rows):
        parts += [Text(), Text("\n".join(WARNINGS))]
    legend = "A leg's number is IV30 / HV252; the spread is A less B. Information, not advice."
    return Group(*parts, Text(), Text(legend, style="dim"))


def _pair_words(row: PairRow, detail: PairDetail, apart: float, alone: bool) -> RenderableType:
    head = Text(f"{row.pair}: ", style="bold").append(verdict(row, apart), style="not bold")
    reasons = missing_words(row, detail)
    # Without a record there is no past to tell of, unless this pair alone was asked for.
    past = past_words(row, detail) if alone or detail.z is not None else None
    lines = [reasons and f"{reasons}.", *actions(row), past]
    lines += [earnings_words(row, detail), wide_words(row, detail)]
    return Group(head, *(Padding(Text(line), (0, 0, 0, 2), expand=False) for line in lines if line))


# --- sectors on a terminal ------------------------------------------------------------------------


def sectors_sheet(screen: Screen, view: SectorView, notable: float, least: int) -> RenderableType:
    """The level of every sector, then names by delta: all of one sector, the notable ones of many."""
    reports = view.reports
    ratio = title_of(reports[0].column)
    parts: list[RenderableType] = [_heading(f"Sectors by {ratio}", screen), Text(), _levels(reports)]
    for report in reports:
        parts += [Text(), _sector_names(report, notable, every=view.wanted is not None)]
    return Group(*parts, Text(), Text("\n".join(_sector_notes(screen, view, notable, least)), style="dim"))


def too_small(view: SectorView, column: str, least: int) -> str:
    """Why there is no report."""
    ratio = title_of(column)
    if view.wanted is None:
        return f"No sector has the {least} names with {ratio} that a comparison takes."
    n = {each.sector: each.n for each in view.small}.get(view.wanted, 0)
    return f"{view.wanted} has {n} name{'' if n == 1 else 's'} with {ratio}; a comparison takes {least}."


def _levels(reports: Sequence[SectorReport]) -> Table:
    table = _table("Sector", ">Names", ">Mean", ">Median", ">To market", "Level")
    for report in reports:
        market = report.market_median
        table.add_row(
            Text(report.sector),
            str(report.n),
            _number(report.mean),
            _number(report.median),
            _number(None if market is None else report.mean - market, "+.2f"),
            report.level,
        )
    return table


def _sector_names(report: SectorReport, notable: float, every: bool) -> RenderableType:
    title = Text(f"{report.sector}: {report.level}, mean {report.mean:.2f}", style="bold")
    rows = [row for row in report.rows if every or abs(row.delta) >= notable]
    rest = len(report.rows) - len(rows)
    table = _table("Name", ">Ratio", ">Delta", ">Earn", "")
    for row in rows:
        ratio = _number(row.vrp_structural) + ("*" if row.wide else " ")
        # As Text: a symbol of a source is no markup.
        cells = (Text(row.symbol), ratio, _number(row.delta, "+.2f"), _number(row.earnings_days, ".0f"))
        table.add_row(*cells, row.word)
    parts: list[RenderableType] = [title]
    if rows:
        parts.append(table)
    if rest:
        within = (
            f"{rest} {'more ' if rows else ''}within {notable:.2f} of the mean: {_symbols(report.rows, rows)}"
        )
        parts.append(Text(within, style="dim"))
    return Group(*parts)


def _symbols(everyone: Sequence[SectorRow], shown: Sequence[SectorRow]) -> str:
    return ", ".join(row.symbol for row in everyone if row not in shown)


def _sector_notes(screen: Screen, view: SectorView, notable: float, least: int) -> list[str]:
    market, window = view.reports[0].market_median, _WINDOWS[view.reports[0].column]
    notes = [
        f"Delta is the name less the mean of its sector; notable from {notable:.2f} on.",
        f"HV{window} alone has a sampling error of about {100 / math.sqrt(2 * window):.1f} %.",
        "Earn: days to earnings; an event not far off is in IV30.",
    ]
    if market is None:
        notes.append("Only this sector was asked for, so it is not compared with the market.")
    else:
        names = sum(each.n for each in view.every) + sum(each.n for each in view.small)
        notes.append(f"Rich and cheap are meant beside the median of all {names} names, {market:.2f}.")
    if view.wanted is None and view.small:
        few = ", ".join(f"{each.sector or 'no sector named'} {each.n}" for each in view.small)
        notes.append(f"Left out for fewer than {least} names with the ratio: {few}.")
    without = sum(report.without for report in view.reports)
    if without:
        notes.append(f"Names of these sectors without the ratio in this run: {without}.")
    if any(row.wide for report in view.reports for row in report.rows):
        notes.append("*: wide quotes leave IV30, and with it the ratio, open by more than a tenth.")
    early = screen.coverage.missing.get(EARLY, 0)
    if early:
        notes.append(f"{early} names were {EARLY}, the cheap ones first: means lean to the rich side.")
    return [*notes, "Information, not advice."]


# --- both -----------------------------------------------------------------------------------------


def _heading(title: str, screen: Screen) -> Text:
    run = screen.run
    text = Text(f"{title} · {run.kind} of {run.session}", style="bold")
    second = f"{screen.coverage.measured} of {screen.coverage.universe} measured"
    text.append(f"\n{second} · as of {run.asof:%Y-%m-%d %H:%M %z} · {run.source}", style="not bold")
    if run.state != "complete":
        text.append(f"\n{run.state.upper()}: {run.reason}", style="bold yellow")
    return text


def _table(*titles: str) -> Table:
    """A table without lines; a title that begins with > stands over a column of numbers."""
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for title in titles:
        table.add_column(title.removeprefix(">"), justify="right" if title.startswith(">") else "left")
    return table


def _number(value: float | None, form: str = ".2f") -> str:
    # Rounded first, so that nothing shows as -0.00.
    return MISSING if value is None else f"{round(value, 2) + 0.0:{form}}"
