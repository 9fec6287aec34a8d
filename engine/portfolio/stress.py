"""What a bad day would do to a book: every leg priced anew in every scenario (methodology 7).

The decision behind the figures is docs/decisions/0017-stress.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.panel import Panel
from engine.portfolio.result import Stress, StressLine, Surface
from engine.portfolio.value.leg_price import beyond_delta, leg_values
from engine.portfolio.valued import ValuedBook
from engine.rules import Rules
from engine.rulesections import Scenario

LEAST_SPOT_FACTOR = 0.01
"""No scenario takes an underlying below a hundredth of its price: a price of 0 has no option value."""
WORST_LEGS = 5
HALF_CENT = 0.005
"""A leg that loses less than this is not listed as losing."""
SURFACE_MOVES = np.linspace(-0.10, 0.10, 41)
SURFACE_POINTS = np.linspace(-10.0, 20.0, 31)
MIN_RETURNS = 250
"""Fewest of the benchmark's own returns whose shares are told: below a year they say nothing."""
UNCHANGED = 0.005
"""A day that moves the benchmark by less than this is counted as unchanged."""
VOLATILITY_INDICES = ("^VIX", "VIX")
NAMED = 5
"""Names a note lists before it counts the rest."""
# Options priced at a time: the dozen temporaries of a block stay in the cache.
_BLOCK = 32_768


