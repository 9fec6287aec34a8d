"""One line of what a trader types: named examples, refusals, and the round trip through Leg.text."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.portfolio.book import MOST_LEGS, Leg
from engine.portfolio.reading.notation import parse_notation
from tests.engine.portfolio.legs import ASOF, legs

DECEMBER = date(2026, 12, 18)


def texts(typed: str, asof: date = ASOF) -> list[str]:
    reading = parse_notation(typed, asof)
    assert not reading.rejected, reading.rejected
    return [leg.text for leg in reading.legs]


def reason(typed: str, asof: date = ASOF) -> str:
    reading = parse_notation(typed, asof)
    assert not reading.accepted
    (rejected,) = reading.rejected
    return rejected.reason


@pytest.mark.parametrize(
    "typed",
    [
        "-2 KO 2026-12-18 60P @ 1.15",
        "  -2   ko,  2026-12-18,60p,@1.15 ",
        "STO 2 KO 12/18 60P @ 1.15",
        "sto -2 ko 12/18/26 60 put @ $1.15",
        "sell 2 KO 12/18/2026 60puts @ 1,15",
        "Sell to Open 2 KO 18DEC26 P60 at 1.15",
        "sold 2 KO 18-Dec-2026 P 60 @ 1.15 cr",
        "short 2x KO Dec 18 2026 60 P @ 1.150",
        "-2 KO December 18, 2026 60P @ 1.15",
        "\u22122 KO Dec 18 60P @ 1.15",
        "- 2 $ko 20261218 $60P @ 1.15;",
        "-2 KO261218P00060000 @ 1.15",
        "-2 KO    261218P00060000 @ 1.15",
        "-2 .KO261218P60 @ 1.15",
    ],
)
def test_one_put_in_every_dress(typed: str) -> None:
    assert texts(typed) == ["-2 KO 2026-12-18 60P @ 1.15"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("buy 1 KO 12/18 60C", "1 KO 2026-12-18 60C"),
        ("100 KO @ 61.20", "100 KO @ 61.2"),
        ("-12.5 KO stock", "-12.5 KO"),
        ("100 KO shares @ 61", "100 KO @ 61"),
        ("1,000 KO @ 1,061.25", "1000 KO @ 1061.25"),
        ("-1 C 12/18 60 P", "-1 C 2026-12-18 60P"),
        ("-1 NET 12/18 60P @ 2", "-1 NET 2026-12-18 60P @ 2"),
        ("-100 OPEN @ 5", "-100 OPEN @ 5"),
        ("100 BTC @ 30", "100 BTC @ 30"),
        ("-1 SPX 12/18 6000P", "-1 ^SPX 2026-12-18 6000P"),
        ("-1 BRK/B 12/18 400P", "-1 BRK.B 2026-12-18 400P"),
        ("-1 BRKB261218P00400000", "-1 BRK.B 2026-12-18 400P"),
        ("-1 KO Dec 18 30 60P", "-1 KO 2030-12-18 60P"),
        ("-1 F 12/18 12.5P @ .4", "-1 F 2026-12-18 12.5P @ 0.4"),
        ("1 /ESZ6 @ 6000", "1 /ES @ 6000"),
    ],
)
def test_one_leg(typed: str, expected: str) -> None:
    assert texts(typed) == [expected]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("12/18", date(2026, 12, 18)),
        ("4/29", ASOF),
        ("4/28", date(2027, 4, 28)),
        ("Jan 15", date(2027, 1, 15)),
        ("15 Jan", date(2027, 1, 15)),
        ("2/29", date(2028, 2, 29)),
        ("1/21/28", date(2028, 1, 21)),
    ],
)
def test_a_date_without_a_year_is_the_next_such_day(typed: str, expected: date) -> None:
    (leg,) = parse_notation(f"-1 KO {typed} 60P", ASOF).legs
    assert leg.expiration == expected


def test_every_fact_of_a_leg() -> None:
    (leg,) = parse_notation("-2 KO 2026-12-18 60P @ 1.15", ASOF).legs
    assert leg == Leg("KO", "option", -2, DECEMBER, 60, "P", 1.15, 100)
    (shares,) = parse_notation("100.5 KO", ASOF).legs
    assert shares == Leg("KO", "shares", 100.5, multiplier=1)


def test_the_root_of_an_index_is_kept_for_it_says_when_it_settles() -> None:
    (weekly,) = parse_notation("-1 SPXW 12/18 6000P", ASOF).legs
    assert (weekly.symbol, weekly.contract) == ("^SPX", "SPXW  261218P06000000")


@pytest.mark.parametrize(
    ("typed", "kind", "symbol", "words"),
    [
        ("-1 KO1 12/18 60P @ 1", "adjusted option", "KO", "something else than 100 shares"),
        ("-1 /ES 12/18 6000P @ 1", "future option", "/ES", "an option on a future: shown without value"),
        ("-1 /6EZ6 12/18 1.15P @ 1", "future option", "/6E", "an option on a future: shown without value"),
        ("1 /CL @ 70", "future", "/CL", "a future: shown without value"),
        ("-1 KO 12/18 60P", "option", "KO", "open price not known"),
        ("-1 KO 9/19/26 60P @ 1", "option", "KO", "2026-09-19 is no weekday"),
    ],
)
def test_remarks(typed: str, kind: str, symbol: str, words: str) -> None:
    (accepted,) = parse_notation(typed, ASOF).accepted
    assert (accepted.leg.kind, accepted.leg.symbol) == (kind, symbol)
    assert words in accepted.remark


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("0 KO 12/18 60P", "zero"),
        ("-0 KO", "zero"),
        ("-0.0 KO", "zero"),
        ("-1.5 KO 12/18 60P", "contracts come whole"),
        ("1000001 KO", "above 1,000,000"),
        ("-1 KO 2026-02-30 60P", "no such date"),
        ("-1 KO 13/18 60P", "no such date"),
        ("-1 KO 18/12/2026 60P", "no such date"),
        ("-1 KO 2026-04-28 60P", "2026-04-28 is past: an expiration is 2026-04-29 or later"),
        ("-1 KO 2126-12-18 60P", "more than 10 years ahead"),
        ("-1 KO 12/18 0P", "a strike is above 0"),
        ("-1 KO 12/18 -60P", "not understood"),
        ("-1 KO 12/18 2000001P", "at most 2,000,000"),
        ("-1 KO 12/18 60P @ -1", "the price is negative"),
        ("-1 KO 12/18 60P @ nan", "no price"),
        ("-1 KO 12/18 60P @ 1e309", "no price"),
        ("-1 KO 12/18 60P @ 1e30", "above 10,000,000"),
        ("-1 KO 12/18 60P @", "no price"),
        ("-1 KO 12/18 60P @ 1 @ 2", "two prices"),
        ("-1 KO 12/18 60P @ 1 db", "what is sold brings a credit"),
        ("-1 KO 12/18 60P weekly", "WEEKLY is not understood"),
        ("-1 KO 12/18 60P `<@1>`", "not understood"),
        ("-1 KO 60P", "the expiration is missing"),
        ("-1 KO 12/18", "the strike is missing"),
        ("-1 KO 12/18 60", "no right"),
        ("-1 KO 12/18 60X", "60X is not understood"),
        ("-1 KO 12/18 P60C", "a strike's right is C or P"),
        ("-1 KO 12/18 60P 1/15/27", "two expirations"),
        ("BTC 1 KO 12/18 60P", "only opening trades"),
        ("STC 1 KO 12/18 60P", "only opening trades"),
        ("buy to close 1 KO 12/18 60P", "only opening trades"),
        ("buy -1 KO 12/18 60P", "contradict"),
        ("KO 12/18 60P", "the quantity is missing"),
        ("-1", "the symbol is missing"),
        ("sell to open", "the quantity is missing"),
        ("1.2.3 KO", "no number"),
        ("1 =CMD()", "a formula, not a ticker"),
        ("1 @SUM", "a formula, not a ticker"),
        ("-1 \u041a\u041e 12/18 60P", "no plain letter"),
        ("1 \u00df\u00df", "no plain letter"),
        ("1 K\x00O", "no plain letter"),
        ("1 SPX", "an index and has no shares"),
        ("1 KO shares 12/18 60P", "shares have no strike"),
        ("1 BTC/USD", "no ticker"),
        ("x" * 301, "longer than 300"),
        ("", "nothing in it"),
        (" ;\n; ", "nothing in it"),
    ],
)
def test_refusals_say_what_is_wrong(typed: str, words: str) -> None:
    assert words in reason(typed)


def test_what_is_refused_is_never_repeated_raw() -> None:
    for typed in ("-1 KO 12/18 60P `<!everyone>`[a](http://b)", "1 [KO](http://b)"):
        assert not set(reason(typed)) & set("`<>[]()!")


def test_several_entries_are_numbered_and_the_good_ones_kept() -> None:
    reading = parse_notation("-1 KO 12/18 60P @ 1;\n\nnonsense\n100 KO; 0 KO", ASOF)
    assert [(each.line, each.leg.symbol) for each in reading.accepted] == [(1, "KO"), (4, "KO")]
    assert [each.line for each in reading.rejected] == [3, 5]


def test_a_book_has_an_end() -> None:
    reading = parse_notation("1 KO\n" * (MOST_LEGS - 1) + "-1 KO 12/18 55P/65C\n1 KO\n1 KO\n1 KO", ASOF)
    assert len(reading.legs) == MOST_LEGS
    assert [each.line for each in reading.rejected] == [500, 502]
    assert len(parse_notation("x\n" * 100_000, ASOF).rejected) == 2 * MOST_LEGS + 1


def money(typed: str) -> Decimal:
    """Cash of one share's worth that the legs brought, in exact decimals: positive is received."""
    held = [(leg, leg.open_price) for leg in parse_notation(typed, ASOF).legs]
    return sum((-Decimal(str(leg.quantity)) * Decimal(str(price)) for leg, price in held), Decimal(0))


