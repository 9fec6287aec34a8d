"""/scorecard and its figures beside /why and /method, over a simulated market with a settled past."""

from __future__ import annotations

import csv
import io
import math
import sqlite3
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.market.snapshot import Snapshot
from engine.record.store import Store
from engine.rules import Rules
from tests.bot.conftest import (
    PAST,
    SESSION,
    Clock,
    MakeBot,
    Played,
    World,
    answer_of,
    discord_around,
    labels_of,
    text_of,
)

HORIZON = 21
LAST_SETTLED = date(2025, 12, 1)
"""21 sessions before 31 December 2025, Christmas Day between."""


def few(rules: Rules) -> Rules:
    """Rules that call two independent outcomes enough."""
    return rules.model_copy(update={"proof": rules.proof.model_copy(update={"evidence_least_n": 2})})


@pytest.fixture
async def lenient(make_bot: MakeBot, rules: Rules, clock: Clock) -> AsyncIterator[World]:
    async with discord_around(make_bot(rules=few(rules)), clock) as world:
        yield world


async def rows_of(answer: Any) -> dict[str, dict[str, str]]:
    """The attached file by group."""
    (file,) = [each for each in answer.attachments if each.filename.endswith(".csv")]
    read = csv.DictReader(io.StringIO((await file.read()).decode()))
    return {f"{row['kind']} {row['name']}": row for row in read}


def gaps_by_hand(database: Path, market: Snapshot, symbol: str) -> list[float]:
    """IV30 less the movement of the next 21 sessions, from the stored closes and the market's own prices."""
    history = market.history
    closes = history[history["symbol"] == symbol].set_index("date")["close"].sort_index()
    days = [day.date() for day in closes.index]
    with Store.open(database) as store:
        points = store.history(symbol, "simulated", before=SESSION + timedelta(days=1))
    gaps = []
    for point in points:
        start = days.index(point.session)
        window = closes.to_numpy()[start : start + HORIZON + 1]
        iv30 = point.values["iv30"]
        if len(window) == HORIZON + 1 and isinstance(iv30, float):
            moves = np.diff(np.log(window))
            gaps.append(iv30 - math.sqrt(252.0 * float(np.mean(moves**2))))
    return gaps


async def test_the_scorecard_is_public_and_says_what_it_is_worth(world: World) -> None:
    answer = await world.ask("scorecard")
    assert not answer.ephemeral
    text = text_of(answer)
    assert "SIMULATED · Scorecard · all time" in text
    assert "observations (a name at a close) that are over, " in text
    assert "A small sample: worth" in text
    for group in ("both gates*", "struct. only*", "neither*", "listed*", "RICH*", "universe*", "SPY*"):
        assert group in text
    assert "left the list within 10 sessions: quarterly" in text
    assert "It is no claim of profit" in text
    assert "Closes of Mon 29 Sep 2025 to Mon 1 Dec 2025" in text
    assert labels_of(answer) == ["Method", "Effective n", "Groups", "Whipsaw"]
    assert (answer.embeds[0].image.url or "").endswith("SIMULATED_scorecard_overview.png")


async def test_the_figures_of_a_name_are_those_worked_out_by_hand(
    world: World, filled: Path, played: Played
) -> None:
    answer = await world.ask("scorecard", by="symbol")
    rows = await rows_of(answer)
    assert len([key for key in rows if key.startswith("group ")]) > 20
    for symbol in ("SPY", "AAPL", "AMD"):
        gaps = gaps_by_hand(filled, played.market, symbol)
        row = rows[f"group {symbol}"]
        assert int(row["n"]) == len(gaps) == PAST - HORIZON + 1
        assert float(row["mean_gap"]) == pytest.approx(np.mean(gaps), abs=1e-12)
        assert float(row["median_gap"]) == pytest.approx(np.median(gaps), abs=1e-12)
        assert float(row["worst"]) == pytest.approx(min(gaps), abs=1e-12)
        assert float(row["hit_rate"]) == pytest.approx(np.mean(np.array(gaps) > 0))
    assert rows["baseline SPY"]["mean_gap"] == rows["group SPY"]["mean_gap"]


async def test_groups_and_windows_can_be_chosen(world: World) -> None:
    regime = text_of(await world.ask("scorecard", by="regime", window="quarter"))
    assert "by regime, last quarter (63 sessions)" in regime
    assert "ZONE\n" in regime
    gate = text_of(await world.ask("scorecard", by="gate", window="year"))
    assert "+ slippage" in gate
    assert "Names that pass both premium gates: hit" in gate
    assert "The picture shows the first 14 of " in gate
    assert "The picture shows" not in regime


async def test_its_words_are_explained_by_its_buttons(world: World) -> None:
    answer = await world.ask("scorecard", by="signal")
    words = {"Method": "Premium captured", "Groups": "Scorecard groups", "Whipsaw": "Whipsaw"}
    for label, word in words.items():
        pressed = answer_of(await world.press(answer, label))
        assert pressed.ephemeral
        assert f"Method · {word}" in text_of(pressed)


