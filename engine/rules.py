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

Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=0, le=3650)]


_NOT_JUDGING = ("profiles", "relative", "portfolio", "proof", "calibration")
"""Sections by which no name passes or fails: they are in no hash."""


class LensRules(Frozen):
    """A pair of realized-volatility windows with the thresholds that belong to them."""

    structural_window: Literal[90, 252]
    tactical_window: Literal[20, 30]
    vrp_structural_threshold: Positive
    vrp_structural_rich_threshold: Positive
    vrp_tactical_threshold: Positive


class VolatilityRules(Frozen):
    """Denominators, sources and the constant rate used when a market brings none."""

    hv_floor_percent: Annotated[float, Field(gt=0, le=100)]
    hv_source: Literal["auto", "computed", "provider"]
    hv_difference_flag_percent: Percent
    iv_difference_flag_percent: Percent
    risk_free_rate_percent: Annotated[float, Field(ge=-5, le=30)]
    dividend_flag_percent: Percent


class Iv30Rules(Frozen):
    """How the 30-day implied volatility is taken from a chain (methodology 2)."""

    target_days: Annotated[int, Field(ge=7, le=365)]
    slope_days: Annotated[int, Field(ge=14, le=730)]
    near_min_days: Days
    nearest_min_days: Days
    nearest_max_days: Days
    parity_strikes: Annotated[int, Field(ge=1, le=9)]
    tree_steps: Annotated[int, Field(ge=5, le=500)]

    @model_validator(mode="after")
    def _ordered(self) -> Iv30Rules:
        if not self.nearest_min_days <= self.target_days <= self.nearest_max_days:
            raise ValueError("target_days must lie between nearest_min_days and nearest_max_days")
        return self


class TradeExpiryRules(Frozen):
    """Where a trade would be done: the monthly nearest `target_days`, within the range."""

    target_days: Days
    min_days: Days
    max_days: Days


class RegimeRules(Frozen):
    """Limits of COILED and EXPANDING (methodology 4)."""

    coiled_hv20_hv60: Positive
    coiled_hv20_hv252: Positive
    expanding_hv20_hv252: Positive


class ZoneRules(Frozen):
    """Limits of the compression ratio HV30/HV90 (methodology 4)."""

    severe_compression_below: Positive
    mild_compression_below: Positive
    normal_up_to: Positive
    mild_expansion_up_to: Positive


class GateRules(Frozen):
    """Limits of the gates (methodology 5)."""

    momentum_min: NonNegative
    iv_percentile_min: Percent
    iv_history_min_days: Days
    strict: bool
    slippage_max_percent: Percent
    liquidity_rating_min: NonNegative
    atm_volume_min: NonNegative
    open_interest_min: NonNegative
    price_min: NonNegative
    earnings_days: Days
    earnings_policy: Literal["tag", "gate"]
    correlation_max: Annotated[float, Field(ge=-1, le=1)]


class ScoreWeights(Frozen):
    """Weights of the score's components; a missing component drops out."""

    structural: Share
    tactical: Share
    iv_percentile: Share
    momentum: Share
    yield_: Share = Field(alias="yield")
    liquidity: Share

    @model_validator(mode="after")
    def _sums_to_one(self) -> ScoreWeights:
        total = sum(getattr(self, name) for name in type(self).model_fields)
        if abs(total - 1.0) > 1e-9:
            raise ValueError(f"the six weights must add up to 1, they add up to {total:g}")
        return self


class ScoreRules(Frozen):
    """Scales of the score's components (methodology 5)."""

    weights: ScoreWeights
    richness_per_unit: Positive
    momentum_at_0: NonNegative
    momentum_at_100: NonNegative
    yield_at_0_percent: NonNegative
    yield_at_100_percent: NonNegative
    yield_notional_percent: Positive
    slippage_at_0_percent: Positive


class PenaltyRules(Frozen):
    """Multipliers that lower a score, each named beside it."""

    volatility_trap_hv_rank: Percent
    volatility_trap_multiplier: Share
    compression_multiplier: Share
    proxy_iv_multiplier: Share


