"""docs/sources-compared.md and docs/sources.md against what they tell of: recordings and configuration."""

from __future__ import annotations

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.arrays import FloatArray
from engine.market.live.dividends import projected_dividend
from engine.market.live.rules import load_sources
from engine.rules import load_rules
from engine.volatility.realized import close_to_close, log_returns

ROOT = Path(__file__).resolve().parents[4]
NAMES = ("AAPL", "TSLA")
LAST = "2023-06-06"
"""The last complete session before Tastytrade's reply."""
YAHOO = "yahoo_http_fixtures"


def tables(document: str) -> list[list[dict[str, str]]]:
    """The tables of a document, a dictionary a line."""
    found: list[list[dict[str, str]]] = []
    titles: list[str] = []
    for line in (ROOT / "docs" / document).read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|"):
            titles = []
        elif not titles:
            titles = cells
            found.append([])
        elif not set(line) <= set("|-"):
            found[-1].append(dict(zip(titles, cells, strict=True)))
    return found


HV, WINDOWS, TOGETHER, EVENTS, RATIOS = tables("sources-compared.md")


def number(cell: str) -> float:
    return float(cell.removesuffix(" %").removesuffix(" returns"))


@pytest.fixture(scope="module")
def metrics(shared_data: Path) -> dict[str, dict[str, Any]]:
    reply = json.loads((shared_data / "tastytrade_http_fixtures" / "marketMetricsResp.json").read_bytes())
    return {item["symbol"]: item for item in reply["data"]["items"]}


@pytest.fixture(scope="module")
def closes(shared_data: Path) -> pd.DataFrame:
    return pd.read_csv(shared_data / "sp500_closes_2022_2025" / "closes_wide.csv.gz", index_col=0)[
        [*NAMES, "SPY"]
    ]


@pytest.fixture(scope="module")
def chart(shared_data: Path) -> pd.Series[float]:
    """TSLA's closes as Yahoo replied them."""
    path = shared_data / YAHOO / "historical-via-chart-dividends-TSLA-no-dividends.json.gz"
    (result,) = json.loads(gzip.decompress(path.read_bytes()))["body"]["chart"]["result"]
    assert "dividends" not in result.get("events", {})
    days = pd.to_datetime(result["timestamp"], unit="s", utc=True).tz_convert("America/New_York")
    return pd.Series(result["indicators"]["quote"][0]["close"], index=days.strftime("%Y-%m-%d"))


def panel(closes: pd.DataFrame, *names: str) -> FloatArray:
    """Closes to the last complete session, a row a name."""
    prices: FloatArray = closes.loc[:LAST, list(names)].to_numpy(dtype=np.float64).T
    return prices


def volatility(closes: pd.DataFrame, name: str, returns: int) -> float:
    return 100.0 * float(close_to_close(panel(closes, name), returns)[0])


def test_the_closes_are_those_of_the_recorded_chart(closes: pd.DataFrame, chart: pd.Series[float]) -> None:
    both = pd.concat([closes["TSLA"], chart], axis=1, join="inner").to_numpy()
    assert len(both) == 180
    assert np.abs(both[:, 0] - both[:, 1]).max() < 5e-5


@pytest.mark.parametrize("row", HV, ids=lambda row: f"{row['name']} {row['window']}")
def test_realized_volatility(
    row: dict[str, str], metrics: dict[str, dict[str, Any]], closes: pd.DataFrame
) -> None:
    window = int(row["window"].removeprefix("HV"))
    theirs = float(metrics[row["name"]][f"historical-volatility-{window}-day"])
    ours = volatility(closes, row["name"], window)
    assert theirs == number(row["Tastytrade"])
    assert ours == pytest.approx(number(row["computed"]), abs=0.005)
    assert 100 * (theirs / ours - 1) == pytest.approx(number(row["difference"]), abs=0.05)


@pytest.mark.parametrize("row", WINDOWS, ids=lambda row: f"{row['returns']} against {row['against']}")
def test_other_numbers_of_returns(
    row: dict[str, str], metrics: dict[str, dict[str, Any]], closes: pd.DataFrame
) -> None:
    days = row["against"].removeprefix("HV")
    apart = []
    for name in NAMES:
        ours = volatility(closes, name, int(row["returns"]))
        assert ours == pytest.approx(number(row[name]), abs=0.005)
        apart.append(abs(float(metrics[name][f"historical-volatility-{days}-day"]) / ours - 1))
    assert 100 * max(apart) == pytest.approx(number(row["largest difference"]), abs=0.05)


def test_a_month_of_22_returns_explains_all_six(
    metrics: dict[str, dict[str, Any]], closes: pd.DataFrame
) -> None:
    theirs = [float(metrics[name][f"historical-volatility-{d}-day"]) for name in NAMES for d in (30, 60, 90)]
    months = [volatility(closes, name, returns) for name in NAMES for returns in (22, 44, 66)]
    assert np.abs(np.array(theirs) / months - 1).max() < 0.02


