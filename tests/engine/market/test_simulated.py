"""The simulated market: the same everywhere, true to its own model, and dirty enough to try every gate."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields
from datetime import date

import numpy as np
import pandas as pd
import pytest
from vollib.black_scholes.implied_volatility import implied_volatility as black_scholes_iv

from engine.errors import SnapshotError
from engine.market.columns import panel_of
from engine.market.sessions import close_of, sessions_between
from engine.market.simulated import BENCHMARK, FIRST_SESSION, SimulatedMarket
from engine.market.simulated.dirt import SHORT_HISTORY, Dirt, dirt_of
from engine.market.simulated.events import FAR_FUTURE, board
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
from engine.market.snapshot import HISTORY_COLUMNS, QUOTE_COLUMNS, UNDERLYING_COLUMNS, Snapshot
from engine.panel import IvHistory
from engine.rules import Listing, load_pairs, load_rules, load_universe
from engine.screen.measure import measure
from engine.screen.result import Screen
from engine.screen.screen import run_screen
from tests.conftest import ROOT

CONFIG = ROOT / "config"
LISTINGS = load_universe(CONFIG)
DEMO = date(2025, 12, 31)
FEW = tuple(item for item in LISTINGS if item.symbol in ("SPY", "AAPL", "AMZN", "KO", "XOM", "XLU"))
WITHOUT_DIVIDEND = ("AMZN", "NFLX", "TSLA", "AMD", "INTC", "PLTR", "GLD", "SLV", "UBER", "COIN")
INDEX = Listing(symbol="SPX", name="S&P 500 Index", sector="Broad Market", asset_class="index")
UNHEARD_OF = Listing(symbol="ZZZZ", name="Nobody Inc.", sector="Energy", asset_class="equity")


@pytest.fixture(scope="module")
def demo() -> SimulatedMarket:
    return SimulatedMarket(LISTINGS, DEMO)


@pytest.fixture(scope="module")
def whole(demo: SimulatedMarket) -> Snapshot:
    return demo.snapshot()


@pytest.fixture(scope="module")
def dirt(demo: SimulatedMarket) -> dict[str, list[str]]:
    """Symbols with each fault at the demo's session."""
    ordinal = int(np.searchsorted(demo.world.sessions, np.datetime64(DEMO)))
    faults = dirt_of(demo.world.quoting.frail, demo.seed, ordinal)
    kinds = [field.name for field in fields(Dirt) if field.name != "error_text"]
    return {kind: [LISTINGS[row].symbol for row in getattr(faults, kind)] for kind in kinds}


def spots(snapshot: Snapshot) -> pd.Series:
    return snapshot.underlyings.set_index("symbol")["spot"]


def usable(quotes: pd.DataFrame) -> pd.DataFrame:
    """Two-sided strikes with call and put beside each other; mid and width of each."""
    plain = quotes[(quotes["bid"] > 0) & (quotes["ask"] >= quotes["bid"])]
    plain = plain.assign(mid=(plain["bid"] + plain["ask"]) / 2, width=plain["ask"] - plain["bid"])
    table = plain.pivot_table(
        index=["expiration", "strike"], columns="right", values=["mid", "width"], observed=True
    )
    return table.dropna()


# --- the universe ------------------------------------------------------------------------------


def test_the_universe_is_broad_and_holds_every_leg_of_the_pairs() -> None:
    symbols = {item.symbol for item in LISTINGS}
    legs = {leg for pair in load_pairs(CONFIG) for leg in (pair.leg_a, pair.leg_b)}
    assert 110 <= len(symbols) <= 130
    assert legs | {BENCHMARK, "QQQ", "IWM", "DIA", "AAPL", "NVDA"} <= symbols
    assert min(Counter(item.sector for item in LISTINGS).values()) >= 3


# --- the same for a seed and a date --------------------------------------------------------------


@pytest.mark.parametrize("kind", ["close", "open"])
def test_the_same_seed_and_session_give_the_same_market(kind: str) -> None:
    first, again = (SimulatedMarket(FEW, DEMO, kind, seed=11).snapshot() for _ in range(2))
    for table in ("quotes", "underlyings", "history"):
        pd.testing.assert_frame_equal(getattr(first, table), getattr(again, table))


