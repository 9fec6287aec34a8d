"""The recorded real markets beside the checkout as the two files `variance backtest` reads.

Nothing of them is kept in the project: a test writes them to a temporary folder, and so can a reader
(docs/proof-on-real-data.md). The rules of cleaning are those of docs/decisions/0025-recorded-markets.md.
"""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.cli import main
from tests.conftest import ROOT

SPIKE = 2.0
"""An IV30 more than this times the median of the name's five values before it, or less than its inverse, is
dropped. No later value is asked, so no past day's observation depends on what came after it."""
LOOKED_BACK, LEAST_BACK = 5, 3
NEIGHBOURS, NEIGHBOURS_FACTOR = 3, 1.25
"""The stricter rule, which does look ahead: further than the factor from the median of the three values
before and from that of the three after, on the same side. It shows what the first rule leaves in."""
_PIPES_OF_CLEANING = 8
"""The document's table of rules of cleaning is of several runs."""
HOLIDAYS = ("2026-05-25", "2026-06-19", "2026-07-03")
"""Days without a session on which the summer's closes repeat the price before."""
SPLITS = {("MNST", "2026-08-11"): 2.0}
"""The summer's closes are not adjusted."""


@dataclass(frozen=True, slots=True)
class Files:
    """The two files, and what was left out on the way."""

    iv: Path
    prices: Path
    left_out: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Judged:
    """What `variance backtest` said of two files: its JSON and its report, with the rows of the tables."""

    shape: Mapping[str, Any]
    page: str

    @property
    def groups(self) -> dict[str, Mapping[str, Any]]:
        return {group["name"]: group for group in (*self.shape["baselines"], *self.shape["groups"])}

    @property
    def rows(self) -> set[str]:
        """The rows of the report's tables, as a table of a document writes them."""
        rows = re.findall(r"<tr[^>]*>(.*?)</tr>", self.page, re.DOTALL)
        cells = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in rows]
        return {unescape(f"| {' | '.join(row)} |") for row in cells}


def judged(files: Files, *words: str, report: bool = True) -> Judged:
    """The command as a person types it, with a page as its report."""
    page = files.iv.with_name("report.html")
    asked = ["backtest", "--iv", str(files.iv), "--prices", str(files.prices), *words, "--format", "json"]
    said, told = io.StringIO(), io.StringIO()
    with redirect_stdout(said), redirect_stderr(told), pytest.raises(SystemExit) as end:
        main([*asked, "--report", str(page)] if report else asked)
    assert end.value.code in (None, 0), told.getvalue()
    return Judged(json.loads(said.getvalue()), page.read_text(encoding="utf-8") if report else "")


def by_hand(files: Files) -> pd.DataFrame:
    """Every observation with an outcome, reckoned plainly with pandas from the two files.

    Columns date, symbol, gap, momentum (HV30 / HV90), structural, tactical, zone and dual; NaN, for the
    words None, where an input is missing.
    """
    iv, close = (
        pd.read_csv(path).pivot(index="date", columns="symbol", values=column)
        for path, column in ((files.iv, "iv30"), (files.prices, "close"))
    )
    steps = np.log(close).diff()
    hv30, hv90 = (steps.rolling(window).std() * np.sqrt(252) for window in (30, 90))
    after = np.sqrt(252 * (steps**2).rolling(21).mean().shift(-21))
    iv = iv.reindex(index=close.index, columns=close.columns)
    columns = {
        "gap": iv - after,
        "momentum": hv30 / hv90,
        "structural": iv / hv90.clip(lower=0.05),
        "tactical": iv / hv30.clip(lower=0.05),
    }
    table = pd.DataFrame({name: panel.melt(ignore_index=False)["value"] for name, panel in columns.items()})
    table["symbol"] = columns["gap"].melt(ignore_index=False)["symbol"]
    table = table.dropna(subset=["gap"]).reset_index()
    words = ["severe compression", "mild compression", "normal", "mild expansion", "severe expansion"]
    below = np.select([table["momentum"] < 0.6, table["momentum"] < 0.75], [0, 1], 2)
    zone = below + (table["momentum"] > 1.15) + (table["momentum"] > 1.30)
    table["zone"] = np.where(table["momentum"].notna(), np.array(words)[zone], None)
    structural, tactical = table["structural"] > 1.10, table["tactical"] > 1.15
    dual = np.select(
        [structural & tactical, structural, tactical],
        ["both gates", "structural only", "tactical only"],
        "neither",
    )
    known = table["structural"].notna() & table["tactical"].notna()
    table["dual"] = np.where(known, dual, None)
    return table


