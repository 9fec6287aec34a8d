"""How often one person and one server may ask, and what they are told beyond it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from discord import app_commands

from bot import limits
from bot.failures import ServerOnCooldown
from bot.limits import LIMITS, SERVER_LIMITS, Family, Limits
from tests.bot.conftest import World, answer_of, text_of

START = datetime(2026, 1, 1, 12, 0, tzinfo=UTC)


def asked(person: int, server: int | None = 1, after: float = 0.0) -> Any:
    """What Limits looks at of an interaction."""
    return SimpleNamespace(
        user=SimpleNamespace(id=person), guild_id=server, created_at=START + timedelta(seconds=after)
    )


@pytest.mark.parametrize("family", LIMITS)
def test_a_person_is_free_again_when_the_time_is_over(family: Family) -> None:
    most, seconds = LIMITS[family]
    counted = Limits()
    for _ in range(int(most)):
        counted.count(asked(1), family)
    with pytest.raises(app_commands.CommandOnCooldown) as refused:
        counted.count(asked(1, after=1.0), family)
    assert not isinstance(refused.value, ServerOnCooldown)
    assert refused.value.retry_after == pytest.approx(seconds - 1.0)
    counted.count(asked(2, after=1.0), family)
    counted.count(asked(1, after=seconds), family)


@pytest.mark.parametrize("family", SERVER_LIMITS)
def test_a_server_has_a_limit_for_all_its_people_together(family: Family) -> None:
    most, seconds = SERVER_LIMITS[family]
    counted = Limits()
    for person in range(int(most)):
        counted.count(asked(person), family)
    with pytest.raises(ServerOnCooldown) as refused:
        counted.count(asked(9_999, after=10.0), family)
    assert refused.value.retry_after == pytest.approx(seconds - 10.0)
    counted.count(asked(9_999, server=2, after=10.0), family)
    counted.count(asked(9_998, server=None, after=10.0), family)
    counted.count(asked(9_997, after=seconds), family)


def test_one_script_cannot_use_up_everybodys_share() -> None:
    counted = Limits()
    for _ in range(int(LIMITS["lookup"][0])):
        counted.count(asked(1), "lookup")
    for _ in range(500):
        with pytest.raises(app_commands.CommandOnCooldown) as refused:
            counted.count(asked(1), "lookup")
        assert not isinstance(refused.value, ServerOnCooldown)
    counted.count(asked(2), "lookup")


def test_a_direct_message_has_the_persons_limit_only() -> None:
    counted = Limits()
    for person in range(200):
        counted.count(asked(person, server=None), "screen")


def test_memory_is_bounded_and_lets_go_of_who_rested_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_REMEMBERED", 10)
    counted = Limits()
    most, _ = LIMITS["lookup"]
    for _ in range(int(most)):
        counted.count(asked(1, server=None), "lookup")
    for person in range(2, 11):
        counted.count(asked(person, server=None), "lookup")
    with pytest.raises(app_commands.CommandOnCooldown):
        counted.count(asked(1, server=None), "lookup")
    for person in range(11, 20):
        counted.count(asked(person, server=None), "lookup")
    assert len(counted) == 10
    with pytest.raises(app_commands.CommandOnCooldown):
        counted.count(asked(1, server=None), "lookup")


def test_a_person_can_be_forgotten() -> None:
    counted = Limits()
    counted.count(asked(1), "lookup")
    counted.count(asked(1), "screen")
    counted.count(asked(2), "lookup")
    counted.forget(1)
    assert len(counted) == 3, "the other person and the server twice"


async def test_beyond_the_servers_limit_everybody_there_is_told_when_it_ends(world: World) -> None:
    most, seconds = SERVER_LIMITS["screen"]
    each = int(LIMITS["screen"][0])
    people = [
        world.guild.add_member(world.env.create_user(f"person{n}")) for n in range(-(-int(most) // each))
    ]
    began = world.env.now().timestamp()
    answers = []
    for person in people:
        answers += [answer_of(await person.slash(world.channel, "screen")) for _ in range(each)]
    assert [answer.ephemeral for answer in answers].index(True) == most
    text = text_of(answers[-1])
    assert "This server has reached its limit of 20 such questions in 60 seconds" in text
    assert f"<t:{began + seconds:.0f}:R>" in text
    elsewhere = world.env.create_guild("Other desk")
    stranger = elsewhere.add_member(world.env.create_user("stranger"))
    channel = elsewhere.create_text_channel("vol")
    await world.env.settle()
    assert not answer_of(await stranger.slash(channel, "screen")).ephemeral
    await world.rest(seconds)
    assert not answer_of(await people[0].slash(world.channel, "screen")).ephemeral