def test_another_seed_gives_another_market(whole: Snapshot) -> None:
    other = SimulatedMarket(LISTINGS, DEMO, seed=8).snapshot()
    assert other.source == "SIMULATED market, seed 8"
    assert not np.isclose(spots(whole), spots(other)).any()


def test_a_later_session_extends_the_path_and_leaves_the_past_alone() -> None:
    early = SimulatedMarket(FEW, date(2026, 1, 5)).snapshot().history
    late = SimulatedMarket(FEW, date(2026, 6, 1)).snapshot().history
    both = early.merge(late, on=["date", "symbol"], suffixes=("", "_late"))
    assert len(both) > 500 * len(FEW)
    assert (both["close"] == both["close_late"]).all()
    assert (both["high"] == both["high_late"]).all()


def test_a_name_keeps_its_path_whatever_stands_beside_it(whole: Snapshot) -> None:
    alone = SimulatedMarket([item for item in LISTINGS if item.symbol == "AAPL"], DEMO).snapshot()
    pd.testing.assert_frame_equal(
        alone.quotes.astype({"symbol": "str"}),
        whole.quotes[whole.quotes["symbol"] == "AAPL"].astype({"symbol": "str"}).reset_index(drop=True),
    )


def test_past_closes_are_parts_of_the_closes_of_their_own_days() -> None:
    past = list(SimulatedMarket(LISTINGS, DEMO).past_closes(2))
    assert [snapshot.session for snapshot in past] == [date(2025, 12, 29), date(2025, 12, 30)]
    for lean in past:
        own = SimulatedMarket(LISTINGS, lean.session)
        full = own.snapshot()
        pd.testing.assert_frame_equal(lean.underlyings, full.underlyings)
        pd.testing.assert_frame_equal(
            lean.history.reset_index(drop=True), full.history.reset_index(drop=True)
        )
        key = ["symbol", "expiration", "right", "strike"]
        plain = full.quotes[full.quotes["contract"].isna()].drop_duplicates(key)
        merged = lean.quotes.merge(plain, on=key, suffixes=("", "_full"))
        assert len(merged) == len(lean.quotes) < len(full.quotes) / 4
        for column in ("bid", "ask", "last", "volume", "open_interest"):
            np.testing.assert_array_equal(merged[column], merged[f"{column}_full"])
        truth, seen_later = own.truth(), SimulatedMarket(LISTINGS, DEMO).truth(lean.session)
        np.testing.assert_array_equal(truth.iv30, seen_later.iv30)


def test_past_closes_measure_like_the_whole_chains_of_their_days() -> None:
    rules = load_rules(CONFIG)
    lean = next(SimulatedMarket(LISTINGS, DEMO).past_closes(1))
    full = SimulatedMarket(LISTINGS, lean.session).snapshot()
    tables = [measure(panel_of(snapshot, BENCHMARK), rules) for snapshot in (lean, full)]
    for column in ("iv30", "iv60", "slippage", "atm_volume", "hv252"):
        part, all_of_it = (table[column].to_numpy(dtype=float) for table in tables)
        assert np.count_nonzero(np.isfinite(part)) > 100
        np.testing.assert_allclose(part, all_of_it, rtol=1e-9)


def test_past_closes_stop_at_the_first_session() -> None:
    session = FIRST_SESSION.replace(day=7)
    past = [snapshot.session for snapshot in SimulatedMarket(FEW, session).past_closes(252)]
    assert past == list(sessions_between(FIRST_SESSION, session).astype(object))[:-1]


# --- what a snapshot looks like ------------------------------------------------------------------


