"""The scorecard's own figures beside a verdict and a definition, once there are enough of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.cards.facts import SIMULATED, day, profile_name
from bot.cards.scorecard_table import (
    REGIME,
    Section,
    is_small,
    outcome_table,
    points_text,
    regime_names,
    section,
)
from bot.cards.table import MISSING, fixed, grouped, known
from bot.cards.text import escaped
from engine.proof.days import DUAL
from engine.proof.result import UNIVERSE, Group, Scorecard
from engine.rules import Rules
from engine.screen.premium import ZONES
from engine.screen.result import Row, Run
from engine.screen.score import SIGNALS

_DUAL_WORDS = {
    "both gates": "names that pass both premium gates",
    "structural only": "names that pass the structural gate only",
    "tactical only": "names that pass the tactical gate only",
    "neither": "names that pass neither premium gate",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """The scorecard of everything one realm has on record, and the rules of the official runs behind it."""

    card: Scorecard
    rules: Rules
    simulated: bool

    @property
    def least(self) -> int:
        """The effective n below which nothing is quoted."""
        return self.rules.proof.evidence_least_n

    @property
    def horizon(self) -> int:
        """Sessions an outcome takes."""
        return self.rules.proof.horizon_sessions


def why_lines(row: Row, run: Run, evidence: Evidence | None) -> tuple[str, ...]:
    """What became of names like this one: of its zone, its premium gates and its signal.

    Empty while the record holds no outcome of them. A run by other rules than the official ones quotes the
    zone alone: its gates and its signal are not those the record was judged by.
    """
    universe = None if evidence is None else _baseline(evidence.card, UNIVERSE)
    if evidence is None or universe is None or not universe.n:
        return ()
    least = evidence.least
    found = [(words, evidence.card.group(name)) for words, name in _groups_of(row, run, evidence)]
    told = [(words, group) for words, group in found if group is not None and group.n]
    quoted = [f"• {words}: {figure(group)}" for words, group in told if not is_small(group, least)]
    few = [f"{words} {_worth(group)} of {least}" for words, group in told if is_small(group, least)]
    mark = f", {SIMULATED}" if evidence.simulated else ""
    head = (
        f"**Own record**{mark}, {evidence.horizon} sessions on (hit: moved less than IV30 said); "
        f"{_universe(universe)}"
    )
    lacking = f"Too few outcomes on record to quote: {', '.join(few)} (effective n)."
    return (*((head, *quoted) if quoted else ()), *((lacking,) if few else ()))


def figure(group: Group) -> str:
    """`hit 61 % (52 to 69, effective n 118), mean -0.40 points`."""
    low, high = (_whole(end) for end in (group.ci_low, group.ci_high))
    within = f"{low} to {high}, effective n {_worth(group)}"
    return f"hit {_whole(group.hit_rate)} % ({within}), mean {points_text(group.mean_gap)}"


def method_table(column: str, evidence: Evidence | None) -> str:
    """What became of the groups a word of the method parts names into, of those with enough outcomes.

    Empty for other words, and while no group suffices.
    """
    if evidence is None:
        return ""
    part, universe = _part(column, evidence), _baseline(evidence.card, UNIVERSE)
    enough = tuple(group for group in part.groups if not is_small(group, evidence.least))
    if not enough or universe is None:
        return ""
    return outcome_table((Section(part.title, enough), Section("BASELINE", (universe,))), evidence.least)


def method_lines(column: str, evidence: Evidence | None) -> tuple[str, ...]:
    """Where the figures of `method_table` come from, and which groups do not suffice for one."""
    if evidence is None:
        return ()
    card, least, part = evidence.card, evidence.least, _part(column, evidence)
    small = [group for group in part.groups if is_small(group, least)]
    few = ", ".join(f"{_plain_name(group.name)} {_worth(group)} of {least}" for group in small)
    lacking = (f"Too few outcomes on record to quote: {few} (effective n).",) if few else ()
    if not method_table(column, evidence):
        return lacking
    first, last = (day(each) if each is not None else MISSING for each in (card.first, card.last))
    universe = _baseline(card, UNIVERSE)
    counted = grouped(universe.n) if universe is not None else MISSING
    said = (
        f"**What became of them** {SIMULATED + ' market' if evidence.simulated else 'own record'}, {counted} "
        f"outcomes of {first} to {last}, {evidence.horizon} sessions on, profile "
        f"{profile_name(evidence.rules.profile)}, lens {escaped(evidence.rules.lens)}."
    )
    words = "HIT%: share that moved less than IV30 said. MEANpt: IV30 less that movement, in points."
    return (said, words, *lacking, "It is no claim of profit. /scorecard holds the rest.")


def dual_of(row: Row) -> str | None:
    """Which of the two premium gates a name passes, one of DUAL; None where one of them is not known."""
    states = {gate.name: gate.state for gate in row.gates}
    structural, tactical = states.get("structural", "unknown"), states.get("tactical", "unknown")
    if "unknown" in (structural, tactical):
        return None
    return DUAL[2 * (structural != "pass") + (tactical != "pass")]


def _groups_of(row: Row, run: Run, evidence: Evidence) -> Iterator[tuple[str, str]]:
    """What a group is called in a sentence, and in the scorecard."""
    zone, dual = row.text("zone"), dual_of(row)
    if zone in ZONES:
        yield f"names in {'the normal zone' if zone == 'normal' else zone}", zone
    if (run.profile, run.lens) != (evidence.rules.profile, evidence.rules.lens):
        return
    if dual is not None:
        yield _DUAL_WORDS[dual], dual
    if row.signal in SIGNALS:
        yield f"signal {row.signal}", row.signal


def _part(column: str, evidence: Evidence) -> Section:
    """The groups behind a word of the method; none for words that part no names."""
    titled = _names_of(column, evidence)
    return Section("", ()) if titled is None else section(evidence.card, *titled)


def _names_of(column: str, evidence: Evidence) -> tuple[str, Sequence[str]] | None:
    """Heading and groups of a word, None for words that part no names."""
    match column:
        case "zone":
            return "ZONE", ZONES
        case "momentum":
            return "ZONE", (*ZONES, *_verdicts("momentum"))
        case "regime":
            return "REGIME", regime_names(evidence.card)
        case "signal":
            return "SIGNAL", SIGNALS
        case "vrp_structural" | "vrp_tactical" if evidence.rules.lens != "yearly":
            return "PREMIUM GATES", (*DUAL, *_verdicts(column.removeprefix("vrp_")))
        case "structural_252" | "tactical_20" if evidence.rules.lens == "yearly":
            return "PREMIUM GATES", (*DUAL, *_verdicts(column.rpartition("_")[0]))
        case "structural_252" | "tactical_20":
            return "GATE", _verdicts(column)
    return None


def _verdicts(gate: str) -> tuple[str, str]:
    return f"{gate}: pass", f"{gate}: fail"


def _baseline(card: Scorecard, name: str) -> Group | None:
    return next((group for group in card.baselines if group.name == name), None)


def _universe(group: Group) -> str:
    return f"the universe: hit {_whole(group.hit_rate)} %, mean {points_text(group.mean_gap)}"


def _plain_name(name: str) -> str:
    return name.removeprefix(REGIME).replace("_", " ")


def _worth(group: Group) -> str:
    return grouped(int(group.effective_n))


def _whole(share: float | None) -> str:
    number = known(share)
    return MISSING if number is None else fixed(100.0 * number, 0, 4)
