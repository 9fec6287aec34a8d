"""/screen, /vrp and /why as a person in a channel uses them."""

from __future__ import annotations

import pytest
import simcord

from bot.inputs import MAX_CHOICE_NAME, MAX_CHOICES, TICKER_RULE
from engine.market.simulated import SimulatedMarket
from engine.rules import Listing
from tests.bot.conftest import SESSION, SYMBOLS, Clock, MakeBot, World, discord_around, labels_of, text_of


async def test_the_screen_is_public_and_ranked(world: World) -> None:
    answer = await world.ask("screen")
    assert not answer.ephemeral
    text = text_of(answer)
    assert answer.embeds[0].title == "SIMULATED · Closing screen · Wed 31 Dec 2025"
    assert "lens quarterly, profile balanced" in text
    assert f"of {len(SYMBOLS)} names" in text
    assert "information, not advice" in text
    assert {"Full list CSV", "Method"} <= set(labels_of(answer))


async def test_every_list_line_is_a_name_that_passes(world: World) -> None:
    official = (await world.bot.service.screen()).screen
    answer = await world.ask("screen")
    description = answer.embeds[0].description or ""
    lines = description.split("```")[1].strip("\n").splitlines()[1:]
    assert [line.split()[1] for line in lines] == [row.symbol for row in official.passed]
    assert lines, "the market of this test is made so that some name passes"


@pytest.mark.parametrize("profile", ["balanced", "high_quality", "broad", "aggressive", "selective", "wide"])
async def test_each_profile_judges_and_says_so(world: World, profile: str) -> None:
    assert f"profile {profile.replace('_', chr(92) + '_')}" in text_of(
        await world.ask("screen", profile=profile)
    )


@pytest.mark.parametrize("lens", ["quarterly", "yearly", "consensus"])
async def test_each_lens_judges_and_says_so(world: World, lens: str) -> None:
    assert f"lens {lens}" in text_of(await world.ask("screen", lens=lens))


async def test_a_looser_profile_never_lists_fewer(world: World) -> None:
    await world.ask("screen", profile="aggressive")
    balanced = (await world.bot.service.screen()).screen
    aggressive = (await world.bot.service.screen("aggressive")).screen
    assert {row.symbol for row in balanced.passed} <= {row.symbol for row in aggressive.passed}


async def test_a_profile_is_taken_whatever_its_case(world: World) -> None:
    assert "profile broad" in text_of(await world.ask("screen", profile=" Broad "))


@pytest.mark.parametrize(
    ("universe", "kind", "spoken"),
    [("equities", "equity", "Only single equities"), ("etfs", "etf", "Only ETFs")],
)
async def test_the_universe_narrows_the_list(world: World, universe: str, kind: str, spoken: str) -> None:
    answer = text_of(await world.ask("screen", universe=universe))
    rows = (await world.bot.service.screen()).screen.rows
    assert spoken in answer
    assert f"of {sum(row.text('asset_class') == kind for row in rows)} names" in answer


async def test_a_sector_narrows_the_list_and_combines_with_the_universe(world: World) -> None:
    answer = text_of(await world.ask("screen", sector="energy", universe="equities"))
    assert "Only single equities, sector Energy" in answer
    assert "of 2 names" in answer


async def test_an_empty_combination_is_one_sentence(world: World) -> None:
    answer = await world.ask("screen", sector="Bonds", universe="equities")
    assert answer.ephemeral
    assert "No name of this run is of that kind and sector" in text_of(answer)


@pytest.mark.parametrize("typed", ["AAPL", "aapl", " aapl ", "$AAPL", "$aapl"])
async def test_vrp_takes_a_ticker_as_people_type_it(world: World, typed: str) -> None:
    answer = await world.ask("vrp", symbol=typed)
    assert not answer.ephemeral
    assert answer.embeds[0].title == "SIMULATED · AAPL · Apple Inc."


async def test_vrp_shows_its_chart_inside_the_embed(world: World) -> None:
    answer = await world.ask("vrp", symbol="AAPL")
    assert (answer.embeds[0].image.url or "").endswith("vrp.png")
    assert labels_of(answer) == ["Why AAPL", "Method"]
    assert "n=65" in text_of(answer)


async def test_why_shows_every_gate(world: World) -> None:
    row, _ = await world.bot.service.row("KO")
    answer = await world.ask("why", symbol="KO")
    table = (answer.embeds[0].description or "").split("```")[1]
    marks = [line[0] for line in table.strip("\n").splitlines() if line[:2] in ("+ ", "- ", "? ")]
    assert len(marks) == len(row.gates) + len(row.tags)
    assert not answer.ephemeral


@pytest.mark.parametrize("command", ["vrp", "why"])
async def test_a_name_without_data_says_why(world: World, command: str) -> None:
    rows = (await world.bot.service.screen()).screen.rows
    lacking = next((row for row in rows if row.text("missing_reason")), None)
    if lacking is None:
        pytest.skip("every name of this session could be measured")
    answer = text_of(await world.ask(command, symbol=lacking.symbol))
    assert f"Could not be measured: {lacking.text('missing_reason')}" in answer


