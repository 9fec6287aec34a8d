"""What about a position asks for a look: seven rules, each with its numbers (methodology 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from engine.portfolio.book import Right
from engine.portfolio.result import Tag
from engine.rules import Rules

WORD: dict[Right, str] = {"P": "put", "C": "call"}
HALF_CENT = 0.005
"""A cost of gamma below half a cent a day is none."""
ROUNDING = 1e-9
"""Relative slack of a limit that counts when it is just met: prices are decimal, floats are not."""


class ShortStrike(NamedTuple):
    """An option that is short in the position; `days` calendar days to its own expiration."""

    right: Right
    strike: float
    days: int


@dataclass(frozen=True, slots=True)
class TriageFacts:
    """What the rules look at; None is not known (or does not exist), and a rule that needs it is silent.

    days            calendar days to the nearest expiration; None without options
    credit          money received when it was opened, negative when it was paid
    pl              money won (positive) or lost since
    max_profit      at expiration, money; None where unlimited or not known
    two_sigma_loss  worst loss of a two-sigma day, positive money
    net_liquidation of the whole account, money
    spot            of the underlying
    shorts          the short options of the position
    gamma           shares per 1.00 of the underlying, negative for short gamma
    theta, alpha_theta  money a calendar day, positive when time pays
    gamma_cost      money a calendar day that the position's gamma is expected to cost, positive
    earnings_days   calendar days to the next earnings, negative when they are over
    """

    days: int | None = None
    credit: float | None = None
    pl: float | None = None
    max_profit: float | None = None
    two_sigma_loss: float | None = None
    net_liquidation: float | None = None
    spot: float | None = None
    shorts: tuple[ShortStrike, ...] = ()
    gamma: float | None = None
    theta: float | None = None
    alpha_theta: float | None = None
    gamma_cost: float | None = None
    earnings_days: int | None = None


def triage(facts: TriageFacts, rules: Rules) -> tuple[Tag, ...]:
    """Every rule that fires, the most pressing first; a position that has expired gets none.

    EXPIRING, HARVEST (at the limit or above), SIZE (above it; silent without net liquidation), DEFENSE (spot
    at a short strike or beyond it, up to the limit of that option's days), GAMMA (short gamma, up to the
    limit of days), TOXIC (time pays, but less than gamma costs), EARNINGS. Source: methodology 7.
    """
    if facts.days is not None and facts.days < 0:
        return ()
    return tuple(tag for rule in RULES for tag in rule(facts, rules))


def _expiring(facts: TriageFacts, rules: Rules) -> Iterator[Tag]:
    if facts.days == 0:
        yield Tag("EXPIRING", "the nearest expiration is today")


def _harvest(facts: TriageFacts, rules: Rules) -> Iterator[Tag]:
    """Only of a credit: what was bought has no premium to take off the table."""
    limit, profit = rules.portfolio.harvest_percent, facts.max_profit
    if facts.credit is None or facts.pl is None or profit is None or facts.credit <= 0 or profit <= 0:
        return
    share = 100 * facts.pl / profit
    if share >= limit * (1 - ROUNDING):
        words = f"{_percent(share)} of the maximum profit of {_money(profit)}"
        yield Tag("HARVEST", f"{words}, the rule says {_percent(limit)}")


def _size(facts: TriageFacts, rules: Rules) -> Iterator[Tag]:
    limit, whole, loss = rules.portfolio.size_loss_percent, facts.net_liquidation, facts.two_sigma_loss
    if whole is None or whole <= 0 or loss is None:
        return
    share = 100 * loss / whole
    if share > limit * (1 + ROUNDING):
        words = f"a two-sigma day costs {_money(loss)}, {_percent(share)} of net liquidation"
        yield Tag("SIZE", f"{words}, the rule says {_percent(limit)}")


def _defense(facts: TriageFacts, rules: Rules) -> Iterator[Tag]:
    spot, limit = facts.spot, rules.portfolio.defense_days
    if spot is None:
        return
    near = {each for each in facts.shorts if 0 <= each.days <= limit}
    tested = sorted(
        each for each in near if (spot <= each.strike if each.right == "P" else spot >= each.strike)
    )
    if tested:
        where = " and ".join(_against(spot, each) for each in tested)
        days = min(each.days for each in tested)
        yield Tag("DEFENSE", f"spot {spot:.2f} is {where}, {_left(days)} (rule: {limit})")


def _against(spot: float, short: ShortStrike) -> str:
    way = "at" if spot == short.strike else "below" if short.right == "P" else "above"
    return f"{way} the short {WORD[short.right]} {short.strike:g}"


def _gamma(facts: TriageFacts, rules: Rules) -> Iterator[Tag]:
    """Of short gamma only: whoever is long gamma is paid when the last weeks move.

    Net gamma decides. Where it is not known, holding a short option counts, and the words say so.
    """
    limit = rules.portfolio.gamma_days
    if facts.days is None or facts.days > limit:
        return
    if facts.gamma is None and facts.shorts:
        yield Tag("GAMMA", f"{_left(facts.days)} with short options, gamma is not known (rule: {limit})")
    elif facts.gamma is not None and facts.gamma < 0:
        yield Tag("GAMMA", f"{_left(facts.days)} and short gamma {_small(-facts.gamma)} (rule: {limit})")


def _toxic(facts: TriageFacts, rules: Rules) -> Iterator[Tag]:
    theta, alpha, cost = facts.theta, facts.alpha_theta, facts.gamma_cost
    if theta is None or alpha is None or cost is None or theta <= 0 or cost < HALF_CENT:
        return
    if alpha < cost:
        yield Tag("TOXIC", f"Alpha-Theta {_money(alpha)} a day is below the cost of gamma {_money(cost)}")


def _earnings(facts: TriageFacts, rules: Rules) -> Iterator[Tag]:
    ahead, limit = facts.earnings_days, rules.gates.earnings_days
    if ahead is None or not 0 <= ahead <= limit:
        return
    when = "today" if ahead == 0 else f"in {ahead} day{'s' * (ahead != 1)}"
    after = ", after the nearest expiration" if facts.days is not None and facts.days < ahead else ""
    yield Tag("EARNINGS", f"earnings {when}{after} (rule: {limit})")


RULES: tuple[Callable[[TriageFacts, Rules], Iterator[Tag]], ...] = (
    _expiring,
    _harvest,
    _size,
    _defense,
    _gamma,
    _toxic,
    _earnings,
)


def _left(days: int) -> str:
    return f"{days} day{'s' * (days != 1)} left"


def _small(value: float) -> str:
    return f"of {value:.3g}" if value >= 0.01 else "below 0.01"


def _percent(value: float) -> str:
    """As many decimals as tell it from a limit nearby: 62 %, 62.4 %, 5.04 %."""
    text = f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return f"{text.rstrip('0').rstrip('.')} %"


def _money(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.2f}"
