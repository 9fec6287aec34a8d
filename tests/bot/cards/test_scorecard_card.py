"""The scorecard as a trader reads it: figures beside their baselines, doubts beside the figures."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from PIL import Image

from bot.cards.card import TABLE_WIDTH, Card
from bot.cards.drawing import SIMULATED_COLOUR
from bot.cards.embed import to_message
from bot.cards.scorecard import Asked, Stored, scorecard_card
from bot.cards.scorecard_table import points
from bot.cards.scorecard_weekly import Call, Week, weekly_card
from bot.cards.table import numbers
from engine.proof.result import BYS, Scorecard, Whipsaw
from engine.rules import Rules
from engine.screen.glossary import explain
from tests.bot.cards.proofs import (
    BENCHMARK,
    EVERYTHING,
    FIRST,
    a_group,
    a_scorecard,
    by_symbol,
    empty_scorecard,
)

CLOSES = Stored(3, date(2025, 12, 1), date(2025, 12, 3), date(2025, 12, 31))


def drawn(rules: Rules, card: Scorecard | None = None, simulated: bool = True, **asked: object) -> Card:
    return scorecard_card(card or a_scorecard(), Asked(rules, simulated, **asked), CLOSES)  # type: ignore[arg-type]


def text_of(card: Card) -> str:
    return "\n".join((card.title, card.headline, card.table, card.sentence, *card.details, card.asof))


def line(card: Card, name: str) -> str:
    return next(each for each in card.table.splitlines() if each.startswith(name))


def test_the_headline_is_plain_words_with_what_the_sample_is_worth(rules: Rules) -> None:
    card = drawn(rules)
    assert card.title == "SIMULATED · Scorecard · all time"
    assert card.headline == (
        "Of 12,340 observations (a name at a close) that are over, 71 % moved less than the options "
        "charged for; 95 % interval 66 to 76 %."
    )
    small = drawn(rules, a_scorecard(groups=(replace(EVERYTHING, effective_n=7.7),)))
    assert small.headline.endswith("A small sample: worth 7 independent outcomes.")
    one = drawn(rules, a_scorecard(groups=(replace(EVERYTHING, effective_n=1.0),), first=FIRST, last=FIRST))
    assert one.headline.endswith("A small sample: worth 1 independent outcome.")
    assert one.asof == "Close of Thu 2 Jan 2025"


def test_a_loss_keeps_the_decimals_a_gain_has() -> None:
    assert (points(-0.1232), points(0.1232), points(-0.4)) == ("-12.32", "+12.32", "-40.00")
    assert [len(points(gap)) for gap in (-1.2345, 1.2345)] == [6, 6]


def test_groups_stand_over_both_baselines(rules: Rules) -> None:
    first, second = drawn(rules).table.split("\n\n")
    assert first.splitlines() == [
        "PREMIUM GATES     n HIT% 95% CI MEANpt",
        "both gates*      96   50  25-75  -0.40",
        "struct. only    842   61  52-69  -0.40",
        "tactical only   842   61  52-69  -0.40",
        "neither         842   61  52-69  -0.40",
        "listed          842   61  52-69  -0.40",
        "not listed      842   61  52-69  -0.40",
        "SIGNAL",
        "RICH            842   61  52-69  -0.40",
        "COILED          842   61  52-69  -0.40",
        "EXPANDING       842   61  52-69  -0.40",
        "FAIR            842   61  52-69  -0.40",
        "BASELINE",
        "universe      12.3k   71  66-76  +2.13",
        "SPY*            310   83  57-95  +3.01",
    ]
    assert second.splitlines()[:2] == [
        "PREMIUM GATES MEDpt OVERpt WORSTpt",
        "both gates*   +1.12  -2.54  -41.20",
    ]
    assert second.splitlines()[-2:] == [
        "universe      +1.12      -  -41.20",
        "SPY*          +1.12  +0.88  -41.20",
    ]


def test_the_doubts_are_named(rules: Rules) -> None:
    card = drawn(rules)
    said = "\n".join(card.details)
    assert "No outcome yet: EVENT, DISCOUNT." in said
    assert "left the list within 10 sessions: quarterly 43 % of 812, yearly 51 % of 1,204." in said
    assert "\\* a small sample, worth fewer than 30 independent outcomes." in said
    assert "Windows of 21 sessions overlap" in said
    assert "12,340 observations are worth 131 independent of each other (effective n)" in said
    assert "Waiting: 620, not over yet · lost: 14 (no closes after 14)." in said
    assert "It is no claim of profit" in said
    assert card.asof == "Closes of Thu 2 Jan 2025 to Fri 27 Mar 2026"
    assert card.sentence == (
        "Names that pass both premium gates: hit 50 % (25 to 75, effective n 12), mean -0.40 points, "
        "-2.54 points over the universe on the same days. A small sample."
    )


def test_what_else_the_figures_rest_on_is_named(rules: Rules) -> None:
    settings = {
        "rules": ["a", "b"],
        "sessions_judged_by_filled_rules": 1,
        "sessions_of_another_horizon": 4,
        "median": "from bins of 0.01 points",
    }
    said = "\n".join(drawn(rules, a_scorecard(settings=settings)).details)
    assert (
        "Judged by 2 sets of rules, each close by those of its day · other lens: rules of 1 close completed "
        "from today's · 4 closes of another horizon left out · median from bins of 0.01 points." in said
    )


def test_regimes_and_zones_are_told_apart_whatever_the_list_calls_them(rules: Rules) -> None:
    whole = a_scorecard()
    only = replace(
        whole,
        groups=tuple(replace(each, name=each.name.removeprefix("regime ")) for each in whole.groups[7:]),
    )
    alone = replace(only, groups=(EVERYTHING, *only.groups))
    for card in (drawn(rules, whole, by="regime"), drawn(rules, alone, by="regime")):
        names = [each.split("  ")[0] for each in card.table.split("\n\n")[0].splitlines()]
        assert names == [
            *("REGIME", "COILED", "EXPANDING", "NORMAL"),
            *("ZONE", "severe compr.", "mild compr.", "normal", "mild expansion", "severe expan."),
            *("BASELINE", "universe", "SPY*"),
        ]
        assert "No outcome yet: UNKNOWN." in card.details


def test_every_gate_passed_and_failed(rules: Rules) -> None:
    card = drawn(rules, by="gate")
    assert line(card, "+ dead legs").split() == ["+", "dead", "legs", "842", "61", "52-69", "-0.40"]
    assert "data" not in card.table
    assert any("EACH GATE: + passed it, - failed it" in each for each in card.details)


def test_names_are_ranked_and_those_with_a_sample_named(rules: Rules) -> None:
    card = drawn(rules, by_symbol(), by="symbol")
    names = [each.split()[0] for each in card.table.split("\n\n")[0].splitlines()]
    best, worst = [f"N{n}*" for n in range(29, 24, -1)], [f"N{n}*" for n in range(4, -1, -1)]
    assert names == ["BEST", *best, "WORST", *worst, "BASELINE", "universe", "SPY*"]
    assert "0 of 30 names have an effective n of 30 or more." in card.details[0]


def test_once_enough_names_have_a_sample_only_those_are_ranked(rules: Rules) -> None:
    large = by_symbol(40, 31.0)
    card = replace(large, groups=(*large.groups, a_group("ODD", 3, 1.0, mean_gap=0.9)))
    shown = drawn(rules, card, by="symbol")
    assert "ODD" not in shown.table
    assert shown.table.startswith("BEST")
    assert "40 of 41 names have an effective n of 30 or more: N0, N1, " in shown.details[0]
    few = drawn(rules, by_symbol(4), by="symbol")
    assert [each.split()[0] for each in few.table.splitlines()[:5]] == ["SYMBOL", "N3*", "N2*", "N1*", "N0*"]


@pytest.mark.parametrize("by", [None, *BYS])
@pytest.mark.parametrize("language", ["en", "de"])
def test_every_card_fits_a_phone_and_discord_in_every_language(rules: Rules, by: str, language: str) -> None:
    with numbers(language):
        card = drawn(rules, by_symbol() if by == "symbol" else None, by=by)
    assert max(map(len, card.table.splitlines())) <= TABLE_WIDTH
    description = to_message(card)["embeds"][0].description
    assert "more lines" not in description
    assert "see the full list" not in description
    if language == "de":
        assert not re.search(r"\d\.\d\d\b", text_of(card))
        assert "12.340" in card.headline
        assert "-0,40" in card.table or by == "symbol"


def test_before_the_first_outcome_it_says_when(rules: Rules) -> None:
    card = drawn(rules, empty_scorecard())
    assert card.headline == "No outcome yet: it is known 21 sessions after a name's official close."
    assert card.sentence == (
        "3 official closes are stored (Mon 1 Dec 2025 to Wed 3 Dec 2025). "
        "The first outcome is known after the close of Wed 31 Dec 2025."
    )
    assert card.details == ("620 observations wait for theirs.",)
    assert card.image is None
    late = scorecard_card(
        empty_scorecard(lost={"stopped trading": 30}),
        Asked(rules, False),
        replace(CLOSES, last=date(2026, 1, 20)),
    )
    assert late.sentence.endswith("The first outcome has been due since Wed 31 Dec 2025.")
    assert "lost: 30 (stopped trading 30)" in late.details
    nothing = scorecard_card(empty_scorecard(), Asked(rules, False), Stored())
    assert nothing.sentence.startswith("No official close is stored yet")


def test_a_whipsaw_is_known_before_the_first_outcome(rules: Rules) -> None:
    card = drawn(rules, empty_scorecard(whipsaw=(Whipsaw("quarterly", 12, 0.25), Whipsaw("yearly", 0, None))))
    assert card.details[-1].endswith("within 10 sessions: quarterly 25 % of 12.")


def test_the_file_holds_every_group_as_fractions(rules: Rules) -> None:
    (file,) = drawn(rules, by="gate").files
    assert file.filename == "SIMULATED_variance_scorecard_gate_all.csv"
    rows = list(csv.DictReader(io.StringIO(file.data.decode())))
    assert len(rows) == len(a_scorecard().groups) + 4
    rich = next(row for row in rows if row["name"] == "RICH")
    assert (rich["kind"], rich["n"], rich["hit_rate"], rich["mean_gap"]) == (
        "group",
        "842",
        "0.612",
        "-0.004",
    )
    spy = next(row for row in rows if row["name"] == "SPY")
    assert (spy["kind"], spy["effective_n"]) == ("baseline", str(BENCHMARK.effective_n))
    assert [row["share_left"] for row in rows if row["kind"] == "whipsaw"] == ["0.431", "0.512"]
    assert {row["source"] for row in rows} == {"SIMULATED"}
    event = next(row for row in rows if row["name"] == "EVENT")
    assert (event["n"], event["hit_rate"], event["worst"]) == ("0", "", "")


def pixels(data: bytes, colour: str) -> int:
    wanted = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)])
    return int((np.asarray(Image.open(io.BytesIO(data))) == wanted).all(axis=2).sum())


@pytest.mark.parametrize("by", [None, *BYS])
def test_the_picture_is_dark_marked_and_told_in_words(rules: Rules, by: str) -> None:
    picture = drawn(rules, by_symbol() if by == "symbol" else None, by=by).image
    assert picture is not None
    image = Image.open(io.BytesIO(picture.data))
    assert (image.format, image.size, image.getpixel((2, 2))) == ("PNG", (840, 420), (0x2B, 0x2D, 0x31))
    assert pixels(picture.data, SIMULATED_COLOUR) > 100
    assert picture.description.startswith("SIMULATED market. Scorecard ")
    assert "Against universe 71 % (66 to 76), +2.13 points; SPY 83 % (57 to 95), +3.01 points." in (
        picture.description
    )
    assert picture.filename == f"SIMULATED_scorecard_{by or 'overview'}.png"


@pytest.mark.parametrize(
    "group",
    [
        a_group("both gates", 1, 1.0, hit_rate=0.0, ci_low=0.0, ci_high=0.79, mean_gap=-3.0),
        a_group("both gates", 9, 4.0, hit_rate=1.0, ci_low=0.44, ci_high=1.0, mean_gap=0.0),
    ],
    ids=["far below", "all hits"],
)
def test_extremes_are_drawn_too(rules: Rules, group: object) -> None:
    card = a_scorecard(groups=(EVERYTHING, group), baselines=(replace(EVERYTHING, name="universe"),))
    shown = drawn(rules, card, simulated=False)
    assert shown.image is not None
    assert pixels(shown.image.data, SIMULATED_COLOUR) == 0
    assert line(shown, "both gates*")


def test_every_word_of_the_card_has_a_method(rules: Rules) -> None:
    words = {button.argument for button in drawn(rules).buttons}
    words |= {"Hit rate", "Baselines", "Scorecard groups", "Premium captured", "Whipsaw", "Effective n"}
    assert all(explain(word) is not None for word in words)


BEST = Call("AMD", date(2025, 12, 1), 0.166, True)
WORST = Call("AAPL", date(2025, 12, 2), -0.238, False)
WEEK = Week(
    since=date(2025, 12, 26),
    upto=date(2026, 1, 2),
    n=108,
    hits=81,
    mean_gap=0.021,
    listed=9,
    listed_hits=6,
    best=BEST,
    worst=WORST,
)


def weekly(rules: Rules, week: Week = WEEK, card: Scorecard | None = None) -> Card:
    return weekly_card(card or a_scorecard(), week, Asked(rules, True), CLOSES)


def test_the_weekly_post_leads_with_what_was_settled(rules: Rules) -> None:
    card = weekly(rules)
    assert card.title == "SIMULATED · Scorecard of the week · Fri 2 Jan 2026"
    assert card.headline == (
        "108 outcomes became known since Fri 26 Dec 2025: 75 % hits, mean +2.10 points.\n"
        "Listed of these: 9, 67 % hits."
    )
    assert card.details[:2] == (
        "**Best** AMD +16.60 points, judged Mon 1 Dec 2025, listed.",
        "**Worst** AAPL -23.80 points, judged Tue 2 Dec 2025, not listed.",
    )
    assert card.sentence.startswith("Of 12,340 observations (a name at a close) that are over, 71 %")
    assert line(card, "both gates*")
    assert line(card, "SPY*")
    assert any("**Whipsaw**" in each for each in card.details)
    assert card.image is not None


def test_an_empty_week_says_so_and_when_the_next_outcomes_come(rules: Rules) -> None:
    empty = Week(WEEK.since, WEEK.upto, due=date(2026, 1, 5))
    card = weekly(rules, empty)
    assert card.headline == "No outcome became known since Fri 26 Dec 2025."
    assert card.details[0] == "The next outcomes are known after the close of Mon 5 Jan 2026."
    assert weekly(rules, replace(empty, due=None)).details[0] == "Nothing waits for its outcome."
    unlisted = weekly(rules, replace(WEEK, listed=0, listed_hits=0))
    assert unlisted.headline.endswith("None of them was listed.")


def test_the_weekly_post_before_the_first_outcome(rules: Rules) -> None:
    card = weekly(rules, Week(WEEK.since, WEEK.upto), empty_scorecard())
    assert "Scorecard of the week" in card.title
    assert "The first outcome is known after the close of Wed 31 Dec 2025." in card.sentence
