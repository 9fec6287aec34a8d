"""What a position can make and lose at expiration, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from math import fsum, isfinite

from engine.portfolio.book import Leg

LEAST_SLOPE = 1e-6
"""Money per 1.00 of price below which the payoff's end is flat: the rounding of fractional shares."""


def extremes(legs: Sequence[Leg]) -> tuple[float | None, float | None]:
    """Largest profit and largest loss of one position at expiration, as positive money.

    The payoff sum(quantity * multiplier * (intrinsic(S) - open_price)) is linear between the strikes, so its
    extremes over S >= 0 stand at 0, at a strike, or at infinity. Commissions and dividends are not in it.

    Args:
        legs: of one position, each with the signed quantity that belongs to it; shares are worth S.

    Returns:
        (max profit, max loss). None means unlimited or not known: both are not known when an open price is
        missing, when there is a future, a future option or an adjusted contract, and without legs. A position
        that cannot win has 0 as its profit, one that cannot lose 0 as its loss.

    With several expirations the later options still have time value when the first expire, so the profit
    is not known. The loss is, where everything that is short expires first: what is long is then worth its
    intrinsic value at least, and the payoff above is the worst case of closing at the first expiration. A
    long calendar can so lose the debit paid. (European puts deep in the money may be worth somewhat less.)
    """
    payoff = _points(legs)
    if payoff is None:
        return None, None
    values, slope = payoff
    gain = None if slope > LEAST_SLOPE else max(0.0, *values)
    loss = None if slope < -LEAST_SLOPE else max(0.0, *(-value for value in values))
    expirations = _expirations(legs)
    if len(expirations) > 1:
        lasting = [leg for leg in legs if leg.is_option and leg.expiration != expirations[0]]
        return None, loss if all(leg.quantity > 0 for leg in lasting) else None
    return gain, loss


def _expirations(legs: Sequence[Leg]) -> list[date]:
    return sorted({leg.expiration for leg in legs if leg.expiration is not None})


def _points(legs: Sequence[Leg]) -> tuple[list[float], float] | None:
    """The payoff at 0 and at every strike, and its slope beyond the last; None where it is not known."""
    known = all(
        (leg.is_option or leg.kind == "shares") and leg.open_price is not None and isfinite(leg.open_price)
        for leg in legs
    )
    if not legs or not known:
        return None
    prices = [0.0, *sorted({leg.strike for leg in legs if leg.strike is not None})]
    paid = fsum(leg.quantity * leg.multiplier * (leg.open_price or 0.0) for leg in legs)
    values = [fsum(_worth(leg, price) for leg in legs) - paid for price in prices]
    slope = fsum(leg.quantity * leg.multiplier for leg in legs if leg.right != "P")
    return values, slope


def _worth(leg: Leg, price: float) -> float:
    """Money the leg is worth at expiration with the underlying at `price`."""
    intrinsic = price
    if leg.is_option and leg.strike is not None:
        intrinsic = max(price - leg.strike if leg.right == "C" else leg.strike - price, 0.0)
    return leg.quantity * leg.multiplier * intrinsic
