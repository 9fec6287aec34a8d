"""/watch as a person uses it: every name answered for, every answer private."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pytest

from bot.inputs import MAX_CHOICE_NAME, MAX_CHOICES
from bot.limits import LIMITS
from bot.people.imports import LARGEST
from bot.people.watchlists import MOST
from engine.errors import SnapshotError
from engine.market.snapshot import Progress, Snapshot
from engine.panel import Kind
from tests.bot.conftest import (
    SYMBOLS,
    Clock,
    MakeBot,
    Played,
    World,
    answer_of,
    discord_around,
    labels_of,
    text_of,
)
from tests.bot.test_market_commands import HOSTILE


def kept(world: World) -> list[str]:
    """What the file holds for the visitor."""
    return world.bot.answers.watchlists.symbols(world.visitor.id)


async def told(world: World, command: str, **options: Any) -> str:
    """The words of an answer that must be private."""
    answer = await world.ask(command, **options)
    assert answer.ephemeral
    return text_of(answer)


async def test_add_answers_for_each_name(world: World) -> None:
    text = await told(world, "watch add", symbols="ko, $AAPL brk_b APPL KO")
    assert kept(world) == ["KO", "AAPL"]
    assert "2 of 50 names" in text
    assert "Added:** KO, AAPL" in text
    assert "entry 3: brk?b is no ticker" in text
    assert "entry 4: APPL is not in the universe; did you mean AAPL" in text
    assert "1 repetition" in text
    again = await told(world, "watch add", symbols="AAPL SPY")
    assert "Already on it:** AAPL" in again
    assert kept(world) == ["KO", "AAPL", "SPY"]


async def test_what_is_no_list_gets_one_sentence_without_an_echo(world: World) -> None:
    for typed in [*HOSTILE, ",,,"]:
        await world.rest()
        text = await told(world, "watch add", symbols=typed)
        assert set(kept(world)) <= {"AAPL"}, typed
        assert any(said in text for said in ("no ticker", "no name", "formula", "not in the universe")), typed
        if len(typed.strip()) > 3:
            assert typed not in text


async def test_a_full_list_says_what_found_no_room(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(), clock) as world:
        lists = world.bot.answers.watchlists
        lists.add(world.visitor.id, [f"N{number}" for number in range(MOST - 1)], world.bot.now())
        text = await told(world, "watch add", symbols="KO AAPL SPY")
        assert "Added:** KO" in text
        assert "No room, 50 names is the limit:** AAPL, SPY" in text
        assert len(kept(world)) == MOST


async def test_remove_says_what_was_not_on_the_list(world: World) -> None:
    await world.ask("watch add", symbols="KO AAPL SPY")
    text = await told(world, "watch remove", symbols="spy, DIS ko @x")
    assert "Removed:** SPY, KO" in text
    assert "Not on it:** DIS" in text
    assert "entry 4" in text
    assert kept(world) == ["AAPL"]


async def test_remove_completes_from_the_own_list_word_by_word(world: World) -> None:
    assert await world.visitor.autocomplete(world.channel, "watch remove", "symbols", "") == []
    await world.ask("watch add", symbols="XLK KO XLE")

    async def offered(typed: str) -> list[Any]:
        found = await world.visitor.autocomplete(world.channel, "watch remove", "symbols", typed)
        return [choice["value"] for choice in found]

    assert await offered("") == ["XLK", "KO", "XLE"]
    assert await offered("xl") == ["XLK", "XLE"]
    assert await offered("KO, x") == ["KO, XLK", "KO, XLE"]
    assert await offered("q") == []


async def test_add_completes_the_last_word(world: World) -> None:
    found = await world.visitor.autocomplete(world.channel, "watch add", "symbols", "KO app")
    assert found[0]["value"] == "KO AAPL"
    for typed in ("", "x" * 300, "KO " * 60, "KO " * 32 + "a", "@everyone ,"):
        offered = await world.visitor.autocomplete(world.channel, "watch add", "symbols", typed)
        assert len(offered) <= MAX_CHOICES
        assert all(1 <= len(choice["name"]) <= MAX_CHOICE_NAME for choice in offered)
        assert all(1 <= len(choice["value"]) <= 100 for choice in offered)


async def test_list_shows_how_each_name_stands(world: World) -> None:
    screen = (await world.bot.service.screen()).screen
    passing = screen.passed[0]
    failing = next(row for row in screen.rows if row.failed and not row.text("missing_reason"))
    lists = world.bot.answers.watchlists
    lists.add(world.visitor.id, [failing.symbol, "NEWCO", passing.symbol], world.bot.now())
    answer = await world.ask("watch list")
    assert answer.ephemeral
    lines = (answer.embeds[0].description or "").split("```")[1].strip("\n").splitlines()
    assert [line.split()[1] for line in lines[1:]] == [failing.symbol, "NEWCO", passing.symbol]
    assert failing.failed[0].name.split("_")[0] in lines[1]
    assert lines[2].split() == ["-", "NEWCO", "?", "?", "not", "in", "this", "run"]
    assert lines[3].split()[0] == str(passing.rank)
    assert "passes" in lines[3]
    assert f"{100 * (passing.number('iv30') or 0):.1f}" in lines[3]
    assert "Not in this run: NEWCO" in text_of(answer)


async def test_an_empty_list_says_how_to_fill_it(world: World) -> None:
    text = await told(world, "watch list")
    assert "0 of 50 names" in text
    assert "/watch add" in text


async def test_a_whole_list_fits_one_card(world: World) -> None:
    lists = world.bot.answers.watchlists
    lists.add(world.visitor.id, [*SYMBOLS, *(f"NEWCO{n}.XX" for n in range(20))], world.bot.now())
    text = await told(world, "watch list")
    assert len(text.split("```")[1].strip("\n").splitlines()) == 51


async def test_clear_asks_first_and_says_how_many(world: World) -> None:
    await world.ask("watch add", symbols="KO AAPL SPY")
    question = await world.ask("watch clear")
    assert question.ephemeral
    assert "Take 3 names off your watchlist?" in text_of(question)
    assert kept(world) == ["KO", "AAPL", "SPY"]
    assert labels_of(question) == ["Clear 3 names"]
    await world.press(question, "Clear 3 names")
    assert "3 names taken off" in text_of(question)
    assert labels_of(question) == []
    assert kept(world) == []
    assert "empty already" in await told(world, "watch clear")


async def test_the_question_outlives_the_bot(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(), clock) as world:
        await world.ask("watch add", symbols="KO AAPL")
        question = await world.ask("watch clear")
        world.bot.service.close()
        await world.env.restart_bot(world_bot := make_bot())
        await world.press(question, "Clear 2 names")
        assert world_bot.answers.watchlists.symbols(world.visitor.id) == []


async def test_an_old_question_changes_nothing(world: World) -> None:
    await world.ask("watch add", symbols="KO AAPL")
    question = await world.ask("watch clear")
    await world.rest(301)
    refusal = answer_of(await world.press(question, "Clear 2 names"))
    assert refusal.ephemeral
    assert "more than five minutes old" in text_of(refusal)
    assert kept(world) == ["KO", "AAPL"]


async def imported(world: World, name: str, data: bytes | str, **options: Any) -> str:
    body = data.encode() if isinstance(data, str) else data
    return await told(world, "watch import", file=(name, body), **options)


async def test_import_adds_a_file_to_the_list(world: World) -> None:
    await world.ask("watch add", symbols="KO")
    file = "\ufeffAccount,Symbol,Qty\r\nA,AAPL,1\r\nA,=CMD(),2\r\nA,NOPE,3\r\nA,SPY,4\r\n"
    text = await imported(world, "Positions.CSV", file)
    assert kept(world) == ["KO", "AAPL", "SPY"]
    assert "Added:** AAPL, SPY" in text
    assert "line 3: a formula, not a ticker" in text
    assert "line 4: NOPE is not in the universe" in text
    again = await imported(world, "positions.csv", file)
    assert "Already on it:** AAPL, SPY" in again
    assert kept(world) == ["KO", "AAPL", "SPY"]


async def test_import_can_put_the_file_in_the_place_of_the_list(world: World) -> None:
    await world.ask("watch add", symbols="KO SPY")
    await imported(world, "mine.txt", "BA\nKO\n", mode="replace")
    assert kept(world) == ["BA", "KO"]
    text = await imported(world, "mine.txt", "nonsense here\n???\n", mode="replace")
    assert "your list stays as it was" in text
    assert kept(world) == ["BA", "KO"]


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("list.xlsx", b"PK", "end in .csv or .txt"),
        ("list", b"KO", "end in .csv or .txt"),
        ("list.csv", b"PK\x03\x04\x00", "no plain text"),
        ("list.csv", b"\r\n\r\n", "The file is empty"),
        ("list.txt", b"K\n" * (LARGEST // 2 + 1), "I read up to 64 kB"),
    ],
)
async def test_import_refuses_what_is_no_list(world: World, name: str, data: bytes, said: str) -> None:
    assert said in await imported(world, name, data)
    assert kept(world) == []


async def test_many_bad_lines_go_along_as_a_file(world: World) -> None:
    data = "KO\n" + "".join(f"bad name {number}\n" for number in range(40))
    answer = await world.ask("watch import", file=("list.txt", data.encode()))
    assert "and 25 more in the file" in text_of(answer)
    (attachment,) = answer.attachments
    lines = (await attachment.read()).decode().splitlines()
    assert lines[0] == "line 2: bad name 0 is no ticker"
    assert len(lines) == 40


async def test_import_names_what_found_no_room(world: World) -> None:
    lists = world.bot.answers.watchlists
    lists.add(world.visitor.id, [f"N{number}" for number in range(48)], world.bot.now())
    text = await imported(world, "list.csv", "Symbol\nKO\nAAPL\nSPY\nBA\n")
    assert "No room, 50 names is the limit:** SPY, BA" in text
    assert kept(world)[48:] == ["KO", "AAPL"]


async def test_a_file_discord_does_not_hand_over_is_one_sentence(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world.env.backend.cdn, "get", lambda _url: None)
    assert "attach it again" in await imported(world, "list.csv", "KO\n")


async def test_an_empty_box_offers_the_own_names_first(world: World) -> None:
    await world.ask("watch add", symbols="XLK BA")

    async def first(command: str) -> list[Any]:
        offered = await world.visitor.autocomplete(world.channel, command, "symbol", "")
        assert len(offered) == MAX_CHOICES
        return [choice["value"] for choice in offered[:3]]

    assert await first("vrp") == ["XLK", "BA", "SPY"]
    assert await first("why") == ["XLK", "BA", "SPY"]
    await world.ask("watch remove", symbols="XLK")
    assert await first("vrp") == ["BA", "SPY", "QQQ"]


async def test_completion_reads_the_file_once(world: World) -> None:
    await world.ask("watch add", symbols="XLK BA")
    await world.visitor.autocomplete(world.channel, "vrp", "symbol", "")
    world.bot.service.store.close()
    offered = await world.visitor.autocomplete(world.channel, "vrp", "symbol", "")
    assert offered[0]["value"] == "XLK"
    stranger = world.guild.add_member(world.env.create_user("stranger"))
    offered = await stranger.autocomplete(world.channel, "vrp", "symbol", "")
    assert offered[0]["value"] == "SPY", "an unreadable file costs the own names only"


async def test_the_commands_work_in_a_direct_message(world: World) -> None:
    await world.visitor.send_dm("hello")
    answer = (await world.visitor.user.slash("watch add", symbols="KO")).response
    assert "Added:** KO" in text_of(answer)
    assert kept(world) == ["KO"]


@dataclass(frozen=True)
class Anything(Played):
    """A market of this moment: any name may be asked for."""

    def snapshot(self, symbols: Sequence[str] | None = None, progress: Progress | None = None) -> Snapshot:
        return super().snapshot(symbols)

    def is_current(self, asof: datetime) -> bool:
        return True

    def latest_run(self) -> tuple[date, Kind]:
        return self.market.session, self.market.kind

    def troubles(self) -> list[str]:
        return []

    def close(self) -> None:
        return None


async def test_a_live_market_takes_any_ticker_and_says_what_it_does_not_list(
    make_bot: MakeBot, clock: Clock, played: Played
) -> None:
    async with discord_around(make_bot(Anything(played.market)), clock) as world:
        text = await told(world, "watch add", symbols="KO NEWCO not/a/ticker")
        assert kept(world) == ["KO", "NEWCO"]
        assert "/vrp asks for them:** NEWCO" in text
        assert "entry 3" in text


async def test_the_list_can_be_seen_and_changed_while_there_is_no_market(
    make_bot: MakeBot, clock: Clock
) -> None:
    async with discord_around(make_bot(NoMarket()), clock) as world:
        world.bot.answers.watchlists.add(world.visitor.id, ["KO", "BA"], world.bot.now())
        lines = (await told(world, "watch list")).split("```")[1].strip("\n").splitlines()
        assert [line.split()[1] for line in lines[1:]] == ["KO", "BA"], "from the record's latest run"
        assert "Removed:** KO" in await told(world, "watch remove", symbols="KO")
        assert "cannot be read just now" in await told(world, "watch add", symbols="SPY")
        assert kept(world) == ["BA"]


class NoMarket:
    """A provider that has nothing."""

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        raise SnapshotError("nothing there")


@pytest.mark.parametrize("command", ["watch list", "watch clear", "mydata export", "mydata delete"])
async def test_an_unreadable_record_is_one_private_sentence(world: World, command: str) -> None:
    world.bot.service.store.close()
    assert "cannot be read just now" in await told(world, command)


async def test_too_many_changes_have_to_wait_and_say_until_when(world: World) -> None:
    most, seconds = LIMITS["settings"]
    texts = [await told(world, "watch list") for _ in range(int(most) + 1)]
    assert "free for you again <t:" in texts[-1]
    assert "free for you again" not in texts[-2]
    await world.rest(seconds)
    assert "free for you again" not in await told(world, "watch list")


@pytest.mark.parametrize("name", ["watch", "mydata", "privacy"])
async def test_what_is_the_persons_own_works_anywhere(world: World, name: str) -> None:
    (command,) = [each for each in world.bot.tree.payload() if each["name"] == name]
    assert sorted(command["integration_types"]) == [0, 1]
    assert sorted(command["contexts"]) == [0, 1, 2]