@pytest.mark.parametrize("command", ["vrp", "why"])
async def test_an_unknown_ticker_gets_suggestions_privately(world: World, command: str) -> None:
    answer = await world.ask(command, symbol="APPL")
    assert answer.ephemeral
    text = text_of(answer)
    assert "APPL is not in this run's universe." in text
    assert "AAPL" in text


HOSTILE = [
    "A" * 300,
    "@everyone",
    "<@123456789012345678>",
    "<@&123456789012345678>",
    "**bold** ||spoiler||",
    "[click](https://example.org)",
    "`code` ```block```",
    "AAPL; DROP TABLE runs",
    "\u202eLPAA",
    "😀",
    "   ",
    "-",
]


async def test_what_cannot_be_a_ticker_gets_one_sentence(world: World) -> None:
    for typed in HOSTILE:
        await world.rest()
        answer = await world.ask("vrp", symbol=typed)
        assert answer.ephemeral, typed
        assert TICKER_RULE in text_of(answer), typed
        assert_nothing_echoed(answer, typed)


@pytest.mark.parametrize(
    ("command", "option"), [("screen", "profile"), ("screen", "sector"), ("method", "metric")]
)
async def test_every_text_option_refuses_without_an_echo(world: World, command: str, option: str) -> None:
    for typed in HOSTILE:
        await world.rest()
        answer = await world.ask(command, **{option: typed})
        assert_nothing_echoed(answer, typed)
        if command == "method" and not typed.strip():
            continue  # a blank asks for the overview
        assert answer.ephemeral, typed
        assert "no such" in text_of(answer), typed


def assert_nothing_echoed(answer: simcord.ResponseMessage, typed: str) -> None:
    if len(typed.strip()) > 3:
        assert typed not in text_of(answer)
        assert "DROP TABLE" not in text_of(answer)


async def test_completion_offers_the_majors_first(world: World) -> None:
    offered = await world.visitor.autocomplete(world.channel, "vrp", "symbol", "")
    assert len(offered) == MAX_CHOICES
    assert [choice["value"] for choice in offered[:3]] == ["SPY", "QQQ", "IWM"]


@pytest.mark.parametrize(
    ("typed", "expected"),
    [("aa", "AAPL"), ("apple", "AAPL"), ("$ko", "KO"), ("coca", "KO"), ("APPL", "AAPL"), ("energy", "XLE")],
)
async def test_completion_finds_tickers_and_companies(world: World, typed: str, expected: str) -> None:
    offered = await world.visitor.autocomplete(world.channel, "why", "symbol", typed)
    assert expected in [choice["value"] for choice in offered]


@pytest.mark.parametrize(
    ("command", "option"),
    [("vrp", "symbol"), ("why", "symbol"), ("screen", "profile"), ("screen", "sector"), ("method", "metric")],
)
async def test_completion_stays_within_the_limits(world: World, command: str, option: str) -> None:
    for typed in ("", "a", "e", "x" * 300, "@everyone", "\\", "("):
        offered = await world.visitor.autocomplete(world.channel, command, option, typed)
        assert len(offered) <= MAX_CHOICES
        assert all(1 <= len(choice["name"]) <= MAX_CHOICE_NAME for choice in offered)
        assert all(1 <= len(choice["value"]) <= 100 for choice in offered)


async def test_an_option_left_to_the_list_is_refused_by_discord_itself(world: World) -> None:
    names = {command["name"]: command for command in world.bot.tree.payload()}
    options = {option["name"]: option for option in names["screen"]["options"]}
    assert [choice["value"] for choice in options["universe"]["choices"]] == [
        *("all", "equities", "etfs", "watchlist")
    ]
    assert [choice["value"] for choice in options["lens"]["choices"]] == ["quarterly", "yearly", "consensus"]


async def test_the_look_ups_work_in_a_direct_message(world: World) -> None:
    await world.visitor.send_dm("hello")
    answer = (await world.visitor.user.slash("vrp", symbol="KO")).response
    assert "KO" in text_of(answer)


async def test_a_stopped_run_says_so_and_ranks_nothing(
    make_bot: MakeBot, clock: Clock, listings: tuple[Listing, ...]
) -> None:
    without = SimulatedMarket(listings, SESSION, without_benchmark=True)
    async with discord_around(make_bot(without), clock) as world:
        screen = await world.ask("screen")
        assert not screen.ephemeral
        assert "Run stopped" in text_of(screen)
        assert "SPY has no valid price" in text_of(screen)
        assert "```" not in text_of(screen)
        single = await world.ask("vrp", symbol="AAPL")
        assert single.ephemeral
        assert "SPY has no valid price" in text_of(single)
