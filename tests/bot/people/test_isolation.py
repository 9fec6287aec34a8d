"""Two people in two servers: neither sees, changes or deletes anything of the other's."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.buttons import message_of
from bot.cards.card import Card
from bot.commands.people import Sure, What
from bot.people.data import PersonalData
from tests.bot.conftest import Clock, MakeBot, World, answer_of, discord_around, text_of
from tests.bot.people import schema

ANN, BEN = 987654321012345678, 123456789098765432


@dataclass
class Person:
    """Somebody in a server of the own."""

    world: World
    member: Any
    channel: Any

    async def ask(self, command: str, **options: Any) -> Any:
        answer = answer_of(await self.member.slash(self.channel, command, **options))
        assert answer.ephemeral
        return answer

    async def completed(self, command: str, option: str, typed: str = "") -> list[Any]:
        offered = await self.member.autocomplete(self.channel, command, option, typed)
        return [choice["value"] for choice in offered]


@pytest.fixture
async def pair(make_bot: MakeBot, clock: Clock) -> AsyncIterator[tuple[Person, Person]]:
    async with discord_around(make_bot(), clock) as world:
        guild = world.env.create_guild("Other desk")
        ann = Person(world, world.visitor, world.channel)
        ben = Person(world, guild.add_member(world.env.create_user("ben")), guild.create_text_channel("vol"))
        await world.env.settle()
        await ann.ask("watch add", symbols="KO AAPL")
        await ben.ask("watch add", symbols="XLE BA")
        yield ann, ben


async def test_lists_and_completions_are_the_own(pair: tuple[Person, Person]) -> None:
    ann, ben = pair
    assert "XLE" not in text_of(await ann.ask("watch list"))
    assert "KO" not in text_of(await ben.ask("watch list"))
    assert await ann.completed("watch remove", "symbols") == ["KO", "AAPL"]
    assert await ben.completed("watch remove", "symbols") == ["XLE", "BA"]
    assert (await ann.completed("vrp", "symbol"))[:2] == ["KO", "AAPL"]
    assert (await ben.completed("vrp", "symbol"))[:2] == ["XLE", "BA"]


async def test_changes_of_one_leave_the_other(pair: tuple[Person, Person]) -> None:
    ann, ben = pair
    assert "Not on it:** XLE" in text_of(await ann.ask("watch remove", symbols="XLE"))
    await ann.ask("watch import", file=("list.txt", b"SPY\n"), mode="replace")
    question = await ann.ask("watch clear")
    await ann.world.press(question, "Clear 1 name")
    assert await ben.completed("watch remove", "symbols") == ["XLE", "BA"]


async def test_an_export_is_of_one_person(pair: tuple[Person, Person]) -> None:
    ann, ben = pair
    (attachment,) = (await ann.ask("mydata export")).attachments
    with zipfile.ZipFile(io.BytesIO(await attachment.read())) as file:
        held = {name: file.read(name).decode() for name in file.namelist()}
    assert {record["symbol"] for record in json.loads(held["data.json"])["tables"]["watched"]} == {
        "KO",
        "AAPL",
    }
    assert str(ben.member.id) not in "".join(held.values())


async def test_a_deletion_is_of_one_person(pair: tuple[Person, Person]) -> None:
    ann, ben = pair
    await ann.world.press(await ann.ask("mydata delete"), "Delete everything")
    assert "0 of 50 names" in text_of(await ann.ask("watch list"))
    assert await ben.completed("watch remove", "symbols") == ["XLE", "BA"]


@pytest.mark.parametrize("what", ["watchlist", "everything"])
async def test_a_question_put_to_one_cannot_be_answered_by_another(
    make_bot: MakeBot, clock: Clock, what: What
) -> None:
    """Nobody else sees a private message; should it leak all the same, its button serves nobody else."""
    bot = make_bot()

    @bot.tree.command(name="leak", description="Shows a question of the person named to everybody.")
    async def leak(interaction: Any, person: str) -> None:
        view = discord.ui.View(timeout=None)
        at = int(interaction.created_at.timestamp())
        identity = f"variance:sure:{what}:{person}:{at}"
        view.add_item(Sure(discord.ui.Button(label="Yes", custom_id=identity), what, int(person), at))
        view.stop()
        await interaction.response.send_message(**message_of(Card("Sure?", "info")), view=view)

    async with discord_around(bot, clock) as world:
        ben = world.guild.add_member(world.env.create_user("ben"))
        await world.ask("watch add", symbols="KO")
        question = await world.ask("leak", person=str(world.visitor.id))
        refusal = answer_of(await world.press(question, "Yes", by=ben))
        assert refusal.ephemeral
        assert "put to somebody else" in text_of(refusal)
        assert world.bot.answers.watchlists.symbols(world.visitor.id) == ["KO"]


def test_deleting_one_person_leaves_the_other_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "all.db"
    with schema.build(path) as store:
        data = PersonalData(store)
        written = schema.fill(path, (ANN, BEN))
        assert {"watched", "guilds", "guild_changes", "alert_rules", "alert_messages"} <= set(written)
        assert schema.rows(path) == {table: set(records.values()) for table, records in written.items()}
        gone = data.delete(ANN)
        after = schema.rows(path)
    assert set(gone.rows) | set(gone.named) == set(written)
    for table, records in written.items():
        nameless = tuple(None if value == ANN else value for value in records[ANN])
        left = {nameless} if table in gone.named else set()
        assert after[table] == {records[BEN]} | left, table


def test_an_export_of_any_table_never_holds_another_persons_id(tmp_path: Path) -> None:
    path = tmp_path / "all.db"
    with schema.build(path) as store:
        data = PersonalData(store)
        schema.fill(path, (ANN, BEN))
        tables = data.export(ANN)
        assert set(tables) == set(schema.rows(path))
        assert str(BEN) not in str(tables)


def test_nothing_of_a_person_is_left_in_any_table_of_the_reopened_file(tmp_path: Path) -> None:
    path = tmp_path / "all.db"
    with schema.build(path) as store:
        data = PersonalData(store)
        data.overwrite()
        schema.fill(path, (ANN, BEN))
        data.delete(ANN)
        assert data.empty_log()
    with schema.build(path) as again:
        assert PersonalData(again).export(ANN) == {}
    held = b"".join(file.read_bytes() for file in tmp_path.glob("all.db*"))
    assert ANN.to_bytes(8, "big") not in held
    assert BEN.to_bytes(8, "big") in held
