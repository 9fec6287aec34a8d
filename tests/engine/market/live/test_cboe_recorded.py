"""Cboe's delayed chain of a recorded file, as it came."""

from __future__ import annotations

import csv
import gzip
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.market.sessions import NEW_YORK, session_of
from tests.engine.market.live.cboe_tools import chain_of

pytestmark = pytest.mark.usefixtures("no_waiting")

MOD_NOW = datetime(2026, 7, 29, 22, 38, 18, tzinfo=UTC)
"""When the recorded file was fetched, hours after it had been made."""


async def test_the_recorded_file_of_midday_is_told_as_such(tmp_path: Path, shared_data: Path) -> None:
    folder = shared_data / "cboe_delayed_snapshots"
    recorded = gzip.decompress((folder / "MOD_2026-07-29_reassembled.json.gz").read_bytes())
    with (folder / "underlying_with_cboe_iv30.csv").open(encoding="utf-8", newline="") as file:
        row = next(
            row
            for row in csv.DictReader(file)
            if (row["session_date"], row["ticker"]) == ("2026-07-29", "MOD")
        )
    chain = await chain_of(recorded, tmp_path, symbol="MOD", now=MOD_NOW)
    last_trade = datetime.fromisoformat(row["last_trade_time"]).replace(tzinfo=NEW_YORK)
    assert chain.facts["iv30_provider"].value == pytest.approx(float(row["iv30"]) / 100, rel=1e-12)
    assert chain.facts["spot"].value == float(row["close"])
    assert chain.facts["spot"].method == "last regular price, delayed 15 min"
    assert chain.traded == chain.facts["spot"].at == last_trade
    # The monthlies of August (23 days ahead) and September (51) are all a bracket and a trade can use.
    assert sorted(set(chain.quotes["expiration"].dt.date)) == [date(2026, 8, 21), date(2026, 9, 18)]


async def test_the_recorded_quotes_are_those_of_the_table_beside_them(
    tmp_path: Path, shared_data: Path
) -> None:
    folder = shared_data / "cboe_delayed_snapshots"
    recorded = gzip.decompress((folder / "MOD_2026-07-29_reassembled.json.gz").read_bytes())
    table = pd.read_csv(folder / "MOD_2026-07-22_2026-08-04.csv.gz")
    table = table[
        (table["session_date"] == "2026-07-29") & table["expiry"].isin(["2026-08-21", "2026-09-18"])
    ]
    chain = await chain_of(recorded, tmp_path, symbol="MOD", now=MOD_NOW)
    ours = chain.quotes.set_index("contract").sort_index()
    theirs = table.set_index("option").sort_index()
    assert list(ours.index) == list(theirs.index)
    for column in ("strike", "bid", "ask", "volume", "open_interest"):
        np.testing.assert_array_equal(ours[column].to_numpy(), theirs[column].to_numpy(dtype=np.float64))
    traded = theirs["last_trade_time"].notna()
    assert ours["last"].notna().equals(traded.rename("last"))
    np.testing.assert_array_equal(ours["last"][traded], theirs["last_trade_price"][traded])


async def test_the_recorded_file_fetched_next_morning_belongs_to_the_day_before(
    tmp_path: Path, shared_data: Path
) -> None:
    recorded = (shared_data / "cboe_delayed_snapshots" / "MOD_2026-07-29_reassembled.json.gz").read_bytes()
    now = datetime(2026, 7, 30, 10, 1, tzinfo=NEW_YORK)
    chain = await chain_of(gzip.decompress(recorded), tmp_path, symbol="MOD", now=now)
    assert chain.traded is not None
    assert session_of(chain.traded) == date(2026, 7, 29) != session_of(now)
