"""A typed, frozen view of config/: every threshold the engine uses, and what each may be."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, ValidationError, model_validator

from engine.configfile import Frozen, Ticker, cause, no_repeats, read_json, sentence, validated
from engine.errors import ConfigError
from engine.rulesections import (
    CalibrationRules,
    CoverageRules,
    GateRules,
    Iv30Rules,
    LensRules,
    PenaltyRules,
    PortfolioRules,
    ProofRules,
    RegimeRules,
    RelativeRules,
    ScoreRules,
    SignalRules,
    TradeExpiryRules,
    VolatilityRules,
    ZoneRules,
)

Lens = Literal["quarterly", "yearly", "consensus"]
LENSES: tuple[Lens, ...] = ("quarterly", "yearly", "consensus")

TUNABLE: Mapping[str, str] = {
    "vrp_structural_threshold": "IV30 over the long realized volatility, more than",
    "vrp_tactical_threshold": "IV30 over the short realized volatility, more than",
    "momentum_min": "HV30 over HV90, at least",
    "iv_percentile_min": "percentile of IV30, at least",
    "slippage_max_percent": "spread at the money in percent of the mid, at most",
    "liquidity_rating_min": "liquidity rating, at least",
    "atm_volume_min": "contracts traded at the money, at least",
    "open_interest_min": "open interest at the money, at least",
    "price_min": "price of the underlying, at least",
    "earnings_days": "calendar days to earnings that count as soon",
}
"""Thresholds that may be set beside a profile, each with what it bounds. The two premiums are those of the
lens in force, of the quarterly one under consensus; the others are gates. None of them changes how things
are measured, so every tuned screen can be judged from the same measured table.
"""

_NOT_JUDGING = ("profiles", "relative", "portfolio", "proof", "calibration")
"""Sections by which no name passes or fails: they are in no hash."""


class Rules(Frozen):
    """config/trading_rules.json, one profile of it applied."""

    benchmark: Ticker
    lens: Lens
    lenses: dict[Literal["quarterly", "yearly"], LensRules]
    volatility: VolatilityRules
    iv30: Iv30Rules
    trade_expiry: TradeExpiryRules
    regime: RegimeRules
    zones: ZoneRules
    gates: GateRules
    score: ScoreRules
    penalties: PenaltyRules
    signal: SignalRules
    coverage: CoverageRules
    relative: RelativeRules
    portfolio: PortfolioRules
    proof: ProofRules
    calibration: CalibrationRules
    profiles: dict[str, dict[str, Any]]
    profile: str = "balanced"

    @model_validator(mode="after")
    def _both_lenses(self) -> Rules:
        if set(self.lenses) != {"quarterly", "yearly"}:
            raise ValueError("lenses must hold quarterly and yearly")
        return self

    @cached_property
    def hash(self) -> str:
        """First 12 hex digits of SHA-256 over the rules that judge names, the other profiles left out."""
        judging = self.model_dump(exclude={*_NOT_JUDGING}, by_alias=True)
        text = json.dumps(judging, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    def settled(self, provider_values: bool) -> Rules:
        """`hv_source: auto` decided: `provider` where a source brings volatilities, else `computed`."""
        if self.volatility.hv_source != "auto":
            return self
        decided = {"volatility": {"hv_source": "provider" if provider_values else "computed"}}
        return Rules.model_validate(_merge(self.model_dump(by_alias=True), decided))

    @property
    def hv_floor(self) -> float:
        """The smallest realized volatility used as a denominator, as a fraction."""
        return self.volatility.hv_floor_percent / 100.0

    def using(self, profile: str | None = None, lens: str | None = None) -> Rules:
        """The same rules under another profile or lens.

        Raises ConfigError naming what exists when either is unknown.
        """
        profile = profile or self.profile
        if profile not in self.profiles:
            raise ConfigError(f"unknown profile {profile!r}: use one of {', '.join(self.profiles)}")
        if lens is not None and lens not in LENSES:
            raise ConfigError(f"unknown lens {lens!r}: use one of {', '.join(LENSES)}")
        base = self.model_dump(by_alias=True)
        merged = _merge(base, self.profiles[profile]) | {"profile": profile}
        if lens is not None:
            merged["lens"] = lens
        return Rules.model_validate(merged)

    def threshold(self, name: str) -> float:
        """The value in force of one of TUNABLE. Raises AttributeError for any other name."""
        lens = self.lenses["yearly" if self.lens == "yearly" else "quarterly"]
        return float(getattr(lens if hasattr(lens, name) else self.gates, name))

    def tuned(self, thresholds: Sequence[tuple[str, float]]) -> Rules:
        """The same rules with own values for some of TUNABLE; themselves when there are none.

        The profile is then called `balanced+3fa2c1`, six hex digits of the thresholds behind it, so that
        the runs are a series of their own. Raises ConfigError naming key, value and what is allowed.
        """
        if not thresholds:
            return self
        tuned = self.model_dump(by_alias=True)
        lens = tuned["lenses"]["yearly" if self.lens == "yearly" else "quarterly"]
        for name, value in thresholds:
            if name not in TUNABLE:
                raise ConfigError(f"unknown threshold {name!r}: use one of {', '.join(TUNABLE)}")
            (lens if name in lens else tuned["gates"])[name] = value
        own = json.dumps(sorted({name: float(value) for name, value in thresholds}.items()))
        tuned["profile"] += f"+{hashlib.sha256(own.encode()).hexdigest()[:6]}"
        try:
            return Rules.model_validate(tuned)
        except ValidationError as error:
            first = error.errors()[0]
            key, value = first["loc"][-1], first["input"]
            allowed = first["msg"].removeprefix("Input should be ")
            raise ConfigError(f"{key} has the value {value:g}; allowed is {allowed}") from None


class Pair(Frozen):
    """Two names whose volatilities are compared (methodology 6)."""

    id: Annotated[str, StringConstraints(pattern=r"^[A-Z0-9_]{1,40}$")]
    leg_a: Ticker
    leg_b: Ticker
    correlation_threshold: Annotated[float, Field(ge=-1, le=1)]


class _PairsFile(Frozen):
    pairs: list[Pair]


class Listing(Frozen):
    """One line of config/universe.csv."""

    symbol: Ticker
    name: Annotated[str, StringConstraints(min_length=1, max_length=80)]
    sector: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    asset_class: Literal["equity", "etf", "index", "future"]


def load_rules(folder: Path) -> Rules:
    """config/trading_rules.json, every profile tried. Raises ConfigError in one sentence."""
    path = folder / "trading_rules.json"
    rules = validated(Rules, read_json(path), path)
    for name in rules.profiles:
        try:
            rules.using(name)
        except ValidationError as error:
            raise ConfigError(sentence(path, error, prefix=f"profiles.{name}.")) from None
    return rules


def load_pairs(folder: Path) -> tuple[Pair, ...]:
    """config/pairs.json. Raises ConfigError in one sentence."""
    path = folder / "pairs.json"
    pairs = tuple(validated(_PairsFile, read_json(path), path).pairs)
    no_repeats(path, "id", [pair.id for pair in pairs])
    return pairs


def load_universe(folder: Path) -> tuple[Listing, ...]:
    """config/universe.csv (symbol, name, sector, asset_class). Raises ConfigError in one sentence."""
    path = folder / "universe.csv"
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path.name} cannot be read: {cause(error)}") from None
    listings = tuple(validated(Listing, row, path, line=number) for number, row in enumerate(rows, start=2))
    if not listings:
        raise ConfigError(f"{path.name} lists no name: give at least one line below the header")
    no_repeats(path, "symbol", [listing.symbol for listing in listings])
    return listings


def _merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in override.items():
        known = merged.get(key)
        merged[key] = _merge(known, value) if isinstance(known, dict) and isinstance(value, dict) else value
    return merged
