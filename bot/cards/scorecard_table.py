"""Groups of a scorecard as a phone shows them: names short enough, tables of at most forty columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from bot.cards.gates import LABELS, MARKS
from bot.cards.table import NOT_APPLICABLE, Column, count, fixed, known, layout, signed
from bot.cards.text import clean
from engine.proof.days import DUAL
from engine.proof.result import UNIVERSE, By, Group, Scorecard
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS

LISTS = ("listed", "not listed")
SMALL = "*"
"""Behind the name of a group whose sample is small."""
REGIME = "regime "
"""Before a regime's name where signals stand in the same list."""
_DATA_GATE = "data"
_SHORT = {
    "severe compression": "severe compr.",
    "mild compression": "mild compr.",
    "severe expansion": "severe expan.",
    "structural only": "struct. only",
}
_NAME = 15


@dataclass(frozen=True, slots=True)
class Section:
    """Groups under one heading; `empty` names those that no outcome belongs to yet."""

    title: str
    groups: tuple[Group, ...]
    empty: tuple[str, ...] = ()


def sections(card: Scorecard, by: By | None) -> tuple[Section, ...]:
    """The groups a card shows, in the method's order; without `by` the premium gates and the signals.

    The gate "data" is left out: what it stops never has an outcome. Of symbols there are no sections.
    """
    wanted: list[tuple[str, Sequence[str]]] = []
    if by in (None, "gate"):
        wanted.append(("PREMIUM GATES", (*DUAL, *LISTS)))
    if by in (None, "signal"):
        wanted.append(("SIGNAL", SIGNALS))
    if by == "regime":
        wanted += [("REGIME", regime_names(card)), ("ZONE", ZONES)]
    if by == "gate":
        wanted.append(("EACH GATE", [group.name for group in card.groups if _of_gate(group.name)]))
    return tuple(section(card, title, names) for title, names in wanted)


def section(card: Scorecard, title: str, names: Iterable[str]) -> Section:
    """Some groups by their names; one the scorecard does not know counts as empty."""
    found = {name: card.group(name) for name in names}
    return Section(
        title,
        tuple(group for group in found.values() if group is not None and group.n),
        tuple(name for name, group in found.items() if group is None or not group.n),
    )


def regime_names(card: Scorecard) -> tuple[str, ...]:
    """What the regimes are called in this scorecard."""
    beside = any(group.name.startswith(REGIME) for group in card.groups)
    return tuple(f"{REGIME if beside else ''}{regime}" for regime in REGIMES)


def shown_name(name: str) -> str:
    """A group's name in a table: `+ tactical` for `tactical: pass`, `COILED` for `regime COILED`."""
    gate, colon, verdict = name.partition(": ")
    if colon and verdict in MARKS:
        return f"{MARKS['pass' if verdict == 'pass' else 'fail']} {LABELS.get(gate, gate)}"
    return _SHORT.get(name, clean(name.removeprefix(REGIME), _NAME - 1))


def is_small(group: Group, least: int) -> bool:
    """Whether a sample is worth fewer independent outcomes than `least`."""
    return group.effective_n < least


def outcome_table(parts: Sequence[Section], least: int) -> str:
    """n, hit rate with its interval and the mean gap of every group, a heading a section."""
    groups = [group for part in parts for group in part.groups]
    if not groups:
        return ""
    return _headed(
        parts,
        (
            Column("n", [count(group.n) for group in groups]),
            Column("HIT%", [whole_percent(group.hit_rate) for group in groups]),
            Column("95% CI", [interval(group) for group in groups]),
            Column("MEANpt", [points(group.mean_gap) for group in groups]),
        ),
        least,
    )


def depth_table(parts: Sequence[Section], least: int) -> str:
    """Median, distance from the universe on the same sessions, and the worst case, in points."""
    groups = [group for part in parts for group in part.groups]
    if not groups:
        return ""
    return _headed(
        parts,
        (
            Column("MEDpt", [points(group.median_gap) for group in groups]),
            Column("OVERpt", [_over(group) for group in groups]),
            Column("WORSTpt", [points(group.worst, 7) for group in groups]),
        ),
        least,
    )


def whole_percent(share: float | None) -> str:
    """A share in whole percent, `-` where nothing was counted."""
    number = known(share)
    return NOT_APPLICABLE if number is None else fixed(100.0 * number, 0, 4)


def interval(group: Group) -> str:
    """`52-69`, in whole percent."""
    low, high = known(group.ci_low), known(group.ci_high)
    return NOT_APPLICABLE if low is None or high is None else f"{whole_percent(low)}-{whole_percent(high)}"


def points(gap: float | None, width: int = 6) -> str:
    """A gap in points of volatility, always with its sign."""
    number = known(gap)
    if number is None:
        return NOT_APPLICABLE
    # `signed` keeps a column for a plus; a minus stands in the number itself.
    return signed(100.0 * number, 2, width + (number < 0))


def points_text(gap: float | None) -> str:
    """The same for prose: `-0.40 points`."""
    return f"{points(gap, 9)} points"


def _over(group: Group) -> str:
    return NOT_APPLICABLE if group.name == UNIVERSE else points(group.over_universe)


def _of_gate(name: str) -> bool:
    gate, colon, verdict = name.partition(": ")
    return bool(colon) and verdict in ("pass", "fail") and gate != _DATA_GATE


def _headed(parts: Sequence[Section], columns: Sequence[Column], least: int) -> str:
    """One layout for all sections, so that their columns stand under each other."""
    filled = [part for part in parts if part.groups]
    names = [
        shown_name(group.name) + (SMALL if is_small(group, least) else "")
        for part in filled
        for group in part.groups
    ]
    first = Column(filled[0].title, names, right=False, flexible=True)
    head, *lines = layout((first, *columns)).splitlines()
    return "\n".join((head, *_under_titles(filled, lines)))


def _under_titles(parts: Sequence[Section], lines: Sequence[str]) -> Iterator[str]:
    place = 0
    for number, part in enumerate(parts):
        if number:
            yield part.title
        yield from lines[place : place + len(part.groups)]
        place += len(part.groups)
