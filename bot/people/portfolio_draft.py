"""What a person wants to import, between the preview and the button: in memory, for a quarter of an hour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.failures import InputError
from engine.portfolio.book import Leg

DRAFT_FOR = timedelta(minutes=15)
"""How long a preview may be answered."""
EXPIRED = "The preview has expired; import the file again."
USED = "This preview has been answered already; /portfolio show tells what your book holds."


@dataclass(frozen=True, slots=True)
class Draft:
    """The legs of one preview; `token` is what its buttons carry."""

    token: int
    legs: tuple[Leg, ...]
    made: datetime


class Drafts:
    """The newest preview of each person. Lives on the event loop's thread and forgets at a restart."""

    def __init__(self) -> None:
        self._drafts: dict[int, Draft] = {}
        self._used: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._drafts)

    def keep(self, user_id: int, draft: Draft) -> None:
        """Remember a preview in the place of the person's one before."""
        self._drafts[user_id] = draft
        self._used.pop(user_id, None)

    def take(self, user_id: int, token: int, now: datetime) -> Draft:
        """The preview of a button, once: whoever presses twice stores once.

        Raises InputError when it was taken already, is too old, or another one has taken its place.
        """
        if self._used.get(user_id) == token:
            raise InputError(USED)
        draft = self._drafts.get(user_id)
        if draft is None or draft.token != token or now - draft.made > DRAFT_FOR:
            raise InputError(EXPIRED)
        del self._drafts[user_id]
        self._used[user_id] = token
        return draft

    def drop(self, user_id: int, token: int) -> None:
        """Forget one preview, answered or not."""
        if user_id in self._drafts and self._drafts[user_id].token == token:
            del self._drafts[user_id]
        if self._used.get(user_id) == token:
            del self._used[user_id]

    def forget(self, user_id: int) -> None:
        """Forget whatever is remembered of a person."""
        self._drafts.pop(user_id, None)
        self._used.pop(user_id, None)