def test_a_snapshot_has_the_columns_and_types_of_the_contract(whole: Snapshot) -> None:
    assert whole.source == "SIMULATED market, seed 7"
    assert (whole.session, whole.kind, whole.asof, whole.rate) == (DEMO, "close", close_of(DEMO), 0.04)
    assert list(whole.quotes.columns) == [*QUOTE_COLUMNS, "contract"]
    assert set(UNDERLYING_COLUMNS) <= set(whole.underlyings.columns)
    assert list(whole.history.columns) == list(HISTORY_COLUMNS)
    assert whole.symbols == [item.symbol for item in LISTINGS]
    assert whole.quotes.dtypes.astype("str").to_dict() == {
        "symbol": "category",
        "expiration": "datetime64[s]",
        "right": "category",
        "contract": "str",
    } | dict.fromkeys(["strike", "bid", "ask", "last", "volume", "open_interest"], "float64")
    assert str(whole.history["date"].dtype) == "datetime64[s]"
    assert list(whole.quotes["right"].cat.categories) == ["C", "P"]
    assert 300 * len(LISTINGS) < len(whole.quotes) < 700 * len(LISTINGS)


def test_history_ends_with_the_session_at_the_close_and_before_it_at_the_open() -> None:
    close, opening = (SimulatedMarket(FEW, DEMO, kind).snapshot() for kind in ("close", "open"))
    assert close.history["date"].max() == pd.Timestamp(DEMO)
    assert opening.history["date"].max() == pd.Timestamp(2025, 12, 30)
    assert close.history.groupby("symbol", observed=True).size().eq(640).all()
    last = close.history[close.history["date"] == pd.Timestamp(DEMO)].set_index("symbol")
    for symbol in ("SPY", "AMZN"):
        assert spots(close)[symbol] == last["close"][symbol]
        assert spots(opening)[symbol] == last["open"][symbol]


def test_the_open_quotes_are_wider_and_thinner() -> None:
    close, opening = (SimulatedMarket(FEW, DEMO, kind).snapshot().quotes for kind in ("close", "open"))
    width = [(quotes["ask"] - quotes["bid"]).mean() for quotes in (close, opening)]
    assert width[1] > 1.3 * width[0]
    assert opening["volume"].sum() < 0.2 * close["volume"].sum()


def test_a_part_of_the_market_is_the_same_market(whole: Snapshot) -> None:
    part = SimulatedMarket(LISTINGS, DEMO).snapshot(["KO", "XOM", "NOSUCH"])
    assert part.symbols == ["KO", "XOM"]
    of_ko = [
        snapshot.quotes[snapshot.quotes["symbol"] == "KO"]["bid"].to_numpy() for snapshot in (part, whole)
    ]
    np.testing.assert_array_equal(*of_ko)
    assert {"KO", "XOM", BENCHMARK} == set(part.history["symbol"])


def test_what_cannot_be_simulated_is_said_in_one_sentence() -> None:
    with pytest.raises(SnapshotError, match="2025-12-25 is no trading day"):
        SimulatedMarket(FEW, date(2025, 12, 25))
    with pytest.raises(SnapshotError, match="begins on 2022-01-04"):
        SimulatedMarket(FEW, date(2021, 6, 1))
    with pytest.raises(SnapshotError, match="lists none of NOSUCH"):
        SimulatedMarket(FEW, DEMO).snapshot(["NOSUCH"])
    with pytest.raises(SnapshotError, match="universe is empty"):
        SimulatedMarket([], DEMO)
    with pytest.raises(ValueError, match="0 or more"):
        SimulatedMarket(FEW, DEMO, seed=-1)


def test_tickers_it_has_never_heard_of_get_a_market_too() -> None:
    snapshot = SimulatedMarket([*FEW, UNHEARD_OF], DEMO).snapshot(["ZZZZ"])
    assert 5 < spots(snapshot)["ZZZZ"] < 500
    assert len(usable(snapshot.quotes)) > 30


def test_without_the_benchmark_the_hard_gate_has_something_to_stop() -> None:
    rules = load_rules(CONFIG)
    with_it, without = (
        SimulatedMarket(FEW, DEMO, without_benchmark=gone).snapshot() for gone in (False, True)
    )
    assert run_screen(panel_of(with_it, BENCHMARK), rules).run.state != "aborted"
    assert run_screen(panel_of(without, BENCHMARK), rules).run.state == "aborted"
    assert BENCHMARK not in set(without.history["symbol"])


# --- the calendar ----------------------------------------------------------------------------------


