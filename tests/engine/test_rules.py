"""The files of config/: what loads, and what is said when one does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.errors import ConfigError
from engine.rules import TUNABLE, load_pairs, load_rules, load_universe
from engine.screen.lens import measurement_key

CONFIG = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    shutil.copytree(CONFIG, tmp_path / "config")
    return tmp_path / "config"


def rewrite(config: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = config / "trading_rules.json"
    rules = json.loads(path.read_text())
    change(rules)
    path.write_text(json.dumps(rules))


def test_the_shipped_files_load() -> None:
    rules = load_rules(CONFIG)
    assert rules.lenses["quarterly"].vrp_structural_threshold == 1.10
    assert rules.lenses["yearly"].vrp_tactical_threshold == 0.90
    assert rules.hv_floor == 0.05
    assert load_pairs(CONFIG)[0].id == "PRECIOUS_METALS"
    symbols = {listing.symbol for listing in load_universe(CONFIG)}
    assert len(symbols) == 120
    assert {leg for pair in load_pairs(CONFIG) for leg in (pair.leg_a, pair.leg_b)} <= symbols


def test_profiles_are_overrides_of_the_same_rules() -> None:
    rules = load_rules(CONFIG)
    selective, wide, broad = (rules.using(name) for name in ("selective", "wide", "broad"))
    assert selective.lenses["quarterly"].vrp_structural_threshold == 1.15
    assert selective.lenses["quarterly"].vrp_tactical_threshold == 1.30
    assert wide.lenses["quarterly"].vrp_tactical_threshold == 1.10
    assert (broad.gates.slippage_max_percent, broad.gates.strict) == (10.0, False)
    assert broad.gates.price_min == rules.gates.price_min
    assert len({each.hash for each in (rules, selective, wide, broad, rules.using(lens="yearly"))}) == 5
    assert rules.using("balanced").hash == rules.hash


def test_a_hash_tells_rules_not_other_profiles(config: Path) -> None:
    before = load_rules(config).hash
    rewrite(config, lambda rules: rules["profiles"].pop("aggressive"))
    assert load_rules(config).hash == before
    rewrite(config, lambda rules: rules["gates"].update(price_min=26))
    assert load_rules(config).hash != before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r.update(vrp=1), "trading_rules.json: unknown key vrp"),
        (lambda r: r["gates"].update(price_minimum=3), "unknown key gates.price_minimum"),
        (lambda r: r["gates"].pop("price_min"), "key gates.price_min is missing"),
        (lambda r: r["gates"].update(price_min="cheap"), "gates.price_min has the value 'cheap'; allowed is"),
        (
            lambda r: r["gates"].update(slippage_max_percent=120),
            "gates.slippage_max_percent has the value 120",
        ),
        (lambda r: r["gates"].update(earnings_policy="hope"), "allowed is 'tag' or 'gate'"),
        (lambda r: r["score"]["weights"].update(structural=0.5), "must add up to 1"),
        (lambda r: r["volatility"].update(hv_floor_percent=0), "greater than 0"),
        (lambda r: r.update(lens="daily"), "'quarterly', 'yearly' or 'consensus'"),
        (lambda r: r["lenses"].pop("yearly"), "must hold quarterly and yearly"),
        (lambda r: r["iv30"].update(target_days=60), "must lie between"),
        (lambda r: r.update(benchmark="spy; drop"), "benchmark has the value"),
        (lambda r: r["profiles"]["broad"].update(gate={}), "unknown key profiles.broad.gate"),
    ],
)
def test_a_bad_rule_names_file_key_value_and_what_is_allowed(
    config: Path, change: Callable[[dict[str, Any]], object], said: str
) -> None:
    rewrite(config, change)
    with pytest.raises(ConfigError) as error:
        load_rules(config)
    assert said in str(error.value)
    assert "trading_rules.json" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "text", "load", "said"),
    [
        ("trading_rules.json", "{", load_rules, "trading_rules.json, line 1: not valid JSON"),
        ("trading_rules.json", None, load_rules, "trading_rules.json cannot be read"),
        ("trading_rules.json", "[]", load_rules, "trading_rules.json: the file"),
        ("pairs.json", '{"pairs": [{"id": "A"}]}', load_pairs, "key pairs.0.leg_a is missing"),
        ("universe.csv", "symbol,name,sector,asset_class\n", load_universe, "lists no name"),
        (
            "universe.csv",
            "symbol,name,sector,asset_class\nKO,Coca-Cola,Staples,equity\nKO,Again,Staples,equity\n",
            load_universe,
            "symbol KO stands twice",
        ),
        (
            "universe.csv",
            "symbol,name,sector,asset_class\nKO,Coca-Cola,Staples,share\n",
            load_universe,
            "universe.csv, line 2: asset_class has the value 'share'; allowed is",
        ),
    ],
)
def test_a_bad_file_is_one_sentence(
    config: Path, name: str, text: str | None, load: Callable[[Path], object], said: str
) -> None:
    (config / name).unlink()
    if text is not None:
        (config / name).write_text(text)
    with pytest.raises(ConfigError) as error:
        load(config)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_unknown_names_list_what_there_is() -> None:
    rules = load_rules(CONFIG)
    with pytest.raises(ConfigError, match="unknown profile 'yolo': use one of balanced, high_quality"):
        rules.using("yolo")
    with pytest.raises(ConfigError, match="unknown lens 'daily': use one of quarterly, yearly, consensus"):
        rules.using(lens="daily")


def test_own_thresholds_take_the_place_of_the_profiles() -> None:
    rules = load_rules(CONFIG)
    own = rules.using("broad").tuned([("price_min", 12.5), ("vrp_tactical_threshold", 1.4)])
    assert own.gates.price_min == 12.5
    assert own.lenses["quarterly"].vrp_tactical_threshold == 1.4
    assert own.lenses["yearly"] == rules.lenses["yearly"]
    assert (own.gates.slippage_max_percent, own.gates.strict) == (10.0, False), "the profile's others stay"
    assert rules.gates.price_min == 25.0


def test_the_premiums_are_those_of_the_lens_in_force() -> None:
    rules = load_rules(CONFIG)
    own = [("vrp_structural_threshold", 1.01)]
    yearly, consensus = (rules.using(lens=lens).tuned(own) for lens in ("yearly", "consensus"))
    assert yearly.lenses["yearly"].vrp_structural_threshold == 1.01
    assert yearly.lenses["quarterly"] == rules.lenses["quarterly"]
    assert consensus.lenses["quarterly"].vrp_structural_threshold == 1.01


def test_own_thresholds_are_a_series_of_their_own() -> None:
    rules = load_rules(CONFIG)
    own = [("price_min", 10.0), ("earnings_days", 5.0)]
    tuned = rules.tuned(own)
    # sha256 of [["earnings_days", 5.0], ["price_min", 10.0]]
    assert tuned.profile == "balanced+2252b1"
    assert tuned.profile == rules.tuned(own[::-1]).profile
    assert tuned.profile != rules.tuned([("price_min", 10.0)]).profile
    assert tuned.hash not in (rules.hash, rules.tuned([("price_min", 10.0)]).hash)
    assert rules.tuned([]) is rules


@pytest.mark.parametrize("name", TUNABLE)
def test_every_tunable_threshold_can_be_set_and_measures_nothing_anew(name: str) -> None:
    rules = load_rules(CONFIG)
    tuned = rules.tuned([(name, 1.0)])
    assert (tuned.threshold(name), rules.threshold(name) == 1.0) == (1.0, False)
    assert tuned.model_dump(exclude={"profile"}) != rules.model_dump(exclude={"profile"})
    assert measurement_key(tuned) == measurement_key(rules)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("price", 3.0, "unknown threshold 'price': use one of vrp_structural_threshold, vrp_tactical_thr"),
        ("strict", 1.0, "unknown threshold 'strict': use one of"),
        ("vrp_tactical_threshold", 0.0, "vrp_tactical_threshold has the value 0; allowed is greater than 0"),
        ("price_min", -1.0, "price_min has the value -1; allowed is greater than or equal to 0"),
        ("iv_percentile_min", 101.0, "iv_percentile_min has the value 101; allowed is less than or equal"),
        ("earnings_days", 2.5, "earnings_days has the value 2.5; allowed is a valid integer"),
        ("price_min", float("nan"), "price_min has the value nan; allowed is a finite number"),
        ("atm_volume_min", float("inf"), "atm_volume_min has the value inf; allowed is"),
    ],
)
def test_a_bad_threshold_names_key_value_and_what_is_allowed(name: str, value: float, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_rules(CONFIG).tuned([(name, value)])
    assert said in str(error.value)
    assert "\n" not in str(error.value)