@pytest.mark.parametrize(
    ("typed", "held", "cash"),
    [
        ("-1 KO 12/18 55P/65C @ 2.11", [("P", 55, -1, 1.06), ("C", 65, -1, 1.05)], "2.11"),
        ("3 KO 12/18 55/65 strangle @ 2.10", [("P", 55, 3, 1.05), ("C", 65, 3, 1.05)], "-6.30"),
        ("-1 KO Dec 18 60 straddle @ 4.35", [("P", 60, -1, 2.18), ("C", 60, -1, 2.17)], "4.35"),
        (
            "-2 KO 12/18 50P/55P/65C/70C @ 1.80",
            [("P", 50, 2, 0), ("P", 55, -2, 0.9), ("C", 65, -2, 0.9), ("C", 70, 2, 0)],
            "3.60",
        ),
        (
            "1 KO 12/18 70C/65C/55P/50P condor @ 1.80",
            [("P", 50, -1, 0), ("P", 55, 1, 0.9), ("C", 65, 1, 0.9), ("C", 70, -1, 0)],
            "-1.80",
        ),
        (
            "-1 KO 12/18 50/60/70 iron butterfly @ 3.61 cr",
            [("P", 50, 1, 0), ("P", 60, -1, 1.81), ("C", 60, -1, 1.80), ("C", 70, 1, 0)],
            "3.61",
        ),
        ("-1 SPY 12/18 570/560P @ 2.75", [("P", 570, -1, 2.75), ("P", 560, 1, 0)], "2.75"),
        ("-1 SPY 12/18 560/570P vertical @ 3", [("P", 560, -1, 0), ("P", 570, 1, 3)], "-3"),
        ("1 SPY 12/18 560/570C spread @ 3", [("C", 560, 1, 3), ("C", 570, -1, 0)], "-3"),
        ("1 KO 12/18 55/60/65C fly @ 1", [("C", 55, 1, 0.5), ("C", 60, -2, 0), ("C", 65, 1, 0.5)], "-1"),
        (
            "1 KO 12/18 50/60/65C @ 0.30 cr",
            [("C", 50, 1, 0), ("C", 60, -2, 0.15), ("C", 65, 1, 0)],
            "0.30",
        ),
        (
            "-1 KO 12/18 50/55/65/70P condor @ 1.2345",
            [("P", 50, -1, 0.6173), ("P", 55, 1, 0), ("P", 65, 1, 0), ("P", 70, -1, 0.6172)],
            "1.2345",
        ),
        (
            "-1 KO 12/18 55P -1 KO 12/18 65C +1 KO 12/18 70C net 2.01 cr",
            [("P", 55, -1, 1.01), ("C", 65, -1, 1.0), ("C", 70, 1, 0)],
            "2.01",
        ),
        ("-2 KO 12/18 60P +4 KO 12/18 55P net 0.10 db", [("P", 60, -2, 0), ("P", 55, 4, 0.05)], "-0.20"),
    ],
)
def test_packages(typed: str, held: list[tuple[str, float, float, float]], cash: str) -> None:
    reading = parse_notation(typed, ASOF)
    assert [(leg.right, leg.strike, leg.quantity, leg.open_price) for leg in reading.legs] == held
    assert money(typed) == Decimal(cash)
    assert len({leg.group for leg in reading.legs} - {""}) == 1
    assert all("package price" in each.remark for each in reading.accepted)


