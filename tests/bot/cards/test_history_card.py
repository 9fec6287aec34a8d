"""One name's past as a card and a picture: what is missing stays missing, what was imported is named."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from bot.cards import drawing
from bot.cards.card import TABLE_WIDTH, Card
from bot.cards.embed import DESCRIPTION_LIMIT, to_message
from bot.cards.history_card import history_card
from bot.cards.history_chart import IMPORTED_COLOUR, describe_history, history_chart
from engine.record.names import NameClose, NameHistory, Standing
from engine.rules import load_rules
from tests.conftest import ROOT

RULES = load_rules(ROOT / "config")
FIRST = date(2025, 6, 2)


def own(day: int, iv30: float | None = 0.3, **values: Any) -> NameClose:
    """A close so many days after the first."""
    measured: dict[str, Any] = {
        "iv30": iv30,
        "iv_method": "interpolated",
        "hv30": 0.2,
        "vrp_structural": 1.4,
        "vrp_tactical": 1.5,
        "structural_252": 0.9,
        "tactical_20": 1.0,
        "passed": False,
    }
    run = {"run_id": 40 + day, "profile": "balanced", "lens": "quarterly", "engine_version": "0.1.0"}
    rules_hash = values.pop("rules_hash", "aaaa")
    session = FIRST + timedelta(days=day)
    return NameClose(
        session, iv30, measured | values, (), False, "yahoo", 1, True, rules_hash=rules_hash, **run
    )


def brought(day: int, iv30: float = 0.25, origin: str = "ibkr") -> NameClose:
    return NameClose(FIRST + timedelta(days=day), iv30, {}, (), True, origin, 1)


def past(*closes: NameClose, **parts: Any) -> NameHistory:
    latest = next((close for close in reversed(closes) if close.iv30 is not None), None)
    standing = None
    if latest is not None and latest.iv30 is not None:
        standing = Standing(latest.session, latest.iv30, 61.4, 73.2, 252, 0, 60, 0.18, 0.41)
    history = NameHistory("AAPL", "Apple Inc.", "live", "year", closes, standing, (), 0)
    return replace(history, **parts)


def text_of(card: Card) -> str:
    return "\n".join((card.headline, card.table, card.sentence, *card.details, card.asof))


def pixels(data: bytes, colour: str) -> int:
    wanted = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])
    return int((np.asarray(Image.open(BytesIO(data))) == wanted).all(axis=2).sum())


def test_the_numbers_of_a_whole_year() -> None:
    closes = [own(day, passed=day in (2, 3, 5, 6, 7)) for day in range(10)]
    card = history_card(past(*closes), RULES)
    assert card.title == "History AAPL · Apple Inc."
    assert card.headline == "Mon 2 Jun 2025 to Wed 11 Jun 2025: 10 own closes"
    assert card.table.splitlines() == [
        "IV30 %          30.0  on 2025-06-11",
        "IV rank         61",
        "IV percentile   73  n=252",
        "Year's range %  18.0 to 41.0",
        "HV30 %          20.0",
        "Structural      1.40  IV30/HV90",
        "Tactical        1.50  IV30/HV30",
        "Listed          5 of 10 days measured",
    ]
    assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())
    assert "**Last listed** Sat 7 Jun 2025 to Mon 9 Jun 2025, 3 closes" in card.details
    assert "**IV30 by method** interpolated 10" in card.details
    assert card.sentence == ""
    assert "own closes only" in card.asof
    assert "changed" not in text_of(card)


def test_the_yearly_lens_shows_its_own_ratios() -> None:
    table = history_card(past(own(0)), RULES.using(lens="yearly")).table
    assert "Structural      0.90  IV30/HV252" in table
    assert "Tactical        1.00  IV30/HV20" in table


def test_imports_are_counted_by_source_and_stand_for_themselves() -> None:
    history = past(brought(0), brought(1), brought(2, origin="**desk**"), own(3, iv30=None), brought(4))
    assert history.standing is not None
    history = replace(
        history, standing=replace(history.standing, n=12, imported=12, rank=None, percentile=None)
    )
    card = history_card(history, RULES)
    text = text_of(card)
    assert "1 own close, 4 imported" in card.headline
    assert "IV percentile   ?  n=12 of 60" in text
    assert "The record is short: n=12 of 60" in card.sentence
    assert "12 of the 12 values behind rank and percentile were imported" in card.sentence
    assert "ibkr 3 · \\*\\*desk\\*\\* 1" in text
    assert "HV30 %          20.0  on 2025-06-05" in text
    assert "0 of 0 days measured" in text
    alone = history_card(past(brought(0)), RULES)
    assert [button.label for button in alone.buttons] == ["Method"]
    assert "HV30" not in alone.table


def test_changes_of_rules_corrections_and_earnings_are_told() -> None:
    closes = [own(day, rules_hash="aaaa" if day < 4 else "bbbb") for day in range(8)]
    history = past(*closes, corrected=2, earnings=(date(2025, 6, 4),))
    details = history_card(history, RULES).details
    assert "**Rules changed** aaaa from Mon 2 Jun 2025 · bbbb from Fri 6 Jun 2025" in details
    assert "**Corrected later** 2 closes; what was stored before stays in the record" in details
    assert "**Earnings reported** Wed 4 Jun 2025" in details
    assert not [line for line in details if line.startswith("**Engine")]


def test_without_any_volatility_there_is_no_picture() -> None:
    card = history_card(past(own(0, iv30=None, hv30=None)), RULES)
    assert card.image is None
    assert card.sentence == "No IV30 of this name could be measured on these days."


SHAPES: dict[str, Callable[[], NameHistory]] = {
    "one": lambda: past(own(0)),
    "short": lambda: past(*(own(day) for day in range(5))),
    "year": lambda: past(*(own(day, iv30=0.2 + day / 5000) for day in range(0, 365, 2))),
    "imports": lambda: past(*(brought(day) for day in range(80))),
    "ten years": lambda: past(*(own(day, passed=day % 50 < 9) for day in range(0, 3650, 2))),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_valid_picture_whatever_the_record_holds(shape: str) -> None:
    data = history_chart(SHAPES[shape](), RULES)
    image = Image.open(BytesIO(data))
    assert (image.format, image.size) == ("PNG", (840, 420))
    assert image.convert("RGB").getpixel((2, 2)) == (0x2B, 0x2D, 0x31)
    assert 4_000 < len(data) < 300_000


def test_imports_listed_days_earnings_and_the_mark_are_seen() -> None:
    closes = [
        *(brought(day) for day in range(60)),
        *(own(day, iv30=0.3 + day / 900) for day in range(60, 150)),
    ]
    plain = history_chart(past(*closes), RULES)
    assert pixels(plain, IMPORTED_COLOUR) > 40
    assert pixels(plain, drawing.IV_COLOUR) > 100
    assert pixels(plain, drawing.SIMULATED_COLOUR) == 0
    assert pixels(history_chart(past(*closes[60:]), RULES), IMPORTED_COLOUR) == 0
    simulated = past(*closes, realm="simulated")
    assert pixels(history_chart(simulated, RULES), drawing.SIMULATED_COLOUR) > 100
    assert describe_history(simulated, RULES).startswith("SIMULATED market. AAPL: 150 stored closes")
    listed = [
        close if close.imported else replace(close, values={**close.values, "passed": True})
        for close in closes
    ]
    shaded = history_chart(past(*listed), RULES)
    assert pixels(plain, drawing.BACKGROUND) - pixels(shaded, drawing.BACKGROUND) > 20_000
    marked = history_chart(past(*closes, earnings=(FIRST + timedelta(days=100),)), RULES)
    assert marked != plain


def test_a_hole_of_over_a_week_breaks_the_lines() -> None:
    whole = past(*(own(day) for day in range(120)))
    holed = past(*(own(day) for day in range(120) if not 40 <= day < 80))
    missing = past(*(own(day, None if 40 <= day < 80 else 0.3) for day in range(120)))
    count = pixels(history_chart(whole, RULES), drawing.IV_COLOUR)
    for other in (holed, missing):
        assert pixels(history_chart(other, RULES), drawing.IV_COLOUR) < 0.8 * count


values = st.none() | st.floats(allow_nan=True, allow_infinity=True)
closes = st.lists(st.tuples(st.booleans(), values, values, values, st.booleans()), min_size=1, max_size=60)


@settings(max_examples=25, deadline=None)
@given(closes, st.integers(1, 30), st.text(max_size=40))
@example([(False, None, -1.0, None, False)], 1, "")
def test_no_record_breaks_card_or_picture(
    found: list[tuple[bool, float | None, float | None, float | None, bool]], step: int, text: str
) -> None:
    told = [
        brought(place * step, 0.2 if iv30 is None or not math.isfinite(iv30) else iv30, text)
        if imported
        else own(place * step, iv30, hv30=hv30, vrp_tactical=ratio, passed=passed, iv_method=text)
        for place, (imported, iv30, hv30, ratio, passed) in enumerate(found)
    ]
    card = history_card(past(*told, symbol=text or "X", company=text), RULES)
    embed = to_message(card)["embeds"][0]
    assert len(embed.description) <= DESCRIPTION_LIMIT
    assert all(len(line) <= TABLE_WIDTH for line in card.table.splitlines())
