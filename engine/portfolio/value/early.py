"""When early exercise of a short option is worth a thought."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from engine.arrays import BoolArray, FloatArray
from engine.portfolio.value.net_vol import Options
from engine.portfolio.value.quotes import YEAR


@dataclass(frozen=True, slots=True)
class Dividends:
    """The next dividend by leg: calendar days from the session to its ex-date, money a share; NaN unknown."""

    days: FloatArray
    amount: FloatArray


def early_exercise(
    options: Options,
    mark: FloatArray,
    deep: BoolArray,
    short: BoolArray,
    dividends: Dividends,
    session: date,
) -> list[str]:
    """A sentence for each short American option in the money that its holder may exercise early, "" else.

    A call before an ex-date within its life, when the dividend is more than the time value (mark less
    intrinsic): likely. A deep put (`deep`: |delta| above the rules' limit) when the interest on the strike,
    K (1 - exp(-r T)), is more than the time value: possible. Source: Hull, early exercise and dividends.
    """
    time_value = mark - options.intrinsic
    exposed = short & options.american & (options.intrinsic > 0)
    within = (dividends.days > 0) & (dividends.days <= np.ceil(options.years * YEAR))
    likely = exposed & options.is_call & within & (dividends.amount > time_value)
    interest = options.strike * -np.expm1(-options.rate * options.years)
    possible = exposed & ~options.is_call & deep & (time_value < interest)
    words = [""] * len(mark)
    for place in np.flatnonzero(likely):
        day = session + timedelta(days=int(dividends.days[place]))
        words[place] = f"early exercise is likely before the dividend of {dividends.amount[place]:g} on {day}"
    for place in np.flatnonzero(possible):
        left = f"time value of {time_value[place]:.2f}" if time_value[place] >= 0.005 else ""
        reason = f"{left} below the interest of {interest[place]:.2f}" if left else "no time value left"
        words[place] = f"early exercise is possible: {reason}"
    return words
