"""One name in words and numbers, and every gate of it."""

import math
from io import BytesIO

import pytest
from PIL import Image

from bot.cards.card import TABLE_WIDTH
from bot.cards.embed import to_message
from bot.cards.name import HistoryPoint, vrp_card, why_card
from bot.cards.premium import premium_table, sampling_error, sampling_line, sentence, volatility_table
from engine.screen.flags import FLAGS
from engine.screen.glossary import METRICS
from tests.bot.cards.builders import (
    SESSION,
    a_gate,
    a_history,
    a_miss,
    a_row,
    a_run,
    shown,
    simulated_run,
    unmeasured,
    with_gates,
)

HOSTILE = "**Evil** `Corp` <@123456789012345678> @everyone ||x|| " * 6


def test_the_sentence_in_plain_words():
    assert sentence(a_row()) == (
        "Options price 27.4 % a year; it moved 18.1 % (30 d). "
        "Premium 1.51x, 88th percentile of its year (n=252)."
    )


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"iv_percentile_n": 120.0}, "88th percentile of its record (n=120)."),
        (
            {"iv_percentile": None, "iv_percentile_n": 12.0},
            "its place in its own year is not known yet (n=12).",
        ),
        ({"iv30": None}, "No usable option price; it moved 18.1 % (30 d)."),
        (
            {"hv30": None, "vrp_tactical": None},
            "Options price 27.4 % a year; how it moved is not known.",
        ),
        ({"lens": "yearly"}, "it moved 17.2 % (20 d). Premium 1.59x"),
    ],
)
def test_the_sentence_says_what_is_missing(values, expected):
    assert expected in sentence(a_row(values=values))


def test_a_percentile_of_the_provider_is_called_so():
    row = a_row(flags=("iv_percentile_provider",), values={"iv_percentile_n": 3.0})
    assert "88th percentile by the provider's record." in sentence(row)


def test_a_percentile_within_the_providers_series_is_called_so():
    row = a_row(flags=("iv_percentile_series",), values={"iv_percentile_n": 251.0})
    assert "88th percentile of the provider's year of IV (n=251)." in sentence(row)


def test_both_sides_of_the_volatility_table():
    assert volatility_table(a_row()).splitlines() == [
        "IMPLIED    % a year   REALIZED      %",
        "IV30           27.4   HV20       17.2",
        "IV60           26.1   HV30       18.1",
        "straddle       27.6   HV60       19.0",
        "model-free     28.9   HV90       20.0",
        "                      HV252      22.3",
        "                      Yang-Zhang 18.4",
    ]


def test_a_limit_stands_only_beside_the_ratio_it_judged():
    assert premium_table(a_row()).splitlines() == [
        "PREMIUM     HV ratio limit margin",
        "structural  90  1.37 >1.10  +0.27",
        "tactical    30  1.51 >1.15  +0.36",
        "structural 252  1.23",
        "tactical    20  1.59",
    ]


def test_the_yearly_lens_puts_its_limits_to_its_own_windows():
    gates = with_gates(
        a_gate("structural", "pass", 1.23, 0.85, ">"), a_gate("tactical", "pass", 1.59, 0.9, ">")
    )
    lines = premium_table(a_row(gates=gates, values={"lens": "yearly"})).splitlines()
    assert [">" in line for line in lines[1:]] == [False, False, True, True]
    assert lines[3] == "structural 252  1.23 >0.85  +0.38"


def test_consensus_judges_all_four():
    gates = (
        *with_gates(),
        a_gate("structural_252", "pass", 1.23, 0.85, ">"),
        a_gate("tactical_20", "pass", 1.59, 0.9, ">"),
    )
    lines = premium_table(a_row(gates=gates, values={"lens": "consensus"})).splitlines()
    assert all(">" in line for line in lines[1:])


def test_sampling_error_of_thirty_returns_is_thirteen_percent():
    assert sampling_error(30) == pytest.approx(0.1291, abs=1e-4)


def test_a_threshold_that_decides_by_less_than_the_error_is_named():
    gates = with_gates(a_gate("tactical", "pass", 1.20, 1.15, ">"), a_gate("momentum", "pass", 1.0, 0.85))
    assert sampling_line(a_row(gates=gates)) == (
        "Within the sampling error of HV30 (about 13 %): tactical by 4.3 %."
    )


def test_a_clear_decision_needs_no_such_line():
    assert sampling_line(a_row(gates=with_gates(a_gate("momentum", "pass", 1.1, 0.85)))) == ""


def test_a_floored_denominator_is_said():
    row = a_row(values={"hv30": 0.02, "iv30": 0.08, "vrp_tactical": 1.6})
    assert "The ratio divides by 5.0 %, not by HV30" in shown(vrp_card(row, a_run(), 3, []))


