"""The demo's simulated market, made once, and what its tests look at it with."""

from datetime import date
from functools import cache

import pandas as pd

from engine.market.simulated import SimulatedMarket
from engine.market.snapshot import Snapshot
from engine.rules import Listing, load_universe
from tests.conftest import ROOT

CONFIG = ROOT / "config"
LISTINGS = load_universe(CONFIG)
DEMO = date(2025, 12, 31)
FEW = tuple(item for item in LISTINGS if item.symbol in ("SPY", "AAPL", "AMZN", "KO", "XOM", "XLU"))
WITHOUT_DIVIDEND = ("AMZN", "NFLX", "TSLA", "AMD", "INTC", "PLTR", "GLD", "SLV", "UBER", "COIN")
INDEX = Listing(symbol="SPX", name="S&P 500 Index", sector="Broad Market", asset_class="index")
UNHEARD_OF = Listing(symbol="ZZZZ", name="Nobody Inc.", sector="Energy", asset_class="equity")


@cache
def demo_market() -> SimulatedMarket:
    """The whole universe at the demo's session."""
    return SimulatedMarket(LISTINGS, DEMO)


@cache
def demo_snapshot() -> Snapshot:
    """Its close."""
    return demo_market().snapshot()


def spots(snapshot: Snapshot) -> "pd.Series[float]":
    """Price of each underlying."""
    return snapshot.underlyings.set_index("symbol")["spot"]


def usable(quotes: pd.DataFrame) -> pd.DataFrame:
    """Two-sided strikes with call and put beside each other; mid and width of each."""
    plain = quotes[(quotes["bid"] > 0) & (quotes["ask"] >= quotes["bid"])]
    plain = plain.assign(mid=(plain["bid"] + plain["ask"]) / 2, width=plain["ask"] - plain["bid"])
    table = plain.pivot_table(
        index=["expiration", "strike"], columns="right", values=["mid", "width"], observed=True
    )
    return table.dropna()
