"""Sectors on cards: levels, the names that stand apart, and in words which of the two it is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import to_message
from bot.cards.relative_sectors import MOST_ROWS, sector_card, sectors_card
from engine.relative.sectors import SmallSector
from tests.bot.cards.builders import a_run, a_screen, shown
from tests.bot.cards.pairs import a_sector

ENERGY = a_sector("Energy", "XOM 0.90 CVX 1.00 SLB 0.95", 1.02)
CROWD = a_sector("Information Technology", " ".join(f"N{i} {0.5 + i / 50}" for i in range(60)))


def test_a_line_a_sector_with_its_ends():
    card = sectors_card([a_sector(), ENERGY], [], a_screen(), 7)
    assert card.table.splitlines() == [
        "SECTOR     n MEAN  MED RICH CHEAP",
        "Financials 3 1.15 1.15 JPM  C",
        "Energy     3 0.95 0.95 CVX  XOM",
    ]
    assert card.headline == "2 sectors of 6 names, by mean IV30/HV90, market median 1.02"
    assert card.sentence.startswith("Highest mean: Financials 1.15 (rich as a whole). Lowest: Energy 0.95")
    assert [button.label for button in card.buttons[:2]] == ["Financials", "Energy"]


def test_sectors_with_too_few_names_are_counted():
    small = [SmallSector("Utilities", 2), SmallSector(None, 1)]
    card = sectors_card([a_sector()], small, a_screen(), 7)
    assert "Too few names to compare: Utilities (2), no sector (1)." in card.details
    assert "No sector has enough names to compare" in sectors_card([], small, a_screen(), 7).headline


def test_a_stopped_run_says_why():
    card = sectors_card([], [], a_screen(run=a_run(state="aborted", reason="SPY has no valid price.")), 7)
    assert card.headline == "Run stopped: SPY has no valid price."
    assert not card.table


def test_the_names_of_a_sector_by_delta_with_their_word():
    report = a_sector()
    first = replace(report.rows[0], wide=True, earnings_days=12.0)
    report = replace(report, rows=(first, *report.rows[1:]))
    card = sector_card(report, a_screen(), 7, "all/Financials")
    assert "\\* wide quotes leave its IV30 open by more than a tenth." in card.details
    assert card.table.splitlines() == [
        "SYM   VRP DELTA ERNd WORD",
        "JPM* 1.45 +0.30   12 idiosyncratic",
        "WFC  1.15 +0.00    ? in line",
        "C    0.85 -0.30    ? idiosyncratic",
    ]
    assert "mean 1.15, median 1.15; the market's median is 1.02" in card.sentence
    assert "the sector's own part is +0.13" in card.sentence
    assert "**JPM** idiosyncratic: the name itself is rich" in card.details
    assert [button.custom_id for button in card.buttons] == [
        *("variance:sector:7:", "variance:why:7:JPM", "variance:csv:7:all/Financials"),
        "variance:method:7:Sector delta",
    ]


def test_without_the_whole_market_no_part_of_the_sector_is_told():
    card = sector_card(a_sector(market=None), a_screen(), 7, "")
    assert card.sentence == "IV30/HV90: mean 1.15, median 1.15."


@pytest.mark.parametrize("report", [a_sector(), CROWD], ids=["three", "sixty"])
def test_a_sector_of_any_size_fits_a_phone(report):
    card = sector_card(report, a_screen(), 7, "")
    lines = card.table.splitlines()
    assert all(len(line) <= TABLE_WIDTH for line in lines)
    assert len(lines) == min(report.n, MOST_ROWS) + 1
    assert len(to_message(card)["embeds"][0].description) <= 4096
    assert card.image is not None
    left = report.n - MOST_ROWS
    assert (f"{left} names nearest to the mean left out." in shown(card)) == (left > 0)
