"""IV30 and what stands beside it, on chains priced elsewhere and on recorded ones."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import brentq
from scipy.stats import norm

from engine.market.columns import panel_of
from engine.market.sessions import NEW_YORK
from engine.market.snapshot import Snapshot
from engine.rules import load_rules
from engine.screen.measure import measure
from tests.engine.markets import Name, panel, snapshot

RULES = load_rules(Path(__file__).resolve().parents[3] / "config")


def measured(*names: Name) -> pd.DataFrame:
    return measure(panel(*names), RULES).set_index("symbol")


def test_a_flat_surface_comes_back_everywhere() -> None:
    table = measured(Name(strikes=[float(k) for k in range(50, 160, 2)]))
    for column in ("iv30", "iv60", "iv_straddle"):
        assert table[column]["AAA"] == pytest.approx(0.30, abs=1e-9)
    assert table["term_slope"]["AAA"] == pytest.approx(1.0, abs=1e-8)
    assert table["skew_25"]["AAA"] == pytest.approx(0.0, abs=1e-8)
    assert table["iv_method"]["AAA"] == "interpolated"
    assert table["iv_model_free"]["AAA"] == pytest.approx(0.30, abs=0.006)


def test_total_variance_is_linear_between_the_bracketing_expiries() -> None:
    vols = {23: 0.40, 37: 0.30}
    name = Name(vol=lambda days, strike: vols[int(days)], days=(23, 37))
    variance = 0.40**2 * 23 + (0.30**2 * 37 - 0.40**2 * 23) * (30 - 23) / (37 - 23)
    row = measured(name).loc["AAA"]
    assert row["iv30"] == pytest.approx(np.sqrt(variance / 30), abs=1e-9)
    assert (row["iv_near_days"], row["iv_far_days"]) == (23.0, 37.0)
    assert np.isnan(row["iv60"])


def test_an_expiry_exactly_on_the_target_is_enough() -> None:
    row = measured(Name(days=(30,), strikes=[float(k) for k in range(50, 160, 2)])).loc["AAA"]
    assert row["iv30"] == pytest.approx(0.30, abs=1e-9)
    assert row["iv_method"] == "interpolated"
    assert row["iv_model_free"] == pytest.approx(0.30, abs=0.006)


@pytest.mark.parametrize(
    ("days", "method", "taken"),
    [
        ((23,), "nearest", 23.0),
        ((44,), "nearest", 44.0),
        ((20, 25), "nearest", 25.0),
        ((3, 37), "nearest", 37.0),  # the near side is less than a week away
        ((19,), None, np.nan),
        ((46, 80), None, np.nan),
    ],
)
def test_never_extrapolated(days: tuple[int, ...], method: str | None, taken: float) -> None:
    row = measured(Name(days=days)).loc["AAA"]
    assert row["iv_method"] == method
    np.testing.assert_equal(row["iv_far_days"], taken)
    assert np.isnan(row["iv_model_free"])
    if method is None:
        assert np.isnan(row["iv30"])
        assert row["missing_reason"] == "no expiry around 30 days"
    else:
        assert row["iv30"] == pytest.approx(0.30, abs=1e-9)
        assert "nearest_expiry" in row["flags"]


def test_skew_reads_the_smile_at_25_delta() -> None:
    def smile(days: float, strike: float) -> float:
        return 0.30 - 0.25 * float(np.log(strike / 100.0))

    row = measured(Name(vol=smile, strikes=[float(k) for k in range(70, 131)], days=(23, 37))).loc["AAA"]
    years = 23 / 365
    forward = 100 * np.exp(0.04 * years)

    def delta(strike: float) -> float:
        deviation = smile(23, strike) * np.sqrt(years)
        return float(norm.cdf(np.log(forward / strike) / deviation + deviation / 2))

    call = brentq(lambda strike: delta(strike) - 0.25, 90, 130)
    put = brentq(lambda strike: delta(strike) - 0.75, 70, 110)
    assert row["skew_25"] == pytest.approx(smile(23, put) - smile(23, call), abs=2e-4)
    assert row["skew_25"] > 0


@pytest.mark.parametrize(
    ("carry_yield", "vol"), [(0.0, 0.20), (0.0, 0.60), (0.06, 0.20), (0.10, 0.35), (-0.02, 0.30)]
)
def test_early_exercise_is_taken_off_american_chains(carry_yield: float, vol: float) -> None:
    name = Name(american=True, carry_yield=carry_yield, vol=lambda days, strike: vol, days=(23, 37))
    assert measured(name)["iv30"]["AAA"] == pytest.approx(vol, abs=5e-4)


def test_the_quote_error_is_half_the_quoted_spread_in_volatility() -> None:
    vega = 100 * np.exp(-0.04 * 23 / 365) * np.exp(0.04 * 23 / 365) * np.sqrt(23 / 365 / (2 * np.pi))
    row = measured(Name(spread=0.10, days=(23, 37))).loc["AAA"]
    assert row["iv_error"] == pytest.approx(0.10 / vega, rel=0.01)


@pytest.mark.parametrize(("bid", "ask"), [(0.0, 5.0), (np.nan, 5.0), (6.0, 5.0), (5.0, np.nan), (-1.0, 5.0)])
def test_one_bad_side_everywhere_leaves_nothing_to_measure(bid: float, ask: float) -> None:
    market = snapshot(Name())
    puts = (market.quotes["right"] == "P").to_numpy()
    market.quotes.loc[puts, ["bid", "ask"]] = [bid, ask]
    row = measure(panel_of(market, "AAA"), RULES).iloc[0]
    assert np.isnan(row["iv30"])
    assert row["missing_reason"] == "no two-sided quotes"


def test_empty_far_strikes_do_not_ruin_the_forward() -> None:
    market = snapshot(Name(strikes=[float(k) for k in range(50, 155, 5)]))
    far = (market.quotes["strike"] < 75) | (market.quotes["strike"] > 125)
    market.quotes.loc[far, ["bid", "ask"]] = 0.0
    assert measure(panel_of(market, "AAA"), RULES)["iv30"][0] == pytest.approx(0.30, abs=1e-9)


def test_a_forward_outside_the_quoted_strikes_passes_to_the_next_expiry() -> None:
    market = snapshot(Name(days=(9, 23, 37)))
    near = market.quotes["expiration"] == market.quotes["expiration"].unique()[1]
    kept = market.quotes[~(near & (market.quotes["strike"] <= 100))]
    row = measure(panel_of(replace(market, quotes=kept), "AAA"), RULES).iloc[0]
    assert (row["iv_near_days"], row["iv_far_days"]) == (9.0, 37.0)
    assert row["iv30"] == pytest.approx(0.30, abs=1e-9)


def test_one_name_measures_the_same_alone_and_among_many() -> None:
    names = [Name(f"N{n}", vol=lambda days, strike, n=n: 0.2 + n / 100) for n in range(7)]  # type: ignore[misc]
    together = measured(*names)
    for place, name in enumerate(names):
        alone = measure(panel(name, seed=1 + place), RULES).set_index("symbol")
        pd.testing.assert_frame_equal(together.loc[[name.symbol]], alone, rtol=1e-12)


# --- recorded chains against Cboe's own number ---------------------------------------------------


def _cboe(folder: Path, symbol: str) -> pd.DataFrame:
    facts = pd.read_csv(folder / "underlying_with_cboe_iv30.csv")
    quotes = pd.read_csv(folder / f"{symbol}_2026-07-22_2026-08-04.csv.gz")
    quotes = quotes.rename(columns={"expiry": "expiration", "last_trade_price": "last", "option": "contract"})
    quotes["symbol"] = symbol
    quotes["expiration"] = pd.to_datetime(quotes["expiration"]).astype("datetime64[s]")
    found = []
    for day, chain in quotes.groupby("session_date"):
        fact = facts[(facts["session_date"] == day) & (facts["ticker"] == symbol)].iloc[0]
        row = measure(panel_of(_cboe_market(symbol, str(day), fact, chain), symbol), RULES).iloc[0]
        stale = "stale_quotes" in row["flags"]
        found.append(
            {"iv30": 100 * row["iv30"], "cboe": fact["iv30"], "error": row["iv_error"], "stale": stale}
        )
    return pd.DataFrame(found)


def _cboe_market(symbol: str, day: str, fact: pd.Series, chain: pd.DataFrame) -> Snapshot:  # type: ignore[type-arg]
    session = date.fromisoformat(day)
    underlying = {
        "symbol": symbol,
        "spot": fact["close"],
        "quote_time": f"{fact['last_trade_time']}-04:00",
        "name": symbol,
        "sector": None,
        "asset_class": "etf",
        "earnings_date": None,
        "liquidity_rating": np.nan,
    }
    history = pd.DataFrame(
        {"date": pd.to_datetime([day]).astype("datetime64[s]"), "symbol": [symbol], "close": [fact["close"]]}
    )
    return Snapshot(
        asof=datetime(session.year, session.month, session.day, 16, 15, tzinfo=NEW_YORK),
        session=session,
        kind="close",
        source="recorded",
        quotes=chain,
        underlyings=pd.DataFrame([underlying]),
        history=history.assign(open=np.nan, high=np.nan, low=np.nan, volume=np.nan),
        rate=0.036,
    )


def test_iv30_of_spy_agrees_with_cboe(shared_data: Path) -> None:
    days = _cboe(shared_data / "cboe_delayed_snapshots", "SPY")
    assert len(days) == 10
    fresh = days[~days["stale"]]
    assert days["stale"].sum() == 1  # 2026-07-23, whose trades are a day old
    gap = fresh["iv30"] - fresh["cboe"]
    assert abs(gap.mean()) < 0.15
    assert gap.abs().max() < 0.5


def test_iv30_of_a_wide_single_name_stays_within_its_quotes(shared_data: Path) -> None:
    days = _cboe(shared_data / "cboe_delayed_snapshots", "MOD")
    fresh = days[~days["stale"]]
    assert ((fresh["iv30"] - fresh["cboe"]).abs() < 100 * fresh["error"]).all()
