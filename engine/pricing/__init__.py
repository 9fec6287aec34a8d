"""Black-76 prices and greeks, implied volatility and American exercise, all over arrays.

Volatilities are annualised fractions, times are years of 365 days, rates are continuously compounded.
What cannot be computed is NaN, never 0 and never a clipped bound; `implied_volatility` adds the reason.
"""

from engine.pricing.american import american_price, early_exercise_premium
from engine.pricing.black import Greeks, greeks, price
from engine.pricing.implied import (
    ImpliedVol,
    Reason,
    implied_total_volatility,
    implied_volatility,
    mid_price,
)

__all__ = [
    "Greeks",
    "ImpliedVol",
    "Reason",
    "american_price",
    "early_exercise_premium",
    "greeks",
    "implied_total_volatility",
    "implied_volatility",
    "mid_price",
    "price",
]
