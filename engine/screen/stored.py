"""A kept run as a measured table again: what is asked of it later takes the same way as on its day."""

from __future__ import annotations

import pandas as pd

from engine.screen.glossary import METRICS
from engine.screen.result import Screen


def table_of(screen: Screen) -> pd.DataFrame:
    """The table `measure` made, as far as a Screen keeps it: symbol, flags and every metric, a row a name."""
    rows = [{**row.values, "symbol": row.symbol, "flags": row.flags} for row in screen.rows]
    columns = ["symbol", "flags", *(metric.column for metric in METRICS)]
    table = pd.DataFrame(rows, columns=columns)
    numbers = [metric.column for metric in METRICS if metric.kind not in ("text", "flag")]
    return table.astype(dict.fromkeys(numbers, "float64"))