@pytest.mark.parametrize("session", [date(2025, 4, 14), date(2025, 12, 31), date(2026, 6, 15)])
def test_every_expiration_is_a_trading_day_ahead_and_most_are_fridays(session: date) -> None:
    days = board(session).days
    sessions = sessions_between(session, date(session.year + 3, 12, 31))
    assert np.isin(days, sessions).all()
    assert (days > np.datetime64(session)).all()
    assert (pd.DatetimeIndex(days).dayofweek >= 3).all()


def test_good_friday_and_juneteenth_move_the_monthly_to_thursday() -> None:
    assert np.datetime64("2025-04-17") in board(date(2025, 4, 1)).days
    assert np.datetime64("2026-06-18") in board(date(2026, 6, 1)).days


def test_equities_report_four_times_a_year_and_funds_never(demo: SimulatedMarket) -> None:
    reports = demo.world.reports
    in_2025 = ((reports >= np.datetime64("2025-01-01")) & (reports <= np.datetime64("2025-12-31"))).sum(
        axis=1
    )
    equity = np.array([item.asset_class == "equity" for item in LISTINGS])
    assert set(in_2025[equity]) == {4}
    assert (reports[~equity] == FAR_FUTURE).all()


# --- true to the model -------------------------------------------------------------------------------


def clean_names(market: SimulatedMarket, near: int, far: int) -> Iterator[str]:
    """Names without a report between two days ahead: interpolation would smear its jump."""
    for symbol in WITHOUT_DIVIDEND:
        near_iv, far_iv = (market.true_iv(symbol, market.session, days) for days in (near, far))
        row = [item.symbol for item in market.listings].index(symbol)
        window = market.world.reports[row] - np.datetime64(market.session)
        if not ((window >= np.timedelta64(0)) & (window < np.timedelta64(far, "D"))).any():
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
    assert len(gap) > 100
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
    assert REGIME_SHARES @ REGIME_VARIANCES == pytest.approx(1.0)


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
    moves = np.log(
        whole.history.pivot_table(index="date", columns="symbol", values="close", observed=True)
    ).diff()
    related = moves.corr()
    assert related.loc["XOM", "CVX"] > 0.8
    assert related.loc["GLD", "SLV"] > 0.7
    assert related.loc["SPY", "QQQ"] > 0.8
    assert related.loc["KO", "PEP"] > related.loc["KO", "NVDA"] + 0.2
    assert related.loc["SPY", "TLT"] < 0.2


# --- dirt --------------------------------------------------------------------------------------------


def test_the_benchmark_and_the_names_a_visitor_tries_are_clean_in_every_session(
    demo: SimulatedMarket,
) -> None:
    for ordinal in range(1000, 1250):
        faults = dirt_of(demo.world.quoting.frail, demo.seed, ordinal)
        sick = {
            row for kind in fields(Dirt) if kind.name != "error_text" for row in getattr(faults, kind.name)
        }
        assert not {LISTINGS[row].symbol for row in sick} & {BENCHMARK, "AAPL", "KO", "NVDA", "QQQ"}


def test_faults_of_the_underlyings_occur(whole: Snapshot, dirt: dict[str, list[str]]) -> None:
    table = whole.underlyings.set_index("symbol")
    assert list(table.index[table["error"].notna()]) == dirt["error"]
    assert sorted(table.index[table["spot"].isna()]) == sorted(dirt["error"] + dirt["no_spot"])
    assert list(table.index[~table["quote_time"].str.startswith(str(DEMO))]) == dirt["stale"]
    assert table["liquidity_rating"].notna().mean() == pytest.approx(0.5, abs=0.15)
    assert set(table["earnings_verified"].dropna()) == {"true", "false"}
    assert table.loc[["SPY", "GLD"], "earnings_date"].isna().all()


def test_faults_of_the_history_occur(whole: Snapshot, dirt: dict[str, list[str]]) -> None:
    lengths = whole.history["symbol"].astype("str").value_counts()
    assert not set(dirt["no_history"]) & set(lengths.index)
    for kind, sessions in SHORT_HISTORY.items():
        assert (lengths[dirt[kind]] == sessions).all()


