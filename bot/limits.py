"""How often one person may ask: generous for people, tight enough for scripts."""

from __future__ import annotations

from typing import Any, Literal

import discord
from discord import app_commands

Family = Literal["lookup", "screen", "button", "settings"]

LIMITS: dict[Family, tuple[float, float]] = {
    "lookup": (5, 10.0),
    "screen": (3, 15.0),
    "button": (8, 10.0),
    "settings": (8, 20.0),
}
"""So many times in so many seconds."""
_MOST_REMEMBERED = 5_000


class Limits:
    """One bot's memory of who asked what lately."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[Family, int], app_commands.Cooldown] = {}

    def count(self, interaction: discord.Interaction[Any], family: Family) -> None:
        """Count a question. Raises CommandOnCooldown beyond the limit."""
        if len(self._buckets) >= _MOST_REMEMBERED:
            self._buckets.clear()
        key = (family, interaction.user.id)
        bucket = self._buckets.setdefault(key, app_commands.Cooldown(*LIMITS[family]))
        wait = bucket.update_rate_limit(interaction.created_at.timestamp())
        if wait:
            raise app_commands.CommandOnCooldown(bucket, wait)
