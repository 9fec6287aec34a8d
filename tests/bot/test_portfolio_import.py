"""/portfolio import: whatever the file, nothing is stored before the button, nor twice by two presses."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import pytest

from bot.buttons import message_of
from bot.cards.card import Card
from bot.people.portfolio_draft import DRAFT_FOR
from engine.portfolio.book import MOST_LEGS
from engine.portfolio.reading.importers import LARGEST, read_book
from tests.bot.conftest import (
    SESSION,
    Clock,
    MakeBot,
    World,
    answer_of,
    discord_around,
    labels_of,
    text_of,
)

HEADER = "symbol,expiration,strike,right,quantity,open_price"
PUT = "KO,2026-12-18,60,P,-2,1.15"
CALL = "KO,2026-12-18,70,C,-2,0.95"
TASTYTRADE = (
    "Account,Symbol,Type,Quantity,Exp Date,DTE,Strike Price,Call/Put,Trade Price,Mark\n"
    "5WX00000,KO    261218P00060000,OPTION,-2,12/18/2026,350,60,PUT,1.15,1.02\n"
    "5WX00000,KO,EQUITY,100,,,,,61.20,62.00\n"
)


def kept(world: World) -> list[str]:
    """What the file holds for the visitor."""
    return [leg.text for _, leg in world.bot.portfolios.legs(world.visitor.id)]


async def previewed(world: World, *rows: str, name: str = "book.csv") -> Any:
    """The answer to a file of the plain format; nothing may be stored by it."""
    before = kept(world)
    answer = await world.ask("portfolio import", file=(name, "\n".join((HEADER, *rows)).encode()))
    assert answer.ephemeral
    assert kept(world) == before
    await world.rest()
    return answer


async def refused(world: World, answer: Any, label: str) -> str:
    """The words of a private refusal of a press."""
    refusal = answer_of(await world.press(answer, label))
    assert refusal.ephemeral
    return text_of(refusal)


async def test_a_preview_stores_nothing_until_add_is_pressed(world: World) -> None:
    answer = await previewed(world, PUT, "=HYPERLINK(1),2026-12-18,60,P,-1,1", CALL, "KO,2026-12-18,60,X,1,1")
    text = text_of(answer)
    assert "The plain format: 2 rows can be used, 2 cannot" in text
    assert "Nothing is stored yet" in text
    assert "   2 ok -2 KO 2026-12-18 60P @1.15" in text
    assert "line 3: a formula, not a ticker" in text
    assert "line 5: the right X is neither C nor P" in text
    assert labels_of(answer) == ["Add 2 legs", "Replace my book", "Cancel"]
    await world.press(answer, "Add 2 legs")
    text = text_of(answer)
    assert "2 legs imported" in text
    assert "KO short strangle x2" in text
    assert labels_of(answer) == []
    assert kept(world) == ["-2 KO 2026-12-18 60P @ 1.15", "-2 KO 2026-12-18 70C @ 0.95"]


async def test_the_same_file_again_is_said_to_make_further_lots(world: World) -> None:
    await world.press(await previewed(world, PUT), "Add 1 leg")
    again = await previewed(world, PUT)
    assert "Your book holds 1 of 500 legs. 1 contract of the file stand" in text_of(again)
    await world.press(again, "Add 1 leg")
    assert kept(world) == ["-2 KO 2026-12-18 60P @ 1.15"] * 2


async def test_replace_puts_the_file_in_the_place_of_the_book(world: World) -> None:
    await world.press(await previewed(world, PUT), "Add 1 leg")
    await world.press(await previewed(world, CALL), "Replace my book")
    assert kept(world) == ["-2 KO 2026-12-18 70C @ 0.95"]


async def test_cancel_stores_nothing_and_ends_the_preview(world: World) -> None:
    answer = await previewed(world, PUT)
    await world.press(answer, "Cancel")
    assert "Nothing was stored" in text_of(answer)
    assert labels_of(answer) == []
    assert kept(world) == []
    assert len(world.bot.portfolios.drafts) == 0


@asynccontextmanager
async def leaking(make_bot: MakeBot, clock: Clock) -> AsyncIterator[World]:
    """A bot that shows the buttons of a private message to everybody: `leak ids:` as they stand there."""
    bot = make_bot()

    @bot.tree.command(name="leak", description="Shows private buttons to everybody.")
    async def leak(interaction: Any, ids: str) -> None:
        view = discord.ui.View(timeout=None)
        for identity in ids.split():
            view.add_item(discord.ui.Button(label=identity.split(":")[2], custom_id=identity))
        view.stop()
        await interaction.response.send_message(**message_of(Card("Leak", "info")), view=view)

    async with discord_around(bot, clock) as world:
        yield world


async def leaked(world: World, answer: Any) -> Any:
    """The buttons of an answer as they stand there, on a message everybody sees and nobody takes away."""
    ids = [button["custom_id"] for row in answer.components for button in row["components"]]
    return await world.ask("leak", ids=" ".join(ids))


async def test_pressing_twice_stores_once(make_bot: MakeBot, clock: Clock) -> None:
    async with leaking(make_bot, clock) as world:
        answer = await previewed(world, PUT)
        stale = await leaked(world, answer)
        await world.press(answer, "Add 1 leg")
        for label in ("add", "replace", "cancel"):
            assert "answered already" in await refused(world, stale, label)
        assert kept(world) == ["-2 KO 2026-12-18 60P @ 1.15"]


@pytest.mark.parametrize("label", ["add", "replace", "cancel", "clear"])
async def test_nobody_else_can_answer_for_a_person(make_bot: MakeBot, clock: Clock, label: str) -> None:
    """Nobody else sees a private message; should it leak all the same, its buttons serve nobody else."""
    async with leaking(make_bot, clock) as world:
        ben = world.guild.add_member(world.env.create_user("ben"))
        await world.ask("portfolio add", positions="100 AAPL @ 190")
        source = await (world.ask("portfolio clear") if label == "clear" else previewed(world, PUT))
        refusal = answer_of(await world.press(await leaked(world, source), label, by=ben))
        assert refusal.ephemeral
        assert "put to somebody else" in text_of(refusal)
        assert kept(world) == ["100 AAPL @ 190"]
        assert world.bot.portfolios.legs(ben.id) == []


async def test_an_old_preview_has_expired(world: World) -> None:
    answer = await previewed(world, PUT)
    await world.rest(DRAFT_FOR.total_seconds() + 1)
    assert "The preview has expired; import the file again." in await refused(world, answer, "Add 1 leg")
    assert kept(world) == []


async def test_a_newer_preview_takes_the_place_of_the_older(world: World) -> None:
    older, newer = await previewed(world, PUT), await previewed(world, CALL)
    assert "has expired" in await refused(world, older, "Add 1 leg")
    await world.press(newer, "Add 1 leg")
    assert kept(world) == ["-2 KO 2026-12-18 70C @ 0.95"]


async def test_a_preview_is_gone_after_a_restart_and_says_so(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(), clock) as world:
        answer = await previewed(world, PUT)
        world.bot.service.close()
        await world.env.restart_bot(again := make_bot())
        assert "expired; import the file again" in await refused(world, answer, "Add 1 leg")
        assert again.portfolios.legs(world.visitor.id) == []


async def test_a_deletion_of_everything_takes_the_preview_along(world: World) -> None:
    await world.press(await previewed(world, PUT), "Add 1 leg")
    answer = await previewed(world, CALL)
    question = await world.ask("mydata delete")
    assert "Portfolio** 1 row will be deleted" in text_of(question)
    await world.press(question, "Delete everything")
    assert kept(world) == []
    assert "has expired" in await refused(world, answer, "Add 1 leg")


async def test_an_unreadable_record_leaves_the_preview_to_be_answered_again(world: World) -> None:
    answer = await previewed(world, PUT)
    world.bot.service.store.close()
    assert "cannot be read just now" in await refused(world, answer, "Add 1 leg")
    assert len(world.bot.portfolios.drafts) == 1


async def test_tastytrades_export_is_recognised(world: World) -> None:
    answer = await world.ask("portfolio import", file=("positions.csv", TASTYTRADE.encode()))
    assert "Tastytrade's export: 2 rows can be used" in text_of(answer)
    await world.press(answer, "Add 2 legs")
    assert kept(world) == ["-2 KO 2026-12-18 60P @ 1.15", "100 KO @ 61.2"]


async def test_a_long_file_goes_along_as_verdicts_no_spreadsheet_computes(world: World) -> None:
    rows = [f"KO,2026-12-18,{strike},P,-1,1.5" for strike in range(50, 75)]
    answer = await previewed(world, *rows, "\"=cmd|' /C calc'!A0\",2026-12-18,60,P,1,1", "@SUM(1),,,,5,1")
    text = text_of(answer)
    assert len(text.split("```")[1].strip("\n").splitlines()) == 16
    assert "12 more rows in the file" in text
    (attachment,) = answer.attachments
    data = await attachment.read()
    table = list(csv.reader(io.StringIO(data.decode())))
    assert [row[0] for row in table[1:]] == [str(line) for line in range(2, 29)]
    assert [row[1] for row in table[1:]] == ["ok"] * 25 + ["no"] * 2
    assert not [cell for row in table for cell in row if cell.startswith(("=", "@", "+"))]


async def test_the_list_of_a_large_book_can_be_imported_again(world: World) -> None:
    rows = [f"KO,2026-12-18,{strike},P,-1,1.5" for strike in range(50, 110)]
    await world.press(await previewed(world, *rows), "Add 60 legs")
    answer = await world.ask("portfolio list")
    assert answer.ephemeral
    assert "20 more legs in the file" in text_of(answer)
    (attachment,) = answer.attachments
    reading = read_book(await attachment.read(), SESSION)
    assert list(reading.legs) == [leg for _, leg in world.bot.portfolios.legs(world.visitor.id)]
    assert not reading.rejected


async def test_a_file_beyond_the_limit_says_what_finds_no_room(world: World) -> None:
    await world.press(await previewed(world, PUT, CALL), "Add 2 legs")
    rows = [f"KO,2026-12-18,{strike},P,-1,1.5" for strike in range(1, MOST_LEGS + 1)]
    answer = await previewed(world, *rows)
    assert "Adding keeps the first 498, replacing the first 500" in text_of(answer)
    assert labels_of(answer)[0] == "Add 498 legs"
    await world.press(answer, "Add 498 legs")
    assert len(kept(world)) == MOST_LEGS
    assert "No room, 500 legs is the limit: -1 KO 2026-12-18 499P" in text_of(answer)
    full = await previewed(world, PUT)
    assert "There is no room to add" in text_of(full)
    assert labels_of(full) == ["Replace my book", "Cancel"]


async def test_five_thousand_rows_are_one_preview(world: World) -> None:
    answer = await previewed(world, *[PUT] * 5_000)
    assert "500 rows can be used" in text_of(answer)
    assert "only the first 2,000 rows are read" in text_of(answer)
    await world.press(answer, "Add 500 legs")
    assert len(kept(world)) == MOST_LEGS


HOSTILE = {
    "no table": ("book.xlsx", b"PK\x03\x04", "end in .csv or .txt"),
    "no suffix": ("book", HEADER.encode(), "end in .csv or .txt"),
    "too large": ("book.csv", b"x" * (LARGEST + 1), "I read up to 256 kB"),
    "binary": ("book.csv", b"\x00\x01\x02KO\x00", "no plain text"),
    "empty": ("book.csv", b"", "The file is empty"),
    "blank": ("book.csv", b"\r\n\r\n", "The file is empty"),
    "header only": ("book.csv", HEADER.encode(), "0 rows can be used"),
    "another broker": (
        "book.csv",
        b"Conid,Asset Class,Description\n1,OPT,KO DEC\n",
        "no header of positions",
    ),
    "a history": ("book.csv", b"Date,Action,Symbol,Quantity\n1/2/26,Buy,KO,1\n", "a history of trades"),
    "formulas only": ("book.csv", f"{HEADER}\n=1+1,,,,1,1\n+A1,,,,1,1\n".encode(), "No row of the file"),
    "mentions": ("book.csv", f"{HEADER}\n@everyone,,,,1,1\n<@1> `x`,,,,1,1\n".encode(), "No row of the file"),
}


@pytest.mark.parametrize("what", HOSTILE)
async def test_what_is_no_book_gets_one_sentence_and_stores_nothing(world: World, what: str) -> None:
    name, data, said = HOSTILE[what]
    answer = await world.ask("portfolio import", file=(name, data))
    assert answer.ephemeral
    assert said in text_of(answer)
    assert "Traceback" not in text_of(answer)
    assert labels_of(answer) == []
    assert kept(world) == []
    assert len(world.bot.portfolios.drafts) == 0


async def test_a_file_that_is_ruled_out_is_not_fetched(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(world.env.backend.cdn, "get", asked.append)
    for name, data in (("book.xlsx", b"PK"), ("book.csv", b"x" * (LARGEST + 1))):
        await world.ask("portfolio import", file=(name, data))
    assert asked == []
    answer = await world.ask("portfolio import", file=("book.csv", b"KO"))
    assert "attach it again" in text_of(answer)
    assert len(asked) == 1