def left_by_the_tenth(files: Files, window: int, limit: float) -> float:
    """Of the days with IV30 / HV above `limit`, the share that is not above it ten sessions later.

    One premium alone, HV over `window` returns; pairs of days on which both are known. With pandas.
    """
    iv = pd.read_csv(files.iv).pivot(index="date", columns="symbol", values="iv30")
    close = pd.read_csv(files.prices).pivot(index="date", columns="symbol", values="close")
    volatility = np.log(close).diff().rolling(window).std() * np.sqrt(252)
    ratio = iv.reindex(index=close.index, columns=close.columns) / volatility.clip(lower=0.05)
    later = ratio.shift(-10)
    both = (ratio > limit) & later.notna()
    return float((later[both] <= limit).sum().sum() / both.sum().sum())


def check_by_hand(run: Judged, table: pd.DataFrame) -> None:
    """n, hit rate, mean, median and worst of all, of every zone and of the dual groups, to rounding."""
    parts = {"all": table, **dict(list(table.groupby("zone"))), **dict(list(table.groupby("dual")))}
    for name, part in parts.items():
        group, gap = run.groups[name], part["gap"]
        assert group["n"] == len(gap), name
        assert group["hit_rate"] == pytest.approx((gap > 0).mean(), abs=1e-12), name
        assert group["mean_gap"] == pytest.approx(gap.mean(), abs=1e-10), name
        assert group["median_gap"] == pytest.approx(gap.median(), abs=1e-10), name
        assert group["worst"] == pytest.approx(gap.min(), abs=1e-10), name


def check_document(run: Judged, table: pd.DataFrame, heading: str, column: int) -> None:
    """Every row under the heading stands in the report; so does the column of the document's first page."""
    document = (ROOT / "docs" / "proof-on-real-data.md").read_text(encoding="utf-8")
    rows = _table_rows(document, heading)
    assert len(rows) > 20
    for row in rows:
        assert row in run.rows or row.count("|") == _PIPES_OF_CLEANING, f"the report does not say: {row}"
    page = [row.split(" | ")[1 + column].strip(" |") for row in _table_rows(document, "In one page")]
    assert page == _first_page(run, table)


def _table_rows(document: str, heading: str) -> list[str]:
    """Rows of the tables that stand under a heading of a document, without the tables' heads."""
    sections = re.split(r"^## ", document, flags=re.MULTILINE)
    text = next(part for part in sections if part.startswith(heading))
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rules = [place for place, line in enumerate(lines) if set(line) <= set("|-: ")]
    return [line for place, line in enumerate(lines) if place not in rules and place + 1 not in rules]


def _first_page(run: Judged, table: pd.DataFrame) -> list[str]:
    groups, whipsaw = run.groups, [each["share"] for each in run.shape["whipsaw"]]
    every = groups["all"]

    def pair(one: str, other: str) -> str:
        return f"{100 * groups[one]['hit_rate']:.1f} % : {100 * groups[other]['hit_rate']:.1f} %"

    risen, others = (
        (table["gap"][chosen] > 0).mean() for chosen in (table["momentum"] > 1.15, table["momentum"] <= 1.15)
    )
    return [
        f"{every['effective_n']:,.0f}",
        f"{100 * every['hit_rate']:.1f} %",
        f"{100 * every['mean_gap']:+.2f}, {100 * every['worst']:+.2f}",
        pair("listed", "not listed"),
        pair("both gates", "neither"),
        f"{100 * risen:.1f} % : {100 * others:.1f} %",
        f"{100 * whipsaw[0]:.0f} % : {100 * whipsaw[1]:.0f} %",
    ]


