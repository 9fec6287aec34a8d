"""What looking at a book yields: frozen results that the cards and the command line both read.

Money is in the currency of the quotes, for the whole position (quantity and multiplier are in it). What is
missing is None.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from engine.arrays import FloatArray
from engine.portfolio.book import Leg, Rejected
from engine.screen.result import Gate

Status = Literal[
    "valued",
    "expired",
    "unknown underlying",
    "no quotes",
    "not listed",
    "adjusted contract",
    "future",
    "future option",
]
"""Why a leg has no value; "valued" when it has one. "not listed": the chain holds no such contract."""
Spread = Literal["diversified", "bound", "CONCENTRATED"]


@dataclass(frozen=True, slots=True)
class LegView:
    """One leg, or the part of it that belongs to a position.

    mark          per share; mark_method: mid, half of ask (nobody bids), model, spot, intrinsic
    volatility    fraction; vol_method: own, other right, smile, term, iv30
    delta, gamma, theta, vega  of the part: shares, shares per 1.00, money a calendar day, money a vol point
    """

    leg: Leg
    quantity: float
    status: Status
    mark: float | None = None
    mark_method: str = ""
    volatility: float | None = None
    vol_method: str = ""
    pl: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None


@dataclass(frozen=True, slots=True)
class Tag:
    """One finding of the triage and, in words with its numbers, the rule that fired."""

    name: Literal["EXPIRING", "HARVEST", "SIZE", "DEFENSE", "GAMMA", "TOXIC", "EARNINGS"]
    rule: str


@dataclass(frozen=True, slots=True)
class PositionView:
    """A strategy, or a single leg that fits none.

    strategy    its name with the side: short strangle, long call, bull put spread
    units       how often it stands there, positive: 2 for two strangles
    days        calendar days to the nearest expiration; None without options
    opened      money paid (positive) or received (negative) when it was opened
    worth       money it would bring if closed at the marks (negative: it costs to close)
    pl          worth - opened
    max_profit, max_loss  at expiration, as positive money; None where unlimited or not known
    theta       money a calendar day, positive when time pays
    alpha_theta theta * IV30/HV of the underlying, lens and floor as in the screen; quality their ratio
    delta       shares; gamma shares per 1.00; vega money a volatility point
    beta_delta, beta_gamma  in shares of the benchmark
    two_sigma_loss  worst loss of a two-sigma day, positive money
    flags       facts worth knowing, each a short sentence without a full stop
    """

    symbol: str
    strategy: str
    units: float
    legs: tuple[LegView, ...]
    days: int | None
    opened: float | None
    worth: float | None
    pl: float | None
    max_profit: float | None
    max_loss: float | None
    theta: float | None
    alpha_theta: float | None
    quality: float | None
    delta: float | None
    gamma: float | None
    vega: float | None
    beta_delta: float | None
    beta_gamma: float | None
    two_sigma_loss: float | None
    triage: tuple[Tag, ...]
    flags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over what could be valued; `left_out` counts the legs that could not.

    Of the others, `without_pl` have no opening price or mark, `without_alpha` no realized volatility and
    `without_beta` no beta: the sums that need it are over the rest.

    mean_correlation  mean pairwise correlation of the underlyings' daily log returns; None below two
    concentration     what the rules call it; None while the correlation is not known
    largest, largest_share  underlying with the largest size (delta in money, or the loss of its worst
                            scenario where that is more), and its share of net liquidation
    size_warning      whether that is above the limit; None without net liquidation
    """

    positions: int
    legs: int
    left_out: int
    pl: float | None
    theta: float | None
    alpha_theta: float | None
    quality: float | None
    delta_dollars: float | None
    beta_delta: float | None
    beta_gamma: float | None
    vega: float | None
    mean_correlation: float | None
    concentration: Spread | None
    largest: str | None
    largest_share: float | None
    size_warning: bool | None
    without_pl: int = 0
    without_alpha: int = 0
    without_beta: int = 0


@dataclass(frozen=True, slots=True)
class StressLine:
    """One scenario over the whole book.

    move        of the benchmark, fraction; vol_points of its volatility index, in points (15.0)
    pl          change of the book's worth at once, money; None when nothing could be revalued
    frequency   share of days with such a move, fraction; `frequency_source` says over which days
    worst       contracts that lose most, (their text, money), worst first; lots of one are added up
    """

    label: str
    move: float
    vol_points: float
    pl: float | None
    frequency: float | None
    frequency_source: str
    worst: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Surface:
    """Profit and loss over the benchmark's move and the change of its volatility index.

    moves (m,) fractions, vol_points (v,), pl (v, m) money.
    """

    moves: FloatArray
    vol_points: FloatArray
    pl: FloatArray


@dataclass(frozen=True, slots=True)
class Stress:
    """All scenarios of the rules, and the picture's surface."""

    lines: tuple[StressLine, ...]
    surface: Surface | None
    vix: float
    """Level of the volatility index the shocks are relative to, in points."""
    vix_source: str
    notes: tuple[str, ...]
    losses: tuple[tuple[str, float], ...] = ()
    """What each underlying loses in its worst scenario, positive money; none for those that lose in none."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """A book at one market."""

    asof: datetime
    session: date
    source: str
    lens: str
    net_liquidation: float | None
    positions: tuple[PositionView, ...]
    totals: Totals
    stress: Stress
    rejected: tuple[Rejected, ...] = ()
    notes: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Fit:
    """What one standard strangle more would do to a book.

    strangle      the position to be added, valued as one unit; None when the chain offers none, and `reason`
    before, after totals of the book without and with it
    stress_before, stress_after  the same scenarios, in the rules' order
    correlation   of the name with the book; gates those of the screen, shown ones too, correlation last
    """

    symbol: str
    reason: str
    strangle: PositionView | None
    before: Totals
    after: Totals | None
    stress_before: tuple[StressLine, ...]
    stress_after: tuple[StressLine, ...]
    correlation: float | None
    gates: tuple[Gate, ...]
