"""Scorecards made by hand for the cards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from engine.proof.days import DUAL
from engine.proof.result import Group, Scorecard, Whipsaw
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS

FIRST, LAST = date(2025, 1, 2), date(2026, 3, 27)


def a_group(name: str = "all", n: int = 842, worth: float = 118.0, **parts: Any) -> Group:
    """Outcomes of some names; 61 % of them hits unless told otherwise. Without any there are no figures."""
    group = Group(
        name=name,
        n=n,
        effective_n=worth,
        hit_rate=0.612,
        ci_low=0.522,
        ci_high=0.694,
        mean_gap=-0.004,
        median_gap=0.0112,
        worst=-0.412,
        over_universe=-0.0254,
        names=30,
        sessions=44,
    )
    if not n:
        nothing = dict.fromkeys(("hit_rate", "ci_low", "ci_high", "mean_gap", "median_gap", "worst"))
        return replace(group, effective_n=0.0, over_universe=None, names=0, sessions=0, **nothing)  # type: ignore[arg-type]
    return replace(group, **parts)


EVERYTHING = a_group(
    n=12_340, worth=131.0, hit_rate=0.712, ci_low=0.66, ci_high=0.758, mean_gap=0.0213, over_universe=None
)
BENCHMARK = a_group(
    "SPY", 310, 14.2, hit_rate=0.832, ci_low=0.57, ci_high=0.95, mean_gap=0.0301, over_universe=0.0088
)


def a_scorecard(changed: Mapping[str, Group] | None = None, **parts: Any) -> Scorecard:
    """Every group there is with figures of its own, EVENT and DISCOUNT without any."""
    gates = [
        f"{gate}: {verdict}" for gate in ("data", "structural", "dead_legs") for verdict in ("pass", "fail")
    ]
    names = [*SIGNALS, *(f"regime {each}" for each in REGIMES), *ZONES, *DUAL, "listed", "not listed", *gates]
    groups = {name: a_group(name) for name in names}
    groups |= {name: a_group(name, 0) for name in ("EVENT", "DISCOUNT", "regime UNKNOWN")}
    groups["both gates"] = a_group("both gates", 96, 12.4, hit_rate=0.5, ci_low=0.25, ci_high=0.75)
    groups |= changed or {}
    card = Scorecard(
        groups=(EVERYTHING, *groups.values()),
        baselines=(replace(EVERYTHING, name="universe"), BENCHMARK),
        whipsaw=(Whipsaw("quarterly", 812, 0.431), Whipsaw("yearly", 1_204, 0.512)),
        first=FIRST,
        last=LAST,
        waiting=620,
        lost={"no_closes_after": 14},
        settings={},
    )
    return replace(card, **parts)


def by_symbol(count: int = 30, worth: float = 2.1) -> Scorecard:
    """`count` names from N0 (mean gap -10 points) upwards."""
    groups = [
        a_group(
            f"N{place}",
            60,
            worth,
            mean_gap=(place - 10) / 100,
            hit_rate=place / count,
            ci_low=0.6 * place / count,
            ci_high=0.4 + 0.6 * place / count,
        )
        for place in range(count)
    ]
    return a_scorecard(groups=(EVERYTHING, *groups))


def empty_scorecard(**parts: Any) -> Scorecard:
    """A record without any outcome."""
    nothing = tuple(replace(a_group(group.name, 0)) for group in a_scorecard().groups)
    baselines = (a_group("universe", 0), a_group("SPY", 0))
    whipsaw = (Whipsaw("quarterly", 0, None), Whipsaw("yearly", 0, None))
    around = {"baselines": baselines, "whipsaw": whipsaw, "lost": {}, "first": None, "last": None}
    return a_scorecard(groups=nothing, **around | parts)
