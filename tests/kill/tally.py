"""What came of it: every post counted once, in the row of the last kill before it was settled."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

UNTOUCHED = "settled before a kill"
ORDER = (
    *("planned", "computing", "computed", "posting, pending", "posting, sending", "posting, some sent"),
    *("notice, pending", "notice, sending", "notice, some sent", UNTOUCHED),
)
COUNTS = ("posts", "lost", "doubled", "late", "told it was skipped")


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill between a run's plan and its end: what the ledger said then, and who had no message yet."""

    standing: str
    waiting: frozenset[str]
    takeover: bool
    """Whether a second process stood by and went on."""


@dataclass(frozen=True, slots=True)
class Round:
    """One run from before its plan to its end: what each channel got, as titles of messages."""

    key: str
    kills: tuple[Kill, ...]
    got: dict[str, list[str]]
    ended: int = 0
    """Processes that ended by themselves."""
    trouble: str | None = None
    """Why it was given up, with the last words of the process; None when it came to its end."""

    def row_of(self, channel: str) -> str:
        """The last kill that found a channel waiting."""
        found = [kill.standing for kill in self.kills if channel in kill.waiting]
        return found[-1] if found else UNTOUCHED


@dataclass
class Tally:
    """All rounds of all worlds."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(len(each.kills) for each in self.rounds)

    @property
    def lost(self) -> int:
        return sum(not titles for each in self.rounds for titles in each.got.values())

    @property
    def doubled(self) -> int:
        return sum(len(titles) > 1 for each in self.rounds for titles in each.got.values())

    @property
    def ended(self) -> int:
        return sum(each.ended for each in self.rounds)

    @property
    def last_line(self) -> str:
        return f"kills {self.kills}, lost {self.lost}, doubled {self.doubled}"

    def show(self, console: Console) -> None:
        """The table, and every round that went wrong."""
        counted = self._counted()
        table = Table(box=None, pad_edge=False, header_style="bold")
        for title in ("Ledger at the kill", "Kills", "Takeovers", *(name.capitalize() for name in COUNTS)):
            table.add_column(title, justify="left" if title.startswith("Ledger") else "right")
        for name in [*ORDER, *sorted(set(counted) - set(ORDER))]:
            if name in counted:
                row = counted[name]
                table.add_row(name, *(str(row[each]) for each in ("kills", "takeovers", *COUNTS)))
        total = sum(counted.values(), Counter())
        table.add_row("all", *(str(total[each]) for each in ("kills", "takeovers", *COUNTS)), style="bold")
        console.print(table)
        for each in self.wrong():
            console.print(each, highlight=False, markup=False)

    def _counted(self) -> dict[str, Counter[str]]:
        counted: dict[str, Counter[str]] = {}
        for each in self.rounds:
            for kill in each.kills:
                counted.setdefault(kill.standing, Counter()).update(kills=1, takeovers=int(kill.takeover))
            for channel, titles in each.got.items():
                counted.setdefault(each.row_of(channel), Counter()).update(_facts(titles))
        return counted

    def wrong(self) -> Iterable[str]:
        """A line for each round with a lost or doubled post or that never ended."""
        for each in self.rounds:
            bad = {channel: titles for channel, titles in each.got.items() if len(titles) != 1}
            if bad or each.trouble:
                kills = [kill.standing for kill in each.kills]
                yield f"{each.key}: after kills at {kills}: {bad}" + (
                    f"\n{each.trouble}" if each.trouble else ""
                )


def _facts(titles: list[str]) -> dict[str, int]:
    text = " ".join(titles).casefold()
    return {
        "posts": 1,
        "lost": int(not titles),
        "doubled": int(len(titles) > 1),
        "late": int("late" in text.split()),
        "told it was skipped": int("skipped" in text or "failed" in text),
    }
