"""How the simulated names differ: level, volatility, factor loadings, liquidity, dividends, reports.

Rounded to what the real tickers looked like about the end of 2025, so that a simulated card reads like
a card; nothing here is a quote of anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from engine.arrays import BoolArray, FloatArray, IntArray
from engine.market.simulated.draws import generator
from engine.rules import Listing


@dataclass(frozen=True, slots=True)
class Traits:
    """What the model knows of one name.

    price       level at the close of the reference session
    volatility  long-run annual volatility as a fraction, earnings jumps left out
    beta        loading on the market factor
    own         share of the variance that is the name's alone; what is left belongs to its sector
    tier        1 very liquid (weeklies, penny ticks), 2 liquid, 3 monthlies only and wide
    dividend    yearly cash dividend as a fraction of the price
    report_day  day within the calendar quarter on which it reports, None when drawn
    """

    price: float
    volatility: float
    beta: float
    own: float
    tier: int
    dividend: float
    report_day: int | None = None


def traits_of(listing: Listing, seed: int) -> Traits:
    """Traits of a listed name; those of a ticker that is not in the table are drawn from its letters."""
    known = TRAITS.get(listing.symbol)
    if known is not None:
        return known
    draw = generator(seed, listing.symbol, "traits").random(5)
    fund = listing.asset_class != "equity"
    volatility = float((0.12 if fund else 0.18) + (0.10 if fund else 0.25) * draw[1])
    return Traits(
        price=round(float(20.0 * 15.0 ** draw[0]), 2),
        volatility=volatility,
        # The market's part of the variance stays below half, so that own and sector have room beside it.
        beta=round(volatility / 0.16 * float(0.3 + 0.4 * draw[2]), 2),
        own=0.05 if fund else 0.45,
        tier=2 if draw[3] < 0.5 else 3,
        dividend=0.0 if listing.asset_class in ("index", "future") else round(0.03 * float(draw[4]), 4),
    )


@dataclass(frozen=True, slots=True)
class Quoting:
    """How the options of each name are quoted under one seed; columns in the order of the listings.

    tier      liquidity class, 1 to 3
    american  whether they can be exercised early
    frail     whether the feed may have trouble with the name
    spread    quoted width at the money as a share of the mid
    skew      fall of the smile per deviation of moneyness, as a share of the volatility at the money
    activity  traded contracts relative to the tier
    rating    liquidity 1 to 5 as a vendor would give it, NaN for about half of the names
    """

    tier: IntArray
    american: BoolArray
    frail: BoolArray
    spread: FloatArray
    skew: FloatArray
    activity: FloatArray
    rating: FloatArray


def quoting_of(listings: Sequence[Listing], traits: Sequence[Traits], seed: int) -> Quoting:
    """Quoting habits drawn for each name."""
    drawn = [generator(seed, listing.symbol, "quoting").standard_normal(4) for listing in listings]
    width, trade, given, good = np.array(drawn).T
    tier = np.array([trait.tier for trait in traits])
    return Quoting(
        tier=tier,
        american=np.array([listing.asset_class in ("equity", "etf") for listing in listings]),
        frail=(tier > 1) & np.array([listing.symbol not in HEALTHY for listing in listings]),
        spread=_SPREADS[tier] * np.exp(0.40 * width),
        skew=np.where(np.array([trait.own for trait in traits]) < 0.1, 0.12, 0.06),
        activity=np.exp(0.4 * trade - 0.3 * width),
        rating=np.where(given > 0, _RATINGS[tier] - (good < -0.2), np.nan),
    )


_SPREADS = np.array([np.nan, 0.012, 0.038, 0.085])
_RATINGS = np.array([np.nan, 5.0, 4.0, 3.0])
HEALTHY = frozenset({"SPY", "KO", "PEP", "CVX"})
"""Names the feed never has trouble with, besides the first tier: the benchmark and what a visitor tries."""

TRAITS: dict[str, Traits] = {
    "SPY": Traits(681.9, 0.16, 1.00, 0.00, 1, 0.011),
    "QQQ": Traits(614.3, 0.20, 1.15, 0.03, 1, 0.005),
    "IWM": Traits(246.2, 0.22, 1.18, 0.08, 1, 0.01),
    "DIA": Traits(480.6, 0.15, 0.90, 0.05, 2, 0.015),
    "EFA": Traits(96, 0.15, 0.72, 0.08, 2, 0.026),
    "EEM": Traits(54.7, 0.18, 0.74, 0.12, 2, 0.02),
    "FXI": Traits(38.6, 0.28, 0.65, 0.25, 2, 0.02),
    "GLD": Traits(396.3, 0.18, 0.05, 0.12, 1, 0),
    "SLV": Traits(64.4, 0.32, 0.20, 0.20, 1, 0),
    "USO": Traits(69.1, 0.34, 0.30, 0.80, 2, 0),
    "UNG": Traits(12.2, 0.52, 0.10, 0.95, 2, 0),
    "TLT": Traits(87.2, 0.14, -0.10, 0.06, 1, 0.043),
    "IEF": Traits(96.4, 0.07, -0.05, 0.06, 3, 0.038),
    "HYG": Traits(80.7, 0.07, 0.28, 0.20, 1, 0.057),
    "LQD": Traits(110.4, 0.08, 0.12, 0.12, 2, 0.044),
    "XLE": Traits(44.7, 0.22, 0.60, 0.03, 1, 0.032),
    "XLF": Traits(54.8, 0.18, 0.95, 0.03, 1, 0.014),
    "XLK": Traits(144.1, 0.22, 1.20, 0.03, 2, 0.006),
    "XLV": Traits(154.8, 0.15, 0.60, 0.05, 2, 0.016),
    "XLI": Traits(155.2, 0.17, 0.98, 0.04, 2, 0.013),
    "XLY": Traits(119.5, 0.20, 1.10, 0.05, 2, 0.008),
    "XLP": Traits(77.7, 0.12, 0.45, 0.05, 2, 0.026),
    "XLU": Traits(42.7, 0.16, 0.50, 0.04, 2, 0.028),
    "XLB": Traits(45.3, 0.18, 0.90, 0.06, 3, 0.019),
    "XLRE": Traits(40.4, 0.17, 0.75, 0.05, 3, 0.033),
    "XLC": Traits(117.6, 0.18, 1.00, 0.06, 3, 0.01),
    "SMH": Traits(360.2, 0.33, 1.55, 0.06, 1, 0.003),
    "KRE": Traits(64.9, 0.27, 1.10, 0.12, 2, 0.024),
    "XBI": Traits(122.1, 0.28, 0.95, 0.35, 2, 0.001),
    "GDX": Traits(85.8, 0.36, 0.45, 0.60, 1, 0.008),
    "AAPL": Traits(271.9, 0.26, 1.15, 0.45, 1, 0.004, 30),
    "MSFT": Traits(483.6, 0.23, 1.05, 0.40, 1, 0.007, 28),
    "NVDA": Traits(186.5, 0.38, 1.75, 0.24, 1, 0.0002, 51),
    "AMD": Traits(214.2, 0.48, 1.85, 0.34, 1, 0, 34),
    "AVGO": Traits(346.1, 0.42, 1.60, 0.40, 1, 0.007, 71),
    "INTC": Traits(36.9, 0.46, 1.30, 0.60, 1, 0, 24),
    "MU": Traits(285.4, 0.48, 1.60, 0.45, 1, 0.002, 77),
    "QCOM": Traits(171.1, 0.33, 1.30, 0.45, 2, 0.021, 35),
    "ORCL": Traits(194.9, 0.42, 1.30, 0.60, 1, 0.01, 70),
    "CRM": Traits(264.9, 0.32, 1.15, 0.55, 2, 0.006, 63),
    "ADBE": Traits(350, 0.32, 1.10, 0.55, 2, 0, 71),
    "CSCO": Traits(77, 0.21, 0.90, 0.50, 2, 0.021, 43),
    "IBM": Traits(296.2, 0.25, 0.75, 0.60, 2, 0.023, 21),
    "PLTR": Traits(177.8, 0.58, 1.80, 0.55, 1, 0, 33),
    "AMZN": Traits(230.8, 0.29, 1.25, 0.45, 1, 0, 31),
    "TSLA": Traits(449.7, 0.52, 1.80, 0.60, 1, 0, 22),
    "HD": Traits(344.1, 0.22, 0.95, 0.40, 2, 0.027, 49),
    "LOW": Traits(241.2, 0.24, 0.98, 0.42, 3, 0.02, 50),
    "MCD": Traits(305.6, 0.18, 0.55, 0.55, 2, 0.024, 36),
    "NKE": Traits(63.7, 0.33, 1.05, 0.60, 2, 0.026, 79),
    "SBUX": Traits(84.2, 0.29, 0.95, 0.58, 2, 0.029, 29),
    "F": Traits(13.1, 0.34, 1.20, 0.50, 1, 0.046, 28),
    "GM": Traits(81.3, 0.33, 1.20, 0.48, 2, 0.007, 23),
    "META": Traits(660.1, 0.34, 1.35, 0.45, 1, 0.003, 29),
    "GOOGL": Traits(313, 0.29, 1.15, 0.40, 1, 0.003, 28),
    "NFLX": Traits(93.8, 0.33, 1.10, 0.65, 1, 0, 19),
    "DIS": Traits(113.8, 0.25, 0.95, 0.50, 2, 0.013, 41),
    "CMCSA": Traits(29.9, 0.24, 0.75, 0.55, 2, 0.044, 27),
    "T": Traits(24.8, 0.21, 0.45, 0.55, 2, 0.045, 22),
    "VZ": Traits(40.7, 0.20, 0.42, 0.52, 2, 0.067, 24),
    "TMUS": Traits(203, 0.23, 0.55, 0.60, 3, 0.02, 23),
    "SNAP": Traits(8.1, 0.58, 1.30, 0.75, 2, 0, 35),
    "KO": Traits(69.9, 0.15, 0.40, 0.24, 2, 0.029, 41),
    "PEP": Traits(143.5, 0.18, 0.42, 0.27, 2, 0.04, 34),
    "WMT": Traits(111.4, 0.21, 0.65, 0.45, 1, 0.008, 49),
    "COST": Traits(862.3, 0.22, 0.85, 0.45, 2, 0.006, 70),
    "PG": Traits(143.3, 0.17, 0.42, 0.35, 2, 0.029, 22),
    "PM": Traits(160.4, 0.22, 0.45, 0.55, 3, 0.037, 36),
    "MO": Traits(57.7, 0.19, 0.40, 0.52, 2, 0.073, 29),
    "STZ": Traits(138, 0.28, 0.60, 0.60, 3, 0.03, 7),
    "CAG": Traits(17.3, 0.25, 0.35, 0.60, 3, 0.081, 5),
    "TGT": Traits(97.8, 0.33, 0.95, 0.60, 2, 0.047, 49),
    "XOM": Traits(120.3, 0.23, 0.62, 0.09, 1, 0.034, 30),
    "CVX": Traits(152.4, 0.23, 0.65, 0.09, 2, 0.045, 30),
    "COP": Traits(93.6, 0.30, 0.75, 0.25, 2, 0.036, 36),
    "SLB": Traits(38.4, 0.33, 0.90, 0.35, 2, 0.03, 22),
    "OXY": Traits(41.1, 0.32, 0.80, 0.28, 2, 0.023, 40),
    "HAL": Traits(28.3, 0.36, 0.90, 0.38, 3, 0.024, 21),
    "JPM": Traits(322.2, 0.24, 1.10, 0.12, 1, 0.019, 12),
    "BAC": Traits(55, 0.25, 1.15, 0.12, 1, 0.02, 13),
    "WFC": Traits(93.2, 0.27, 1.15, 0.18, 2, 0.019, 13),
    "C": Traits(116.7, 0.28, 1.25, 0.20, 2, 0.021, 13),
    "GS": Traits(879, 0.28, 1.30, 0.22, 2, 0.018, 14),
    "MS": Traits(177.5, 0.27, 1.28, 0.22, 2, 0.023, 14),
    "SCHW": Traits(99.9, 0.26, 1.05, 0.40, 2, 0.011, 20),
    "V": Traits(350.7, 0.19, 0.85, 0.45, 2, 0.008, 28),
    "MA": Traits(570.9, 0.20, 0.88, 0.45, 3, 0.006, 28),
    "BLK": Traits(1070.3, 0.24, 1.10, 0.40, 3, 0.019, 14),
    "PYPL": Traits(58.4, 0.36, 1.25, 0.62, 2, 0.01, 33),
    "COIN": Traits(226.1, 0.68, 2.00, 0.70, 1, 0, 43),
    "SOFI": Traits(26.2, 0.58, 1.90, 0.60, 2, 0, 28),
    "UNH": Traits(330.1, 0.34, 0.55, 0.75, 1, 0.027, 27),
    "JNJ": Traits(207, 0.17, 0.35, 0.50, 2, 0.025, 20),
    "LLY": Traits(1074.7, 0.34, 0.60, 0.65, 2, 0.006, 35),
    "PFE": Traits(24.9, 0.23, 0.50, 0.50, 2, 0.069, 33),
    "MRK": Traits(105.3, 0.24, 0.42, 0.55, 2, 0.032, 33),
    "AMGN": Traits(327.3, 0.23, 0.50, 0.50, 3, 0.029, 34),
    "GILD": Traits(122.7, 0.24, 0.45, 0.58, 3, 0.026, 39),
    "CVS": Traits(79.4, 0.30, 0.55, 0.68, 3, 0.034, 41),
    "MRNA": Traits(29.5, 0.62, 1.10, 0.75, 2, 0, 43),
    "BA": Traits(217.1, 0.32, 1.15, 0.60, 1, 0, 27),
    "CAT": Traits(572.9, 0.30, 1.15, 0.45, 2, 0.011, 29),
    "GE": Traits(308, 0.30, 1.20, 0.50, 2, 0.005, 22),
    "UPS": Traits(99.2, 0.28, 0.85, 0.58, 2, 0.066, 28),
    "DE": Traits(465.6, 0.27, 0.95, 0.52, 3, 0.014, 50),
    "LMT": Traits(483.7, 0.23, 0.35, 0.70, 3, 0.028, 21),
    "UBER": Traits(81.7, 0.36, 1.30, 0.60, 1, 0, 34),
    "DAL": Traits(69.4, 0.40, 1.45, 0.48, 2, 0.011, 8),
    "FCX": Traits(50.8, 0.40, 1.45, 0.42, 2, 0.006, 22),
    "NEM": Traits(99.9, 0.37, 0.45, 0.60, 2, 0.01, 22),
    "LIN": Traits(426.4, 0.18, 0.75, 0.50, 3, 0.014, 33),
    "NUE": Traits(163.1, 0.32, 1.20, 0.50, 3, 0.014, 26),
    "AMT": Traits(175.6, 0.25, 0.60, 0.45, 3, 0.039, 30),
    "PLD": Traits(127.7, 0.26, 1.00, 0.38, 3, 0.032, 15),
    "O": Traits(56.4, 0.18, 0.55, 0.40, 3, 0.057, 36),
    "SPG": Traits(185.1, 0.24, 1.00, 0.38, 3, 0.047, 33),
    "NEE": Traits(80.3, 0.26, 0.55, 0.45, 2, 0.028, 23),
    "DUK": Traits(117.2, 0.17, 0.35, 0.32, 3, 0.036, 36),
    "SO": Traits(87.2, 0.17, 0.35, 0.32, 3, 0.034, 30),
    "CEG": Traits(353.3, 0.42, 1.05, 0.60, 2, 0.004, 36),
}
