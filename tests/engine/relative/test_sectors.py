"""Sectors with means worked out by hand, and what holds for any of them."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.market.columns import panel_of
from engine.relative.sectors import SectorReport, SmallSector, measure_sectors, small_sectors
from engine.screen.measure import measure
from tests.engine.market.simulation import demo_snapshot
from tests.engine.screen.tables import row, rules, table

RULES = rules().model_copy(update={"relative": rules().relative.model_copy(update={"notable_delta": 0.10})})
MEMBER = st.tuples(st.sampled_from("ABCD"), st.floats(0.2, 4.0) | st.just(math.nan))


def named(*members: tuple[str, str, float], asset_class: str = "equity") -> list[dict[str, object]]:
    """Names with a sector and a structural ratio, which for 252 days is twice as high."""
    return [
        row(symbol=symbol, sector=sector, asset_class=asset_class)
        | {"vrp_structural": ratio, "structural_252": 2 * ratio}
        for symbol, sector, ratio in members
    ]


BANKS = named(("JPM", "Banks", 1.45), ("WFC", "Banks", 1.15), ("C", "Banks", 0.85))
LEVEL = named(*((f"X{n}", f"Rest {n}", ratio) for n, ratio in enumerate((1.0, 1.0, 1.0, 1.0))))


def only(*rows: dict[str, object]) -> SectorReport:
    (report,) = measure_sectors(table(*rows), RULES)
    return report


def test_the_worked_case_of_the_method() -> None:
    report = only(*BANKS)
    assert (report.sector, report.n, report.column) == ("Banks", 3, "vrp_structural")
    assert report.mean == pytest.approx(1.15, abs=1e-12)
    assert (report.median, report.market_median) == (1.15, 1.15)
    assert report.level == "in line with the market"
    assert [(row.symbol, row.vrp_structural) for row in report.rows] == [
        ("JPM", 1.45),
        ("WFC", 1.15),
        ("C", 0.85),
    ]
    assert [row.delta for row in report.rows] == pytest.approx([0.30, 0.0, -0.30], abs=1e-12)
    assert [row.word for row in report.rows] == [
        "idiosyncratic: the name itself is rich",
        "in line",
        "idiosyncratic: the name itself is cheap",
    ]


def test_a_sector_s_level_is_told_apart_from_the_name_s() -> None:
    # Seven names, four of them at 1.00: the market's median is 1.00 and the banks' part of it +0.15.
    report = only(*BANKS, *LEVEL)
    assert report.market_median == 1.0
    assert report.level == "rich as a whole"
    assert [row.word for row in report.rows] == [
        "idiosyncratic: the name itself is rich, in a rich sector",
        "systematic: its sector is rich as a whole",
        "idiosyncratic: the name itself is cheap, in a rich sector",
    ]


def test_a_part_of_the_market_is_not_compared_with_the_whole() -> None:
    (report,) = measure_sectors(table(*BANKS), RULES, whole_market=False)
    assert (report.market_median, report.level) == (None, "not compared with the market")
    assert [row.word.split(":")[0] for row in report.rows] == [
        "idiosyncratic",
        "in line with its sector",
        "idiosyncratic",
    ]


def test_fewer_than_three_measured_names_are_left_out_and_named() -> None:
    unmeasured = [values | {"missing_reason": "stale quotes"} for values in named(("MS", "Banks", 9.0))]
    few = named(("KO", "Drinks", 1.0), ("PEP", "Drinks", 1.2), ("KDP", "Drinks", math.nan))
    nowhere = [values | {"sector": None} for values in named(("ZZZ", "", 1.0))]
    market = table(*BANKS, *unmeasured, *few, *nowhere)
    (report,) = measure_sectors(market, RULES)
    assert (report.n, report.without) == (3, 1)
    assert report.mean == pytest.approx(1.15)
    # The median of all six that have the ratio: 0.85, 1.00, 1.00, 1.15, 1.20, 1.45.
    assert report.market_median == pytest.approx((1.00 + 1.15) / 2)
    assert small_sectors(market, RULES) == (SmallSector("Drinks", 2), SmallSector(None, 1))


def test_the_yearly_lens_compares_252_days_and_no_lens_mixes_them() -> None:
    without = named(("MS", "Banks", math.nan))[0] | {"structural_252": 8.0}
    market = table(*BANKS, without)
    (quarter,) = measure_sectors(market, RULES)
    assert (quarter.n, quarter.without, quarter.column) == (3, 1, "vrp_structural")
    (year,) = measure_sectors(market, rules(lens="yearly"))
    assert (year.n, year.column) == (4, "structural_252")
    assert year.mean == pytest.approx((2.9 + 2.3 + 1.7 + 8.0) / 4)
    assert measure_sectors(market, rules(lens="consensus")) == (quarter,)


def test_sectors_of_stocks_come_first_and_the_richest_of_them() -> None:
    funds = named(*((f"F{n}", "Bonds", 3.0) for n in range(3)), asset_class="etf")
    inside = named(("XLF", "Banks", 1.15), asset_class="etf")
    drinks = named(*((f"D{n}", "Drinks", 1.3) for n in range(3)))
    reports = measure_sectors(table(*funds, *BANKS, *inside, *drinks), RULES)
    assert [(report.sector, report.n) for report in reports] == [("Drinks", 3), ("Banks", 4), ("Bonds", 3)]


def test_earnings_are_told_where_the_day_is_known() -> None:
    days = (3.0, -2.0, math.nan)
    report = only(*(values | {"earnings_days": day} for values, day in zip(BANKS, days, strict=True)))
    assert [row.earnings_days for row in report.rows] == [3.0, None, None]


def test_wide_quotes_are_marked() -> None:
    report = only(BANKS[0], BANKS[1] | {"flags": ("wide_quotes",)}, BANKS[2])
    assert [row.wide for row in report.rows] == [False, True, False]


def test_nothing_measured_is_nothing_reported() -> None:
    assert measure_sectors(None, RULES) == small_sectors(None, RULES) == ()
    empty = table(*BANKS).iloc[:0]
    assert measure_sectors(empty, RULES) == small_sectors(empty, RULES) == ()


def a_market(members: list[tuple[str, float]]) -> pd.DataFrame:
    return table(*named(*((f"N{n:02}", sector, ratio) for n, (sector, ratio) in enumerate(members))))


@settings(max_examples=40, deadline=None)
@given(st.lists(MEMBER, min_size=1, max_size=20))
def test_deltas_add_up_to_nothing_and_names_fall_by_delta(members: list[tuple[str, float]]) -> None:
    market = a_market(members)
    reports = measure_sectors(market, RULES)
    for report in reports:
        deltas = [row.delta for row in report.rows]
        assert math.fsum(deltas) == pytest.approx(0.0, abs=1e-9)
        assert deltas == sorted(deltas, reverse=True)
        assert min(row.vrp_structural for row in report.rows) <= report.mean + 1e-12
        assert report.n == len(report.rows) >= 3
    counted = sum(report.n for report in reports) + sum(each.n for each in small_sectors(market, RULES))
    assert counted == sum(not math.isnan(ratio) for _, ratio in members)


@settings(max_examples=40, deadline=None)
@given(st.lists(MEMBER, min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_the_order_of_the_names_changes_nothing(
    members: list[tuple[str, float]], random: "st.random.Random"
) -> None:
    market = a_market(members)
    order = list(range(len(market)))
    random.shuffle(order)
    shuffled = market.iloc[order].reset_index(drop=True)
    assert measure_sectors(shuffled, RULES) == measure_sectors(market, RULES)
    assert small_sectors(shuffled, RULES) == small_sectors(market, RULES)


def test_a_whole_market_as_pandas_groups_it() -> None:
    measured = measure(panel_of(demo_snapshot(), "SPY"), RULES)
    known = measured[measured["missing_reason"].isna() & np.isfinite(measured["vrp_structural"])]
    grouped = known.groupby("sector")["vrp_structural"].agg(["count", "mean", "median"])
    expected = grouped[grouped["count"] >= 3]
    reports = {report.sector: report for report in measure_sectors(measured, RULES)}
    assert set(reports) == set(expected.index)
    for sector, numbers in expected.iterrows():
        report = reports[str(sector)]
        assert report.n == numbers["count"]
        assert report.mean == pytest.approx(numbers["mean"], abs=1e-12)
        assert report.median == pytest.approx(numbers["median"], abs=1e-12)
        assert report.market_median == pytest.approx(known["vrp_structural"].median(), abs=1e-12)