def test_a_buy_write_at_a_net_price() -> None:
    # 200 shares and two calls at a net debit of 59.80: 200 * 59.80 - 0 = 11,960.00 paid.
    shares, call = parse_notation("200 KO -2 KO 12/18 65C net 59.80 db", ASOF).legs
    assert (shares.quantity, shares.open_price, call.quantity, call.open_price) == (200, 59.8, -2, 0)


@given(
    cents=st.integers(0, 100_000),
    count=st.integers(-50, 50).filter(bool),
    strikes=st.sampled_from(["55P/65C", "60 straddle", "50P/55P/65C/70C", "50/60/70 iron fly", "55/60/65P"]),
)
def test_the_price_of_a_package_is_exact_as_a_whole(cents: int, count: int, strikes: str) -> None:
    price = Decimal(cents) / 100
    cash = money(f"{count} KO 12/18 {strikes} @ {price}")
    assert abs(cash) == price * abs(count)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("-1 KO 12/18 55P/65C condor", "the strikes are no condor but a strangle"),
        ("-1 KO 12/18 50P/55P/65C/70C strangle", "no strangle but an iron condor"),
        ("-1 KO 12/18 60P strangle", "there is one leg only"),
        ("-1 KO261218P00060000 vertical", "one leg is no vertical"),
        ("-1 KO 12/18 55/60/65 strangle", "a strangle without rights has 2 strikes"),
        ("-1 KO 12/18 50P/55P/60P/65C", "no package known here"),
        ("-1 KO 12/18 50P/66P/65C/70C", "the puts lie below the calls"),
        ("-1 KO 12/18 60P/60P", "the same contract"),
        ("-1 KO 12/18 60P/65C/", "cannot be read"),
        ("-1 KO 12/18 55P/65C @ 2 db", "this strangle is a credit, not a debit"),
        ("1 KO 12/18 50/60/65C @ 1", "unequal wings"),
        ("-1 KO 12/18 60P +1 KO 12/18 55P @ 0.75", "the last leg's or the whole's"),
        ("-1 KO 12/18 60P +1 KO 12/18 55P net 0.75", "after net"),
        ("-1 KO 12/18 60P @ 1 +1 KO 12/18 55P @ 2 net 0.75 cr", "either every leg"),
        ("-1 KO 12/18 60P net 0.75 cr", "several legs"),
        ("-1 KO 12/18 60P -1 KO 12/18 55P net 0.75 db", "a debit needs a leg that is bought"),
        ("50 KO -1 KO 12/18 65C net 59 db", "shares by the hundred"),
        ("-1 KO 12/18 55P/65C +1 KO 12/18 70C", "a package and further legs"),
        ("-1.5 KO 12/18 55P/65C", "contracts come whole"),
    ],
)
def test_packages_that_are_none(typed: str, words: str) -> None:
    assert words in reason(typed)


