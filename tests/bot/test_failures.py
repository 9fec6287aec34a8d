"""One handler for every class of failure: what the person reads, what the log keeps."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import discord
import pytest
import structlog
from discord import app_commands
from structlog.testing import capture_logs

from bot.failures import (
    EXPLANATIONS,
    InputError,
    NoMarketError,
    RunGoneError,
    ServerOnCooldown,
    TooSlowError,
    incident,
)
from engine.errors import ConfigError, SnapshotError, StoreError, UnknownSymbolError, VarianceError
from tests.bot.conftest import Clock, MakeBot, World, answer_of, discord_around, labels_of, text_of
from tests.bot.traffic import sent_messages

SECRET = "/srv/private/variance.db"


def refused(kind: type[discord.HTTPException], status: int, code: int = 0) -> discord.HTTPException:
    """What discord.py raises for an answer of Discord."""
    response: Any = SimpleNamespace(status=status, reason="reason")
    return kind(response, {"code": code, "message": "from Discord"})


FAILURES: dict[str, tuple[Callable[[], Exception], str]] = {
    "symbol": (lambda: UnknownSymbolError("APPL", ("AAPL", "APA")), "Did you mean AAPL, APA?"),
    "stranger": (lambda: UnknownSymbolError("ZZZZ"), "pick a name from the list"),
    "store": (lambda: StoreError(f"{SECRET} is damaged"), "cannot be read just now"),
    "snapshot": (lambda: SnapshotError(f"no recorded market at {SECRET}"), "cannot be read just now"),
    "config": (lambda: ConfigError(f"{SECRET}: unknown key"), "cannot be read just now"),
    "domain": (lambda: VarianceError("The moon is closed."), "The moon is closed."),
    "gone": (lambda: RunGoneError("That run is gone."), "That run is gone."),
    "market": (lambda: NoMarketError("No market."), "No market."),
    "slow": (lambda: TooSlowError("Too slow."), "Too slow."),
    "input": (lambda: InputError("Not like this."), "Not like this."),
    "cooldown": (
        lambda: app_commands.CommandOnCooldown(app_commands.Cooldown(1, 60.0), 41.5),
        "free for you again <t:1767225642:R>",
    ),
    "crowd": (
        lambda: ServerOnCooldown(app_commands.Cooldown(20, 60.0), 41.5),
        "20 such questions in 60 seconds, all its people together. It is free again <t:1767225642:R>",
    ),
    "user": (lambda: app_commands.MissingPermissions(["manage_guild"]), "need the permission Manage Server"),
    "bot": (lambda: app_commands.BotMissingPermissions(["embed_links"]), "I lack the permission Embed Links"),
    "dm": (lambda: app_commands.NoPrivateMessage(), "works in a server"),
    "check": (lambda: app_commands.CheckFailure("no"), "cannot use this command here"),
    "renewed": (lambda: app_commands.CommandNotFound("old", []), "have just been renewed"),
    "forbidden": (lambda: refused(discord.Forbidden, 403, 50013), "a permission is missing"),
    "down": (lambda: refused(discord.DiscordServerError, 503), "Discord itself has trouble"),
    "unexpected": (lambda: ZeroDivisionError(f"division in {SECRET}"), "Something went wrong on my side."),
    "odd": (lambda: refused(discord.HTTPException, 400, 50035), "Something went wrong on my side."),
}
UNEXPECTED = ("store", "snapshot", "config", "unexpected", "odd")


@pytest.fixture
async def failing(make_bot: MakeBot, clock: Clock) -> AsyncIterator[World]:
    """A bot with a command that fails as it is told, before or after it promised an answer."""
    bot = make_bot()

    @bot.tree.command(name="fail", description="Fails.")
    async def fail(interaction: discord.Interaction[Any], how: str, deferred: bool = False) -> None:
        if deferred:
            await interaction.response.defer(thinking=True)
        raise FAILURES[how][0]()

    async with discord_around(bot, clock) as world:
        yield world


@pytest.mark.parametrize("deferred", [False, True])
@pytest.mark.parametrize("how", FAILURES)
async def test_each_failure_is_told_in_private(failing: World, how: str, deferred: bool) -> None:
    answer = await failing.ask("fail", how=how, deferred=deferred)
    assert answer.ephemeral
    text = text_of(answer)
    assert FAILURES[how][1] in text
    for forbidden in ("Traceback", "Error(", SECRET, "from Discord"):
        assert forbidden not in text
    visible = [message for message in failing.channel.history() if not message.flags.ephemeral]
    assert visible == [], "nothing of a failure stays in the channel"


def test_every_class_of_the_table_is_tried() -> None:
    tried = [make() for make, _ in FAILURES.values()]
    # Renewed commands cannot be raised by hand without a command of Discord's own; it shares its answer.
    for kind, _ in EXPLANATIONS:
        assert kind is app_commands.CommandSignatureMismatch or any(
            isinstance(error, kind) for error in tried
        )


@pytest.mark.parametrize("how", UNEXPECTED)
async def test_an_unexpected_failure_is_logged_whole_under_the_id_it_shows(failing: World, how: str) -> None:
    with capture_logs() as lines:
        text = text_of(await failing.ask("fail", how=how))
    (line,) = [line for line in lines if line["event"] == "command failed"]
    assert line["incident"] in text
    assert isinstance(line["exc_info"], FAILURES[how][0]().__class__)
    assert line["command"] == "fail"


async def test_an_expected_failure_needs_no_traceback_in_the_log(failing: World) -> None:
    with capture_logs() as lines:
        await failing.ask("fail", how="input")
    (line,) = [line for line in lines if line["event"] == "command refused"]
    assert "exc_info" not in line


@pytest.mark.parametrize("code", [10062, 10015])
async def test_an_answer_that_came_too_late_is_only_logged(world: World, code: int) -> None:
    world.env.inject_error("POST", "/interactions/*/callback", status=404, code=code, message="Unknown")
    with capture_logs() as lines:
        result = await world.visitor.slash(world.channel, "vrp", symbol="KO")
    assert result.response is None
    assert [line["log_level"] for line in lines if line["event"] == "answer came too late"] == ["warning"]
    assert sent_messages(world.env) == []


async def test_a_failure_that_cannot_be_told_ends_in_the_log(failing: World) -> None:
    failing.env.inject_error("POST", "/interactions/*/callback", status=400, code=50035, message="Invalid")
    with capture_logs() as lines:
        await failing.visitor.slash(failing.channel, "fail", how="input")
    assert "failure could not be told" in [line["event"] for line in lines]


async def test_failures_of_buttons_go_the_same_way(world: World) -> None:
    screen = await world.ask("screen")
    world.bot.service.close()
    world.bot.service.market = None
    answer = answer_of(await world.press(screen, labels_of(screen)[0]))
    assert answer.ephemeral
    assert "went wrong on my side" in text_of(answer) or "cannot be read just now" in text_of(answer)


async def test_an_answer_already_given_is_not_taken_away(make_bot: MakeBot, clock: Clock) -> None:
    from bot.buttons import send
    from bot.cards.error import error_card

    bot = make_bot()

    @bot.tree.command(name="late", description="Fails after its answer.")
    async def late(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.defer(thinking=True)
        await send(interaction, error_card("the answer"))
        raise VarianceError("Afterwards.")

    async with discord_around(bot, clock) as world:
        result = await world.visitor.slash(world.channel, "late")
        assert result.response is not None
        assert "the answer" in text_of(result.response)
        (told,) = result.followups
        assert "Afterwards." in text_of(told)
        assert told.ephemeral


def test_an_incident_has_a_short_id_of_its_own() -> None:
    one, two = (incident(SimpleNamespace(id=number)) for number in (1, 2))  # type: ignore[arg-type]
    assert one != two
    assert len(one) == 8


async def test_commands_are_logged_without_what_was_asked(world: World) -> None:
    with capture_logs() as lines:
        await world.ask("vrp", symbol="KO")
        await world.ask("vrp", symbol="@everyone")
    assert [line["event"] for line in lines] == ["command answered", "command refused"]
    assert "KO" not in str(lines)
    assert "everyone" not in str(lines)


@pytest.fixture(autouse=True)
def _uncached_logs() -> None:
    structlog.reset_defaults()
