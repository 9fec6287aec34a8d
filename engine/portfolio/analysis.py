"""A book looked at: positions recognised, valued, summed, stressed and judged, and what one more would do.

Every number comes from the panel and the measured table the screen is made of; nothing is measured again.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date

import pandas as pd

from engine.arrays import FloatArray
from engine.panel import Panel
from engine.portfolio.book import Leg, Rejected
from engine.portfolio.exposure import (
    Exposure,
    Parts,
    book_returns,
    concentration,
    exposure_of,
    gamma_cost,
    largest_position,
    mean_correlation,
    two_sigma_loss,
)
from engine.portfolio.fit import strangle_for
from engine.portfolio.occ import spellings
from engine.portfolio.reading.typed import symbol_of
from engine.portfolio.result import Analysis, Fit, LegView, PositionView, Totals
from engine.portfolio.strategies import Position, group
from engine.portfolio.strategies.lots import OFFSET
from engine.portfolio.strategies.payoff import extremes
from engine.portfolio.stress import stress_book
from engine.portfolio.triage import ShortStrike, TriageFacts, triage
from engine.portfolio.value.valuation import value_book
from engine.portfolio.valued import ValuedBook
from engine.rules import Rules
from engine.screen.measure import book_correlation
from engine.screen.result import Gate, Screen
from engine.screen.screen import screen_of

CLOSED = "long and short lots of one contract close each other: nothing is left open"


def analyse(
    legs: Sequence[Leg],
    panel: Panel,
    table: pd.DataFrame,
    rules: Rules,
    net_liquidation: float | None = None,
    rejected: tuple[Rejected, ...] = (),
) -> Analysis:
    """Everything about a book at one market (methodology 7).

    `table` is the measured table of the panel (engine.screen.measure). `net_liquidation` is what size is
    held against; without it nothing is called too large. Legs that cannot be valued stay in their positions
    with the reason, and out of every sum.
    """
    valued = value_book(legs, panel, table, rules)
    return _analysed(valued, panel, table, rules, net_liquidation, rejected)


def _analysed(
    valued: ValuedBook,
    panel: Panel,
    table: pd.DataFrame,
    rules: Rules,
    net_liquidation: float | None,
    rejected: tuple[Rejected, ...] = (),
) -> Analysis:
    grouped = _grouped(valued.legs, panel.session)
    positions = [_position(each, valued, rules, net_liquidation) for each in grouped]
    stress = stress_book(valued, panel, table, rules)
    largest = largest_position(valued, dict(stress.losses), net_liquidation)
    totals = _totals(valued, panel, rules, len(positions), largest)
    return Analysis(
        asof=panel.asof,
        session=panel.session,
        source=panel.source,
        lens=rules.lens,
        net_liquidation=net_liquidation,
        positions=tuple(positions),
        totals=totals,
        stress=stress,
        rejected=rejected,
        notes=_notes(valued, panel, rules, totals),
    )


def fit_of(
    symbol: str,
    legs: Sequence[Leg],
    panel: Panel,
    table: pd.DataFrame,
    rules: Rules,
    net_liquidation: float | None = None,
) -> Fit:
    """What one standard short strangle in `symbol` would do to a book.

    The gates are those of the screen with the correlation of the name with the book added; an empty book has
    no correlation, and that gate is not asked. Without a strangle only `before` and the reason are given.
    The name is found as a leg's is, whichever way the market spells it (BRK.B or BRK-B, ^SPX or SPX).
    """
    valued = value_book(legs, panel, table, rules)
    before = _analysed(valued, panel, table, rules, net_liquidation)
    own = symbol_of(symbol)
    listed = next((name for name in spellings(own) if name in panel.symbols), symbol)
    strangle, reason = strangle_for(listed, panel, table, rules)
    strangle = tuple(replace(leg, symbol=own) for leg in strangle)
    place = {name: row for row, name in enumerate(panel.symbols)}.get(listed)
    returns = book_returns(valued, panel) if legs else None
    gates, correlation = _gates(place, panel, table, rules, returns)
    if not strangle:
        return _fit(symbol, reason, before, None, None, correlation, gates)
    alone = analyse(strangle, panel, table, rules, net_liquidation)
    after = analyse([*legs, *strangle], panel, table, rules, net_liquidation)
    return _fit(symbol, reason, before, alone.positions[0], after, correlation, gates)


def screen_beside(
    legs: Sequence[Leg], panel: Panel, table: pd.DataFrame, rules: Rules, universe: Sequence[str] | None
) -> Screen:
    """The screen with the gate on the correlation with a book added (gate 11 of methodology 5).

    A book without a name whose closes are known gives no correlation; the gate is then unknown for every
    name, which keeps nobody out.
    """
    returns = book_returns(value_book(legs, panel, table, rules), panel)
    seen = table.assign(correlation=book_correlation(panel.prices, returns))
    return screen_of(panel, seen, rules, universe, with_book=True)


# --- positions ---------------------------------------------------------------------------------


def _grouped(legs: Sequence[Leg], session: date) -> Iterator[Position]:
    """Positions; what has expired belongs to none of what is left."""
    over = [leg.expiration is not None and leg.expiration < session for leg in legs]
    for wanted in (False, True):
        places = [place for place, past in enumerate(over) if past is wanted]
        for each in group([legs[place] for place in places]):
            yield replace(each, parts=tuple((places[part], quantity) for part, quantity in each.parts))


def _position(
    position: Position, valued: ValuedBook, rules: Rules, net_liquidation: float | None
) -> PositionView:
    parts = position.parts
    legs = [replace(valued.legs[place], quantity=quantity) for place, quantity in parts]
    exposure = exposure_of(valued, parts)
    max_profit, max_loss = extremes(legs)
    loss = two_sigma_loss(valued, parts, rules)
    facts = _facts(legs, parts, valued, exposure, max_profit, loss, net_liquidation)
    closed = position.strategy == OFFSET
    return PositionView(
        symbol=position.symbol,
        strategy=position.strategy,
        units=position.units,
        legs=tuple(_leg_view(valued, place, quantity) for place, quantity in parts),
        days=exposure.days,
        opened=exposure.opened,
        worth=exposure.worth,
        pl=exposure.pl,
        max_profit=max_profit,
        max_loss=max_loss,
        theta=exposure.theta,
        alpha_theta=exposure.alpha_theta,
        quality=exposure.quality,
        delta=exposure.delta,
        gamma=exposure.gamma,
        vega=exposure.vega,
        beta_delta=exposure.beta_delta,
        beta_gamma=exposure.beta_gamma,
        two_sigma_loss=loss,
        triage=() if closed else triage(facts, rules),
        flags=_flags(valued, parts, None if closed else facts),
    )


def _leg_view(valued: ValuedBook, place: int, quantity: float) -> LegView:
    own = exposure_of(valued, [(place, quantity)])
    return LegView(
        leg=valued.legs[place],
        quantity=quantity,
        status=valued.status[place],
        mark=_known(valued.mark[place]),
        mark_method=valued.mark_method[place],
        volatility=_known(valued.vol[place]),
        vol_method=valued.vol_method[place],
        pl=own.pl,
        delta=own.delta,
        gamma=own.gamma,
        theta=own.theta,
        vega=own.vega,
    )


def _facts(
    legs: Sequence[Leg],
    parts: Parts,
    valued: ValuedBook,
    exposure: Exposure,
    max_profit: float | None,
    loss: float | None,
    net_liquidation: float | None,
) -> TriageFacts:
    """What the triage looks at; a position none of whose legs has a value shows its days only."""
    first = parts[0][0]
    earnings, options = valued.earnings_days[first], any(leg.is_option for leg in legs)
    return TriageFacts(
        days=exposure.days,
        credit=None if exposure.opened is None else -exposure.opened,
        pl=exposure.pl,
        max_profit=max_profit,
        two_sigma_loss=loss,
        net_liquidation=net_liquidation,
        spot=_known(valued.spot[first]),
        shorts=tuple(
            ShortStrike(leg.right, leg.strike, int(valued.days[place]))
            for leg, (place, _) in zip(legs, parts, strict=True)
            if leg.is_option
            and leg.quantity < 0
            and leg.right is not None
            and leg.strike is not None
            and valued.days[place] >= 0
        ),
        gamma=exposure.gamma,
        theta=exposure.theta,
        alpha_theta=exposure.alpha_theta,
        gamma_cost=gamma_cost(valued, parts),
        earnings_days=int(earnings) if math.isfinite(earnings) and options else None,
    )


def _flags(valued: ValuedBook, parts: Parts, facts: TriageFacts | None) -> tuple[str, ...]:
    """What the legs are marked with, each once, and whether a report falls into the position's life.

    Of what is closed (no facts) only that, and why it has no value.
    """
    if facts is None:
        parts = [part for part in parts if valued.status[part[0]] != "valued"]
        return tuple(dict.fromkeys([CLOSED, *(flag for place, _ in parts for flag in valued.flags[place])]))
    said = [flag for place, _ in parts for flag in valued.flags[place]]
    earnings, days = facts.earnings_days, facts.days
    if earnings is not None and days is not None and 0 <= earnings <= days:
        said.append(f"earnings in {earnings} days, before the nearest expiration")
    return tuple(dict.fromkeys(said))


# --- the whole ---------------------------------------------------------------------------------


def _totals(
    valued: ValuedBook,
    panel: Panel,
    rules: Rules,
    positions: int,
    largest: tuple[str | None, float | None],
) -> Totals:
    """Sums over the legs that have what the sum needs; how many have not is told in the notes."""
    every = [(place, leg.quantity) for place, leg in enumerate(valued.legs)]
    held = [part for part in every if valued.priced[part[0]]]
    whole = exposure_of(valued, held) if held else None
    marked = [part for part in every if _has_result(valued, part[0])]
    judged = [part for part in held if math.isfinite(valued.quality[part[0]]) or valued.is_share[part[0]]]
    weighed = [part for part in held if math.isfinite(valued.beta[part[0]])]
    alpha = exposure_of(valued, judged) if judged else None
    beta = exposure_of(valued, weighed) if weighed and valued.benchmark_spot is not None else None
    mean = mean_correlation(valued, panel)
    name, share = largest
    limit = rules.portfolio.position_size_percent / 100.0
    return Totals(
        positions=positions,
        legs=len(valued.legs),
        left_out=len(every) - len(held),
        pl=exposure_of(valued, marked).pl if marked else None,
        theta=None if whole is None else whole.theta,
        alpha_theta=None if alpha is None else alpha.alpha_theta,
        quality=None if alpha is None else alpha.quality,
        delta_dollars=_delta_dollars(valued) if held else None,
        beta_delta=None if beta is None else beta.beta_delta,
        beta_gamma=None if beta is None else beta.beta_gamma,
        vega=None if whole is None else whole.vega,
        mean_correlation=mean,
        concentration=concentration(mean, rules),
        largest=name,
        largest_share=share,
        size_warning=None if share is None else share > limit,
        without_pl=len(held) - sum(_has_result(valued, place) for place, _ in held),
        without_alpha=len(held) - len(judged),
        without_beta=len(held) - len(weighed),
    )


def _has_result(valued: ValuedBook, place: int) -> bool:
    return valued.legs[place].open_price is not None and math.isfinite(valued.mark[place])


def _delta_dollars(valued: ValuedBook) -> float:
    held = valued.priced
    return float((valued.size * valued.delta * valued.spot)[held].sum())


def _notes(valued: ValuedBook, panel: Panel, rules: Rules, totals: Totals) -> tuple[str, ...]:
    """What the sums leave out and stand on; legs without any value are told with the stress."""
    lacking = {
        "without an opening price or a mark, not in the profit and loss": totals.without_pl,
        "without a beta, not in the beta-weighted sums": totals.without_beta,
        "without IV30 or realized volatility, not in Alpha-Theta": totals.without_alpha,
    }
    notes = [f"{count} {'leg' if count == 1 else 'legs'} {what}" for what, count in lacking.items() if count]
    held = bool(valued.priced.any())
    if panel.rate is None and bool((valued.priced & ~valued.is_share).any()):
        notes.append(
            f"constant rate of {rules.volatility.risk_free_rate_percent:g} % (the source brings none)"
        )
    if valued.benchmark_spot is None and held:
        notes.append(f"no price of {rules.benchmark}: nothing can be beta-weighted")
    return tuple(notes)


# --- one more ----------------------------------------------------------------------------------


def _fit(
    symbol: str,
    reason: str,
    before: Analysis,
    strangle: PositionView | None,
    after: Analysis | None,
    correlation: float | None,
    gates: tuple[Gate, ...],
) -> Fit:
    return Fit(
        symbol=symbol,
        reason=reason,
        strangle=strangle,
        before=before.totals,
        after=None if after is None else after.totals,
        stress_before=before.stress.lines,
        stress_after=() if after is None else after.stress.lines,
        correlation=correlation,
        gates=gates,
    )


def _gates(
    place: int | None, panel: Panel, table: pd.DataFrame, rules: Rules, returns: FloatArray | None
) -> tuple[tuple[Gate, ...], float | None]:
    """The gates of one name, those a profile only shows among them, and its correlation with the book."""
    if place is None:
        return (), None
    own, row = panel.of_names(place, place + 1), table.iloc[place : place + 1]
    if returns is not None:
        row = row.assign(correlation=book_correlation(own.prices, returns))
    found = screen_of(own, row.reset_index(drop=True), rules, with_book=returns is not None).rows[0]
    ordered = sorted((*found.gates, *found.tags), key=lambda gate: gate.name == "correlation")
    return tuple(ordered), found.number("correlation")


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
