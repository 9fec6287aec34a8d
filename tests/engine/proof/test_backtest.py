"""A backtest against the live screen day by day, and against plain loops over pandas series."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
import pandas as pd
import pytest

from engine.errors import UnreadableError
from engine.market.columns import panel_of
from engine.market.sessions import NEW_YORK
from engine.market.snapshot import QUOTE_COLUMNS, Snapshot
from engine.panel import IvHistory
from engine.proof.backtest import backtest
from engine.proof.dayrows import day_rows
from engine.proof.days import DUAL, NONE, DayArray
from engine.proof.judged import BOTH, JUDGED, judge_rows, judged_gates
from engine.proof.lenses import under
from engine.proof.result import Backtest
from engine.screen.gates import judge
from engine.screen.measure import measure
from engine.screen.score import SIGNALS
from engine.screen.screen import judge_table
from tests.engine.proof.pasts import frame, past, priced, rules

SESSIONS = 330
METRICS = (
    *("iv30", "hv20", "hv30", "hv60", "hv90", "hv252", "momentum", "iv_percentile", "iv_percentile_n"),
    *("vrp_structural", "vrp_tactical", "structural_252", "tactical_20", "spread_vol", "spread_variance"),
)


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Six names; one begins late, one has a gap in its closes, one in its IV, one halves by a split."""
    made = frame(6, SESSIONS, seed=11)
    day = days(made)
    made = made[(made["symbol"] != "A01") | (made["date"] >= day[120])].reset_index(drop=True)
    made.loc[(made["symbol"] == "A02") & (made["date"] == day[200]), "close"] = np.nan
    made.loc[(made["symbol"] == "A03") & (made["date"].isin(day[150:170])), "iv30"] = np.nan
    return made


@pytest.fixture(scope="module")
def result(table: pd.DataFrame) -> Backtest:
    return backtest(past(table), rules(), "A00")


def days(table: pd.DataFrame) -> DayArray:
    return np.unique(table["date"].to_numpy())


# --- the same day by the live screen ---------------------------------------------------------------


def market(table: pd.DataFrame, day: np.datetime64) -> Snapshot:
    """The day as a source would bring it, each name's IV30 given."""
    session: date = day.astype("datetime64[D]").item()
    today = table[table["date"] == day]
    history = table[table["date"] <= day].dropna(subset="close")
    numbers = dict.fromkeys(("open", "high", "low", "volume"), np.nan)
    return Snapshot(
        asof=datetime(session.year, session.month, session.day, 16, tzinfo=NEW_YORK),
        session=session,
        kind="close",
        source="test market",
        quotes=pd.DataFrame({column: [] for column in QUOTE_COLUMNS}).astype(
            {"expiration": "datetime64[s]", "strike": "float64"}
        ),
        underlyings=pd.DataFrame(
            {
                "symbol": today["symbol"].to_numpy(),
                "spot": today["close"].to_numpy(),
                "iv_given": today["iv30"].to_numpy(),
                **dict.fromkeys(("quote_time", "name", "sector", "earnings_date")),
                "asset_class": "equity",
                "liquidity_rating": np.nan,
            }
        ),
        history=history.drop(columns="iv30").assign(**numbers),
    )


def stored(table: pd.DataFrame, day: np.datetime64, symbols: list[str]) -> IvHistory:
    wide = table.pivot(index="date", columns="symbol", values="iv30")
    return IvHistory(wide[wide.index < day].tail(252).reindex(columns=symbols).to_numpy().T)


