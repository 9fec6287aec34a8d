"""/portfolio as a person uses it: what was typed is answered for leg by leg, and nobody else ever sees it."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.inputs import MAX_CHOICE_NAME, MAX_CHOICES
from bot.limits import LIMITS
from engine.portfolio.book import MOST_LEGS, Leg
from tests.bot.conftest import (
    Clock,
    MakeBot,
    World,
    answer_of,
    discord_around,
    labels_of,
    text_of,
)
from tests.bot.people.test_watch_commands import NoMarket
from tests.bot.test_market_commands import HOSTILE
from tests.bot.test_portfolio_import import leaking

STRANGLE = "-2 KO 2026-02-20 55P/65C @ 2.10"
COVERED = "100 AAPL @ 190; -1 AAPL 2026-02-20 210C @ 3"


def kept(world: World, who: Any = None) -> list[str]:
    """What the file holds for somebody."""
    return [leg.text for _, leg in world.bot.portfolios.legs((who or world.visitor).id)]


async def told(world: World, command: str, **options: Any) -> str:
    """The words of an answer that must be private."""
    answer = await world.ask(command, **options)
    assert answer.ephemeral
    return text_of(answer)


async def offered(world: World, typed: str, who: Any = None) -> list[tuple[str, str]]:
    member = who or world.visitor
    found = await member.autocomplete(world.channel, "portfolio remove", "position", typed)
    return [(choice["name"], choice["value"]) for choice in found]


async def test_add_answers_for_each_entry(world: World) -> None:
    text = await told(world, "portfolio add", positions=f"{STRANGLE}; nonsense; -1 ZZZZ 2026-02-20 10P")
    assert "3 legs added, 1 entry refused" in text
    assert text.index("entry 2: ") < text.index("In your book they are")
    assert "Your book, 3 of 500 legs" in text
    assert "KO short strangle x2: -2 KO 2026-02-20 55P @ 1.05, -2 KO 2026-02-20 65C @ 1.05" in text
    assert "entry 2: the quantity is missing" in text
    assert "package price 2.1 credit" in text
    assert "entry 3: open price not known" in text
    assert "Not in this market, so without value here: ZZZZ." in text
    assert kept(world) == [
        "-2 KO 2026-02-20 55P @ 1.05",
        "-2 KO 2026-02-20 65C @ 1.05",
        "-1 ZZZZ 2026-02-20 10P",
    ]


async def test_what_is_added_is_told_as_it_stands_in_the_book(world: World) -> None:
    await world.ask("portfolio add", positions="100 AAPL @ 190")
    text = await told(world, "portfolio add", positions="-1 AAPL 2026-02-20 210C @ 3")
    assert "AAPL covered call: 100 AAPL @ 190, -1 AAPL 2026-02-20 210C @ 3" in text


async def test_two_entries_typed_alike_are_not_taken_for_one(world: World) -> None:
    for _ in range(2):
        await world.ask("portfolio add", positions=STRANGLE)
    groups = [leg.group for _, leg in world.bot.portfolios.legs(world.visitor.id)]
    assert groups[0] == groups[1] != groups[2] == groups[3]


async def test_what_is_no_position_gets_one_sentence_without_an_echo(world: World) -> None:
    for typed in [*HOSTILE, ";;;", "=1+1", "-2 KO 2025-12-18 60P"]:
        await world.rest()
        text = await told(world, "portfolio add", positions=typed)
        assert "Nothing added" in text, typed
        assert "entry 1: " in text or "entries 1" in text
        if len(typed.strip()) > 3:
            assert typed not in text
    assert kept(world) == []


async def test_a_full_book_says_what_found_no_room(world: World) -> None:
    held = [Leg("KO", "shares", 1.0 + number, multiplier=1.0) for number in range(MOST_LEGS - 1)]
    world.bot.portfolios.add(world.visitor.id, held, world.bot.now())
    text = await told(world, "portfolio add", positions=STRANGLE)
    assert "1 leg added" in text
    assert "No room, 500 legs is the limit: -2 KO 2026-02-20 65C @ 1.05." in text
    assert len(kept(world)) == MOST_LEGS


async def test_list_shows_each_leg_with_its_number(world: World) -> None:
    assert "/portfolio add" in await told(world, "portfolio list")
    await world.ask("portfolio add", positions=f"{STRANGLE}; {COVERED}")
    text = await told(world, "portfolio list")
    assert "Your book, 4 of 500 legs" in text
    assert "1 -2 KO 2026-02-20 55P @1.05\n2 -2 KO 2026-02-20 65C @1.05\n3 100 AAPL @190\n" in text


async def test_remove_takes_numbers_choices_and_words_that_fit_one_leg(world: World) -> None:
    await world.ask("portfolio add", positions=f"{STRANGLE}; {COVERED}")
    assert "3 legs" not in await told(world, "portfolio remove", position="aapl 210c")
    assert kept(world)[2:] == ["100 AAPL @ 190"]
    text = await told(world, "portfolio remove", position="#1 #2, 99")
    assert "2 legs removed" in text
    assert "Not in your book: #99." in text
    assert kept(world) == ["100 AAPL @ 190"]
    assert "Nothing removed" in await told(world, "portfolio remove", position="77")
    await world.rest()
    await world.ask("portfolio add", positions=STRANGLE)
    assert "2 legs of your book fit that" in await told(world, "portfolio remove", position="KO")
    for typed in ("GLD", "<@1>", "1" * 500):
        assert "No leg of your book fits that" in await told(world, "portfolio remove", position=typed)
    assert len(kept(world)) == 3


async def test_remove_completes_from_the_own_book_strategies_first(world: World) -> None:
    assert await offered(world, "") == []
    assert "Your book is empty" in await told(world, "portfolio remove", position="KO")
    await world.ask("portfolio add", positions=f"{STRANGLE}; {COVERED}")
    values = [value for _, value in await offered(world, "")]
    assert values == ["#3 #4", "#1 #2", "#1", "#2", "#3", "#4"]
    ((name, value),) = await offered(world, "covered")
    assert name.startswith("AAPL covered call: ")
    assert value == "#3 #4"
    assert [value for _, value in await offered(world, "ko 55p")] == ["#1 #2", "#1"]
    assert "2 legs removed" in await told(world, "portfolio remove", position=value)
    assert [value for _, value in await offered(world, "")] == ["#1 #2", "#1", "#2"]


async def test_a_leg_that_is_part_of_two_positions_is_offered_by_itself(world: World) -> None:
    await world.ask("portfolio add", positions="150 AAPL @ 190; -1 AAPL 2026-02-20 210C @ 3")
    assert [value for _, value in await offered(world, "")] == ["#1", "#2"]


async def test_completion_of_a_large_book_stays_within_the_limits(world: World) -> None:
    legs = [
        Leg(
            "AAPL",
            "option",
            -1.0,
            world.bot.now().date().replace(year=2027),
            100.0 + place / 1000,
            right,
            1.23456,
        )
        for place in range(MOST_LEGS // 2)
        for right in ("P", "C")
    ]
    world.bot.portfolios.add(world.visitor.id, legs, world.bot.now())
    for typed in ("", "aapl", "x" * 300, "#", "strangle"):
        found = await offered(world, typed)
        assert len(found) <= MAX_CHOICES
        assert all(1 <= len(name) <= MAX_CHOICE_NAME and 1 <= len(value) <= 100 for name, value in found)


async def test_clear_asks_first_and_outlives_the_bot(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(), clock) as world:
        assert "empty already" in await told(world, "portfolio clear")
        await world.ask("portfolio add", positions=STRANGLE)
        question = await world.ask("portfolio clear")
        assert question.ephemeral
        assert "Take 2 legs out of your book?" in text_of(question)
        assert len(kept(world)) == 2
        world.bot.service.close()
        await world.env.restart_bot(again := make_bot())
        await world.press(question, "Clear 2 legs")
        assert "2 legs taken out" in text_of(question)
        assert labels_of(question) == []
        assert again.portfolios.legs(world.visitor.id) == []


async def test_an_old_question_changes_nothing(world: World) -> None:
    await world.ask("portfolio add", positions=STRANGLE)
    question = await world.ask("portfolio clear")
    await world.rest(301)
    refusal = answer_of(await world.press(question, "Clear 2 legs"))
    assert refusal.ephemeral
    assert "more than five minutes old" in text_of(refusal)
    assert len(kept(world)) == 2


async def test_settings_show_change_and_forget(world: World) -> None:
    assert "not set" in await told(world, "portfolio settings")
    assert "25,000" in await told(world, "portfolio settings", net_liquidation=25_000.0)
    assert "25,000" in await told(world, "portfolio settings")
    assert world.bot.portfolios.net_liquidation(world.visitor.id) == 25_000.0
    assert "not set" in await told(world, "portfolio settings", net_liquidation=0.0)
    assert world.bot.portfolios.net_liquidation(world.visitor.id) is None


@pytest.mark.parametrize("command", ["portfolio show", "portfolio stress"])
async def test_an_empty_book_says_how_to_fill_it(world: World, command: str) -> None:
    text = await told(world, command)
    assert "/portfolio add and /portfolio import" in text


async def test_show_has_buttons_for_the_rest(world: World) -> None:
    await world.ask("portfolio add", positions=f"{STRANGLE}; {COVERED}")
    answer = await world.ask("portfolio show")
    assert answer.ephemeral
    assert "KO" in text_of(answer)
    assert labels_of(answer) == ["Stress", "CSV"]
    for label in ("Stress", "CSV"):
        pressed = answer_of(await world.press(answer, label))
        assert pressed.ephemeral
        assert pressed.embeds
    assert [file.filename for file in pressed.attachments if file.filename.endswith(".csv")]


async def test_a_long_book_is_paged_in_place_and_after_a_restart(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(), clock) as world:
        text = "; ".join(f"{number} {symbol} @ 10" for number, symbol in enumerate(world_names(world), 1))
        await world.ask("portfolio add", positions=text)
        answer = await world.ask("portfolio show")
        assert labels_of(answer) == ["Stress", "CSV", "Previous", "Next"]
        first = text_of(answer)
        world.bot.service.close()
        await world.env.restart_bot(make_bot())
        await world.press(answer, "Next")
        assert text_of(answer) != first
        await world.press(answer, "Previous")
        assert text_of(answer) == first


def world_names(world: World) -> list[str]:
    """Twenty names of the market."""
    return [choice.value for choice in world.bot.service.index.complete("")][:20]


async def test_fit_answers_for_a_name_of_the_market(world: World) -> None:
    await world.ask("portfolio add", positions=STRANGLE)
    assert "GLD" in await told(world, "portfolio fit", symbol="gld")
    assert "is not in this run's universe" in await told(world, "portfolio fit", symbol="ZZZZ")
    assert "A ticker is" in await told(world, "portfolio fit", symbol="<@1>")
    await world.ask("watch add", symbols="XLK")
    found = await world.visitor.autocomplete(world.channel, "portfolio fit", "symbol", "")
    assert found[0]["value"] == "XLK"
    assert len(found) == MAX_CHOICES


@pytest.mark.parametrize("command", ["list", "show", "clear", "settings"])
async def test_an_unreadable_record_is_one_private_sentence(world: World, command: str) -> None:
    world.bot.service.store.close()
    assert "cannot be read just now" in await told(world, f"portfolio {command}")
    assert await offered(world, "") == []


async def test_the_book_can_be_kept_while_there_is_no_market(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(NoMarket()), clock) as world:
        assert "2 legs added" in await told(world, "portfolio add", positions=STRANGLE)
        assert "55P" in await told(world, "portfolio list")
        assert "cannot be read just now" in await told(world, "portfolio show")
        assert "1 leg removed" in await told(world, "portfolio remove", position="1")


async def test_too_many_changes_have_to_wait(world: World) -> None:
    most, _ = LIMITS["settings"]
    texts = [await told(world, "portfolio list") for _ in range(int(most) + 1)]
    assert "free for you again <t:" in texts[-1]
    assert "free for you again" not in texts[-2]


async def test_it_works_anywhere_and_in_a_direct_message(world: World) -> None:
    (command,) = [each for each in world.bot.tree.payload() if each["name"] == "portfolio"]
    assert sorted(command["integration_types"]) == [0, 1]
    assert sorted(command["contexts"]) == [0, 1, 2]
    await world.visitor.send_dm("hello")
    answer = (await world.visitor.user.slash("portfolio add", positions=STRANGLE)).response
    assert "2 legs added" in text_of(answer)


async def test_no_other_person_no_channel_and_no_log_sees_any_of_it(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ben = world.guild.add_member(world.env.create_user("ben"))
    await world.env.settle()
    caplog.set_level(logging.INFO)
    with capture_logs() as logged:
        words = [await everything(world, world.visitor, "-7 KO 2026-02-20 57P @ 1.23", 777_123.0)]
        words.append(await everything(world, ben, "-9 XOM 2026-02-20 111P @ 4.56", 999_456.0))
    assert world.channel.history() == []
    assert "57P" in words[0]
    assert "111P" in words[1]
    assert not [told for told in ("XOM", "111P", "4.56", "999,456") if told in words[0]]
    assert not [told for told in ("57P", "1.23", "777,123") if told in words[1]]
    log = f"{logged} {caplog.text}"
    assert "portfolio show" in log
    assert not [told for told in ("57P", "111P", "KO ", "XOM", "777123", "999456") if told in log]


async def test_buttons_of_a_book_show_whoever_presses_the_own_one(make_bot: MakeBot, clock: Clock) -> None:
    async with leaking(make_bot, clock) as world:
        ben = world.guild.add_member(world.env.create_user("ben"))
        await world.ask("portfolio add", positions="-7 KO 2026-02-20 57P @ 1.23")
        ids = " ".join(f"variance:book:{what}:0" for what in ("show", "stress", "csv"))
        message = await world.ask("leak", ids=ids)
        for label in ("show", "stress", "csv"):
            mine, empty = [answer_of(await world.press(message, label, by=who)) for who in (None, ben)]
            assert mine.ephemeral
            assert empty.ephemeral
            assert "Your book is empty" in text_of(empty)
            assert "is empty" not in text_of(mine)


async def everything(world: World, who: Any, position: str, worth: float) -> str:
    """All a person can ask and press about the own book; every answer has to be private."""
    row = f"symbol,expiration,strike,right,quantity,open_price\n{position.split()[1]},,,,5,1\nbad,,,,x,\n"
    words: list[str] = []

    async def ask(command: str, **options: Any) -> Any:
        await world.rest()
        answer = answer_of(await who.slash(world.channel, f"portfolio {command}", **options))
        assert answer.ephemeral
        words.append(text_of(answer))
        return answer

    async def press(answer: Any, label: str) -> None:
        result = await world.press(answer, label, by=who)
        if result.followups or result.response:
            assert answer_of(result).ephemeral
            words.append(text_of(answer_of(result)))
        words.append(text_of(answer))

    await ask("add", positions=f"{position}; {position}; nonsense")
    await ask("settings", net_liquidation=worth)
    await press(await ask("import", file=("book.csv", row.encode())), "Add 1 leg")
    await press(await ask("import", file=("book.csv", row.encode())), "Cancel")
    await ask("import", file=("book.csv", b"\x00"))
    shown = await ask("show")
    for label in ("Stress", "CSV"):
        await press(shown, label)
    await ask("stress")
    await ask("fit", symbol="GLD")
    await ask("fit", symbol="ZZZZ")
    await ask("list")
    words += [name for name, _ in await offered(world, "", who)]
    await ask("remove", position="1")
    await ask("remove", position="nothing")
    await press(await ask("import", file=("book.csv", row.encode())), "Replace my book")
    await press(await ask("clear"), "Clear 1 leg")
    await ask("show")
    return "\n".join(words)
