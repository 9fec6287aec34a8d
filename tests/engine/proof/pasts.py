"""Pasts made up for tests: lines as files would give them, on the exchange's own days."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd

from engine.arrays import FloatArray
from engine.market.sessions import sessions_before, sessions_between
from engine.proof.days import DayArray
from engine.proof.series import Lines, Past, past_of
from engine.rules import Rules, load_rules
from tests.conftest import ROOT

LAST = date(2024, 12, 31)


def rules(lens: str | None = None, profile: str | None = None) -> Rules:
    return load_rules(ROOT / "config").using(profile, lens).settled(provider_values=False)


def frame(names: int, sessions: int, seed: int = 1, last: date = LAST) -> pd.DataFrame:
    """date, symbol, iv30, close: names A00, A01 ... whose movement and IV30 wander on their own."""
    random = np.random.default_rng(seed)
    days = sessions_before(last, sessions)
    level = 0.2 * np.exp(np.cumsum(random.normal(0, 0.05, (sessions, names)), axis=0) * 0.5)
    moves = random.normal(0, 1, (sessions, names)) * level / np.sqrt(252)
    iv30 = level * np.exp(random.normal(0.1, 0.25, (sessions, names)))
    return pd.DataFrame(
        {
            "date": np.repeat(days, names),
            "symbol": [f"A{name:02}" for name in range(names)] * sessions,
            "iv30": iv30.reshape(-1),
            "close": (100 * np.exp(np.cumsum(moves, axis=0))).reshape(-1),
        }
    )


def lines(table: pd.DataFrame, value: str) -> Lines:
    """One column of a table of date, symbol and values, in the order of its rows."""
    codes, symbols = pd.factorize(table["symbol"])
    return Lines(
        symbols=tuple(map(str, symbols)),
        name=codes.astype(np.int64),
        day=table["date"].to_numpy().astype("datetime64[D]"),
        value=table[value].to_numpy(dtype=np.float64),
    )


def grid(table: pd.DataFrame) -> DayArray:
    """Every trading day of a table."""
    days = table["date"].to_numpy().astype("datetime64[D]")
    return sessions_between(days.min().item(), days.max().item())


def past(table: pd.DataFrame, repair: bool = True) -> Past:
    """The past of a table that holds both values."""
    return past_of(lines(table, "iv30"), lines(table, "close"), grid(table), repair)


def priced(*closes: float, symbol: str = "AAA", last: date = LAST) -> pd.DataFrame:
    """One name with these closes on the last sessions, oldest first, its IV30 20 % throughout."""
    days = sessions_before(last, len(closes))
    return pd.DataFrame({"date": days, "symbol": symbol, "iv30": 0.2, "close": list(closes)})


def of_name(found: Past, matrix: FloatArray, symbol: str) -> FloatArray:
    """A name's row."""
    row: FloatArray = matrix[found.symbols.index(symbol)]
    return row
