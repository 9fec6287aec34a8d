"""What went wrong and what helps, without a word of it taken for markdown."""

from __future__ import annotations

from bot.cards.card import Card
from bot.cards.text import ERROR_LENGTH, escaped


def error_card(text: str, hint: str = "") -> Card:
    """A refusal: `text` says why, `hint` what to do instead. Discord's own `<t:...>` stamps stay alive."""
    return Card(
        title="That did not work",
        state="error",
        headline=escaped(text, ERROR_LENGTH),
        sentence=escaped(hint, ERROR_LENGTH),
    )
