"""A sweep against single backtests: the same lists, counted another way; and what many trials cost."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from engine.errors import VarianceError
from engine.proof.backtest import backtest
from engine.proof.series import Past
from engine.proof.statistics import wilson
from engine.proof.sweep import Sweep, sweep
from tests.engine.proof.pasts import frame, past, rules

LIMITS = (1.0, 1.1, 1.2)
TUNED = ("vrp_structural_threshold", "vrp_tactical_threshold")


@pytest.fixture(scope="module")
def lived() -> Past:
    table = frame(20, 500, seed=8)
    table.loc[table.index % 97 == 0, "iv30"] = np.nan
    return past(table)


@pytest.fixture(scope="module")
def swept(lived: Past) -> Sweep:
    return sweep(lived, rules(), LIMITS, LIMITS)


def test_every_pair_stands_in_order(swept: Sweep) -> None:
    assert [(each.structural, each.tactical) for each in swept.trials] == [
        (s, t) for s in LIMITS for t in LIMITS
    ]
    assert swept.settings["trials"] == 9


@pytest.mark.parametrize("pair", [(1.0, 1.2), (1.2, 1.1)])
def test_a_pair_is_the_list_of_a_backtest_with_these_thresholds(
    lived: Past, swept: Sweep, pair: tuple[float, float]
) -> None:
    card = backtest(lived, rules().tuned(list(zip(TUNED, pair, strict=True))), "SPY", by="gate").scorecard
    listed, whipsaw = card.group("listed"), card.whipsaw[0]
    trial = next(each for each in swept.trials if (each.structural, each.tactical) == pair)
    assert listed is not None
    assert trial.outcome.n == listed.n > 100
    for key in ("effective_n", "hit_rate", "ci_low", "ci_high", "mean_gap"):
        assert getattr(trial.outcome, key) == pytest.approx(getattr(listed, key)), key
    assert (trial.whipsaw_n, trial.whipsaw) == (whipsaw.n, pytest.approx(whipsaw.share))


def test_candidates_a_day_count_listed_names_with_and_without_outcome(lived: Past, swept: Sweep) -> None:
    loose = next(each for each in swept.trials if (each.structural, each.tactical) == (1.0, 1.0))
    strict = next(each for each in swept.trials if (each.structural, each.tactical) == (1.2, 1.2))
    assert loose.candidates_a_day * 500 > loose.outcome.n
    assert loose.candidates_a_day > strict.candidates_a_day > 0


@pytest.mark.parametrize("lens", ["yearly", "consensus"])
def test_the_thresholds_are_those_of_the_lens(lived: Past, lens: str) -> None:
    ours = rules(lens)
    own = ours.lenses["yearly" if lens == "yearly" else "quarterly"]
    pair = (own.vrp_structural_threshold, own.vrp_tactical_threshold)
    found = sweep(lived, ours, pair[:1], pair[1:]).trials[0]
    listed = backtest(lived, ours, "SPY", by="gate").scorecard.group("listed")
    assert listed is not None
    assert (found.outcome.n, found.outcome.hit_rate) == (listed.n, pytest.approx(listed.hit_rate))


def test_the_best_has_the_highest_lower_bound_and_a_wider_interval(swept: Sweep) -> None:
    best = swept.best
    assert best is not None
    large = [each.outcome for each in swept.trials if each.outcome.effective_n >= 30]
    assert best.outcome.ci_low == max(outcome.ci_low or 0.0 for outcome in large)
    # Sidak: nine intervals hold together in 95 of 100 cases when each does so with 0.95^(1/9).
    z = norm.ppf((1 + 0.95 ** (1 / 9)) / 2)
    assert z == pytest.approx(2.766, abs=1e-3)
    assert best.outcome.hit_rate is not None
    wide = wilson(best.outcome.hit_rate, best.outcome.effective_n, float(z))
    assert (swept.wide_low, swept.wide_high) == pytest.approx(wide)
    assert wide[0] < (best.outcome.ci_low or 0.0)


def test_one_trial_is_widened_by_nothing(lived: Past) -> None:
    found = sweep(lived, rules(), (1.1,), (1.1,))
    assert found.best is not None
    assert (found.wide_low, found.wide_high) == pytest.approx(
        (found.best.outcome.ci_low, found.best.outcome.ci_high)
    )


def test_the_best_of_the_first_half_is_judged_on_the_second(lived: Past, swept: Sweep) -> None:
    checked = swept.out_of_sample
    assert checked is not None
    days = lived.sessions
    middle = int(np.searchsorted(days, np.datetime64(checked.middle)))
    assert middle == (500 - 21) // 2
    # No outcome of the first half reaches into the second.
    first = sweep(lived, rules(), LIMITS, LIMITS, last=days[middle - 22].item())
    assert first.best is not None
    assert (first.best.structural, first.best.tactical) == (checked.structural, checked.tactical)
    assert first.best.outcome == checked.first
    second = sweep(lived, rules(), LIMITS, LIMITS, first=days[middle].item())
    same = next(
        each
        for each in second.trials
        if (each.structural, each.tactical) == (checked.structural, checked.tactical)
    )
    assert same.outcome == checked.second
    universe = backtest(lived, rules(), "SPY", first=checked.middle).scorecard.baselines[0]
    assert (checked.universe.n, checked.universe.mean_gap) == (universe.n, pytest.approx(universe.mean_gap))


def test_no_large_sample_no_best() -> None:
    found = sweep(past(frame(1, 200)), rules(), (1.0,), (1.0,))
    assert (found.best, found.wide_low, found.out_of_sample) == (None, None, None)


def test_too_many_pairs_or_none_are_refused(lived: Past) -> None:
    many = tuple(1 + place / 1000 for place in range(40))
    for structurals in (many, ()):
        with pytest.raises(VarianceError, match="1 to 1,000 pairs"):
            sweep(lived, rules(), structurals, many)
