"""What came of it: every post counted once, in the row of the last kill before it was settled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from rich.console import Console
from rich.table import Table

from tests.kill.standing import Target

UNTOUCHED = "settled before a kill"
ORDER = (
    *("planned", "computing", "computed", "posting, pending", "posting, sending", "posting, some sent"),
    *("notice, pending", "notice, sending", "notice, some sent", UNTOUCHED),
)
COUNTS = ("posts", "lost", "doubled", "late", "told it was skipped")


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill between a run's plan and its end: how the ledger stood, and every channel that waited."""

    standing: str
    waiting: dict[Target, str]
    takeover: bool
    """Whether a second process stood by and went on."""


@dataclass(frozen=True, slots=True)
class Round:
    """A run or several, from the first plan to the last end: what each channel got, as heads of messages."""

    kills: tuple[Kill, ...]
    got: dict[Target, list[str]]
    strange: tuple[str, ...] = ()
    """Messages that tell of no run of the round."""
    ended: int = 0
    """Processes that ended by themselves."""
    trouble: str | None = None
    """Why it was given up, with the last words of the process; None when it came to its end."""

    def row_of(self, target: Target) -> str:
        """The last kill that found a channel waiting."""
        found = [kill.waiting[target] for kill in self.kills if target in kill.waiting]
        return found[-1] if found else UNTOUCHED

    @property
    def wrong(self) -> bool:
        return any(len(heads) != 1 for heads in self.got.values()) or bool(self.strange or self.trouble)

    def __str__(self) -> str:
        lines = [f"after kills at {[kill.standing for kill in self.kills]}:"]
        lines += [
            f"{key} in {channel}: {heads}" for (key, channel), heads in self.got.items() if len(heads) != 1
        ]
        lines += [f"told of no run: {head}" for head in self.strange]
        return "\n".join([*lines, *([self.trouble] if self.trouble else [])])


@dataclass
class Tally:
    """All rounds of all worlds."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def kills(self) -> int:
        return sum(len(each.kills) for each in self.rounds)

    @property
    def weekly(self) -> int:
        """Kills while a channel waited for the scorecard of the week."""
        kills = (kill for each in self.rounds for kill in each.kills)
        return sum(any(key.endswith("/weekly") for key, _ in kill.waiting) for kill in kills)

    @property
    def lost(self) -> int:
        return sum(not heads for each in self.rounds for heads in each.got.values())

    @property
    def doubled(self) -> int:
        return sum(
            sum(len(heads) > 1 for heads in each.got.values()) + len(each.strange) for each in self.rounds
        )

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
            console.print(str(each), highlight=False, markup=False)

    def _counted(self) -> dict[str, Counter[str]]:
        counted: dict[str, Counter[str]] = {}
        for each in self.rounds:
            for kill in each.kills:
                counted.setdefault(kill.standing, Counter()).update(kills=1, takeovers=int(kill.takeover))
            for target, heads in each.got.items():
                counted.setdefault(each.row_of(target), Counter()).update(_facts(heads))
        return counted

    def wrong(self) -> list[Round]:
        """Rounds with a lost or doubled post, or that never ended."""
        return [each for each in self.rounds if each.wrong]


def _facts(heads: list[str]) -> dict[str, int]:
    text = " ".join(heads).casefold()
    return {
        "posts": 1,
        "lost": int(not heads),
        "doubled": int(len(heads) > 1),
        "late": int("late: " in text),
        "told it was skipped": int("skipped" in text or "failed" in text),
    }
