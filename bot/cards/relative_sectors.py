"""Sectors as people see them: each one's level, and the names that stand apart from theirs."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cards.card import Attachment, Button, Card
from bot.cards.facts import SIMULATED, asof, day, footer, state_line, titled
from bot.cards.relative import stopped_card
from bot.cards.relative_charts import describe_sector, sector_chart
from bot.cards.table import Column, layout, ratio, signed, whole
from bot.cards.text import clean, escaped, listed, plural
from engine.relative.sectors import SectorReport, SectorRow, SmallSector
from engine.screen.result import Run, Screen

WORD = "Sector delta"
"""The word of the method behind a sector."""
MOST_ROWS = 24
"""Names a card of one sector holds; with more, those farthest from its mean."""
_MOST_SECTORS = 30
_NAMED = 6
_WORD = 13


def sectors_card(
    reports: Sequence[SectorReport], small: Sequence[SmallSector], screen: Screen, run_id: int
) -> Card:
    """A line a sector in the order given, and what its level is against the market's median.

    `small` are those with too few names to compare. A run the hard gate stopped shows its reason only.
    """
    run = screen.run
    if run.state == "aborted":
        return stopped_card(screen, run_id, "Sectors")
    return Card(
        title=titled(run, "Sectors", day(run.session)),
        state=run.state,
        headline="\n".join(filter(None, (state_line(run, screen.coverage), _counted(reports)))),
        table=_sectors_table(reports[:_MOST_SECTORS]) if reports else "",
        sentence=_levels(reports),
        details=_notes(reports, small),
        asof=asof(run, screen.coverage),
        footer=footer(run, run_id),
        buttons=(
            *(
                Button(clean(report.sector, 30), "sector", run_id, report.sector)
                for report in _first_and_last(reports)
            ),
            Button("Full list CSV", "csv", run_id),
            Button("Method", "method", run_id, WORD),
        ),
    )


def sector_card(report: SectorReport, screen: Screen, run_id: int, scope: str) -> Card:
    """One sector: its level, its names by delta, what each difference is made of, the picture.

    `scope` narrows the CSV to the sector (bot.answers).
    """
    run = screen.run
    shown = _farthest(report)
    left_out = report.n - len(shown)
    return Card(
        title=titled(run, f"Sector {escaped(report.sector, 40)}", day(run.session)),
        state=run.state,
        headline="\n".join(filter(None, (state_line(run, screen.coverage), _level(report)))),
        table=_names_table(shown),
        sentence=_means(report),
        details=(
            *_words(report.rows),
            *((f"{plural(left_out, 'name')} nearest to the mean left out.",) if left_out else ()),
            *(
                (f"{plural(report.without, 'name')} of the sector without the ratio.",)
                if report.without
                else ()
            ),
            *(("\\* wide quotes leave its IV30 open by more than a tenth.",) if _any_wide(shown) else ()),
            f"DELTA: {_spoken(report)} less the sector's mean; its distance from the market's median is the "
            "sector's own part and the delta. ERNd: days to earnings, which are in IV30 when they are near.",
        ),
        asof=asof(run, screen.coverage),
        footer=footer(run, run_id),
        buttons=(
            Button("All sectors", "sector", run_id),
            Button(f"Why {clean(report.rows[0].symbol, 12)}", "why", run_id, report.rows[0].symbol),
            Button("Full list CSV", "csv", run_id, scope),
            Button("Method", "method", run_id, WORD),
        ),
        image=_picture(report, run),
    )


def _counted(reports: Sequence[SectorReport]) -> str:
    if not reports:
        return "No sector has enough names to compare"
    names = sum(report.n for report in reports)
    median = reports[0].market_median
    market = "" if median is None else f", market median {ratio(median)}"
    return (
        f"{plural(len(reports), 'sector')} of {plural(names, 'name')}, by mean {_spoken(reports[0])}{market}"
    )


def _sectors_table(reports: Sequence[SectorReport]) -> str:
    """Sector, names, mean, median, richest and cheapest name: at most TABLE_WIDTH columns."""
    return layout(
        (
            Column("SECTOR", [clean(report.sector, 24) for report in reports], right=False, flexible=True),
            Column("n", [whole(report.n, 3) for report in reports]),
            Column("MEAN", [ratio(report.mean, 4) for report in reports]),
            Column("MED", [ratio(report.median, 4) for report in reports]),
            Column("RICH", [clean(report.rows[0].symbol, 5) for report in reports], right=False),
            Column("CHEAP", [clean(report.rows[-1].symbol, 5) for report in reports], right=False),
        )
    )


def _levels(reports: Sequence[SectorReport]) -> str:
    if not reports:
        return ""
    first, last = max(reports, key=lambda each: each.mean), min(reports, key=lambda each: each.mean)
    if first is last:
        return f"{_named(first)}."
    return f"Highest mean: {_named(first)}. Lowest: {_named(last)}."


def _named(report: SectorReport) -> str:
    return f"{escaped(report.sector)} {ratio(report.mean)} ({escaped(report.level)})"


def _notes(reports: Sequence[SectorReport], small: Sequence[SmallSector]) -> tuple[str, ...]:
    few = [f"{escaped(each.sector or 'no sector')} ({each.n})" for each in small]
    return (
        *((f"Too few names to compare: {listed(few, _NAMED)}.",) if few else ()),
        "RICH, CHEAP: the names farthest above and below their sector's mean. Groups without a single stock "
        "stand last. /sectors sector: every name of one.",
    )


def _first_and_last(reports: Sequence[SectorReport]) -> list[SectorReport]:
    """The sectors of the highest and the lowest mean."""
    if not reports:
        return []
    ends = (max(reports, key=lambda each: each.mean), min(reports, key=lambda each: each.mean))
    return list({report.sector: report for report in ends}.values())


def _farthest(report: SectorReport) -> tuple[SectorRow, ...]:
    far = sorted(report.rows, key=lambda row: -abs(row.delta))[:MOST_ROWS]
    kept = {row.symbol for row in far}
    return tuple(row for row in report.rows if row.symbol in kept)


def _names_table(rows: Sequence[SectorRow]) -> str:
    return layout(
        (
            Column("SYM", [_symbol(row) for row in rows], right=False, flexible=True),
            Column("VRP", [ratio(row.vrp_structural, 4) for row in rows]),
            Column("DELTA", [signed(row.delta, width=6) for row in rows]),
            Column("ERNd", [whole(row.earnings_days, 4) for row in rows]),
            Column("WORD", [clean(_kind(row.word), _WORD) for row in rows], right=False),
        )
    )


def _symbol(row: SectorRow) -> str:
    return clean(row.symbol, 20) + ("*" if row.wide else "")


def _kind(word: str) -> str:
    return word.partition(":")[0]


def _level(report: SectorReport) -> str:
    return f"{escaped(report.level[:1].upper() + report.level[1:])} · {plural(report.n, 'name')}"


def _means(report: SectorReport) -> str:
    own = f"{_spoken(report)}: mean {ratio(report.mean)}, median {ratio(report.median)}"
    if report.market_median is None:
        return f"{own}."
    part = report.mean - report.market_median
    market = ratio(report.market_median)
    return f"{own}; the market's median is {market}, so the sector's own part is {signed(part)}."


def _words(rows: Sequence[SectorRow]) -> tuple[str, ...]:
    """Names by what their difference is made of, those with the same words together."""
    said: dict[str, list[str]] = {}
    for row in rows:
        said.setdefault(row.word, []).append(escaped(row.symbol))
    return tuple(f"**{listed(names, _NAMED)}** {escaped(word, 120)}" for word, names in said.items())


def _any_wide(rows: Sequence[SectorRow]) -> bool:
    return any(row.wide for row in rows)


def _spoken(report: SectorReport) -> str:
    return "IV30/HV252" if report.column == "structural_252" else "IV30/HV90"


def _picture(report: SectorReport, run: Run) -> Attachment:
    mark = f"{SIMULATED}_" if run.simulated else ""
    return Attachment(
        filename=f"{mark}sector_{report.sector}.png",
        data=sector_chart(report, run),
        description=describe_sector(report, run),
    )