def interactive_brokers(data: Path, folder: Path, cleaning: str = "past") -> Files:
    """Interactive Brokers' daily IV30 of 83 names, June 2025 to June 2026, with closes of several sources.

    `cleaning` is past (SPIKE), both (the rule of NEIGHBOURS) or none.
    """
    table = pd.read_csv(data / "ibkr_iv_hv_daily" / "iv_hv_2025-06-17_2026-06-28.csv.gz")
    vendor = table[table["source"] == "ibkr"].dropna(subset=["iv"])
    panel = vendor.pivot(index="date", columns="ticker", values="iv").sort_index()
    spikes = {"past": spikes_by_the_past, "both": spikes_by_both_sides}.get(cleaning)
    spiked = spikes(panel) if spikes is not None else pd.DataFrame(False, panel.index, panel.columns)
    left_out = {
        "another source": int((table["source"] != "ibkr").sum()),
        "empty": int(table.loc[table["source"] == "ibkr", "iv"].isna().sum()),
        "spikes": int(spiked.to_numpy().sum()),
    }
    closes = joined(
        [panel_of_closes.loc[:, _some(panel_of_closes, panel)] for panel_of_closes in sources(data)]
    )
    return Files(
        _write(folder / "iv.csv", panel.mask(spiked), "iv30"),
        _write(folder / "prices.csv", closes, "close"),
        left_out,
    )


def spikes_by_the_past(panel: pd.DataFrame) -> pd.DataFrame:
    """Values out of line with the five before them, (sessions, names); never the first three of a name."""
    before = panel.apply(
        lambda each: each.dropna().rolling(LOOKED_BACK, min_periods=LEAST_BACK).median().shift(1)
    )
    ratio = panel / before.reindex(panel.index)
    return (ratio > SPIKE) | (ratio < 1 / SPIKE)


def spikes_by_both_sides(panel: pd.DataFrame) -> pd.DataFrame:
    """Values out of line with the three before and with the three after, (sessions, names)."""
    before = panel.rolling(NEIGHBOURS, min_periods=NEIGHBOURS).median().shift(1)
    after = panel[::-1].rolling(NEIGHBOURS, min_periods=NEIGHBOURS).median().shift(1)[::-1]
    low, high = np.minimum(panel / before, panel / after), np.maximum(panel / before, panel / after)
    return (low > NEIGHBOURS_FACTOR) | (high < 1 / NEIGHBOURS_FACTOR)


@cache
def sources(data: Path) -> tuple[pd.DataFrame, ...]:
    """Closes by date and ticker of the four sources, the one that stands first where they overlap first.

    The first three agree to 0.000004 in every daily log return they share; the last is not adjusted for
    dividends.
    """
    nasdaq = pd.read_csv(data / "ndx100_yahoo_2026-04" / "ohlcv_2024-04-30_2026-04-29.csv.gz")
    funds = pd.read_csv(data / "snapshots" / "ndx100_2026-04-29_close" / "history.csv.gz")
    funds = funds[funds["symbol"].isin(["SPY", "QQQ"])]
    year = pd.read_csv(data / "ohlcv_2025-08_2026-08" / "ohlcv.csv.gz")
    large = pd.read_csv(data / "sp500_closes_2022_2025" / "closes_wide.csv.gz", index_col="date")
    summer = pd.read_csv(data / "closes_2026_05_to_08" / "closes.csv.gz").dropna()
    summer = summer[~summer["date"].isin(HOLIDAYS)]
    return (
        nasdaq.pivot(index="date", columns="ticker", values="adj_close"),
        funds.pivot(index="date", columns="symbol", values="close"),
        year.pivot(index="date", columns="ticker", values="close"),
        large,
        _split(summer.pivot(index="date", columns="code", values="underlyingPrice")),
    )


