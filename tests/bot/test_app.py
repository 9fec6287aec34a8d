"""How the bot is put together and what it tells Discord about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import discord
import pytest
from structlog.testing import capture_logs

from bot.app import last_close
from engine.errors import SnapshotError
from engine.market.snapshot import Provider, Snapshot
from tests.bot.conftest import Clock, MakeBot, World, discord_around, text_of

ROOT = Path(__file__).resolve().parents[2]
NAME = re.compile(r"^[-_\w]{1,32}$")


def puts(world: World) -> list[str]:
    return [request.path for request in world.env.http_requests if request.method == "PUT"]


async def test_it_asks_for_no_intent_but_guilds(world: World) -> None:
    assert world.bot.intents == discord.Intents(guilds=True)


async def test_it_may_mention_nobody(world: World) -> None:
    allowed = world.bot.allowed_mentions
    assert allowed is not None
    assert allowed.to_dict()["parse"] == []


async def test_every_command_is_within_the_limits_of_discord(world: World) -> None:
    payload = world.bot.tree.payload()
    assert len(payload) <= 100
    assert {"help", "method", "screen", "status", "vrp", "why"} <= {command["name"] for command in payload}
    for command in payload:
        assert len(json.dumps(command)) <= 8000
        check_options(command)


def check_options(thing: dict[str, Any]) -> None:
    """A command with its options, or a group with its commands."""
    check_named(thing)
    options = thing.get("options", [])
    assert len(options) <= 25
    required = [option.get("required", False) for option in options]
    assert required == sorted(required, reverse=True)
    assert len(thing.get("choices", [])) <= 25
    for option in options:
        check_options(option)


def check_named(thing: dict[str, str]) -> None:
    assert NAME.match(thing["name"])
    assert thing["name"] == thing["name"].lower()
    assert 1 <= len(thing["description"]) <= 100


@pytest.mark.parametrize("name", ["vrp", "why", "method", "status", "help"])
async def test_look_ups_can_be_installed_by_a_user_and_used_anywhere(world: World, name: str) -> None:
    (command,) = [each for each in world.bot.tree.payload() if each["name"] == name]
    assert sorted(command["integration_types"]) == [0, 1]
    assert sorted(command["contexts"]) == [0, 1, 2]


async def test_the_screen_belongs_to_servers_that_installed_it(world: World) -> None:
    (command,) = [each for each in world.bot.tree.payload() if each["name"] == "screen"]
    assert command["integration_types"] == [0]
    assert sorted(command["contexts"]) == [0, 1]


async def test_commands_are_synced_once_for_the_same_payload(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(), clock) as world:
        assert len(puts(world)) == 1
        ids = world.bot.command_ids
        await world.env.restart_bot(make_bot())
        assert len(puts(world)) == 1
        assert world.env.bot.command_ids == ids  # type: ignore[attr-defined]


async def test_a_changed_payload_is_synced_again(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(), clock) as world:
        changed = make_bot()

        @changed.tree.command(name="more", description="One more.")
        async def more(interaction: discord.Interaction[discord.Client]) -> None:
            """Does nothing."""

        await world.env.restart_bot(changed)
        assert len(puts(world)) == 2
        assert "more" in changed.command_ids


async def test_a_development_server_gets_the_commands_for_itself(make_bot: MakeBot, clock: Clock) -> None:
    async with discord_around(make_bot(sync_guild=4711), clock) as world:
        (path,) = puts(world)
        assert path.endswith("/guilds/4711/commands")


class Broken:
    """A provider with a mistake in it."""

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        raise ZeroDivisionError("a mistake")


class Silent:
    """A provider whose source is down."""

    def snapshot(self, symbols: Sequence[str] | None = None) -> Snapshot:
        raise SnapshotError("the source is down")


@pytest.mark.parametrize("provider", [Broken(), Silent()])
async def test_without_a_market_the_bot_starts_and_says_so(
    make_bot: MakeBot, clock: Clock, provider: Provider
) -> None:
    with capture_logs() as lines:
        async with discord_around(make_bot(provider), clock) as world:
            answer = await world.ask("vrp", symbol="KO")
            assert answer.ephemeral
            assert "down" not in text_of(answer)
            assert "no market" in [line["event"] for line in lines]
            assert await world.visitor.autocomplete(world.channel, "vrp", "symbol", "ko")
            assert "Last run closing, Tue 30 Dec 2025" in text_of(await world.ask("status"))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), date(2025, 12, 31)),
        (datetime(2025, 12, 31, 20, 59, tzinfo=UTC), date(2025, 12, 30)),
        (datetime(2025, 12, 31, 21, 0, tzinfo=UTC), date(2025, 12, 31)),
        (datetime(2025, 11, 28, 17, 59, tzinfo=UTC), date(2025, 11, 26)),  # the half day after Thanksgiving
        (datetime(2025, 11, 28, 18, 0, tzinfo=UTC), date(2025, 11, 28)),
        (datetime(2025, 12, 28, 12, 0, tzinfo=UTC), date(2025, 12, 26)),  # a Sunday
        (datetime(2026, 7, 3, 22, 0, tzinfo=UTC), date(2026, 7, 2)),  # Independence Day observed
    ],
)
def test_the_simulated_market_stands_at_the_last_close(now: datetime, expected: date) -> None:
    assert last_close(now) == expected


async def test_the_readme_names_every_command_and_its_parts(world: World) -> None:
    rows = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith("| `/")]
    for command in world.bot.tree.get_commands():
        (row, *_) = [each for each in rows if re.search(rf"`/{command.name}\b", each)]
        parts = command.commands if isinstance(command, discord.app_commands.Group) else []
        assert all(f"`{part.name}`" in row or f"{command.name} {part.name}`" in row for part in parts), row
