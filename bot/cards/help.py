"""The commands, as the command tree tells them."""

from __future__ import annotations

from collections.abc import Sequence

from bot.cards.card import Card
from bot.cards.facts import ADVICE
from bot.cards.text import escaped


def help_card(entries: Sequence[tuple[Sequence[str], str]]) -> Card:
    """One line a command or family: its mentions (or `/name`) and its description."""
    return Card(
        title="Commands",
        state="info",
        headline="Which options are dear against how their names moved, and why each passes or fails.",
        details=tuple(
            f"{' '.join(mentions)} {escaped(description, 200)}" for mentions, description in entries
        ),
        footer=ADVICE,
    )