def test_the_windows_tastytrade_lacks(closes: pd.DataFrame, chart: pd.Series[float]) -> None:
    assert volatility(closes, "AAPL", 20) == pytest.approx(13.35, abs=0.005)
    assert volatility(closes, "TSLA", 20) == pytest.approx(35.00, abs=0.005)
    year = close_to_close(chart.loc[:LAST].to_numpy()[None, :].astype(np.float64), 252)
    assert 100 * year[0] == pytest.approx(61.55, abs=0.005)


@pytest.mark.parametrize("row", TOGETHER, ids=lambda row: f"{row['name']} {row['figure']} {row['over']}")
def test_correlation_and_beta(
    row: dict[str, str], metrics: dict[str, dict[str, Any]], closes: pd.DataFrame
) -> None:
    field = "beta" if row["figure"].startswith("beta") else "corr-spy-3month"
    assert float(metrics[row["name"]][field]) == pytest.approx(number(row["Tastytrade"]), abs=0.005)
    returns = log_returns(panel(closes, row["name"], "SPY"))
    assert returns.shape[1] == 133  # all that is recorded of SPY until then
    shared = np.cov(returns[:, -int(number(row["over"])) :])
    ours = shared[0, 1] / (shared[1, 1] if field == "beta" else np.sqrt(shared[0, 0] * shared[1, 1]))
    assert ours == pytest.approx(number(row["computed"]), abs=0.005)


def test_the_two_implied_volatilities_of_tastytrade(metrics: dict[str, dict[str, Any]]) -> None:
    figures = {
        name: (
            100 * float(metrics[name]["implied-volatility-index"]),
            float(metrics[name]["implied-volatility-30-day"]),
        )
        for name in NAMES
    }
    assert figures["AAPL"] == pytest.approx((22.42, 21.87), abs=0.005)
    assert figures["TSLA"] == pytest.approx((55.09, 54.91), abs=0.005)
    apart = [round(100 * (index / days30 - 1), 1) for index, days30 in figures.values()]
    assert apart == [2.5, 0.3]


def test_no_implied_volatility_of_the_day_is_recorded_elsewhere(shared_data: Path) -> None:
    table = pd.read_csv(shared_data / "ibkr_iv_hv_daily" / "iv_hv_2025-06-17_2026-06-28.csv.gz")
    assert table["date"].min() == "2025-06-17"


@pytest.mark.parametrize("row", EVENTS[:2], ids=lambda row: row["name"])
def test_earnings_dates_against_the_moves_that_followed(
    row: dict[str, str], metrics: dict[str, dict[str, Any]], closes: pd.DataFrame
) -> None:
    report = metrics[row["name"]]["earnings"]
    assert row["Tastytrade"] == f"{report['expected-report-date']}, not estimated"
    assert report["estimated"] is False
    moves = closes[row["name"]].pct_change().loc["2023-06-08":"2023-08-11"]
    if row["name"] == "AAPL":
        assert 100 * moves.loc["2023-07-28"] == pytest.approx(1.4, abs=0.05)
    largest = str(moves.abs().idxmax())
    assert row["Yahoo's prices"] == (
        f"largest move until 2023-08-11: {largest}, {100 * moves.loc[largest]:.1f} %"
    )


def test_dividends_of_both(shared_data: Path, metrics: dict[str, dict[str, Any]]) -> None:
    rows = {(row["name"], row["event"]): row for row in EVENTS}
    listed = json.loads(
        (shared_data / "tastytrade_http_fixtures" / "historicDividendsResp.json").read_bytes()
    )
    past = [
        (date.fromisoformat(item["occurred-date"]), float(item["amount"])) for item in listed["data"]["items"]
    ]
    path = shared_data / YAHOO / "chart-AAPL-2020-08-31-to-2020-11-07.json.gz"
    (result,) = json.loads(gzip.decompress(path.read_bytes()))["body"]["chart"]["result"]
    (theirs,) = result["events"]["dividends"].values()
    same = rows["AAPL", "dividend of 2020-11-06"]
    assert pd.Timestamp(theirs["date"], unit="s").date() == date(2020, 11, 6)
    assert dict(past)[date(2020, 11, 6)] == theirs["amount"] == number(same["Tastytrade"])
    assert rows["AAPL", "next ex-date"]["Tastytrade"] == metrics["AAPL"]["dividend-next-date"]
    assert float(metrics["TSLA"]["dividend-rate-per-share"]) == 0.0

    def projected(day: date) -> tuple[Any, Any]:
        facts = projected_dividend([each for each in past if each[0] < day], day, "tastytrade")
        return facts["dividend_date"].value, facts["dividend_amount"].value

    assert projected(date(2023, 6, 7)) == ("2023-08-11", 0.24)
    tried = [projected(date(2022, 11, 1)), projected(date(2023, 2, 1)), projected(date(2023, 5, 1))]
    happened = [date(2022, 11, 4), date(2023, 2, 10), date(2023, 5, 12)]
    assert set(happened) <= {day for day, _ in past}
    missed = [
        abs((date.fromisoformat(day) - real).days) for (day, _), real in zip(tried, happened, strict=True)
    ]
    assert missed == [0, 7, 0]