def scenario_pl(
    valued: ValuedBook, moves: npt.ArrayLike, vol_points: npt.ArrayLike, vix: float, rules: Rules
) -> FloatArray:
    """Change of every leg's worth in every scenario, by full revaluation: no greek is used.

    spot -> spot * max(1 + beta * move, 0.01), vol -> vol * max(1 + vol_points / vix, least factor of the
    rules), rate, carry and time stay; P/L = size * (model(shocked) - model(now)). A leg without a beta moves
    as the benchmark does (beta 1). Shares earn size * (shocked spot - spot). Early exercise is in both prices
    of an American leg whose |delta| is beyond the rules' deep_delta at either end, and in neither of others.

    Parameters
    ----------
    moves : move of the benchmark, fraction (-0.05), shape (scenarios,) or one number
    vol_points : change of its volatility index in points (15.0), the same shape
    vix : level of that index in points, > 0

    Returns
    -------
    FloatArray
        (scenarios, legs), money; exactly 0 where nothing moves, NaN for a leg that is not priced.

    Raises
    ------
    ValueError
        When vix is not positive or the two shapes do not broadcast to one line.
    """
    if not vix > 0:
        raise ValueError(f"vix must be above 0, not {vix:g}")
    move, points = np.broadcast_arrays(
        np.atleast_1d(np.asarray(moves, np.float64)), np.atleast_1d(np.asarray(vol_points, np.float64))
    )
    factor = np.maximum(1.0 + points / vix, rules.portfolio.least_volatility_factor)[:, None]
    shares = np.flatnonzero(valued.priced & valued.is_share)
    options = np.flatnonzero(valued.priced & ~valued.is_share)
    pl = np.full((len(move), len(valued.legs)), np.nan)
    rows = max(_BLOCK // max(len(valued.legs), 1), 1)
    for part in (slice(start, start + rows) for start in range(0, len(move), rows)):
        moved = np.maximum(_spot_factor(valued, move[part]), LEAST_SPOT_FACTOR)
        pl[part, shares] = (valued.size * valued.spot)[shares] * (moved[:, shares] - 1.0)
        pl[part, options] = _revalued(valued, options, moved[:, options], factor[part], rules)
    # The tree's last digits depend on the legs computed beside; where nothing moves nothing is earned, and
    # what is missing stays missing. Adding 0 leaves no -0.
    still = (move == 0) & (points == 0)
    pl[still] = 0.0 * pl[still] + 0.0
    return pl


def stress_book(valued: ValuedBook, panel: Panel, table: pd.DataFrame, rules: Rules) -> Stress:
    """All scenarios of the rules in their order, and the surface for the picture.

    Legs without a value are left out and counted in the notes, with every other liberty taken; a book of
    nothing else has no P/L and no surface. Nothing is raised for a bad book.
    """
    vix, vix_source = vix_level(panel, table, rules)
    scenarios = rules.portfolio.scenarios
    moves = np.array([scenario.move_percent / 100.0 for scenario in scenarios])
    points = np.array([scenario.vol_points for scenario in scenarios])
    pl = scenario_pl(valued, moves, points, vix, rules)
    known: BoolArray = np.asarray(np.isfinite(pl).all(axis=0))
    record = _Record.of(panel, rules.benchmark)
    lines = [
        StressLine(
            scenario.label,
            float(move),
            scenario.vol_points,
            float(own[known].sum()) if known.any() else None,
            *_frequency(scenario, record),
            _worst(valued, own),
        )
        for scenario, move, own in zip(scenarios, moves, pl, strict=True)
    ]
    notes = (
        *_left_out(known),
        *_liberties(valued, known, moves, points, vix, rules),
        *(() if record is None or not known.any() else (record.told(scenarios),)),
    )
    surface = _surface(valued, known, vix, rules) if known.any() else None
    return Stress(tuple(lines), surface, vix, vix_source, notes, _losses(valued, pl, known))


def _losses(valued: ValuedBook, pl: FloatArray, known: BoolArray) -> tuple[tuple[str, float], ...]:
    """The worst scenario of each underlying by itself, the largest loss first."""
    symbols = np.array([leg.symbol for leg in valued.legs], dtype=object)
    worst = {
        str(symbol): -float(pl[:, known & (symbols == symbol)].sum(axis=1).min())
        for symbol in dict.fromkeys(symbols[known])
    }
    return tuple(
        sorted(((s, loss) for s, loss in worst.items() if loss > HALF_CENT), key=lambda each: -each[1])
    )


def vix_level(panel: Panel, table: pd.DataFrame, rules: Rules) -> tuple[float, str]:
    """Level of the volatility index the shocks are relative to, in points, and where it is from.

    The panel's ^VIX or VIX; without it the benchmark's IV30 of the measured table; without that the rules'
    `vix_when_unknown`, which the source calls assumed.
    """
    spots = dict(zip(panel.symbols, panel.names["spot"].to_numpy(dtype=np.float64), strict=True))
    for symbol in VOLATILITY_INDICES:
        level = float(spots.get(symbol, np.nan))
        if np.isfinite(level) and level > 0:
            return level, symbol
    own = table.loc[table["symbol"] == rules.benchmark, "iv30"].to_numpy(dtype=np.float64)
    if len(own) and np.isfinite(own[0]) and own[0] > 0:
        return 100.0 * float(own[0]), f"IV30 of {rules.benchmark}"
    return rules.portfolio.vix_when_unknown, "assumed"


# --- prices ------------------------------------------------------------------------------------


def _spot_factor(valued: ValuedBook, moves: FloatArray) -> FloatArray:
    """1 + beta * move, (scenarios, legs), before any floor."""
    beta: FloatArray = np.where(np.isfinite(valued.beta), valued.beta, 1.0)
    return np.asarray(1.0 + moves[:, None] * beta)


def _revalued(
    valued: ValuedBook, legs: IntArray, spot_factor: FloatArray, vol_factor: FloatArray, rules: Rules
) -> FloatArray:
    """size * (shocked - now) of some options, (scenarios, legs).

    Both ends are priced the same way: with early exercise when either of them lies beyond the deep delta,
    else both without. A premium that enters at one end only would be taken for profit or loss.
    """
    spot, vol, limit = valued.spot[legs], valued.vol[legs], rules.portfolio.deep_delta
    fixed = valued.strike[legs], valued.years[legs], valued.rate, valued.carry[legs]
    is_call, steps = valued.is_call[legs], rules.iv30.tree_steps
    moved, shaken = spot * spot_factor, vol * vol_factor
    early = valued.american[legs]
    if early.any():
        deep_now = beyond_delta(spot, *fixed, vol, is_call, limit)
        early = early & (deep_now | beyond_delta(moved, *fixed, shaken, is_call, limit))
    plain, american = (
        leg_values(spot, *fixed, vol, is_call, exercise, deep_delta=0.0, steps=steps)
        for exercise in (False, early.any(axis=0))
    )
    shocked = leg_values(moved, *fixed, shaken, is_call, early, deep_delta=0.0, steps=steps)
    return valued.size[legs] * (shocked - np.where(early, american, plain))


def _surface(valued: ValuedBook, known: BoolArray, vix: float, rules: Rules) -> Surface:
    moves, points = np.meshgrid(SURFACE_MOVES, SURFACE_POINTS)
    pl = scenario_pl(valued, moves.ravel(), points.ravel(), vix, rules)
    return Surface(SURFACE_MOVES.copy(), SURFACE_POINTS.copy(), pl[:, known].sum(axis=1).reshape(moves.shape))


def _worst(valued: ValuedBook, pl: FloatArray) -> tuple[tuple[str, float], ...]:
    """Contracts that lose most, lots of one contract added up."""
    lots: dict[tuple[object, ...], list[int]] = {}
    for place in np.flatnonzero(np.isfinite(pl)).tolist():
        leg = valued.legs[place]
        lots.setdefault((leg.symbol, leg.kind, leg.expiration, leg.strike, leg.right), []).append(place)
    sums = [(places, float(pl[places].sum())) for places in lots.values()]
    losing = sorted((each for each in sums if each[1] < -HALF_CENT), key=lambda each: each[1])
    return tuple((_lots_text(valued, places), loss) for places, loss in losing[:WORST_LEGS])


def _lots_text(valued: ValuedBook, places: Sequence[int]) -> str:
    legs = [valued.legs[place] for place in places]
    prices = {leg.open_price for leg in legs}
    price = legs[0].open_price if len(prices) == 1 else None
    return replace(legs[0], quantity=sum(leg.quantity for leg in legs), open_price=price).text


# --- how often ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Record:
    """The benchmark's own daily returns at hand (simple, oldest first), when there is a year of them."""

    benchmark: str
    returns: FloatArray

    @classmethod
    def of(cls, panel: Panel, benchmark: str) -> _Record | None:
        closes = panel.benchmark_close
        if closes is None:
            return None
        valid = np.where(closes > 0, closes, np.nan)
        returns = valid[1:] / valid[:-1] - 1.0
        returns = returns[np.isfinite(returns)]
        return cls(benchmark, returns) if len(returns) >= MIN_RETURNS else None

    def days(self, move: float) -> int:
        """Days that went as far the same way; within half a percent for a move of 0."""
        if move == 0:
            return int(np.count_nonzero(np.abs(self.returns) < UNCHANGED))
        return int(np.count_nonzero(self.returns * np.sign(move) >= abs(move)))

    def told(self, scenarios: Sequence[Scenario]) -> str:
        counts = []
        for percent in dict.fromkeys(scenario.move_percent for scenario in scenarios):
            way = "fell" if percent < 0 else "rose"
            what = (
                f"{way} {abs(percent):g} % or more" if percent else f"moved less than {100 * UNCHANGED:g} %"
            )
            counts.append(f"{what} on {self.days(percent / 100.0)}")
        return f"Of the last {len(self.returns)} days {self.benchmark} {', '.join(counts)}"


def _frequency(scenario: Scenario, record: _Record | None) -> tuple[float | None, str]:
    """Share of days and over which: the rules' long run, else the benchmark's own days for what they show."""
    if scenario.frequency_percent is not None:
        return scenario.frequency_percent / 100.0, scenario.frequency_source
    # The days at hand hold the benchmark without its volatility index: a shock of that alone is not counted.
    volatility_alone = scenario.move_percent == 0 and scenario.vol_points != 0
    if record is None or volatility_alone:
        return None, ""
    count = len(record.returns)
    return record.days(scenario.move_percent / 100.0) / count, f"{record.benchmark}, the last {count} days"


# --- what a reader should know -------------------------------------------------------------------


def _left_out(known: BoolArray) -> Iterable[str]:
    missing = len(known) - int(np.count_nonzero(known))
    if missing == 1:
        yield "1 leg without a value is left out"
    if missing > 1:
        yield f"{missing} legs without a value are left out"


def _liberties(
    valued: ValuedBook, known: BoolArray, moves: FloatArray, points: FloatArray, vix: float, rules: Rules
) -> Iterable[str]:
    """Where a beta had to be assumed, and where a floor holds a price or a volatility in a scenario."""
    symbols = np.array([leg.symbol for leg in valued.legs], dtype=object)
    without = symbols[known & ~np.isfinite(valued.beta)]
    if len(without):
        yield f"No beta is known for {_names(without)}: taken as 1"
    held = symbols[known & (_spot_factor(valued, moves) < LEAST_SPOT_FACTOR).any(axis=0)]
    if len(held):
        yield f"The price of {_names(held)} is held at {100 * LEAST_SPOT_FACTOR:g} % of today's"
    least = rules.portfolio.least_volatility_factor
    if known.any() and bool((1.0 + points / vix < least).any()):
        yield f"Volatilities are held at {100 * least:g} % of today's where a VIX of {vix:.1f} falls further"


def _names(symbols: npt.NDArray[np.object_]) -> str:
    """Each once, in order of appearance; the first few, and how many more."""
    each = list(dict.fromkeys(symbols.tolist()))
    more = f" and {len(each) - NAMED} more" if len(each) > NAMED else ""
    return ", ".join(each[:NAMED]) + more
