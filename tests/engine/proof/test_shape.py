"""A scorecard as JSON: the published keys, and whole without loss."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from engine.proof.result import Scorecard
from engine.proof.scorecard import Scorer
from engine.proof.shape import dump, load, scorecard_shape
from engine.rules import load_rules
from tests.conftest import ROOT
from tests.engine.proof.made import drawn, name_days

RULES = load_rules(Path(ROOT) / "config")
GROUP_KEYS = [
    *("name", "n", "effective_n", "hit_rate", "ci_low", "ci_high"),
    *("mean_gap", "median_gap", "worst"),
]


@pytest.fixture(scope="module")
def card() -> Scorecard:
    scorer = Scorer(RULES, "SPY")
    table = drawn(sessions=60, names=5, seed=6)
    table.loc[table["signal"] == "EVENT", "realized"] = np.nan
    scorer.add(name_days(table))
    return scorer.result({"lens": "yearly", "gates": ["structural"]}, waiting=4, lost={"no close": 2})


def test_the_published_keys(card: Scorecard) -> None:
    shape = json.loads(json.dumps(scorecard_shape(card), allow_nan=False))
    assert list(shape) == ["groups", "baselines", "whipsaw", "settings"]
    assert {tuple(group) for group in (*shape["groups"], *shape["baselines"])} == {tuple(GROUP_KEYS)}
    assert {tuple(each) for each in shape["whipsaw"]} == {("lens", "n", "share")}
    assert shape["groups"][0]["name"] == "all"
    assert [group["name"] for group in shape["baselines"]] == ["universe", "SPY"]
    assert [each["lens"] for each in shape["whipsaw"]] == ["quarterly", "yearly"]
    empty = next(group for group in shape["groups"] if group["name"] == "EVENT")
    assert list(empty.values()) == ["EVENT", 0, 0.0, *[None] * 6]
    assert shape["groups"][0]["mean_gap"] == card.groups[0].mean_gap  # a fraction, as it is
    settings = shape["settings"]
    assert (settings["first"], settings["last"]) == (str(card.first), str(card.last))
    assert (settings["waiting"], settings["lost"], settings["lens"]) == (4, {"no close": 2}, "yearly")


def test_kept_and_read_back_it_is_equal(card: Scorecard) -> None:
    assert load(dump(card)) == card
    nothing = Scorer(RULES, "SPY").result()
    assert load(dump(nothing)) == nothing


def test_what_is_not_finite_is_not_kept(card: Scorecard) -> None:
    broken = replace(card.groups[0], mean_gap=float("nan"))
    with pytest.raises(ValueError, match="JSON compliant"):
        dump(replace(card, groups=(broken,)))
    with pytest.raises((ValueError, KeyError, TypeError)):
        load("{}")