class SignalRules(Frozen):
    """Limits of RICH and DISCOUNT."""

    rich_iv_percentile: Percent
    rich_markup: Annotated[float, Field(ge=-1, le=10)]
    discount_markup: Annotated[float, Field(ge=-1, le=10)]


class CoverageRules(Frozen):
    """Below which share of measured names a run is degraded or an outage."""

    degraded_below_percent: Percent
    outage_below_percent: Percent
    from_names: Annotated[int, Field(ge=1)]


class RelativeRules(Frozen):
    """When pairs and sectors are worth a word (methodology 6)."""

    convergence_spread: Positive
    sector_min_names: Annotated[int, Field(ge=2, le=100)]
    notable_delta: NonNegative
    """From this difference of VRP on, a name is told apart from its sector."""
    notable_level: NonNegative
    """The same for a sector's mean and the market's median: a mean is surer than one name."""


class Scenario(Frozen):
    """One stress: what the benchmark and its volatility index do within a day."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=40)]
    move_percent: Annotated[float, Field(gt=-100, le=100)]
    vol_points: Annotated[float, Field(ge=-100, le=200)]
    frequency_percent: Percent | None
    """Share of days with a move at least as large the same way, over the long run; None when not known."""
    frequency_source: Annotated[str, StringConstraints(max_length=120)] = ""
    """What was counted there, and over which days."""


class PortfolioRules(Frozen):
    """Triage, stress and fit of a book (methodology 7). None of it judges a name, so it is in no hash."""

    deep_delta: Share
    """Beyond this |delta| early exercise counts and the tree is used."""
    harvest_percent: Percent
    defense_days: Days
    gamma_days: Days
    size_loss_percent: Percent
    position_size_percent: Percent
    diversified_below: Share
    bound_below: Share
    fit_delta: Share
    fit_days: Days
    vix_when_unknown: Positive
    least_volatility_factor: Annotated[float, Field(gt=0, le=1)]
    scenarios: Annotated[list[Scenario], Field(min_length=1, max_length=20)]

    @model_validator(mode="after")
    def _ordered(self) -> PortfolioRules:
        if self.diversified_below > self.bound_below:
            raise ValueError("diversified_below must not exceed bound_below")
        return self


class ProofRules(Frozen):
    """How calls are scored afterwards (methodology 8)."""

    horizon_sessions: Annotated[int, Field(ge=2, le=252)]
    """Sessions after an observation over which the movement is measured."""
    whipsaw_sessions: Annotated[int, Field(ge=1, le=252)]
    """A listed name that drops out within so many sessions has whipsawed."""
    settle_within_sessions: Annotated[int, Field(ge=0, le=252)]
    """So many sessions after its horizon an outcome that still lacks closes is given up."""
    evidence_least_n: Annotated[int, Field(ge=2, le=100_000)]
    """Effective observations below which a sample is called small and no card quotes it."""


class CalibrationRules(Frozen):
    """When thresholds ask for a look, and what would follow; nothing of it is ever applied by itself."""

    reference_ratio: Positive
    """Mean quarterly over mean yearly structural premium when the thresholds were set."""
    drift_percent: Percent
    ratio_above: Positive
    ratio_below: Positive
    ratio_move_percent: Percent
    candidates_above: Annotated[int, Field(ge=0)]
    candidates_below: Annotated[int, Field(ge=0)]
    candidates_move: NonNegative
    top_percent: Annotated[float, Field(gt=0, lt=100)]
    """Share of the universe the threshold by rank would list (what-if)."""
    calm_below_percent: Percent
    wild_above_percent: Percent
    """HV90 that parts calm, normal and wild names for the thresholds by regime (what-if)."""
    calm_threshold: Positive
    normal_threshold: Positive
    wild_threshold: Positive
    least_names: Annotated[int, Field(ge=2, le=100_000)]
    """Names with both lenses below which no trigger is evaluated."""


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
