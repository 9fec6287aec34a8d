"""The checklist of /why: every verdict legible in forty columns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.cards.card import TABLE_WIDTH
from bot.cards.gates import check_line, failures, short_phrase, verdict
from engine.screen.result import Gate
from tests.bot.cards.builders import a_gate, a_miss, a_row, unmeasured, with_gates


@pytest.mark.parametrize(
    ("gate", "line"),
    [
        (a_gate("price", "pass", 69.1, 25.0), "+ price       69.10 >= 25.00      +44.10"),
        (a_gate("tactical", "fail", 1.07, 1.15, ">"), "- tactical     1.07 > 1.15    short 0.08"),
        (a_gate("slippage", "fail", 0.14, 0.05, "<="), "- slippage    14.0% <= 5.0%    over 9.0%"),
        (a_gate("slippage", "fail", None, 0.05, "<="), "- slippage        ? <= 5.0%"),
        (a_gate("iv_percentile", "unknown", None, 20.0), "? iv pctile       ? >= 20"),
        (
            Gate("earnings", "fail", 9.0, 10.0, -1.0, "outside", True),
            "- earnings       9d not 0..10d  short 1d",
        ),
        (a_gate("data", "pass", comparison="is"), "+ data"),
        (a_gate("data", "fail", comparison="is"), "- data"),
        (a_gate("liquidity", "pass", 123_456.0, 100.0), "+ liquidity  123.5k >= 100       +123.4k"),
    ],
)
def test_lines(gate, line):
    assert check_line(gate) == line


@pytest.mark.parametrize(
    ("gate", "line"),
    [
        (a_gate("structural", "fail", 1.0996, 1.10, ">"), "- structural 1.0996 > 1.10  short 0.0004"),
        (a_gate("structural", "fail", 1.10 - 1e-9, 1.10, ">"), "- structural 1.1000 > 1.10 short <0.0001"),
        (a_gate("structural", "fail", 1.10, 1.125, ">"), "- structural  1.100 > 1.125  short 0.025"),
        (a_gate("slippage", "fail", 0.0502, 0.05, "<="), "- slippage    5.02% <= 5.0%   over 0.02%"),
        (a_gate("price", "fail", 24.998, 25.0), "- price      24.998 >= 25.00 short 0.002"),
        (a_gate("iv_percentile", "fail", 19.8, 20.0), "- iv pctile    19.8 >= 20      short 0.2"),
    ],
)
def test_a_near_value_shows_as_many_decimals_as_tell_it_apart(gate, line):
    assert check_line(gate) == line


def test_exactly_at_a_strict_limit():
    assert (
        check_line(a_gate("structural", "fail", 1.10, 1.10, ">"))
        == "- structural   1.10 > 1.10    short 0.00"
    )


numbers = st.none() | st.floats()
gates = st.builds(
    Gate,
    name=st.sampled_from(["structural", "slippage", "earnings", "liquidity", "price", "data"]) | st.text(),
    state=st.sampled_from(["pass", "fail", "unknown"]),
    value=numbers,
    limit=numbers,
    distance=numbers,
    comparison=st.sampled_from([">", ">=", "<=", "outside", "is"]) | st.text(),
    blocks=st.booleans(),
)


@given(gates)
def test_no_verdict_is_wider_than_the_table(gate):
    line = check_line(gate)
    assert len(line) <= TABLE_WIDTH
    assert "\n" not in line
    assert "`" not in line
    assert line[0] == {"pass": "+", "fail": "-", "unknown": "?"}[gate.state]


@given(gates)
def test_prose_never_breaks_its_line(gate):
    assert "\n" not in short_phrase(gate)


def test_prose_says_what_is_short():
    assert short_phrase(a_gate("tactical", "fail", 1.07, 1.15, ">")) == "tactical short 0.08"
    assert short_phrase(a_gate("slippage", "fail", None, 0.05, "<=")) == "slippage missing"
    assert short_phrase(a_gate("iv_percentile", "unknown", None, 20.0)) == "iv pctile unknown"


def test_why_a_name_is_not_listed():
    assert failures(a_miss()) == "tactical short 0.08"
    assert failures(unmeasured(reason="no option quotes")) == "no data: no option quotes"
    everything = a_miss(
        "X", *(a_gate(name, "fail", 1.0, 2.0) for name in ("structural", "tactical", "momentum", "price"))
    )
    assert (
        failures(everything) == "structural short 1.00, tactical short 1.00, momentum short 1.00 and 1 more"
    )


def test_the_verdict_counts():
    assert verdict(a_row()) == "listed: 9 of 9 gates passed"
    short = a_row(gates=with_gates(a_gate("iv_percentile", "unknown", None, 20.0)))
    assert verdict(short) == "listed: 8 of 9 passed, 1 unknown"
    assert verdict(a_miss()) == "not listed: 1 of 9 gates failed"