async def test_before_the_first_outcome_it_says_when_that_comes(
    make_bot: MakeBot, clock: Clock, tmp_path: Path
) -> None:
    async with discord_around(make_bot(path=tmp_path / "new.db"), clock) as world:
        text = text_of(await world.ask("scorecard"))
        assert "No outcome yet: it is known 21 sessions after a name's official close." in text
        assert "1 official close is stored (Wed 31 Dec 2025)." in text
        assert "The first outcome is known after the close of Mon 2 Feb 2026." in text
        assert "observations wait for theirs." in text
        why = text_of(await world.ask("why", symbol="KO"))
        assert "Own record" not in why
        assert "outcomes on record" not in why


async def test_why_counts_what_is_too_little_to_be_quoted(world: World) -> None:
    text = text_of(await world.ask("why", symbol="KO"))
    assert "Too few outcomes on record to quote: " in text
    assert "of 30" in text
    assert "Own record" not in text


async def test_why_and_method_quote_the_scorecards_own_figures(lenient: World) -> None:
    rows = await rows_of(await lenient.ask("scorecard"))
    universe = rows["baseline universe"]
    said = f"the universe: hit {100 * float(universe['hit_rate']):.0f} %"
    why = text_of(await lenient.ask("why", symbol="KO"))
    assert f"**Own record**, SIMULATED, 21 sessions on (hit: moved less than IV30 said); {said}" in why
    assert "signal " in why
    method = text_of(await lenient.ask("method", metric="Zone"))
    zone = rows["group normal"]
    low, high = (round(100 * float(zone[end])) for end in ("ci_low", "ci_high"))
    line = next(each for each in method.splitlines() if each.startswith("normal"))
    assert line.split()[1:4] == [zone["n"], f"{100 * float(zone['hit_rate']):.0f}", f"{low}-{high}"]
    assert "SIMULATED market" in method
    await lenient.rest()
    assert "What became of them" not in text_of(await lenient.ask("method", metric="IV30"))


async def test_a_record_that_cannot_be_read_keeps_no_answer_back(world: World, database: Path) -> None:
    await world.ask("screen")
    with sqlite3.connect(database) as file:
        file.execute("DROP TABLE outcome_days")
    file.close()
    text = text_of(await world.ask("why", symbol="KO"))
    assert "tactical" in text
    assert "outcomes on record" not in text


async def test_a_damaged_close_keeps_no_answer_back_and_is_named(world: World, database: Path) -> None:
    await world.ask("screen")
    with sqlite3.connect(database) as file:
        file.execute("DELETE FROM scorecards")
        file.execute("UPDATE outcome_days SET body = x'00ff'")
    file.close()
    text = text_of(await world.ask("why", symbol="KO"))
    assert "tactical" in text
    assert "outcomes on record" not in text
    answer = await world.ask("scorecard")
    assert answer.ephemeral
    assert "The record or the market data cannot be read just now." in text_of(answer)


async def test_figures_that_take_too_long_are_left_out_and_there_the_next_time(make_bot: MakeBot) -> None:
    proof = make_bot().answers.proof
    proof.patience = 0.0
    assert await proof.evidence("simulated") is None
    proof.patience = 60.0
    found = await proof.evidence()
    assert found is not None
    assert found.simulated
    assert found.card.last == LAST_SETTLED


async def test_the_weekly_post_tells_what_the_week_settled(
    world: World, filled: Path, played: Played
) -> None:
    await world.ask("screen")
    proof = world.bot.answers.proof
    # Five closes since: 24 (half a day), 26, 29, 30 and 31 December; Christmas Day is none.
    card = await proof.weekly(SESSION, date(2025, 12, 23), "de")
    rows = await rows_of(await world.ask("scorecard", by="symbol"))
    measured = [key.removeprefix("group ") for key in rows if key.startswith("group ") and "all" not in key]
    last = {symbol: gaps_by_hand(filled, played.market, symbol)[-5:] for symbol in measured}
    every = [gap for gaps in last.values() for gap in gaps]
    hits = sum(gap > 0 for gap in every)
    assert card.headline.startswith(
        f"{len(every)} outcomes became known since Tue 23 Dec 2025: {100 * hits / len(every):.0f} % hits"
    )
    best = max(last, key=lambda symbol: max(last[symbol]))
    worst = min(last, key=lambda symbol: min(last[symbol]))
    said = [each for each in card.details if each.startswith(("**Best**", "**Worst**"))]
    assert said[0].startswith(f"**Best** {best} +{100 * max(last[best]):.2f}".replace(".", ","))
    assert said[1].startswith(f"**Worst** {worst} {100 * min(last[worst]):.2f}".replace(".", ","))
    assert card.title == "SIMULATED · Scorecard of the week · Wed 31 Dec 2025"


async def test_a_week_without_outcomes_says_when_the_next_come(world: World) -> None:
    await world.ask("screen")
    card = await world.bot.answers.proof.weekly(SESSION, SESSION, None)
    assert card.headline == "No outcome became known since Wed 31 Dec 2025."
    assert card.details[0] == "The next outcomes are known after the close of Fri 2 Jan 2026."
