"""The neutral card: what a person is shown, before any of Discord's shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CardState = Literal["complete", "degraded", "outage", "aborted", "info", "error"]
Action = Literal["why", "csv", "method", "page", "vrp", "screen", "pairs", "pair", "pairs_csv", "sector"]

TABLE_WIDTH = 40
"""Columns of monospace that fit an embed on a phone."""
PREFIX = "variance"


@dataclass(frozen=True, slots=True)
class Button:
    """A button that finds its way back after a restart: everything it needs stands in its id."""

    label: str
    action: Action
    run_id: int
    argument: str = ""
    disabled: bool = False

    @property
    def custom_id(self) -> str:
        """`variance:action:run:argument`, at most 100 characters (Discord's limit)."""
        return f"{PREFIX}:{self.action}:{self.run_id}:{self.argument}"[:100]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a card."""

    filename: str
    data: bytes
    description: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Headline, monospace table, one sentence, details, an as-of line, buttons.

    `state` chooses the accent colour: the state of the run, never a direction of the market.
    `table` lines hold at most TABLE_WIDTH columns. `asof` may hold Discord timestamps; `footer` is plain.
    """

    title: str
    state: CardState
    headline: str = ""
    table: str = ""
    sentence: str = ""
    details: tuple[str, ...] = ()
    asof: str = ""
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    image: Attachment | None = None
    files: tuple[Attachment, ...] = ()
