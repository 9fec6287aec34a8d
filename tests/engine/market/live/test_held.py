"""Contracts somebody holds are asked for beside those a screen needs, and the accounts behind a login."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from engine.errors import HoldingsError
from engine.market.live.market import LiveMarket
from engine.market.live.rules import load_sources
from engine.market.live.sources import Choice, chosen_sources
from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.rules import Rules, load_rules, load_universe
from tests.loopback.access import CONFIG, VirtualTime, access_to
from tests.loopback.market import whole_market
from tests.loopback.server import Loopback
from tests.loopback.tastytrade import REFRESH, SECRET
from tests.loopback.yahoo import fresh_yfinance

FAR = date(2026, 9, 18)
"""A monthly a screen has no use for."""
LISTINGS = [listing for listing in load_universe(CONFIG) if listing.symbol in ("SPY", "KO", "PEP")]


@pytest.fixture(scope="module")
def market() -> Snapshot:
    return SimulatedMarket(LISTINGS, date(2026, 4, 29), seed=7).snapshot()


@contextmanager
def opened(
    market: Snapshot,
    folder: Path,
    choice: Choice,
    rules: Rules | None = None,
    always: frozenset[str] = frozenset(),
) -> Iterator[LiveMarket]:
    staged = load_sources(CONFIG)
    staged = staged.model_copy(update={"run": staged.run.model_copy(update={"stage_from_names": 2})})
    logins: dict[str, Any] = {}
    if choice == "tastytrade":
        logins = {"tastytrade_secret": SecretStr(SECRET), "tastytrade_refresh": SecretStr(REFRESH)}
    fresh_yfinance()
    with Loopback(whole_market(market)) as net:
        time = VirtualTime(market.asof + timedelta(minutes=20))
        access = access_to(net, folder, time, rules=staged, **logins)
        chosen = chosen_sources(access, choice)
        live = LiveMarket(access, chosen, rules or load_rules(CONFIG), LISTINGS, [], False, always=always)
        try:
            yield live
        finally:
            live.close()
            fresh_yfinance()


@pytest.mark.parametrize("choice", ["yahoo", "tastytrade"])
def test_contracts_somebody_holds_are_quoted_as_well(
    market: Snapshot, tmp_path: Path, choice: Choice
) -> None:
    listed = market.quotes[market.quotes["symbol"] == "KO"]
    last = listed["expiration"].max()
    strike = float(listed[listed["expiration"] == last]["strike"].max())
    held = {"KO": frozenset({(last.date(), strike), (date(2026, 12, 24), 60.0)})}
    with opened(market, tmp_path, choice) as live:
        plain, with_held = live.snapshot(["KO"]), live.snapshot(["KO"], held=held)
        again = live.snapshot(["KO"])
    assert last not in set(plain.quotes["expiration"])
    assert strike in set(with_held.quotes[with_held.quotes["expiration"] == last]["strike"])
    # What nobody lists is not asked for, and what the screen wants comes as ever.
    assert set(plain.quotes["expiration"]) | {last} == set(with_held.quotes["expiration"])
    assert last not in set(again.quotes["expiration"])


@pytest.mark.parametrize("choice", ["yahoo", "tastytrade"])
def test_what_has_expired_is_as_if_it_were_not_held(market: Snapshot, tmp_path: Path, choice: Choice) -> None:
    with opened(market, tmp_path, choice) as live:
        plain = live.snapshot(["KO"])
        live.access.traffic[choice].counts.clear()
        again = live.snapshot(["KO"], held={"KO": frozenset({(date(2026, 4, 28), 60.0)})})
        # All of it was kept for the screen.
        assert live.access.traffic[choice].counts["requests"] == 0
    assert len(again.quotes) == len(plain.quotes)


@pytest.mark.parametrize("choice", ["yahoo", "tastytrade"])
def test_a_chain_kept_for_the_screen_serves_where_it_has_what_is_held(
    market: Snapshot, tmp_path: Path, choice: Choice
) -> None:
    with opened(market, tmp_path, choice) as live:
        plain = live.snapshot(["KO"])
        own = plain.quotes[["expiration", "strike"]].iloc[-1]
        has = (own["expiration"].date(), float(own["strike"]))
        counts = live.access.traffic[choice].counts
        for held, requests in (({has}, False), ({has, (has[0], 1.005)}, True), ({has, (FAR, 60.0)}, True)):
            counts.clear()
            live.snapshot(["KO"], held={"KO": frozenset(held)})
            assert bool(counts["requests"]) is requests


def test_a_refusal_of_the_name_counts_for_what_is_held_too(market: Snapshot, tmp_path: Path) -> None:
    with opened(market, tmp_path, "yahoo") as live:
        live.snapshot(["ZZZZ"])
        live.access.traffic["yahoo"].counts.clear()
        found = live.snapshot(["ZZZZ"], held={"ZZZZ": frozenset({(FAR, 50.0)})})
        assert live.access.traffic["yahoo"].counts["requests"] == 0
    assert str(found.underlyings["error"].iloc[0]).startswith("unknown symbol")


def test_no_name_of_a_book_is_ruled_out_by_a_first_look(market: Snapshot, tmp_path: Path) -> None:
    too_cheap = load_rules(CONFIG).tuned([("price_min", 100_000.0)])
    names = ["SPY", "KO", "PEP"]
    with opened(market, tmp_path, "yahoo", too_cheap) as live:
        assert live.snapshot(names).quotes.empty
        quoted = live.snapshot(names, held={"KO": frozenset({(FAR, 60.0)})}).quotes
    assert set(quoted["symbol"]) == set(names)


def test_legs_of_pairs_are_asked_for_whatever_the_first_look_says(market: Snapshot, tmp_path: Path) -> None:
    too_cheap = load_rules(CONFIG).tuned([("price_min", 100_000.0)])
    with opened(market, tmp_path, "yahoo", too_cheap, frozenset({"KO", "PEP"})) as live:
        quoted = set(live.snapshot().quotes["symbol"])
    assert quoted == {"KO", "PEP"}


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [("yahoo", r"Tastytrade is not in use.*TT_SECRET"), ("tastytrade", "no open account")],
)
def test_accounts_need_tastytrade_in_use(
    market: Snapshot, tmp_path: Path, choice: Choice, sentence: str
) -> None:
    with opened(market, tmp_path, choice) as live, pytest.raises(HoldingsError, match=sentence):
        live.holdings()
