"""A scorecard as plain values: for scripts in the published shape, and whole for keeping."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from engine.proof.result import Group, Scorecard, Whipsaw

_JSON = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_GROUP_KEYS = (
    *("name", "n", "effective_n", "hit_rate", "ci_low", "ci_high"),
    *("mean_gap", "median_gap", "worst"),
)


def scorecard_shape(card: Scorecard) -> dict[str, Any]:
    """{"groups", "baselines", "whipsaw", "settings"} as others build on it; ready for json.dumps.

    Gaps are fractions (0.0411 is 4.11 points of volatility), rates shares of 1, missing is None. `settings`
    also tell `first` and `last` (ISO dates), `waiting` and `lost`.
    """
    counted = {
        "first": _iso(card.first),
        "last": _iso(card.last),
        "waiting": card.waiting,
        "lost": dict(card.lost),
    }
    return {
        "groups": [group_shape(group) for group in card.groups],
        "baselines": [group_shape(group) for group in card.baselines],
        "whipsaw": [{"lens": each.lens, "n": each.n, "share": each.share} for each in card.whipsaw],
        "settings": {**card.settings, **counted},
    }


def group_shape(group: Group) -> dict[str, Any]:
    """A group under the published keys."""
    return {key: getattr(group, key) for key in _GROUP_KEYS}


def dump(card: Scorecard) -> str:
    """A whole scorecard as text for keeping; `load` gives an equal one.

    Settings must be what JSON knows, lists in place of tuples. Raises ValueError for a number that is not
    finite: what is missing is None.
    """
    kept: dict[str, Any] = asdict(card) | {"first": _iso(card.first), "last": _iso(card.last)}
    groups = kept.pop("groups")
    # Group by group: thousands in one call would hold every other thread for a tenth of a second.
    text = "[" + ",".join(_JSON.encode(group) for group in groups) + "]"
    return f'{{"groups":{text},{_JSON.encode(kept)[1:]}'


def load(text: str) -> Scorecard:
    """The scorecard of `dump`. Raises ValueError, KeyError or TypeError for anything else."""
    kept: Mapping[str, Any] = json.loads(text)
    return Scorecard(
        groups=tuple(Group(**group) for group in kept["groups"]),
        baselines=tuple(Group(**group) for group in kept["baselines"]),
        whipsaw=tuple(Whipsaw(**each) for each in kept["whipsaw"]),
        first=_date(kept["first"]),
        last=_date(kept["last"]),
        waiting=kept["waiting"],
        lost=kept["lost"],
        settings=kept["settings"],
    )


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _date(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)
