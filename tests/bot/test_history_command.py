"""/history through a simulated Discord: the stored past of one name, own closes and imports told apart."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

from engine.market.sessions import sessions_before
from engine.record.imports import ImportedIv, keep_imports
from engine.record.store import Store
from tests.bot.conftest import (
    PAST,
    SESSION,
    Clock,
    MakeBot,
    World,
    answer_of,
    discord_around,
    labels_of,
    text_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


async def test_a_year_is_public_with_standing_picture_and_ways_on(world: World) -> None:
    answer = await world.ask("history", symbol="$aapl ")
    assert not answer.ephemeral
    text = text_of(answer)
    row, _ = await world.bot.service.row("AAPL")
    assert answer.embeds[0].title == "SIMULATED · History AAPL · Apple Inc."
    assert f"to Wed 31 Dec 2025: {PAST + 1} own closes" in text
    iv30, rank, place = (row.number(column) for column in ("iv30", "iv_rank", "iv_percentile"))
    assert iv30 is not None
    assert rank is not None
    assert place is not None
    # The same numbers the run of that close was judged by.
    assert f"IV30 %          {100 * iv30:.1f}  on 2025-12-31" in text
    assert f"IV rank         {rank:.0f}\n" in text
    assert f"IV percentile   {place:.0f}  n={PAST}" in text
    assert "**IV30 by method**" in text
    assert "Official closes, each as it was judged on its day" in text
    assert (answer.embeds[0].image.url or "").endswith("SIMULATED_history.png")
    assert labels_of(answer) == ["Why AAPL", "Chart AAPL", "Method"]
    why = answer_of(await world.press(answer, "Why AAPL"))
    assert why.ephemeral
    assert "AAPL · Apple Inc." in (why.embeds[0].title or "")


async def test_a_quarter_is_shorter_and_stands_in_the_same_year(world: World) -> None:
    quarter = text_of(await world.ask("history", symbol="KO", window="quarter"))
    assert "Wed 31 Dec 2025: 63 own closes" in quarter
    assert f"n={PAST}" in quarter
    every = text_of(await world.ask("history", symbol="KO", window="all"))
    assert f"{PAST + 1} own closes" in every


async def test_a_short_record_says_how_far_it_is(make_bot: MakeBot, clock: Clock, tmp_path: Path) -> None:
    async with discord_around(make_bot(path=tmp_path / "new.db"), clock) as world:
        text = text_of(await world.ask("history", symbol="AAPL"))
        assert "Wed 31 Dec 2025: 1 own close" in text
        assert "n=0 of 60" in text
        assert "The record is short: n=0 of 60, so rank and percentile are not known." in text


async def test_a_name_never_stored_is_one_private_sentence(world: World) -> None:
    for typed, said in (
        ("APPL", "The record holds no official close of APPL. Did you mean AAPL"),
        ("ZZZZZZZ", "The record holds no official close of ZZZZZZZ."),
    ):
        answer = await world.ask("history", symbol=typed)
        assert answer.ephemeral
        assert said in text_of(answer)
    answer = await world.ask("history", symbol="<@1> ||x||")
    assert "A ticker is 1 to 10 letters" in text_of(answer)


async def test_imports_fill_the_gaps_and_are_told_apart(world: World) -> None:
    earlier = [day.astype(date) for day in sessions_before(SESSION, 200)][:100]
    both = [*earlier, SESSION]
    values = [ImportedIv("AAPL", day, 0.2 + 0.001 * place, "ibkr") for place, day in enumerate(both)]
    keep_imports(world.bot.service.store, values, "simulated", NOW)
    text = text_of(await world.ask("history", symbol="AAPL"))
    assert f"{PAST + 1} own closes, 100 imported" in text
    assert f"n={PAST + 100}" in text
    assert f"100 of the {PAST + 100} values behind rank and percentile were imported" in text
    assert "**Imported IV30**, drawn as dots: ibkr 100" in text
    # Another name of the same record is as it was.
    assert "imported" not in text_of(await world.ask("history", symbol="KO"))


async def test_a_correction_is_told_and_the_standing_close_is_the_later_one(
    make_bot: MakeBot, clock: Clock, database: Path
) -> None:
    with Store.open(database) as store:
        found = store.latest("close")
        assert found is not None
        run_id, screen = found
        body = store.rules(screen.run.rules_hash)
        assert body is not None
        rows = tuple(
            replace(row, values={**row.values, "iv30": 0.777}) if row.symbol == "GM" else row
            for row in screen.rows
        )
        assert store.save(replace(screen, rows=rows), body, official=True) != run_id
    async with discord_around(make_bot(), clock) as world:
        text = text_of(await world.ask("history", symbol="GM"))
        assert "to 77.7\n" in text  # the year's range holds what stands now
        assert "**Corrected later** 1 close; what was stored before stays in the record" in text


async def test_tickers_are_completed(world: World) -> None:
    offered = await world.visitor.autocomplete(world.channel, "history", "symbol", "aap")
    assert offered[0]["value"] == "AAPL"
