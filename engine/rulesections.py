"""The sections of config/trading_rules.json, each a frozen model that says what its keys may be."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from engine.configfile import Frozen

Positive = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
Days = Annotated[int, Field(ge=0, le=3650)]


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
