"""Name-days made by hand or drawn, and the same as a plain table to recompute from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from engine.proof.days import DUAL, LISTED, NOT_LISTED, NOT_MEASURED, NameDays
from engine.screen.gates import GATE_NAMES
from engine.screen.premium import REGIMES, ZONES
from engine.screen.score import SIGNALS

JUDGED = ("data", "structural", "tactical", "momentum")
"""Gates that are judged in what is made here."""
STATES = {"listed": LISTED, "not listed": NOT_LISTED, "not measured": NOT_MEASURED}
SESSIONS = np.busday_offset("2024-01-01", np.arange(3000), roll="forward")
"""Weekdays; the tests' exchange knows no holiday."""


def drawn(sessions: int, names: int, seed: int, missing: float = 0.1) -> pd.DataFrame:
    """A table of judged names: words in place of codes, gates as columns, None where unknown."""
    random = np.random.default_rng(seed)
    rows = sessions * names

    def words(choice: Sequence[str | None]) -> Any:
        return np.array([*choice], dtype=object)[random.integers(0, len(choice), rows)]

    table = pd.DataFrame(
        {
            "session": np.repeat(SESSIONS[:sessions], names),
            "symbol": np.tile(
                np.array(["SPY", *(f"N{i}" for i in range(names - 1))], dtype=object), sessions
            ),
            "iv30": np.round(random.uniform(0.1, 0.6, rows), 4),
            "realized": np.round(random.uniform(0.1, 0.5, rows), 4),
            "signal": words([*SIGNALS, None]),
            "regime": words(REGIMES),
            "zone": words([*ZONES, None]),
            "dual": words([*DUAL, None]),
            "listed": words([*STATES]),
            "quarterly": words([*STATES]),
            "yearly": words([*STATES]),
            **{gate: words(["pass", "fail", None]) for gate in JUDGED},
        }
    )
    table.loc[random.random(rows) < missing, "realized"] = np.nan
    return table[random.random(rows) >= missing / 2].reset_index(drop=True)


def name_days(table: pd.DataFrame) -> NameDays:
    """The table in columns; symbols in the order they first appear."""
    name, symbols = pd.factorize(table["symbol"])

    def codes(column: str, known: Sequence[str]) -> Any:
        return pd.Categorical(table[column], categories=list(known)).codes.astype(np.uint8)  # -1 is NONE

    def states(column: str) -> Any:
        return table[column].map(STATES).to_numpy(dtype=np.int8)

    passes, known = np.zeros(len(table), dtype=np.uint16), np.zeros(len(table), dtype=np.uint16)
    for gate in JUDGED:
        bit = np.uint16(1 << GATE_NAMES.index(gate))
        passes |= np.where(table[gate] == "pass", bit, np.uint16(0))
        known |= np.where(table[gate].notna(), bit, np.uint16(0))
    return NameDays(
        symbols=tuple(symbols),
        session=table["session"].to_numpy(dtype="datetime64[D]"),
        name=name.astype(np.int64),
        iv30=table["iv30"].to_numpy(dtype=np.float64),
        realized=table["realized"].to_numpy(dtype=np.float64),
        signal=codes("signal", SIGNALS),
        regime=codes("regime", REGIMES),
        zone=codes("zone", ZONES),
        dual=codes("dual", DUAL),
        passes=passes,
        known=known,
        listed=states("listed"),
        listed_quarterly=states("quarterly"),
        listed_yearly=states("yearly"),
    )
