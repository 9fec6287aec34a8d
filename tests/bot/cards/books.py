"""Books made by hand for the cards: plausible by default, every part replaceable."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from datetime import date
from typing import Any

import numpy as np

from bot.cards.portfolio_words import Market
from engine.portfolio.book import Leg
from engine.portfolio.result import (
    Analysis,
    Fit,
    LegView,
    PositionView,
    Stress,
    StressLine,
    Surface,
    Tag,
    Totals,
)
from engine.screen.result import Gate
from tests.bot.cards.builders import ASOF, SESSION, a_run, simulated_run

JUNE = date(2026, 6, 19)
SOURCE = "1 Jan 1990 to 30 Dec 2022, S&P 500"


def a_market(**parts: Any) -> Market:
    """A complete closing market with the default limit of 5 %."""
    return Market(a_run(**parts), "SPY", 0.05)


def a_simulated_market() -> Market:
    return Market(simulated_run(), "SPY", 0.05)


def a_leg(text: str = "-2 KO 60P", **parts: Any) -> LegView:
    """`-2 KO 60P`: a valued short put of June; shares without a strike."""
    quantity, symbol, *rest = text.split()
    number = float(quantity)
    leg = Leg(symbol, "shares", number, multiplier=1.0, open_price=61.2)
    if rest:
        strike, right = float(rest[0][:-1]), rest[0][-1]
        leg = Leg(symbol, "option", number, JUNE, strike, right, 1.15)  # type: ignore[arg-type]
    size = number * leg.multiplier
    view = LegView(
        leg=leg,
        quantity=number,
        status="valued",
        mark=0.62,
        mark_method="mid",
        volatility=0.274 if rest else None,
        vol_method="own" if rest else "",
        pl=-0.53 * size,
        delta=-0.21 * size,
        gamma=0.011 * size,
        theta=-0.019 * size,
        vega=0.05 * size,
    )
    return replace(view, **parts)


def unvalued(status: str, text: str = "-1 KO 60P") -> LegView:
    """A leg that could not be valued."""
    missing = dict.fromkeys(("mark", "volatility", "pl", "delta", "gamma", "theta", "vega"))
    return a_leg(text, status=status, mark_method="", vol_method="", **missing)


def a_position(symbol: str = "KO", **parts: Any) -> PositionView:
    """Two short strangles of June."""
    position = PositionView(
        symbol=symbol,
        strategy="short strangle",
        units=2.0,
        legs=(a_leg(f"-2 {symbol} 60P"), a_leg(f"-2 {symbol} 70C")),
        days=51,
        opened=-412.0,
        worth=-236.0,
        pl=176.0,
        max_profit=412.0,
        max_loss=None,
        theta=7.6,
        alpha_theta=10.1,
        quality=1.33,
        delta=12.0,
        gamma=-4.4,
        vega=-20.0,
        beta_delta=0.9,
        beta_gamma=-0.02,
        two_sigma_loss=310.0,
        triage=(),
        flags=(),
    )
    return replace(position, **parts)


def nothing_known(symbol: str = "ZZZ", status: str = "no quotes") -> PositionView:
    """A position of which nothing could be valued."""
    kept = {"symbol", "strategy", "units", "legs", "days", "triage", "flags"}
    missing = {each.name: None for each in fields(PositionView) if each.name not in kept}
    return a_position(symbol, strategy="short put", units=1.0, legs=(unvalued(status),), **missing)


TOTALS = Totals(
    positions=14,
    legs=31,
    left_out=0,
    pl=812.4,
    theta=142.0,
    alpha_theta=188.0,
    quality=188.0 / 142.0,
    delta_dollars=-23_100.0,
    beta_delta=-34.2,
    beta_gamma=-3.1,
    vega=-410.0,
    mean_correlation=0.52,
    concentration="bound",
    largest="KO",
    largest_share=0.041,
    size_warning=False,
)
NO_TOTALS = replace(
    TOTALS,
    **dict.fromkeys(
        ("pl", "theta", "alpha_theta", "quality", "delta_dollars", "beta_delta", "beta_gamma", "vega"), None
    ),
    **dict.fromkeys(("mean_correlation", "concentration", "largest", "largest_share", "size_warning"), None),
)

WORST = (
    ("-2 NVDA 2026-06-19 95P @ 2.15", -1830.0),
    ("-2 KO 2026-06-19 60P @ 1.15", -1240.0),
    ("-1 AMZN 2026-05-15 172.5P @ 3.4", -610.5),
)
SCENARIOS = (
    ("crash", -5.0, 15.0, -4120.0, 0.0025),
    ("sell-off", -3.0, 5.0, -1310.0, 0.0125),
    ("unchanged", 0.0, 0.0, 0.0, None),
    ("rally", 3.0, -5.0, 240.0, 0.011),
    ("melt-up", 5.0, -10.0, -380.0, 0.0024),
    ("fear without a move", 0.0, 10.0, -1905.0, None),
    ("calm without a move", 0.0, -10.0, 933.0, None),
)


def a_line(label: str, move: float, points: float, pl: float | None, often: float | None) -> StressLine:
    return StressLine(label, move / 100, points, pl, often, SOURCE if often is not None else "", WORST)


def a_surface(moves: int = 41, points: int = 25) -> Surface:
    """A book short of volatility and a little long of the market, by a plain quadratic form."""
    across, up = np.linspace(-0.1, 0.1, moves), np.linspace(-10.0, 20.0, points)
    x, v = np.meshgrid(100 * across, up)
    return Surface(across, up, 500.0 + 60.0 * x - 95.0 * x**2 - 130.0 * v - 2.0 * v * np.abs(x))


STRESS = Stress(
    lines=tuple(a_line(*scenario) for scenario in SCENARIOS),
    surface=a_surface(),
    vix=18.22,
    vix_source="^VIX of this market",
    notes=("beta of XYZ is not known, 1 is assumed",),
)


def an_analysis(positions: Sequence[PositionView] | None = None, **parts: Any) -> Analysis:
    """A book of some positions; totals are those of TOTALS with the counts of the positions."""
    held = (a_position(),) if positions is None else tuple(positions)
    views = [view for position in held for view in position.legs]
    out = sum(view.status != "valued" for view in views)
    totals = replace(TOTALS, positions=len(held), legs=len(views), left_out=out)
    analysis = Analysis(
        asof=ASOF,
        session=SESSION,
        source="recorded ndx100",
        lens="quarterly",
        net_liquidation=50_000.0,
        positions=held,
        totals=totals,
        stress=STRESS,
    )
    return replace(analysis, **parts)


def a_tag(name: str = "HARVEST", rule: str = "57 % of the most it can earn, 50 % asked") -> Tag:
    return Tag(name, rule)  # type: ignore[arg-type]


def a_mixed_book() -> list[PositionView]:
    """What a seller of options may hold: strangles, spreads, shares, an expired leg."""
    defense = a_tag("DEFENSE", "spot 93.20 is below the short put 95, 16 days left (rule: 21)")
    gamma = a_tag("GAMMA", "16 days left and short gamma of 4.1 (rule: 21)")
    today = a_tag("EXPIRING", "the nearest expiration is today")
    harvest = a_tag("HARVEST", "57 % of the maximum profit of 412, the rule says 50 %")
    credit = {"strategy": "iron condor", "units": 1.0, "pl": -612.0, "theta": 22.4, "quality": 0.91}
    shares = {"strategy": "long shares", "units": 100.0, "legs": (a_leg("100 PEP"),), "days": None}
    unpaid = {"theta": 0.0, "alpha_theta": 0.0, "quality": None, "max_profit": None, "pl": 1240.0}
    return [
        a_position("KO", triage=(harvest,)),
        a_position("NVDA", days=16, triage=(defense, gamma), **credit),
        a_position("AMZN", strategy="bull put spread", units=3.0, days=44, pl=88.0, theta=6.1, quality=1.21),
        a_position("GOOGL", strategy="short put", units=1.0, days=44, pl=None, theta=3.2, quality=None),
        a_position("SPY", strategy="long put", days=79, pl=-140.0, theta=-9.4, quality=1.1),
        a_position("PEP", **shares, **unpaid),
        nothing_known("XYZ"),
        nothing_known("DIS", "expired"),
        a_position("TSLA", days=0, pl=32.0, theta=48.0, quality=1.02, triage=(today, harvest, gamma)),
        a_position("BRK.B", strategy="covered call", units=1.0, days=23, flags=("a dividend is due",)),
    ]


def a_fit(**parts: Any) -> Fit:
    """One strangle in PEP beside the book of TOTALS."""
    legs = (a_leg("-1 PEP 160P", mark=1.32, delta=20.4), a_leg("-1 PEP 180C", mark=1.05, delta=-19.1))
    added = {"theta": 150.2, "alpha_theta": 199.0, "quality": 1.325, "beta_delta": -33.8, "vega": -436.0}
    fit = Fit(
        symbol="PEP",
        reason="",
        strangle=a_position("PEP", units=1.0, opened=-237.0, pl=0.0, theta=8.2, alpha_theta=11.0, legs=legs),
        before=TOTALS,
        after=replace(TOTALS, mean_correlation=0.55, **added),
        stress_before=STRESS.lines,
        stress_after=tuple(replace(line, pl=line.pl - 61.0) for line in STRESS.lines if line.pl is not None),
        correlation=0.74,
        gates=(
            Gate("structural", "pass", 1.37, 1.10, 0.27, ">", False),
            Gate("slippage", "fail", 0.071, 0.05, -0.021, "<=", True),
            Gate("iv_percentile", "unknown", None, 20.0, None, ">=", False),
            Gate("correlation", "fail", 0.74, 0.70, -0.04, "<=", True),
        ),
    )
    return replace(fit, **parts)
