"""The simulated market is true to its own model: quotes, bars and expectations give its volatilities back."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import pandas as pd
import pytest
from vollib.black_scholes.implied_volatility import (  # type: ignore[import-untyped]
    implied_volatility as black_scholes_iv,
)

from engine.market.columns import panel_of
from engine.market.sessions import sessions_between
from engine.market.simulated import BENCHMARK, SimulatedMarket
from engine.market.simulated.events import board
from engine.market.simulated.world import (
    EPOCH,
    OVERNIGHT,
    OWN_STAYS,
    REGIME_SHARES,
    REGIME_VARIANCES,
    REPORT_PREMIUM,
    SESSIONS_A_YEAR,
    Factors,
)
from engine.market.snapshot import Snapshot
from engine.rules import load_rules
from engine.screen.measure import measure
from tests.engine.market.simulation import (
    CONFIG,
    DEMO,
    FEW,
    INDEX,
    LISTINGS,
    WITHOUT_DIVIDEND,
    demo_market,
    demo_snapshot,
    spots,
    usable,
)


@pytest.fixture(scope="module")
def demo() -> SimulatedMarket:
    return demo_market()


@pytest.fixture(scope="module")
def whole() -> Snapshot:
    return demo_snapshot()


# --- true to the model -------------------------------------------------------------------------------


def clean_names(market: SimulatedMarket, near: int, far: int) -> Iterator[str]:
    """Names without a report between two days ahead: interpolation would smear its jump."""
    for symbol in WITHOUT_DIVIDEND:
        near_iv, far_iv = (market.true_iv(symbol, market.session, days) for days in (near, far))
        row = [item.symbol for item in market.listings].index(symbol)
        window = market.world.reports[row] - np.datetime64(market.session)
        if not ((window >= np.timedelta64(0, "D")) & (window < np.timedelta64(far, "D"))).any():
            assert near_iv > 0 < far_iv
            yield symbol


@pytest.mark.parametrize("session", [date(2025, 12, 10), date(2024, 3, 12), date(2022, 9, 7)])
def test_option_quotes_give_back_the_true_iv30(session: date) -> None:
    """Calls without a dividend are never exercised early, so vollib's European inversion is exact."""
    market = SimulatedMarket(LISTINGS, session)
    snapshot = market.snapshot()
    ahead = (board(session).days - np.datetime64(session)).astype(int)
    near, far = int(ahead[ahead <= 30].max()), int(ahead[ahead > 30].min())
    names = list(clean_names(market, near, far))
    assert len(names) >= 3
    for symbol in names:
        quotes = usable(snapshot.quotes[snapshot.quotes["symbol"] == symbol])
        total, leeway = [], []
        for days in (near, far):
            chain = quotes.loc[pd.Timestamp(session) + pd.Timedelta(days=days)]
            forward = spots(snapshot)[symbol] * np.exp(0.04 * days / 365)
            low = chain.index[chain.index <= forward].max()
            high = chain.index[chain.index > forward].min()
            weight = (forward - low) / (high - low)
            sides = [
                black_scholes_iv(
                    chain["mid", "C"][k], forward * np.exp(-0.04 * days / 365), k, days / 365, 0.04, "c"
                )
                for k in (low, high)
            ]
            vega = forward * np.sqrt(days / 365 / (2 * np.pi))
            leeway.append(chain["width", "C"][[low, high]].max() / 2 / vega)
            total.append((sides[0] + weight * (sides[1] - sides[0])) ** 2 * days)
        share = (30 - near) / (far - near)
        measured = np.sqrt((total[0] * (1 - share) + total[1] * share) / 30)
        assert measured == pytest.approx(market.true_iv(symbol, session, 30), abs=max(leeway) + 0.002)


def test_the_engine_measures_the_truth_within_the_quoted_spread(
    demo: SimulatedMarket, whole: Snapshot
) -> None:
    """Early exercise and dividends included, names with a report around 30 days left out."""
    table = measure(panel_of(whole, BENCHMARK), load_rules(CONFIG)).set_index("symbol")
    truth = demo.truth()
    error = table["iv30"] - pd.Series(truth.iv30, index=list(truth.symbols))
    clear = ~table["earnings_days"].between(0, 51) & error.notna() & table["missing_reason"].isna()
    assert clear.sum() > 30
    assert (error[clear].abs() <= table["iv_error"][clear] + 0.002).all()
    assert abs(error[clear].mean()) < 0.001


def test_call_and_put_mids_of_an_index_obey_parity() -> None:
    snapshot = SimulatedMarket([*FEW, INDEX], DEMO).snapshot(["SPX"])
    spot = spots(snapshot)["SPX"]
    quotes = usable(snapshot.quotes).reset_index()
    years = (quotes["expiration"] - pd.Timestamp(DEMO)).dt.days / 365
    gap = quotes["mid", "C"] - quotes["mid", "P"] - (spot - quotes["strike"] * np.exp(-0.04 * years))
    assert len(gap) > 40
    assert (gap.abs() <= (quotes["width", "C"] + quotes["width", "P"]) / 2 + 1e-9).all()


