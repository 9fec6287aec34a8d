"""/mydata and /privacy: everything about the one who asks, handed over or gone for good."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bot.people.data import personal_tables
from bot.people.kept import KEPT, NEVER
from tests.bot.conftest import Clock, Desk, MakeBot, World, answer_of, discord_around, labels_of, text_of
from tests.bot.people import schema

DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "privacy.md"
TELLING = ("user_id", "guild_id", "channel_id")


async def export_of(world: World) -> dict[str, Any]:
    """The tables of the visitor's zip."""
    answer = await world.ask("mydata export")
    assert answer.ephemeral
    (attachment,) = answer.attachments
    assert attachment.filename == "variance_mydata.zip"
    with zipfile.ZipFile(io.BytesIO(await attachment.read())) as file:
        assert "README.txt" in file.namelist()
        tables: dict[str, Any] = json.loads(file.read("data.json"))["tables"]
    return tables


async def test_export_hands_over_what_is_stored(world: World) -> None:
    await world.ask("watch add", symbols="KO AAPL")
    tables = await export_of(world)
    assert {record["symbol"] for record in tables["watched"]} == {"KO", "AAPL"}
    assert {record["user_id"] for record in tables["watched"]} == {str(world.visitor.id)}


async def test_who_is_not_stored_is_told_so(world: World) -> None:
    for command in ("mydata export", "mydata delete"):
        answer = await world.ask(command)
        assert answer.ephemeral
        assert "Nothing is stored about you" in text_of(answer)
        assert labels_of(answer) == []
        assert not answer.attachments


async def test_delete_says_what_goes_asks_and_deletes(world: World) -> None:
    await world.ask("watch add", symbols="KO AAPL")
    await world.visitor.autocomplete(world.channel, "vrp", "symbol", "")
    question = await world.ask("mydata delete")
    assert question.ephemeral
    assert "Watchlist** 2 rows will be deleted" in text_of(question)
    await world.press(question, "Delete everything")
    text = text_of(question)
    assert "Watchlist** 2 rows deleted" in text
    assert "Backups" in text
    assert labels_of(question) == []
    lists = world.bot.answers.watchlists
    assert lists.remembered(world.visitor.id) is None
    assert lists.symbols(world.visitor.id) == []
    assert "Nothing is stored about you" in text_of(await world.ask("mydata export"))


async def test_what_was_deleted_is_gone_from_the_reopened_file(
    make_bot: MakeBot, clock: Clock, database: Path
) -> None:
    async with discord_around(make_bot(), clock) as world:
        await world.ask("watch add", symbols="KO AAPL SPY BA")
        await world.ask("watch remove", symbols="SPY")
        await world.press(await world.ask("mydata delete"), "Delete everything")
        person = world.visitor.id
    with sqlite3.connect(database) as db:
        assert db.execute("SELECT count(*) FROM watched").fetchone() == (0,)
    held = b"".join(file.read_bytes() for file in database.parent.glob("record.db*"))
    assert str(person).encode() not in held
    assert person.to_bytes(8, "big") not in held


async def test_alert_rules_and_the_setup_of_a_server_go_with_the_person(desk: Desk) -> None:
    world, boss = desk.world, desk.boss
    await desk.ask("setup", channel=desk.channel)
    await desk.ask("alert add", on="KO", when="enters")
    question = await desk.ask("mydata delete")
    text = text_of(question)
    assert "Alert rules** 1 row will be deleted" in text
    assert "Settings of a server** your id will be taken out of 1 row" in text
    await world.press(question, "Delete everything", by=boss)
    assert "Alert rules** 1 row deleted" in text_of(question)
    assert desk.stored.configured_by is None, "the server keeps its settings"
    assert desk.stored.channel_id == desk.channel.id
    with world.bot.service.store.reading() as db:
        for table in ("alert_rules", "alert_states", "alert_settings"):
            assert db.table(table).count == 0
    await world.rest()
    assert "Nothing is stored about you" in text_of(await desk.ask("mydata export"))


async def test_an_old_question_deletes_nothing(world: World) -> None:
    await world.ask("watch add", symbols="KO")
    question = await world.ask("mydata delete")
    await world.rest(301)
    refusal = answer_of(await world.press(question, "Delete everything"))
    assert refusal.ephemeral
    assert "more than five minutes old" in text_of(refusal)
    assert "watched" in await export_of(world)


async def test_privacy_is_private_and_says_what_is_stored(world: World) -> None:
    answer = await world.ask("privacy")
    assert answer.ephemeral
    text = text_of(answer)
    for entry in KEPT:
        assert f"**{entry.title}**" in text
    for sentence in NEVER:
        assert sentence in text
    assert "/mydata export" in text
    assert "/mydata delete" in text
    assert "operator of this bot" in text
    assert "more lines" not in text, "nothing of it may be cut"


def test_every_table_about_people_or_servers_is_explained(tmp_path: Path) -> None:
    with schema.build(tmp_path / "all.db") as store, store.reading() as db:
        personal = {table.name for table in personal_tables(db)}
        named = {name for name in db.table_names() if set(TELLING) & set(db.table(name).columns_dict)}
    assert {entry.table for entry in KEPT} == personal | named


def test_ids_of_people_may_be_taken_out_of_every_row_that_names_one(tmp_path: Path) -> None:
    with schema.build(tmp_path / "all.db") as store, store.reading() as db:
        for table in personal_tables(db):
            required = {column.name for column in db.table(table.name).columns if column.notnull}
            assert not required & set(table.named), table.name


def test_the_document_tells_of_every_table() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    for entry in KEPT:
        assert f"`{entry.table}`" in text
        assert entry.title in text
    assert_told(text, ("/mydata export", "/mydata delete", "operator", "backup", "secure_delete"))


def assert_told(text: str, words: Sequence[str]) -> None:
    for word in words:
        assert word in text, word


@pytest.mark.parametrize("entry", KEPT, ids=lambda entry: entry.table)
def test_each_explanation_is_a_sentence_of_its_own(entry: Any) -> None:
    for part in (entry.what, entry.until, entry.seen_by):
        assert part
        assert part[-1] != "."
    assert "_" not in entry.title
