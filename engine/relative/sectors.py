"""Sectors: how rich each one is as a whole, and which names stand apart from theirs.

Source: methodology 6.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.arrays import BoolArray, FloatArray
from engine.relative.pairs import WIDE
from engine.relative.words import delta_word, level_word
from engine.rules import Rules
from engine.rulesections import RelativeRules


@dataclass(frozen=True, slots=True)
class SectorRow:
    """One name of a sector.

    vrp_structural  the ratio of the report (its `column`)
    delta           that less the mean of the sector, and in `word` what it means
    earnings_days   calendar days to the next earnings, None where not known: an event not far off is in
                    IV30 and makes a name look rich
    wide            whether the quotes leave IV30 open by more than a tenth of it (flag wide_quotes)
    """

    symbol: str
    vrp_structural: float
    delta: float
    word: str
    earnings_days: float | None = None
    wide: bool = False


@dataclass(frozen=True, slots=True)
class SectorReport:
    """One sector at one run.

    n               names with the ratio; mean and median of them
    market_median   median of all names measured, whatever their sector; None when only a part was
    level           the sector's own level in words: its mean less the market's median
    rows            its names, the largest delta first
    column          which ratio: vrp_structural (IV30 / HV90), or structural_252 under the yearly lens
    without         names of the sector that have no such ratio
    """

    sector: str
    n: int
    mean: float
    median: float
    market_median: float | None
    level: str
    rows: tuple[SectorRow, ...]
    column: str = "vrp_structural"
    without: int = 0


@dataclass(frozen=True, slots=True)
class SmallSector:
    """A sector with too few names to compare; `sector` is None for names that have none."""

    sector: str | None
    n: int


@dataclass(frozen=True, slots=True)
class _Names:
    """Columns of the measured table, and which names take part."""

    symbol: list[str]
    sector: list[str | None]
    ratio: FloatArray
    known: BoolArray
    earnings: FloatArray
    wide: list[bool]

    def of(self, sector: str | None) -> list[int]:
        return [row for row, name in enumerate(self.sector) if name == sector]


def ratio_column(rules: Rules) -> str:
    """The structural ratio the lens compares: 252 days under the yearly one, else 90.

    A name that lacks it is left out; a mean of one window never holds a ratio of the other.
    """
    return "structural_252" if rules.lens == "yearly" else "vrp_structural"


def measure_sectors(
    table: pd.DataFrame | None, rules: Rules, *, whole_market: bool = True
) -> tuple[SectorReport, ...]:
    """Every sector of at least `rules.relative.sector_min_names` names with the ratio, the richest first.

    `table` is the measured table (engine.screen.measure); None, as after the hard gate, gives nothing.
    Groups without a single stock (broad funds, bonds, commodities) follow the others. A fund counts as a
    name of the sector it stands in. `whole_market` False says that the table holds a part of the market
    only, so that no sector is compared with the rest.

    mean, delta = VRP - mean; the name's distance from the market's median is (mean - median) + delta.
    """
    if table is None:
        return ()
    names = _names(table, rules)
    everyone = names.ratio[names.known]
    market = float(np.median(everyone)) if whole_market and len(everyone) else None
    stocks = _with_stocks(table)
    reports = [
        _report(names, sector, market, rules)
        for sector, count in _counted(names).items()
        if sector is not None and count >= rules.relative.sector_min_names
    ]
    return tuple(
        sorted(reports, key=lambda report: (report.sector not in stocks, -report.mean, report.sector))
    )


def small_sectors(table: pd.DataFrame | None, rules: Rules) -> tuple[SmallSector, ...]:
    """The sectors measure_sectors leaves out, by name, with how many of their names have the ratio.

    Names that have it and no sector stand last, under None.
    """
    if table is None:
        return ()
    small = [
        SmallSector(sector, count)
        for sector, count in _counted(_names(table, rules)).items()
        if (sector is None and count) or (sector and count < rules.relative.sector_min_names)
    ]
    return tuple(sorted(small, key=lambda each: (each.sector is None, each.sector or "")))


def _names(table: pd.DataFrame, rules: Rules) -> _Names:
    ratio = table[ratio_column(rules)].to_numpy(dtype=np.float64)
    sectors = table["sector"].to_numpy(dtype=object)
    return _Names(
        symbol=[str(symbol) for symbol in table["symbol"]],
        sector=[
            None if missing else str(name) for name, missing in zip(sectors, pd.isna(sectors), strict=True)
        ],
        ratio=ratio,
        known=np.isfinite(ratio) & pd.isna(table["missing_reason"].to_numpy(dtype=object)),
        earnings=table["earnings_days"].to_numpy(dtype=np.float64),
        wide=[WIDE in codes for codes in table["flags"]],
    )


def _counted(names: _Names) -> Counter[str | None]:
    """Names with the ratio by sector; a sector without any is there with 0."""
    counts = Counter(dict.fromkeys(names.sector, 0))
    counts.update(sector for sector, known in zip(names.sector, names.known, strict=True) if known)
    return counts


def _with_stocks(table: pd.DataFrame) -> set[str]:
    return set(map(str, table.loc[table["asset_class"] == "equity", "sector"].dropna()))


def _report(names: _Names, sector: str, market: float | None, rules: Rules) -> SectorReport:
    everyone = names.of(sector)
    measured = [row for row in everyone if names.known[row]]
    ratios = [float(names.ratio[row]) for row in measured]
    # fsum: the mean does not depend on the order of the names.
    mean = math.fsum(ratios) / len(ratios)
    part = None if market is None else mean - market
    rows = [_row(names, row, mean, part, rules.relative) for row in measured]
    return SectorReport(
        sector=sector,
        n=len(measured),
        mean=mean,
        median=float(np.median(ratios)),
        market_median=market,
        level=level_word(part, rules.relative.notable_level),
        rows=tuple(sorted(rows, key=lambda row: (-row.delta, row.symbol))),
        column=ratio_column(rules),
        without=len(everyone) - len(measured),
    )


def _row(names: _Names, row: int, mean: float, part: float | None, limits: RelativeRules) -> SectorRow:
    ratio, days = float(names.ratio[row]), float(names.earnings[row])
    delta = ratio - mean
    return SectorRow(
        symbol=names.symbol[row],
        vrp_structural=ratio,
        delta=delta,
        word=delta_word(part, delta, limits.notable_delta, limits.notable_level),
        earnings_days=days if days >= 0 else None,
        wide=names.wide[row],
    )
