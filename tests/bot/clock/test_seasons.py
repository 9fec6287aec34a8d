"""Virtual time over the awkward days of the year: what is posted when, and that nothing is on closed days."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from engine.market.sessions import Corrections, adopt
from tests.bot.clock.conftest import Markets, street_of
from tests.bot.conftest import Clock

SPRING = (
    "2026-03-06T21:16Z Closing Fri 6 Mar",
    "2026-03-09T13:50Z Opening Mon 9 Mar",
    "2026-03-09T20:16Z Closing Mon 9 Mar",
)
AUTUMN = (
    "2026-10-30T20:16Z Closing Fri 30 Oct",
    "2026-11-02T14:50Z Opening Mon 2 Nov",
    "2026-11-02T21:16Z Closing Mon 2 Nov",
)
THANKSGIVING = (
    "2026-11-25T21:16Z Closing Wed 25 Nov",
    "2026-11-27T14:50Z Opening Fri 27 Nov",
    "2026-11-27T18:16Z Closing Fri 27 Nov",
    "2026-11-30T14:50Z Opening Mon 30 Nov",
)
GOOD_FRIDAY = (
    "2027-03-25T20:16Z Closing Thu 25 Mar",
    "2027-03-29T13:50Z Opening Mon 29 Mar",
)
MOURNING = (
    "2026-05-05T20:16Z Closing Tue 5 May",
    "2026-05-07T13:50Z Opening Thu 7 May",
    "2026-05-07T17:16Z Closing Thu 7 May",
)


@pytest.fixture
def mourning() -> Iterator[None]:
    """A day of mourning that no library knew of, and a session cut short."""
    before = adopt(Corrections(closed=frozenset({date(2026, 5, 6)}), early={date(2026, 5, 7): time(13, 0)}))
    yield
    adopt(before)


@pytest.mark.parametrize("season", [SPRING, AUTUMN, THANKSGIVING, GOOD_FRIDAY], ids=lambda days: days[0][:10])
async def test_posts_of(season: tuple[str, ...], clocked: Any, clock: Clock, markets: Markets) -> None:
    await check(season, clocked, clock, markets)


async def test_posts_around_an_unforeseen_closure(
    mourning: None, clocked: Any, clock: Clock, markets: Markets
) -> None:
    await check(MOURNING, clocked, clock, markets)


async def check(season: tuple[str, ...], clocked: Any, clock: Clock, markets: Markets) -> None:
    """Walk an hour at a time: each line of the season is posted at its minute, and nothing else ever."""
    expected = [(datetime.fromisoformat(line.split()[0]), line.split(" ", 1)[1]) for line in season]
    clock.ahead = expected[0][0] - timedelta(hours=2) - clock()
    async with street_of(clocked(), clock, markets) as street:
        street.clock.halt()
        await street.work()
        street.set_up(street.world.guild, street.world.channel)
        for due, _ in expected:
            while street.now() < due - timedelta(minutes=1):
                clock.ahead += min(timedelta(hours=1), due - timedelta(minutes=1) - street.now())
                await street.clock.conductor.compute()
            before = len(street.posts())
            clock.ahead += due - street.now() + timedelta(seconds=1)
            await street.work()
            assert len(street.posts()) == before + 1, due
        titles = [text.splitlines()[1] for text in street.posts()]
        assert [f"{title.split(' · ')[1].split()[0]} {title.split(' · ')[2][:-5]}" for title in titles] == [
            line for _, line in expected
        ]
        assert "Late" not in "".join(street.posts())