def test_early_exercise_makes_deep_puts_of_equities_worth_at_least_their_intrinsic_value(
    whole: Snapshot,
) -> None:
    puts = whole.quotes[(whole.quotes["right"] == "P") & whole.quotes["contract"].isna()]
    puts = puts[puts["symbol"].isin(WITHOUT_DIVIDEND) & (puts["expiration"] > pd.Timestamp(DEMO))]
    intrinsic = puts["strike"] - puts["symbol"].astype("str").map(spots(whole))
    deep = intrinsic > 0
    assert deep.sum() > 500
    assert (puts["ask"][deep] >= intrinsic[deep] - 0.01).all()


def test_expected_variance_is_that_of_the_chain_stepped_by_hand() -> None:
    level = REGIME_VARIANCES[2]
    one = np.array([[level]])
    factors = Factors(market=one, sector=one, own=one, weights=np.array([[0.0], [0.0], [0.09]]))
    step = OWN_STAYS * np.eye(3) + (1 - OWN_STAYS) * REGIME_SHARES
    chances, seen = np.array([0.0, 0.0, 1.0]), []
    for _ in range(21):
        chances = chances @ step
        seen.append(0.09 * chances @ REGIME_VARIANCES)
    assert factors.expected_variance(0, np.array([21.0]))[0, 0] == pytest.approx(np.mean(seen), rel=1e-12)
    assert (REGIME_SHARES * REGIME_VARIANCES).sum() == pytest.approx(1.0)


def test_a_report_adds_its_variance_to_the_expirations_after_it(demo: SimulatedMarket) -> None:
    row = [item.symbol for item in LISTINGS].index("STZ")
    report = demo.world.reports[row][demo.world.reports[row] >= np.datetime64(DEMO)][0].astype(date)
    days = (report - DEMO).days
    total = [demo.true_iv("STZ", DEMO, ahead) ** 2 * ahead / 365 for ahead in (days, days + 1, days + 2)]
    jump = (total[1] - total[0]) - (total[2] - total[1])
    assert jump == pytest.approx(REPORT_PREMIUM**2 * demo.world.report_variance[row], rel=0.02)


def test_realized_moves_of_a_long_path_match_the_true_volatilities(demo: SimulatedMarket) -> None:
    world = demo.world
    moves = np.diff(np.log(world.bars.close), axis=0)
    after_report = np.zeros(world.bars.close.shape, dtype=bool)
    for name, days in enumerate(world.reports):
        place = np.searchsorted(world.sessions, days, side="right")
        after_report[place[place < len(world.sessions)], name] = True
    quiet = ~after_report[1:]
    true = world.factors.annual_variance()[1:] / SESSIONS_A_YEAR
    ratio = (moves**2 * quiet).sum(axis=0) / (true * quiet).sum(axis=0)
    # 1,250 squared normals under changing variance: a sampling deviation of about 5 %.
    assert np.abs(ratio - 1).max() < 0.25
    assert ratio.mean() == pytest.approx(1.0, abs=0.03)
    jumps = (moves**2 * ~quiet).sum(axis=0) / (((true + world.report_variance) * ~quiet).sum(axis=0) + 1e-300)
    assert jumps[after_report[1:].any(axis=0)].mean() == pytest.approx(1.0, abs=0.1)


def test_ranges_match_the_true_intraday_volatility(demo: SimulatedMarket) -> None:
    """Rogers and Satchell (1991): E[h (h - c) + l (l - c)] is the variance of the day, whatever its drift."""
    bars = demo.world.bars
    up, down, end = (np.log(bar / bars.open) for bar in (bars.high, bars.low, bars.close))
    seen = (up * (up - end) + down * (down - end)).mean(axis=0)
    true = (1 - OVERNIGHT) * demo.world.factors.annual_variance().mean(axis=0) / SESSIONS_A_YEAR
    assert (seen / true).mean() == pytest.approx(1.0, abs=0.02)


def test_the_premium_is_small_positive_and_wanders(demo: SimulatedMarket) -> None:
    ratio = np.exp(demo.world.premium)
    assert 1.0 < ratio.mean() < 1.2
    assert ratio.std(axis=0).min() > 0.02


def test_bars_are_consistent(demo: SimulatedMarket) -> None:
    bars = demo.world.bars
    assert (bars.low > 0).all()
    assert (bars.high >= np.maximum(bars.open, bars.close)).all()
    assert (bars.low <= np.minimum(bars.open, bars.close)).all()
    assert (bars.volume > 0).all()
    assert demo.world.sessions[0] == np.datetime64(sessions_between(EPOCH, DEMO)[0])


def test_names_of_a_sector_move_together(whole: Snapshot) -> None:
    closes = whole.history.pivot_table(index="date", columns="symbol", values="close", observed=True)

    def correlation(one: str, other: str) -> float:
        moves = np.diff(np.log(closes[[one, other]].to_numpy()), axis=0)
        return float(np.corrcoef(moves.T)[0, 1])

    assert correlation("XOM", "CVX") > 0.8
    assert correlation("GLD", "SLV") > 0.7
    assert correlation("SPY", "QQQ") > 0.8
    assert correlation("KO", "PEP") > correlation("KO", "NVDA") + 0.2
    assert correlation("SPY", "TLT") < 0.2
