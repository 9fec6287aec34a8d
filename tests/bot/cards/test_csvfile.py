"""The full list as a file: complete, exact, and no formula in it."""

import csv
import math
from io import StringIO

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.csvfile import screen_csv
from engine.screen.glossary import METRICS
from tests.bot.cards.builders import a_miss, a_row, a_screen, simulated_run, unmeasured


def rows_of(screen):
    return list(csv.DictReader(StringIO(screen_csv(screen).data.decode())))


def test_every_metric_every_gate_every_name():
    (xle, ko, zzz) = rows_of(a_screen([a_row("XLE"), a_miss("KO"), unmeasured()]))
    assert {metric.column for metric in METRICS} <= set(xle)
    assert (xle["rank"], xle["symbol"], xle["passed"], xle["signal"]) == ("1", "XLE", "true", "RICH")
    assert float(xle["iv30"]) == 0.274
    assert (ko["tactical_gate"], ko["tactical_value"], ko["tactical_limit"]) == ("fail", "1.07", "1.15")
    assert float(ko["tactical_distance"]) == pytest.approx(-0.08)
    assert ko["failed_gates"] == "tactical"
    assert ko["earnings_gate"] == "pass"
    assert (zzz["missing_reason"], zzz["rank"], zzz["iv30"]) == ("no option quotes", "", "")


def test_missing_is_empty_and_zero_is_zero():
    (row,) = rows_of(
        a_screen([a_row(values={"iv30": None, "hv30": math.nan, "hv90": math.inf, "hv20": 0.0})])
    )
    assert (row["iv30"], row["hv30"], row["hv90"], row["hv20"]) == ("", "", "", "0.0")


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_a_text_is_never_a_formula_but_a_number_stays_one(formula):
    screen = a_screen([a_row(formula, values={"name": formula, "spread_vol": -0.02})])
    (row,) = rows_of(screen)
    assert row["symbol"].startswith("'")
    assert row["name"].startswith("'")
    assert row["spread_vol"] == "-0.02"


@given(st.lists(st.text(max_size=60), min_size=1, max_size=5))
def test_no_text_breaks_the_file(names):
    rows = rows_of(a_screen([a_row(f"S{n}", values={"name": name}) for n, name in enumerate(names)]))
    assert [row["symbol"] for row in rows] == [f"S{n}" for n in range(len(names))]


def test_a_table_program_reads_the_same_numbers():
    screen = a_screen([a_row("A", values={"iv30": 1 / 3}), a_miss("B")])
    table = pd.read_csv(StringIO(screen_csv(screen).data.decode()), float_precision="round_trip")
    assert table["iv30"].tolist() == [1 / 3, 0.274]
    assert table["passed"].tolist() == [True, False]


def test_an_empty_screen_is_a_header():
    assert rows_of(a_screen([])) == []


def test_a_simulated_file_says_so_in_its_name_and_its_lines():
    screen = a_screen([a_row("A")], run=simulated_run())
    file = screen_csv(screen)
    assert file.filename == "SIMULATED_variance_2026-04-29_close.csv"
    assert file.description.startswith("SIMULATED")
    assert rows_of(screen)[0]["source"].startswith("SIMULATED")
    assert screen_csv(a_screen([])).filename == "variance_2026-04-29_close.csv"