def test_several_legs_in_one_line_each_with_its_price() -> None:
    typed = "-1 KO 12/18 60P @ 1.15 +1 KO 12/18 55P @ 0.40"
    assert texts(typed) == ["-1 KO 2026-12-18 60P @ 1.15", "1 KO 2026-12-18 55P @ 0.4"]
    first, second = parse_notation(typed, ASOF).legs
    assert first.group == second.group != ""


def test_entries_of_their_own_never_share_a_group() -> None:
    twice = parse_notation("-1 KO 12/18 55P/65C @ 2\n-1 KO 12/18 55P/65C @ 2", ASOF).legs
    assert len({leg.group for leg in twice}) == 2
    again = parse_notation("-1 KO 12/18 55P/65C @ 2", ASOF).legs
    assert again[0].group == twice[0].group
    named = parse_notation("-1 KO 12/18 55P/65C\n100 KO", ASOF, "7f").legs
    assert [leg.group for leg in named] == ["7f.1", "7f.1", ""]


@given(legs)
def test_the_text_of_a_leg_is_that_leg_again(leg: Leg) -> None:
    reading = parse_notation(leg.text, ASOF)
    assert not reading.rejected
    assert reading.legs == (leg,)


@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["-1", "KO", "12/18", "55P/65C", "@", "net", "cr", "sto", "\u2212", "60", "Dec", ";"]
            ),
            st.text(),
        )
    )
)
def test_nothing_typed_raises(words: list[str]) -> None:
    reading = parse_notation(" ".join(words), ASOF)
    assert reading.accepted or reading.rejected
    assert all(each.reason.isprintable() and len(each.reason) < 150 for each in reading.rejected)