def test_faults_of_the_quotes_occur(whole: Snapshot, dirt: dict[str, list[str]]) -> None:
    quotes = whole.quotes.astype({"symbol": "str"})
    own = {kind: quotes[quotes["symbol"].isin(symbols)] for kind, symbols in dirt.items()}
    assert own["error"].empty
    assert (own["one_sided"]["bid"] == 0).mean() > 0.95
    crossed = own["crossed"][own["crossed"]["bid"] > own["crossed"]["ask"]]
    assert set(crossed["symbol"]) == set(dirt["crossed"])
    assert quotes["bid"].isna().any()
    expired = quotes[quotes["expiration"] < pd.Timestamp(DEMO)]
    assert set(expired["symbol"]) == set(dirt["expired"])
    key = ["symbol", "expiration", "strike", "right"]
    assert set(quotes[quotes.duplicated(key) & quotes["contract"].isna()]["symbol"]) == set(dirt["repeated"])
    adjusted = quotes[quotes["contract"].notna()]
    assert set(adjusted["symbol"]) == set(dirt["adjusted"])
    assert adjusted["contract"].str.match(r"^[A-Z]+1 \d{6}[CP]\d{8}$").all()


def test_the_reader_tells_what_it_left_out(whole: Snapshot) -> None:
    assert set(panel_of(whole, BENCHMARK).dropped) == {"adjusted contract", "expired quote", "repeated quote"}


def test_prices_stand_on_ticks_and_far_puts_have_no_bid(whole: Snapshot) -> None:
    prices = whole.quotes[["bid", "ask"]].to_numpy().ravel()
    prices = prices[np.isfinite(prices)]
    np.testing.assert_allclose(prices, np.round(prices, 2), atol=1e-9)
    assert prices.min() == 0.0
    assert 0.02 < (whole.quotes["bid"] == 0).mean() < 0.3


# --- the demo's own session ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def screen(demo: SimulatedMarket, whole: Snapshot) -> Screen:
    """The demo's closing screen, half a year of closes measured and stored before it."""
    rules = load_rules(CONFIG)
    past = [
        measure(panel_of(snapshot, BENCHMARK), rules)["iv30"].to_numpy(dtype=float)
        for snapshot in demo.past_closes(126)
    ]
    return run_screen(panel_of(whole, BENCHMARK), rules, IvHistory(np.array(past).T))


def test_the_demo_has_a_lively_close(screen: Screen) -> None:
    assert screen.run.state == "complete"
    assert screen.run.simulated
    assert screen.coverage.measured == screen.coverage.universe - 6
    assert len(screen.coverage.missing) == 6
    assert 8 <= screen.coverage.passed <= 24
    assert len(screen.near_misses) >= 5


def test_every_signal_and_regime_occurs_in_the_demo(screen: Screen) -> None:
    measured = [row for row in screen.rows if row.text("missing_reason") is None]
    signals = Counter(row.signal for row in measured)
    assert set(signals) == {"EVENT", "RICH", "COILED", "EXPANDING", "DISCOUNT", "FAIR"}
    assert {row.text("regime") for row in measured} == {"NORMAL", "COILED", "EXPANDING", "UNKNOWN"}


def test_every_gate_passes_for_some_and_fails_for_others_in_the_demo(screen: Screen) -> None:
    verdicts: dict[str, set[str]] = {}
    for row in screen.rows:
        for gate in (*row.gates, *row.tags):
            verdicts.setdefault(gate.name, set()).add(gate.state)
    assert {"structural", "momentum", "iv_percentile", "dead_legs", "slippage", "earnings"} <= set(verdicts)
    lacking = {name for name, states in verdicts.items() if not {"pass", "fail"} <= states}
    assert not lacking


@pytest.mark.parametrize("symbol", ["AAPL", "KO"])
def test_the_names_a_visitor_tries_are_measured(screen: Screen, symbol: str) -> None:
    row = screen.find(symbol)
    assert row is not None
    assert row.text("missing_reason") is None
    assert all(row.number(column) is not None for column in ("iv30", "hv252", "iv_percentile", "slippage"))


def test_ko_is_rejected_and_every_verdict_has_a_number(screen: Screen) -> None:
    row = screen.find("KO")
    assert row is not None
    assert not row.passed
    assert {gate.name for gate in row.failed} >= {"structural"}