def joined(panels: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One close a day and name, joined by the daily log returns of the first panel that has both closes.

    A panel's levels depend on the day it was adjusted on, its returns do not: the latest level stands, those
    before follow from the returns. Across days that no panel has the line starts anew at a panel's own level.
    """
    days = sorted(set().union(*(panel.index for panel in panels)))
    names = sorted(set().union(*(panel.columns for panel in panels)))
    level = pd.DataFrame(np.nan, days, names)
    step = level.copy()
    for panel in panels:
        level = level.fillna(panel)
        own = np.log(panel.sort_index()).diff().reindex(index=days, columns=names)
        step = step.fillna(own)
    close = level.to_numpy(copy=True)
    steps = step.to_numpy()
    for day in range(len(days) - 1, 0, -1):
        known = np.isfinite(steps[day])
        close[day - 1, known] = close[day, known] * np.exp(-steps[day, known])
    return pd.DataFrame(close, days, names)


def volatility_indices(data: Path, folder: Path) -> Files:
    """VXAPL and VXAZN as the IV30 of AAPL and AMZN, with their adjusted closes of 2012 to 2017."""
    iv = _indices(data, {"VXAPL": "AAPL", "VXAZN": "AMZN"})
    prices = pd.read_csv(data / "stocknet_ohlcv_2012_2017" / "ohlcv.csv.gz")
    closes = prices[prices["ticker"].isin(iv.columns)].pivot(
        index="date", columns="ticker", values="adj_close"
    )
    return Files(_write(folder / "iv.csv", iv, "iv30"), _write(folder / "prices.csv", closes, "close"), {})


def vix_and_spy(data: Path, folder: Path) -> Files:
    """VIX as the IV30 of SPY, with SPY's closes from 1998 to March 2021 as they were traded."""
    prices = pd.read_csv(data / "lean_daily_raw_with_factors" / "SPY_daily_raw.csv.gz", dtype={"date": str})
    day = pd.to_datetime(prices["date"]).dt.strftime("%Y-%m-%d")
    closes = pd.DataFrame({"SPY": prices["close"].to_numpy(dtype=np.float64)}, pd.Index(day, name="date"))
    iv = _write(folder / "iv.csv", _indices(data, {"VIX": "SPY"}), "iv30")
    return Files(iv, _write(folder / "prices.csv", closes, "close"), {})


def _indices(data: Path, names: Mapping[str, str]) -> pd.DataFrame:
    """Closes of volatility indices as fractions, under the names of what they are taken for."""
    table = pd.read_csv(data / "vol_indices" / "cboe_vol_indices_to_2022.csv.gz")
    table = table[table["index"].isin(names)]
    return (table.pivot(index="date", columns="index", values="close") / 100).rename(columns=names)


def _split(panel: pd.DataFrame) -> pd.DataFrame:
    for (name, day), ratio in SPLITS.items():
        panel.loc[panel.index < day, name] /= ratio
    return panel


def _some(panel: pd.DataFrame, wanted: pd.DataFrame) -> list[str]:
    return [name for name in panel.columns if name in wanted.columns]


def _write(path: Path, panel: pd.DataFrame, column: str) -> Path:
    """The panel as lines of date, symbol and value; a value that is missing has no line."""
    long = panel.rename_axis(index="date", columns="symbol").melt(value_name=column, ignore_index=False)
    long.dropna().reset_index().to_csv(path, index=False)
    return path


if __name__ == "__main__":
    found, target = map(Path, sys.argv[1:3])
    made: dict[str, Callable[[Path, Path], Files]] = {
        "interactive-brokers": interactive_brokers,
        "aapl-amzn": volatility_indices,
        "vix-spy": vix_and_spy,
    }
    for place, make in made.items():
        (target / place).mkdir(parents=True, exist_ok=True)
        make(found, target / place)
