"""The seven rules of the triage, each on both sides of its limit."""

from dataclasses import replace

import pytest

from engine.portfolio.triage import ShortStrike, TriageFacts, triage
from engine.rules import load_rules
from tests.engine.market.simulation import CONFIG

RULES = load_rules(CONFIG)
QUIET = TriageFacts(
    days=45,
    credit=230.0,
    pl=20.0,
    max_profit=230.0,
    two_sigma_loss=900.0,
    net_liquidation=50_000.0,
    spot=60.0,
    shorts=(ShortStrike("P", 55.0, 45), ShortStrike("C", 65.0, 45)),
    gamma=-8.0,
    theta=6.0,
    alpha_theta=8.0,
    gamma_cost=7.0,
    earnings_days=40,
)


def at(days: int) -> TriageFacts:
    """The same position with so many days left."""
    return replace(QUIET, days=days, shorts=tuple(short._replace(days=days) for short in QUIET.shorts))


def fired(facts: TriageFacts) -> list[str]:
    return [tag.name for tag in triage(facts, RULES)]


def words(facts: TriageFacts) -> str:
    (tag,) = triage(facts, RULES)
    return tag.rule


def test_a_quiet_position_gets_no_tag() -> None:
    assert fired(QUIET) == []
    assert fired(TriageFacts()) == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (at(22), []),
        (at(21), ["GAMMA"]),
        (at(1), ["GAMMA"]),
        (at(0), ["EXPIRING", "GAMMA"]),
        (at(-1), []),
        (replace(QUIET, pl=114.99), []),
        (replace(QUIET, pl=115.0), ["HARVEST"]),
        (replace(QUIET, pl=230.0), ["HARVEST"]),
        (replace(QUIET, pl=-500.0), []),
        # Half of 0.60 to a trader; the float is 0.29999999999999993.
        (replace(QUIET, pl=0.7 - 0.4, max_profit=0.6), ["HARVEST"]),
        (replace(QUIET, pl=200.0, credit=-230.0), []),
        (replace(QUIET, pl=200.0, credit=None), []),
        (replace(QUIET, pl=200.0, max_profit=None), []),
        (replace(QUIET, pl=200.0, max_profit=0.0), []),
        (replace(QUIET, pl=None), []),
        (replace(QUIET, two_sigma_loss=2500.0), []),
        (replace(QUIET, two_sigma_loss=2500.01), ["SIZE"]),
        (replace(QUIET, two_sigma_loss=2600.0, net_liquidation=None), []),
        (replace(QUIET, two_sigma_loss=2600.0, net_liquidation=0.0), []),
        (replace(QUIET, two_sigma_loss=2600.0, net_liquidation=-100.0), []),
        (replace(QUIET, two_sigma_loss=None), []),
        (replace(at(21), spot=55.01), ["GAMMA"]),
        (replace(at(21), spot=55.0), ["DEFENSE", "GAMMA"]),
        (replace(at(21), spot=65.0), ["DEFENSE", "GAMMA"]),
        (replace(at(21), spot=64.99), ["GAMMA"]),
        (replace(at(22), spot=40.0), []),
        (replace(at(21), spot=None), ["GAMMA"]),
        (replace(at(21), spot=40.0, shorts=()), ["GAMMA"]),
        # The short option that is tested has time; what expires soon is long.
        (replace(at(21), spot=40.0, shorts=(ShortStrike("P", 55.0, 50),), gamma=3.0), []),
        # What was short has expired; what is left of the calendar has not.
        (replace(at(21), spot=40.0, shorts=(ShortStrike("P", 55.0, -1),), gamma=3.0), []),
        (replace(at(21), gamma=0.0), []),
        (replace(at(21), gamma=2.5), []),
        (replace(at(21), gamma=None), ["GAMMA"]),
        (replace(at(21), gamma=None, shorts=()), []),
        (replace(QUIET, days=None, shorts=(), gamma=None), []),
        (replace(QUIET, alpha_theta=7.0), []),
        (replace(QUIET, alpha_theta=6.99), ["TOXIC"]),
        (replace(QUIET, alpha_theta=6.99, theta=0.0), []),
        (replace(QUIET, alpha_theta=0.001, theta=0.001, gamma_cost=0.0049), []),
        (replace(QUIET, alpha_theta=0.001, theta=0.001, gamma_cost=0.0051), ["TOXIC"]),
        (replace(QUIET, alpha_theta=-6.99, theta=-5.0), []),
        (replace(QUIET, alpha_theta=None), []),
        (replace(QUIET, alpha_theta=1.0, gamma_cost=None), []),
        (replace(QUIET, earnings_days=11), []),
        (replace(QUIET, earnings_days=10), ["EARNINGS"]),
        (replace(QUIET, earnings_days=0), ["EARNINGS"]),
        (replace(QUIET, earnings_days=-1), []),
        (replace(QUIET, earnings_days=None), []),
    ],
)
def test_each_rule_on_both_sides_of_its_limit(facts: TriageFacts, expected: list[str]) -> None:
    assert fired(facts) == expected


