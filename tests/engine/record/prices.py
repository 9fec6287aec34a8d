"""Later closes with prices of one's own choice, as a source delivers them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np
import pandas as pd

from engine.market.columns import panel_of
from engine.market.sessions import close_of, sessions_before, sessions_between
from engine.market.snapshot import Snapshot
from engine.panel import Kind, Panel
from tests.engine.record.screens import LIVE

QUOTES = ("symbol", "expiration", "strike", "right", "bid", "ask", "last", "volume", "open_interest")


def sessions_from(day: date, count: int) -> list[date]:
    """The `count` sessions after a day."""
    return [
        each.item()
        for each in sessions_between(day + timedelta(days=1), day + timedelta(days=2 * count + 20))
    ][:count]


def walk(seed: int, until: date, count: int = 120, vol: float = 0.01) -> pd.Series[float]:
    """Closes by session, the last one of `until`."""
    days = [day.item() for day in sessions_before(until, count)]
    steps = np.random.default_rng(seed).standard_normal(count) * vol
    return pd.Series(100 * np.exp(np.cumsum(steps)), index=days)


def a_panel(
    session: date, closes: Mapping[str, pd.Series[float]], kind: Kind = "close", source: str = LIVE
) -> Panel:
    """The market of a session: names with the closes that are known by then, without quotes."""
    history = pd.concat([_bars(symbol, series, session) for symbol, series in closes.items()])
    underlyings = pd.DataFrame({"symbol": list(closes), "spot": 100.0, "quote_time": None})
    snapshot = Snapshot(
        asof=close_of(session),
        session=session,
        kind=kind,
        source=source,
        quotes=_no_quotes(),
        underlyings=underlyings,
        history=history,
    )
    return panel_of(snapshot, next(iter(closes)))


def plain_realized(closes: pd.Series[float], session: date, horizon: int = 21) -> float:
    """sqrt(252 mean r^2) of the `horizon` closes after a session, in the words of the method."""
    after = closes.loc[session:].iloc[: horizon + 1]  # type: ignore[misc]
    returns = np.log(after / after.shift()).dropna()
    assert len(returns) == horizon
    return float(np.sqrt(252 * (returns**2).mean()))


def _bars(symbol: str, closes: pd.Series[float], until: date) -> pd.DataFrame:
    known = closes[[day <= until for day in closes.index]].dropna()
    bars = {name: known.to_numpy() for name in ("open", "high", "low", "close")}
    return pd.DataFrame({"date": pd.to_datetime(known.index), "symbol": symbol, **bars, "volume": 1e6})


def _no_quotes() -> pd.DataFrame:
    texts: Sequence[str] = ("symbol", "right")
    frame = pd.DataFrame(
        {name: pd.Series([], dtype="str" if name in texts else "float64") for name in QUOTES}
    )
    return frame.assign(expiration=pd.Series([], dtype="datetime64[s]"))