@pytest.mark.parametrize("row", RATIOS, ids=lambda row: f"{row['name']} {row['ratio']}")
def test_what_each_definition_makes_of_the_gates(
    row: dict[str, str], metrics: dict[str, dict[str, Any]], closes: pd.DataFrame
) -> None:
    item = metrics[row["name"]]
    window = 90 if row["ratio"].startswith("structural") else 30
    iv = float(item["implied-volatility-30-day"])
    theirs = float(item[f"historical-volatility-{window}-day"])
    assert iv / theirs == pytest.approx(number(row["with Tastytrade's HV"]), abs=0.0005)
    ours = iv / volatility(closes, row["name"], window)
    assert ours == pytest.approx(number(row["with the computed HV"]), abs=0.0005)
    lens = load_rules(ROOT / "config").lenses["quarterly"]
    limit = lens.vrp_structural_threshold if window == 90 else lens.vrp_tactical_threshold
    assert number(row["threshold"]) == limit


def test_what_the_longer_window_still_holds(closes: pd.DataFrame) -> None:
    moves = closes["TSLA"].pct_change().loc[:LAST]
    assert moves.index[-90] == moves.iloc[-90:].abs().idxmax() == "2023-01-27"
    assert 100 * moves["2023-01-27"] == pytest.approx(11.0, abs=0.05)
    assert moves.index[-66].startswith("2023-03")
    apple = closes["AAPL"].pct_change().loc[:LAST]
    assert apple.index[-22] == "2023-05-05"
    assert 100 * apple["2023-05-05"] == pytest.approx(4.7, abs=0.05)


def test_the_flag_is_raised_for_one_name_only(
    metrics: dict[str, dict[str, Any]], closes: pd.DataFrame
) -> None:
    share = load_rules(ROOT / "config").volatility.hv_difference_flag_percent / 100
    flagged = [
        name
        for name in NAMES
        for window in (30, 90)
        if abs(
            float(metrics[name][f"historical-volatility-{window}-day"]) / volatility(closes, name, window) - 1
        )
        > share
    ]
    assert share == 0.1
    assert flagged == ["TSLA"]


def test_the_orders_of_preference_are_those_of_the_configuration() -> None:
    fields = next(table for table in tables("sources.md") if "order" in table[0])
    told = {row["field"]: tuple(row["order"].split(", ")) for row in fields}
    order = load_sources(ROOT / "config").order
    by_name = {
        "spot": ("spot",),
        "IV30 of the provider": ("iv30_provider",),
        "HV30, HV60, HV90 of the provider": ("hv30_provider", "hv60_provider", "hv90_provider"),
        "IV percentile": ("iv_percentile",),
        "IV rank": ("iv_rank",),
        "liquidity rating": ("liquidity_rating",),
        "beta, correlation with SPY": ("beta", "corr_spy"),
        "earnings date": ("earnings_date",),
        "dividend date and amount": ("dividend_date", "dividend_amount"),
    }
    assert told["option quotes"] == order.chain
    assert told["daily prices"] == order.history
    assert {column for columns in by_name.values() for column in columns} == set(order.fields)
    for name, columns in by_name.items():
        assert {order.fields[column] for column in columns} == {told[name]}


def test_the_limits_and_lives_told_are_those_of_the_configuration() -> None:
    text = " ".join((ROOT / "docs" / "sources.md").read_text(encoding="utf-8").split())
    rules, screen = load_sources(ROOT / "config"), load_rules(ROOT / "config")
    yahoo, tastytrade, cboe = (rules.limits[name] for name in ("yahoo", "tastytrade", "cboe"))
    assert (yahoo.per_second, yahoo.at_once, yahoo.attempts, yahoo.pause_minutes) == (1, 4, 3, 5)
    assert (yahoo.fails_in_a_row, yahoo.down_seconds) == (5, 60)
    assert (tastytrade.per_second, tastytrade.at_once) == (4, 4)
    assert (cboe.per_second, cboe.at_once) == (1, 2)
    for said in (
        f"{rules.cache.chain_minutes:g} minutes in the session",
        f"| {rules.cache.history_hours:g} hours, and not past a close",
        f"| the directory | {rules.cache.directory_days:g} days |",
        f"the run's {rules.run.deadline_minutes:g} minutes are over",
        f"Above {rules.run.stage_from_names} names",
        f"the next {rules.run.earnings_days_ahead} days",
        f"differ by more than {rules.disagreement_percent['spot']:g} %",
        f"below {screen.coverage.degraded_below_percent:g} % of them measured",
        f"below {screen.coverage.outage_below_percent:g} % it is an **outage**",
        f"`iv_differs` beyond {screen.volatility.iv_difference_flag_percent:g} %",
        f"`hv_differs` beyond {screen.volatility.hv_difference_flag_percent:g} %",
    ):
        assert said in text
