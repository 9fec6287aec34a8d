"""How often one person and one server may ask: generous for people, tight enough for scripts."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Literal

import discord
from discord import app_commands

from bot.failures import ServerOnCooldown

Family = Literal["lookup", "screen", "button", "settings"]
_Key = tuple[Literal["person", "server"], Family, int]

LIMITS: dict[Family, tuple[float, float]] = {
    "lookup": (5, 10.0),
    "screen": (3, 15.0),
    "button": (8, 10.0),
    "settings": (8, 20.0),
}
"""So many times in so many seconds, each person."""
SERVER_LIMITS: dict[Family, tuple[float, float]] = {
    "lookup": (60, 60.0),
    "screen": (20, 60.0),
    "button": (120, 60.0),
    "settings": (60, 60.0),
}
"""The same for everybody in one server together."""
MOST_REMEMBERED = 5_000
"""Counters held at a time; beyond it the one that rested longest goes."""


class Limits:
    """One bot's memory of who asked what lately."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[_Key, app_commands.Cooldown] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def count(self, interaction: discord.Interaction[Any], family: Family) -> None:
        """Count a question. Raises CommandOnCooldown beyond the person's limit, ServerOnCooldown beyond the
        server's.

        What a person is refused does not count for the server: one script cannot use up everybody's share.
        """
        now = interaction.created_at.timestamp()
        bucket = self._bucket(("person", family, interaction.user.id), LIMITS[family])
        if wait := bucket.update_rate_limit(now):
            raise app_commands.CommandOnCooldown(bucket, wait)
        if interaction.guild_id is None:
            return
        bucket = self._bucket(("server", family, interaction.guild_id), SERVER_LIMITS[family])
        if wait := bucket.update_rate_limit(now):
            raise ServerOnCooldown(bucket, wait)

    def forget(self, user_id: int) -> None:
        """Drop what is remembered of a person."""
        for key in [key for key in self._buckets if key[0] == "person" and key[2] == user_id]:
            del self._buckets[key]

    def _bucket(self, key: _Key, limit: tuple[float, float]) -> app_commands.Cooldown:
        bucket = self._buckets.setdefault(key, app_commands.Cooldown(*limit))
        self._buckets.move_to_end(key)
        while len(self._buckets) > MOST_REMEMBERED:
            self._buckets.popitem(last=False)
        return bucket
