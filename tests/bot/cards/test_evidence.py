"""The scorecard's figures beside a verdict and a definition: quoted once they suffice, never before."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.cards.card import TABLE_WIDTH
from bot.cards.evidence import Evidence, dual_of, method_lines, method_table
from bot.cards.method import method_card
from bot.cards.name import why_card
from bot.cards.table import numbers
from engine.rules import Rules
from tests.bot.cards.builders import a_gate, a_miss, a_row, a_run, simulated_run, unmeasured, with_gates
from tests.bot.cards.proofs import EVERYTHING, a_group, a_scorecard, empty_scorecard

ZONE = {"mild expansion": a_group("mild expansion")}
ROW = a_row(values={"zone": "mild expansion"})
ENOUGH = {"both gates": a_group("both gates", 420, 64.2, hit_rate=0.78, ci_low=0.66, ci_high=0.86)}


@pytest.fixture
def known(rules: Rules) -> Evidence:
    return Evidence(a_scorecard(ENOUGH), rules, False)


def said(row: object, evidence: Evidence | None, run: object | None = None) -> str:
    return "\n".join(why_card(row, run or a_run(), 3, evidence).details)  # type: ignore[arg-type]


def test_why_quotes_zone_gates_and_signal_against_the_universe(known: Evidence) -> None:
    text = said(ROW, known)
    universe = "the universe: hit 71 %, mean +2.13 points"
    assert f"**Own record**, 21 sessions on (hit: moved less than IV30 said); {universe}" in text
    assert "• names in mild expansion: hit 61 % (52 to 69, effective n 118), mean -0.40 points" in text
    assert (
        "• names that pass both premium gates: hit 78 % (66 to 86, effective n 64), mean -0.40 points" in text
    )
    assert "• signal RICH: hit 61 % (52 to 69, effective n 118), mean -0.40 points" in text
    assert "Too few" not in text


def test_a_small_sample_is_counted_and_not_quoted(rules: Rules) -> None:
    text = said(ROW, Evidence(a_scorecard(), rules, False))
    assert (
        "Too few outcomes on record to quote: names that pass both premium gates 12 of 30 (effective n)."
        in text
    )
    assert "hit 50 %" not in text
    almost = a_scorecard({"both gates": a_group("both gates", 99, 29.99)})
    assert "29 of 30" in said(ROW, Evidence(almost, rules, False))


def test_a_record_without_outcomes_adds_nothing(rules: Rules) -> None:
    plain = said(ROW, None)
    assert said(ROW, Evidence(empty_scorecard(), rules, False)) == plain
    assert "Own record" not in plain
    assert said(unmeasured(), Evidence(a_scorecard(), rules, False)) == said(unmeasured(), None)


def test_the_simulated_market_is_called_so(rules: Rules) -> None:
    text = said(ROW, Evidence(a_scorecard(ENOUGH), rules, True), simulated_run())
    assert "**Own record**, SIMULATED, 21 sessions on" in text


@pytest.mark.parametrize("parts", [{"profile": "broad"}, {"lens": "yearly"}])
def test_a_run_by_other_rules_quotes_the_zone_alone(known: Evidence, parts: dict[str, str]) -> None:
    text = said(ROW, known, a_run(**parts))
    assert "names in mild expansion" in text
    assert "premium gates" not in text
    assert "signal RICH" not in text


@pytest.mark.parametrize(
    ("structural", "tactical", "group"),
    [
        ("pass", "pass", "both gates"),
        ("pass", "fail", "structural only"),
        ("fail", "pass", "tactical only"),
        ("fail", "fail", "neither"),
        ("unknown", "pass", None),
        ("fail", "unknown", None),
    ],
)
def test_which_of_the_premium_gates_a_name_passes(structural: str, tactical: str, group: str | None) -> None:
    gates = with_gates(
        a_gate("structural", structural, 1.2, 1.1, ">"),  # type: ignore[arg-type]
        a_gate("tactical", tactical, 1.2, 1.15, ">"),  # type: ignore[arg-type]
    )
    assert dual_of(a_row(gates=gates)) == group


def test_a_rejected_name_is_quoted_with_its_own_group(known: Evidence) -> None:
    text = said(a_miss("KO"), known)
    assert "• names in the normal zone: hit" in text
    assert "• names that pass the structural gate only: hit" in text
    assert "• signal FAIR: hit" in text


@pytest.mark.parametrize(
    ("column", "names"),
    [
        ("zone", ["ZONE", "severe compr.", "mild compr.", "normal", "mild expansion", "severe expan."]),
        ("regime", ["REGIME", "COILED", "EXPANDING", "NORMAL"]),
        ("signal", ["SIGNAL", "RICH", "COILED", "EXPANDING", "FAIR"]),
        (
            "vrp_structural",
            [
                *("PREMIUM GATES", "both gates", "struct. only", "tactical only", "neither"),
                *("+ structural", "- structural"),
            ],
        ),
    ],
)
def test_method_shows_the_groups_of_its_word(known: Evidence, column: str, names: list[str]) -> None:
    lines = method_card(column, known).table.splitlines()
    found = [each.split("  ")[0].removesuffix(" n HIT% 95% CI MEANpt") for each in lines]
    assert found == [*names, "BASELINE", "universe"]
    assert max(map(len, lines)) <= TABLE_WIDTH


def test_method_says_whose_figures_they_are(rules: Rules) -> None:
    simulated = Evidence(a_scorecard(), rules, True)
    text = "\n".join(method_card("Zone", simulated).details)
    assert (
        "**What became of them** SIMULATED market, 12,340 outcomes of Thu 2 Jan 2025 to Fri 27 Mar 2026, "
        "21 sessions on, profile balanced, lens quarterly." in text
    )
    assert "It is no claim of profit." in text
    assert "Too few" not in text


def test_method_counts_what_does_not_suffice_and_leaves_it_out(rules: Rules) -> None:
    card = method_card("VRP tactical", Evidence(a_scorecard(), rules, False))
    assert "both gates" not in card.table
    assert "tactical only" in card.table
    text = "\n".join(card.details)
    assert "Too few outcomes on record to quote: both gates 12 of 30 (effective n)." in text
    strict = rules.model_copy(update={"proof": rules.proof.model_copy(update={"evidence_least_n": 119})})
    regime = method_card("Regime", Evidence(a_scorecard(), strict, False))
    assert regime.table == ""
    assert regime.details[-1] == (
        "Too few outcomes on record to quote: COILED 118 of 119, EXPANDING 118 of 119, NORMAL 118 of 119 "
        "(effective n)."
    )


@pytest.mark.parametrize("word", ["IV30", "Structural 252", "Earnings"])
def test_other_words_stay_as_they_are(known: Evidence, word: str) -> None:
    assert method_card(word, known) == method_card(word)


def test_the_yearly_lens_quotes_its_own_ratios(rules: Rules) -> None:
    yearly = Evidence(a_scorecard(), rules.using("balanced", "yearly"), False)
    assert "+ structural" in method_table("structural_252", yearly)
    assert not method_table("vrp_structural", yearly)


def test_without_outcomes_the_method_is_the_definition_alone(rules: Rules) -> None:
    empty = Evidence(empty_scorecard(), rules, False)
    assert method_card("Zone", empty) == method_card("Zone", None)
    assert method_lines("zone", replace(empty, card=a_scorecard(baselines=()))) == ()


def test_the_figures_speak_the_readers_numbers(known: Evidence) -> None:
    with numbers("de"):
        text = said(ROW, known)
        table = method_card("Zone", known).table
    assert "mean -0,40 points" in text
    assert "-0,40" in table
    assert EVERYTHING.n == 12_340
    assert "mean +2,13 points" in text