@pytest.mark.parametrize("place", [15, 70, 130, 215, 260, 329])
@pytest.mark.parametrize("lens", ["quarterly", "yearly", "consensus"])
def test_a_row_of_a_past_day_is_the_live_screens(table: pd.DataFrame, place: int, lens: str) -> None:
    set_rules = rules(lens)
    day = days(table)[place]
    panel = panel_of(market(table, day), "A00")
    live = measure(panel, set_rules, stored(table, day, panel.symbols))
    seen = judge_table(live, set_rules)
    lived = past(table)
    rows = day_rows(lived, set_rules, place, place + 1, 21)
    judged = judge_rows(
        rows, lived.symbols, lived.sessions, set_rules, {each: under(set_rules, each) for each in BOTH}
    )
    held = [lived.symbols.index(symbol) for symbol in panel.symbols]
    for column in METRICS:
        ours = rows.table[column].to_numpy(dtype=np.float64)[held]
        np.testing.assert_allclose(ours, live[column].to_numpy(dtype=np.float64), rtol=1e-11, err_msg=column)
    for column in ("regime", "zone"):
        assert rows.table[column].iloc[held].fillna("").tolist() == live[column].fillna("").tolist()
    assert rows.table["missing_reason"].iloc[held].isna().tolist() == live["missing_reason"].isna().tolist()
    assert judged.table["lens"].iloc[held].tolist() == seen.table["lens"].tolist()
    signal = [None if code == NONE else SIGNALS[code] for code in judged.own.signal[held]]
    assert signal == seen.signal.tolist()
    names = [spec.name for spec in seen.verdicts.specs]
    own = judge(judged.table, set_rules, only=JUDGED)
    for spec, state in zip(own.specs, own.state, strict=True):
        assert state[held].tolist() == seen.verdicts.state[names.index(spec.name)].tolist(), spec.name
    assert [spec.name for spec in own.specs] == [name for name in names if name in JUDGED]
    assert set(judged_gates(set_rules)) == {spec.name for spec in own.specs}


# --- the whole by plain loops ----------------------------------------------------------------------


def slow(table: pd.DataFrame) -> pd.DataFrame:
    """Every name-day by the quarterly lens of the balanced profile, with pandas and loops."""
    parts = []
    dates = days(table)
    for symbol, own in table.groupby("symbol"):
        series = own.set_index("date").reindex(dates)
        returns = np.log(series["close"]).diff()
        hv = {w: returns.rolling(w).std(ddof=1) * np.sqrt(252) for w in (20, 30, 90, 252)}
        floored = {w: hv[w].clip(lower=0.05) for w in hv}
        after = np.sqrt(252 * (returns**2).rolling(21).mean().shift(-21))
        percentile = []
        for place, latest in enumerate(series["iv30"]):
            before = series["iv30"].iloc[max(0, place - 252) : place].dropna()
            enough = len(before) >= 60 and np.isfinite(latest)
            percentile.append(100 * (before < latest).mean() if enough else np.nan)
        part = pd.DataFrame({"iv30": series["iv30"], "gap": series["iv30"] - after})
        part["s"], part["t"] = part["iv30"] / floored[90], part["iv30"] / floored[30]
        part["s252"], part["t20"] = part["iv30"] / floored[252], part["iv30"] / floored[20]
        part["momentum"], part["percentile"] = hv[30] / hv[90], percentile
        part["symbol"] = symbol
        parts.append(part.reset_index(names="date"))
    return pd.concat(parts)


@pytest.fixture(scope="module")
def plain(table: pd.DataFrame) -> pd.DataFrame:
    found = slow(table)
    others = (found["momentum"] >= 0.85) & ~(found["percentile"] < 20)
    found["listed"] = (found["s"] > 1.10) & (found["t"] > 1.15) & others
    found["listed_yearly"] = (found["s252"] > 0.85) & (found["t20"] > 0.90) & others
    return found


def close_to(result: Backtest, name: str, rows: pd.DataFrame) -> None:
    group = result.scorecard.group(name) or next(each for each in result.thresholds if each.name == name)
    gap = rows["gap"].dropna()
    assert group.n == len(gap) > 0, name
    assert group.hit_rate == pytest.approx((gap > 0).mean())
    assert group.mean_gap == pytest.approx(gap.mean(), rel=1e-9)
    assert group.median_gap == pytest.approx(gap.median(), rel=1e-9)
    assert group.worst == pytest.approx(gap.min(), rel=1e-9)


