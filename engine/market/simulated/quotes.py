"""From model prices to what a feed shows: spreads, ticks, noise, volumes and what is broken in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from engine.arrays import BoolArray, FloatArray
from engine.market.sessions import is_monthly
from engine.market.simulated.chains import Legs, Request, legs, slots
from engine.market.simulated.dirt import Dirt
from engine.market.simulated.draws import generator
from engine.market.simulated.events import board
from engine.market.simulated.world import World
from engine.market.snapshot import QUOTE_COLUMNS

OPEN_WIDER = 1.6
"""How much wider the market quotes within minutes of the open."""
OPEN_VOLUME = 0.06
WIDE = 4.0
NOISE = 0.5
"""Range of the mid about its model price, as a share of the spread."""
VOLUMES = np.array([0.0, 4000.0, 700.0, 150.0])
"""Contracts a day at the money of a monthly expiration, by tier."""
WEEKLY_VOLUME = 0.35
VOLUME_DAYS = 75.0
"""Days of expiry over which the volume falls by 1/e."""
SPLIT = 0.5
"""Value of an adjusted contract relative to the standard one of the same strike."""
FAULT = 0.0008
"""Share of a frail name's quotes that are missing, and of those that are crossed."""


def quote_table(world: World, request: Request, dirt: Dirt) -> pd.DataFrame:
    """The quotes table of a Snapshot. Lean chains carry no expired, repeated or adjusted rows."""
    listed = board(world.sessions[request.at].astype(date))
    made = legs(world, request, listed)
    noise = _noise(world, request, made, slots(listed))
    columns = _prices(world, request, made, dirt, noise) | _activity(world, request, made, dirt, noise)
    columns["last"] = np.where(columns["volume"] > 0, columns["last"], np.nan)
    position = np.full(len(world.listings), -1)
    position[request.names] = np.arange(len(request.names))
    symbols = [world.listings[name].symbol for name in request.names]
    columns |= {
        "symbol": category(position[made.name], symbols),
        "expiration": made.expiration.astype("datetime64[s]"),
        "strike": made.strike,
        "right": category(np.where(made.is_call, 0, 1), ["C", "P"]),
    }
    table = pd.DataFrame({name: columns[name] for name in QUOTE_COLUMNS})
    return table if request.lean else _with_litter(table, world, request, made, dirt)


def category(codes: npt.NDArray[Any], values: Sequence[str]) -> pd.Categorical[str]:
    """A categorical column from places in `values`, without looking for them once more."""
    return pd.Categorical.from_codes(codes.astype(np.int64), pd.Index(list(values)), validate=False)


def _noise(world: World, request: Request, made: Legs, count: int) -> npt.NDArray[np.float32]:
    """Four uniforms a contract, the same ones in a lean chain as in the whole."""
    drawn = [
        generator(world.seed, world.listings[name].symbol, request.at, request.kind).random(
            (count, 4), dtype=np.float32
        )
        for name in request.names
    ]
    first = np.zeros(len(world.listings), dtype=np.int64)
    first[request.names] = np.arange(len(request.names)) * count
    table = np.concatenate(drawn) if drawn else np.zeros((0, 4), dtype=np.float32)
    return np.asarray(table[first[made.name] + made.slot].T)


def _is_in(world: World, made: Legs, places: Iterable[int]) -> BoolArray:
    hit = np.zeros(len(world.listings), dtype=bool)
    hit[list(places)] = True
    return np.asarray(hit[made.name])