def test_all_that_fire_are_kept_in_the_order_of_the_methodology() -> None:
    everything = replace(
        at(0),
        pl=200.0,
        two_sigma_loss=9000.0,
        spot=50.0,
        alpha_theta=1.0,
        earnings_days=3,
    )
    assert fired(everything) == ["EXPIRING", "HARVEST", "SIZE", "DEFENSE", "GAMMA", "TOXIC", "EARNINGS"]
    assert fired(replace(everything, days=-1)) == []


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (replace(QUIET, pl=142.6), "62 % of the maximum profit of 230, the rule says 50 %"),
        (
            replace(QUIET, pl=1.5, max_profit=2.25),
            "66.7 % of the maximum profit of 2.25, the rule says 50 %",
        ),
        (
            replace(QUIET, two_sigma_loss=2520.0),
            "a two-sigma day costs 2,520, 5.04 % of net liquidation, the rule says 5 %",
        ),
        (
            replace(at(12), spot=54.9, gamma=1.0),
            "spot 54.90 is below the short put 55, 12 days left (rule: 21)",
        ),
        (
            replace(at(1), spot=67.5, gamma=1.0),
            "spot 67.50 is above the short call 65, 1 day left (rule: 21)",
        ),
        (
            replace(
                at(5), spot=60.0, gamma=1.0, shorts=(ShortStrike("P", 60.0, 5), ShortStrike("C", 57.5, 5))
            ),
            "spot 60.00 is above the short call 57.5 and at the short put 60, 5 days left (rule: 21)",
        ),
        (at(12), "12 days left and short gamma of 8 (rule: 21)"),
        (replace(at(12), gamma=-2.5e-17), "12 days left and short gamma below 0.01 (rule: 21)"),
        (replace(at(12), gamma=None), "12 days left with short options, gamma is not known (rule: 21)"),
        (
            replace(QUIET, alpha_theta=6.4, gamma_cost=112.4),
            "Alpha-Theta 6.40 a day is below the cost of gamma 112",
        ),
        (replace(QUIET, earnings_days=0), "earnings today (rule: 10)"),
        (replace(QUIET, earnings_days=1), "earnings in 1 day (rule: 10)"),
        (
            replace(at(3), earnings_days=8, gamma=1.0),
            "earnings in 8 days, after the nearest expiration (rule: 10)",
        ),
        (replace(QUIET, days=0, gamma=1.0), "the nearest expiration is today"),
    ],
)
def test_a_tag_says_in_words_which_rule_fired(facts: TriageFacts, expected: str) -> None:
    assert words(facts) == expected


def test_the_limits_are_those_of_the_rules() -> None:
    portfolio = RULES.portfolio.model_copy(
        update={"harvest_percent": 75.0, "defense_days": 7, "gamma_days": 5, "size_loss_percent": 1.0}
    )
    gates = RULES.gates.model_copy(update={"earnings_days": 50})
    other = RULES.model_copy(update={"portfolio": portfolio, "gates": gates})
    facts = replace(at(6), pl=150.0, spot=50.0)
    assert [tag.name for tag in triage(facts, other)] == ["SIZE", "DEFENSE", "EARNINGS"]
