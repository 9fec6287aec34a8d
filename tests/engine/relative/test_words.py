"""What is said of a pair and of a name in its sector."""

from dataclasses import replace

import pytest

from engine.relative.pairs import PairRow
from engine.relative.words import WARNINGS, actions, delta_word, level_word, verdict

METALS = PairRow("METALS", "GLD", "SLV", 1.5, 0.9, 0.6, 0.81, 0.77, 0.75, "CONVERGENCE", "GLD")
TURNED = replace(METALS, structural_a=0.9, structural_b=1.5, spread=-0.6, rich_leg="SLV")
CLOSE = replace(METALS, structural_b=1.2, spread=0.3, signal="none")
BROKEN = replace(METALS, correlation=0.51, correlation_60=None, signal="CORRELATION BROKEN")
NOTHING = PairRow("METALS", "GLD", "SLV", None, None, None, None, None, 0.75, "no data", None)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            METALS,
            "GLD at 1.50 is 0.60 richer than SLV at 0.90, more than 0.50, and they move together "
            "(correlation 0.81 over the year, at least 0.75, and 0.77 over 60 days): convergence.",
        ),
        (
            CLOSE,
            "GLD at 1.50 is 0.30 richer than SLV at 1.20, not more than 0.50: no signal "
            "(correlation 0.81 over the year, at least 0.75, and 0.77 over 60 days).",
        ),
        (
            BROKEN,
            "The pair is broken: correlation 0.51 over the year, below 0.75; that GLD at 1.50 is 0.60 richer "
            "than SLV at 0.90 is no signal then.",
        ),
        (
            replace(BROKEN, structural_a=None, spread=None, rich_leg=None),
            "The pair is broken: correlation 0.51 over the year, below 0.75.",
        ),
        (
            NOTHING,
            "No verdict: GLD and SLV have no IV30/HV252 and the correlation over the year is not known.",
        ),
        (
            replace(NOTHING, structural_a=1.5, correlation=0.8),
            "No verdict: SLV has no IV30/HV252.",
        ),
        (
            replace(CLOSE, structural_b=1.5, spread=0.0, rich_leg=None),
            "GLD and SLV are equally rich at 1.50: no signal "
            "(correlation 0.81 over the year, at least 0.75, and 0.77 over 60 days).",
        ),
    ],
)
def test_a_verdict_is_one_sentence_with_its_numbers(row: PairRow, said: str) -> None:
    assert verdict(row, 0.5) == said


def test_without_a_limit_none_is_named_and_either_leg_may_be_the_richer() -> None:
    assert verdict(TURNED).startswith("SLV at 1.50 is 0.60 richer than GLD at 0.90, and they move")


def test_a_number_that_misses_its_limit_never_looks_like_it() -> None:
    above = replace(METALS, structural_a=1.403, spread=0.503, correlation_60=None)
    assert "is 0.503 richer than SLV at 0.90, more than 0.50" in verdict(above, 0.5)
    below = replace(BROKEN, correlation=0.7496)
    assert "correlation 0.7496 over the year, below 0.75" in verdict(below, 0.5)
    odd = replace(METALS, threshold=0.805, correlation_60=None)
    assert "correlation 0.810 over the year, at least 0.805" in verdict(odd, 0.5)


def test_only_a_convergence_has_actions_and_a_broken_pair_says_why_not() -> None:
    for row, rich, cheap in ((METALS, "GLD", "SLV"), (TURNED, "SLV", "GLD")):
        assert actions(row) == (
            f"Rich leg {rich}: where premium is sold (short strangle, iron condor).",
            f"Cheap leg {cheap}: where premium is bought (long straddle, calendar), or no trade.",
        )
    assert actions(CLOSE) == actions(NOTHING) == ()
    (reason,) = actions(BROKEN)
    assert reason.startswith("No action: ")


def test_a_leg_that_is_rich_or_cheap_only_beside_the_other_is_called_so() -> None:
    low = replace(METALS, structural_a=0.95, structural_b=0.4)
    assert actions(low)[2:] == ("GLD is rich only beside SLV: its own IV30 is 0.95 of its HV252.",)
    high = replace(METALS, structural_a=1.9, structural_b=1.3)
    assert actions(high)[2:] == ("SLV is cheap only beside GLD: its own IV30 is 1.30 of its HV252.",)


def test_the_three_warnings_name_capital_legging_and_correlation() -> None:
    assert [warning.split(":")[0] for warning in WARNINGS] == ["Capital", "Legging", "Correlation"]


@pytest.mark.parametrize(
    ("sector", "own", "word"),
    [
        (0.05, -0.09, "in line"),
        (0.00, 0.30, "idiosyncratic: the name itself is rich"),
        (0.05, -0.10, "idiosyncratic: the name itself is cheap"),
        (0.40, 0.05, "systematic: its sector is rich as a whole"),
        (-0.40, 0.00, "systematic: its sector is cheap as a whole"),
        (0.40, 0.20, "systematic: its sector is rich as a whole, itself more so"),
        (-0.40, 0.20, "systematic: its sector is cheap as a whole, itself less so"),
        (-0.40, -0.20, "systematic: its sector is cheap as a whole, itself more so"),
        (0.20, -0.40, "idiosyncratic: the name itself is cheap, in a rich sector"),
        (0.25, 0.25, "idiosyncratic: the name itself is rich, in a rich sector"),
        (None, 0.05, "in line with its sector"),
        (None, -0.30, "idiosyncratic: the name itself is cheap"),
    ],
)
def test_the_larger_part_names_where_a_distance_comes_from(
    sector: float | None, own: float, word: str
) -> None:
    assert delta_word(sector, own, 0.10, 0.10) == word


def test_a_sector_may_be_notable_before_a_name_is() -> None:
    # A mean of many names is surer than one of them: the sector's part counts from 0.10, the own from 0.20.
    assert delta_word(0.12, 0.15, 0.20, 0.10) == "systematic: its sector is rich as a whole"
    assert delta_word(0.09, 0.19, 0.20, 0.10) == "in line"
    assert delta_word(0.12, 0.25, 0.20, 0.10) == "idiosyncratic: the name itself is rich, in a rich sector"


def test_the_level_of_a_sector_is_told_beside_the_market() -> None:
    words = [level_word(part, 0.10) for part in (0.10, -0.10, 0.09, None)]
    assert words == [
        "rich as a whole",
        "cheap as a whole",
        "in line with the market",
        "not compared with the market",
    ]