def test_groups_hold_what_plain_loops_find(result: Backtest, plain: pd.DataFrame) -> None:
    structural, tactical = plain["s"] > 1.10, plain["t"] > 1.15
    known = plain["s"].notna() & plain["t"].notna()
    close_to(result, "all", plain)
    close_to(result, "listed", plain[plain["listed"]])
    close_to(result, "not listed", plain[~plain["listed"]])
    for name, rows in zip(
        DUAL,
        (structural & tactical, structural & ~tactical, ~structural & tactical, ~structural & ~tactical),
        strict=True,
    ):
        close_to(result, name, plain[known & rows])
    close_to(result, "momentum: pass", plain[plain["momentum"] >= 0.85])
    close_to(result, "iv_percentile: fail", plain[plain["percentile"] < 20])
    close_to(result, "listed (yearly)", plain[plain["listed_yearly"]])
    close_to(result, "structural > 1.20", plain[plain["s"] > 1.20])
    close_to(result, "tactical > 1.15", plain[tactical])
    close_to(result, "tactical > 1.50", plain[plain["t"] > 1.50])
    benchmark = next(each for each in result.scorecard.baselines if each.name == "A00")
    assert benchmark.mean_gap == pytest.approx(plain[plain["symbol"] == "A00"]["gap"].mean())


def test_whipsaw_is_what_plain_loops_find(result: Backtest, plain: pd.DataFrame) -> None:
    for whipsaw, column in zip(result.scorecard.whipsaw, ("listed", "listed_yearly"), strict=True):
        n = left = 0
        for _, own in plain.groupby("symbol"):
            listed, measured = own[column].to_numpy(), own["t20"].notna().to_numpy()
            for place in np.flatnonzero(listed[: len(listed) - 10]):
                ahead = slice(place + 1, place + 11)
                n += 1
                left += bool((measured[ahead] & ~listed[ahead]).any())
        assert (whipsaw.n, whipsaw.share) == (n, pytest.approx(left / n))


def test_curves_and_histogram_hold_the_same_gaps(result: Backtest, plain: pd.DataFrame) -> None:
    universe, listed, benchmark = result.curves
    assert [curve.name for curve in result.curves] == ["universe", "listed", "A00"]
    by_day = plain.groupby("date")["gap"]
    np.testing.assert_allclose(universe.mean_gap, by_day.mean().to_numpy(), rtol=1e-9)
    assert universe.n.tolist() == by_day.count().tolist()
    assert listed.n.sum() == result.counts["listed"].sum() == result.scorecard.group("listed").n  # type: ignore[union-attr]
    assert np.isnan(benchmark.mean_gap[-21:]).all()
    known = plain["gap"].dropna()
    assert result.counts["universe"].sum() == len(known)
    above = result.edges[:-1] >= 0
    assert result.counts["universe"][above].sum() == np.count_nonzero(known >= 0)


def test_blocks_of_days_change_nothing(table: pd.DataFrame, result: Backtest) -> None:
    told: list[tuple[int, int]] = []
    again = backtest(past(table), rules(), "A00", progress=lambda *at: told.append(at), rows_at_once=1)
    assert len(told) == 8
    assert told[-1] == (SESSIONS, SESSIONS)
    assert again.scorecard.whipsaw == result.scorecard.whipsaw
    for one, other in zip(again.scorecard.groups, result.scorecard.groups, strict=True):
        assert (one.name, one.n, one.median_gap) == (other.name, other.n, other.median_gap)
        assert one.effective_n == pytest.approx(other.effective_n)
    assert np.array_equal(again.counts["listed"], result.counts["listed"])


# --- what has no outcome ---------------------------------------------------------------------------


def test_the_last_sessions_wait_and_a_name_that_stopped_is_lost(plain: pd.DataFrame) -> None:
    made = frame(3, 120)
    gone = days(made)[80]
    card = backtest(past(made[(made["symbol"] != "A02") | (made["date"] < gone)]), rules(), "SPY").scorecard
    assert card.waiting == 2 * 21
    assert card.lost == {"stopped trading": 21}
    assert card.groups[0].n == 2 * 99 + 59
    assert any("SPY is not in both files" in note for note in card.settings["notes"])