def test_everything_a_seller_asks_about_is_there():
    row = a_row(penalties=("volatility_trap",), flags=("wide_quotes",), score_share=0.85)
    text = shown(vrp_card(row, a_run(), 3, a_history(80)))
    for fact in (
        "XLE · Example Inc.",
        "RICH · Listed: 9 of 9 gates passed · rank 1",
        "**Forecast** 19.0 % for the next 21 sessions (har) · premium against it 1.44x",
        "NORMAL · HV30/HV90 0.91 (normal) · HV rank 43 (n=252)",
        "IV30/IV60 1.05 · 25-delta skew +4.1 points · IV - HV +9.3 points",
        "**Earnings** 2026-06-02 · 34 days from the session",
        "2026-06-19 (51 d) · strike 70.00 at spot 69.10 · slippage 3.1 %",
        "78 of 100 · 85 % of its weights known · lowered by volatility trap",
        "IV30 interpolated · expiries in 23 and 51 days · quotes leave 0.4 points open",
        f"• {FLAGS['wide_quotes']}",
        "recorded ndx100 · lens quarterly, profile balanced",
    ):
        assert fact in text


def test_the_card_carries_its_chart_and_says_it_in_words():
    card = vrp_card(a_row(), a_run(), 3, a_history(80))
    assert card.image is not None
    assert Image.open(BytesIO(card.image.data)).format == "PNG"
    assert "IV30 27.4" in card.image.description
    message = to_message(card)
    assert message["embeds"][0].image.url == "attachment://vrp.png"


def test_a_name_without_any_volatility_gets_its_reason_and_no_chart():
    card = vrp_card(unmeasured(reason="no option quotes"), a_run(), 3, [])
    assert card.headline == "Could not be measured: no option quotes"
    assert card.image is None
    assert "0.0" not in card.table
    assert card.sentence == "No usable option price; how it moved is not known."


@pytest.mark.parametrize("empty", [None, math.nan])
def test_missing_never_turns_into_a_zero(empty):
    numeric = {metric.column: empty for metric in METRICS if metric.kind not in ("text", "flag")}
    row = a_row(values=numeric, score=None, score_share=None, rank=None, gates=(), tags=())
    card = vrp_card(row, a_run(), 3, [])
    numbers = [word for line in card.table.splitlines() for word in line.split()[1:]]
    assert not [word for word in numbers if word.startswith("0")]
    assert not [line for line in (card.sentence, *card.details) if "nan" in line or " 0.0" in line]


def test_the_checklist_holds_every_gate_tags_last_and_ends_with_the_verdict():
    card = why_card(a_miss("KO"), a_run(), 3)
    assert card.table.splitlines() == [
        "+ data",
        "+ structural   1.37 > 1.10         +0.27",
        "- tactical     1.07 > 1.15    short 0.08",
        "+ momentum     0.91 >= 0.85        +0.06",
        "+ iv pctile      88 >= 20            +68",
        "+ dead legs   1,204 > 0           +1,204",
        "+ slippage     3.1% <= 5.0%        +1.9%",
        "+ liquidity   1,204 >= 100        +1,104",
        "+ price       69.10 >= 25.00      +44.10",
        "shown only, keep nothing out:",
        "+ earnings      34d not 0..10d      +24d",
        "= not listed: 1 of 9 gates failed",
    ]
    assert card.headline == "FAIR · Not listed: 1 of 9 gates failed"
    assert [button.custom_id for button in card.buttons] == ["variance:vrp:3:KO", "variance:method:3:"]


def test_why_a_name_could_not_be_measured():
    card = why_card(unmeasured(reason="stale quotes"), a_run(), 3)
    assert card.headline == "Could not be measured: stale quotes"
    assert "? structural      ? > 1.10" in card.table
    assert card.table.endswith("= not listed: 3 of 4 gates failed")


def test_an_unknown_percentile_is_explained():
    gates = with_gates(a_gate("iv_percentile", "unknown", None, 20.0))
    row = a_row(gates=gates, values={"iv_percentile": None, "iv_percentile_n": 12.0})
    text = shown(why_card(row, a_run(), 3))
    assert "unknown, not failed: 12 closes are stored so far." in text
    assert "= listed: 8 of 9 passed, 1 unknown" in text


def test_hostile_names_neither_format_nor_mention_nor_widen():
    row = a_row("`" * 40, values={"name": HOSTILE, "earnings_date": HOSTILE}, flags=(HOSTILE,))
    for card in (vrp_card(row, a_run(source=HOSTILE), 3, []), why_card(row, a_run(source=HOSTILE), 3)):
        text = to_message(card)["embeds"][0].description
        assert "@everyone" not in text
        assert "<@1" not in text
        assert "**Evil**" not in text + card.title
        assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())
        assert all(len(button.custom_id) <= 100 for button in card.buttons)


def test_simulated_is_said_everywhere():
    for card in (vrp_card(a_row(), simulated_run(), 3, a_history(5)), why_card(a_row(), simulated_run(), 3)):
        assert card.title.startswith("SIMULATED")
        assert card.footer.startswith("SIMULATED")
    image = vrp_card(a_row(), simulated_run(), 3, a_history(5)).image
    assert image is not None
    assert image.description.startswith("SIMULATED market")


def test_a_degraded_run_shows_in_the_accent():
    assert vrp_card(a_row(), a_run(state="degraded"), 3, []).state == "degraded"


def test_history_point_is_importable_from_here():
    assert HistoryPoint(SESSION, 0.2, 0.18, None, None).hv90 is None
