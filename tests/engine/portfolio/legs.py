"""Legs as hypothesis draws them: whatever the notation and the plain format can say."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import strategies as st

from engine.portfolio.book import Leg

ASOF = date(2026, 4, 29)
TICKERS = st.sampled_from(["KO", "AAPL", "C", "P", "F", "BRK.B", "^SPX", "NET", "OPEN", "BTC", "FLY", "SPY"])
PRICES = st.none() | st.integers(0, 500_000).map(lambda cents: cents / 100)
DAYS = st.integers(0, 1500).map(lambda days: ASOF + timedelta(days=days))
STRIKES = st.integers(1, 2_000_000).map(lambda thousandths: thousandths / 1000)
CONTRACTS = st.integers(-1_000_000, 1_000_000).filter(bool).map(float)

options = st.builds(
    Leg,
    symbol=TICKERS,
    kind=st.just("option"),
    quantity=CONTRACTS,
    expiration=DAYS,
    strike=STRIKES,
    right=st.sampled_from(["C", "P"]),
    open_price=PRICES,
)
shares = st.builds(
    Leg,
    symbol=TICKERS.filter(lambda symbol: not symbol.startswith("^")),
    kind=st.just("shares"),
    quantity=st.integers(-99_999_999, 99_999_999).filter(bool).map(lambda hundredths: hundredths / 100),
    open_price=PRICES,
    multiplier=st.just(1.0),
)
legs = options | shares