def test_an_outcome_over_a_gap_is_lost(result: Backtest, table: pd.DataFrame) -> None:
    # The session without a close, and the 21 before it whose movement reaches over it.
    assert result.scorecard.lost == {"closes missing": 22}
    assert result.scorecard.waiting == 6 * 21
    observed = int(table["iv30"].notna().sum())
    assert result.scorecard.groups[0].n == observed - 22 - 6 * 21


def test_days_before_the_first_serve_windows_and_days_after_the_last_outcomes(
    table: pd.DataFrame, plain: pd.DataFrame
) -> None:
    day = pd.to_datetime(days(table))
    first, last = day[260].date(), day[280].date()
    part = backtest(past(table), rules(), "A00", first=first, last=last)
    chosen = plain[(plain["date"] >= day[260]) & (plain["date"] <= day[280])]
    close_to(part, "all", chosen)
    close_to(part, "listed", chosen[chosen["listed"]])
    assert part.scorecard.waiting == 0
    assert len(part.sessions) == 21
    assert part.scorecard.settings["judged_from"] == str(first)
    with pytest.raises(UnreadableError, match="No session to judge is left"):
        backtest(past(table), rules(), "A00", first=day[-1].date().replace(year=2030))


# --- what it says of itself ------------------------------------------------------------------------


def test_the_settings_tell_how_it_was_judged(result: Backtest) -> None:
    settings = result.scorecard.settings
    assert settings["gates_judged"] == ["data", "structural", "tactical", "momentum", "iv_percentile"]
    assert set(settings["gates_not_judged"]) == {"dead_legs", "slippage", "liquidity", "price", "earnings"}
    assert (settings["lens"], settings["profile"]) == ("quarterly", "balanced")
    assert settings["rules_hash"] == rules().hash
    assert (settings["names"], settings["sessions"], settings["horizon_sessions"]) == (6, SESSIONS, 21)
    assert any("lack the 91 closes that HV90 needs" in note for note in settings["notes"])


def test_the_consensus_lists_what_both_lenses_pass(table: pd.DataFrame, plain: pd.DataFrame) -> None:
    result = backtest(past(table), rules("consensus"), "A00", by="gate")
    close_to(result, "listed", plain[plain["listed"] & plain["listed_yearly"]])
    close_to(result, "listed (quarterly)", plain[plain["listed"]])
    assert result.scorecard.group("structural_252: pass") is not None


def test_an_unadjusted_split_changes_no_group(table: pd.DataFrame, result: Backtest) -> None:
    split = table.copy()
    later = (split["symbol"] == "A04") & (split["date"] >= days(split)[180])
    split.loc[later, "close"] /= 4
    # The day's own return is that of a 4 for 1 split and what the price did besides: within 2 % of it.
    again = backtest(past(split), rules(), "A00")
    listed, before = again.scorecard.group("listed"), result.scorecard.group("listed")
    assert listed is not None
    assert before is not None
    assert listed.n == before.n
    assert listed.mean_gap == pytest.approx(before.mean_gap)
    as_is = backtest(past(split, repair=False), rules(), "A00").scorecard.groups[0]
    assert as_is.worst is not None
    assert as_is.worst < -3


def test_one_constant_name_by_hand() -> None:
    """Closes that move 1 % up and down in turn: 21 returns of ln 1.01 either way."""
    closes = [100.0 if place % 2 else 101.0 for place in range(40)]
    card = backtest(past(priced(*closes)), rules(), "AAA").scorecard
    realized = np.log(1.01) * np.sqrt(252)
    assert card.groups[0].n == 19
    assert card.groups[0].mean_gap == pytest.approx(0.2 - realized)
    assert (card.groups[0].hit_rate, card.waiting) == (1.0, 21)
    assert [group.name for group in card.baselines] == ["universe", "AAA"]
    assert card.baselines[0].n == card.baselines[1].n