def _prices(
    world: World, request: Request, made: Legs, dirt: Dirt, noise: npt.NDArray[np.float32]
) -> dict[str, Any]:
    """Bid and ask on ticks about a noisy mid, and the last trade within them."""
    width = world.quoting.spread[made.name] * np.where(_is_in(world, made, dirt.wide), WIDE, 1.0)
    tick = _ticks(world, made)
    share = width * (OPEN_WIDER if request.kind == "open" else 1.0)
    spread = np.maximum(share * (0.85 * made.value + 0.15 * made.at_the_money), tick)
    mid = np.maximum(made.value + NOISE * (noise[0] - 0.5) * spread, 0.0)
    # A hair of slack: a price that stands on a tick must not fall to the next one by rounding.
    bid = np.round(np.floor((mid - spread / 2) / tick + 1e-6) * tick, 2)
    ask = np.round(np.maximum(np.ceil((mid + spread / 2) / tick - 1e-6), 1.0) * tick, 2)
    last = np.round(np.maximum(mid + (noise[3] - 0.5) * spread, 0.01), 2)
    bid = np.where((bid < tick) | _is_in(world, made, dirt.one_sided), 0.0, bid)
    crossed = _is_in(world, made, dirt.crossed) & made.nearest & made.is_call
    frail = world.quoting.frail[made.name]
    crossed |= frail & (noise[3] < FAULT)
    bid, ask = np.where(crossed, ask, bid), np.where(crossed, bid, ask)
    absent = frail & (noise[3] > 1 - FAULT)
    return {"bid": np.where(absent, np.nan, bid), "ask": np.where(absent, np.nan, ask), "last": last}


def _ticks(world: World, made: Legs) -> FloatArray:
    """Cents for the most liquid names, nickels and dimes for the others (half as much below 3 dollars)."""
    tier = world.quoting.tier[made.name]
    dear = made.value >= 3.0
    return np.select(
        [tier == 1, tier == 2],
        [np.full(len(tier), 0.01), np.where(dear, 0.05, 0.01)],
        np.where(dear, 0.10, 0.05),
    )


def _activity(
    world: World, request: Request, made: Legs, dirt: Dirt, noise: npt.NDArray[np.float32]
) -> dict[str, Any]:
    """Contracts traded and open: most at the money, in monthlies and near expirations."""
    tier = world.quoting.tier[made.name]
    held = (
        VOLUMES[tier]
        * world.quoting.activity[made.name]
        * np.exp(-0.6 * made.deviations**2)
        * np.where(is_monthly(made.expiration), 1.0, WEEKLY_VOLUME)
    )
    fresh = held * (np.exp(-made.years * 365.0 / VOLUME_DAYS) + 0.05)
    today = OPEN_VOLUME if request.kind == "open" else 1.0
    volume = np.floor(fresh * today * np.exp(2.2 * (2 * noise[1] - 1)))
    volume[_is_in(world, made, dirt.dead) & made.nearest] = 0.0
    return {"volume": volume, "open_interest": np.floor(7.0 * held * np.exp(1.5 * (2 * noise[2] - 1)))}


def _with_litter(table: pd.DataFrame, world: World, request: Request, made: Legs, dirt: Dirt) -> pd.DataFrame:
    """The table with last week's contracts, repeated rows and adjusted contracts at its end."""
    session = world.sessions[request.at].astype(date)
    gone = session - timedelta(days=(session.weekday() + 2) % 7 + 1)
    front = _in_front(made)
    expired = table[_is_in(world, made, dirt.expired) & front].assign(expiration=np.datetime64(gone, "s"))
    repeated = table[_is_in(world, made, dirt.repeated) & front]
    adjusted = table[_is_in(world, made, dirt.adjusted) & front & (np.abs(made.deviations) < 1)]
    adjusted = adjusted.assign(**{side: (SPLIT * adjusted[side]).round(2) for side in ("bid", "ask", "last")})
    whole = pd.concat([table, expired, repeated, adjusted], ignore_index=True)
    contracts = np.full(len(whole), None, dtype=object)
    contracts[len(whole) - len(adjusted) :] = [
        _contract(*key) for key in zip(*(adjusted[c] for c in _KEY), strict=True)
    ]
    return whole.assign(contract=pd.Series(contracts, dtype="str"))


_KEY = ("symbol", "expiration", "right", "strike")


def _in_front(made: Legs) -> BoolArray:
    """Whether each contract is of its name's first expiration; rows come name by name."""
    starts = np.diff(made.name, prepend=-1) != 0
    return np.asarray(made.expiration == made.expiration[starts][np.cumsum(starts) - 1])


def _contract(symbol: str, expiration: pd.Timestamp, right: str, strike: float) -> str:
    """OCC symbol of a contract adjusted after a corporate action: the root ends in a digit."""
    return f"{symbol}1 {expiration:%y%m%d}{right}{round(strike * 1000):08d}"
