"""The numbers of one name: both lenses in monospace, the sentence in plain words, what they are worth."""

from __future__ import annotations

import math

from bot.cards.table import (
    Column,
    fixed,
    known,
    layout,
    ordinal,
    percent,
    percent_text,
    ratio,
    signed,
    times_text,
)
from engine.screen.result import Gate, Row

_IMPLIED = (("IV30", "iv30"), ("IV60", "iv60"), ("straddle", "iv_straddle"), ("model-free", "iv_model_free"))
_REALIZED = (
    *(("HV20", "hv20"), ("HV30", "hv30"), ("HV60", "hv60"), ("HV90", "hv90"), ("HV252", "hv252")),
    ("Yang-Zhang", "hv30_yz"),
)
_RATIOS = (
    ("structural", 90, "vrp_structural"),
    ("tactical", 30, "vrp_tactical"),
    ("structural", 252, "structural_252"),
    ("tactical", 20, "tactical_20"),
)
_YEAR = 252
_DENOMINATOR_TOLERANCE = 1e-3


def volatility_table(row: Row) -> str:
    """Implied on the left, realized on the right, in percent a year."""
    return layout(
        (
            Column("IMPLIED", [label for label, _ in _IMPLIED], right=False),
            Column("% a year", [percent(row.number(column)) for _, column in _IMPLIED]),
            Column("  REALIZED", [f"  {label}" for label, _ in _REALIZED], right=False),
            Column("%", [percent(row.number(column)) for _, column in _REALIZED]),
        )
    )


def premium_table(row: Row) -> str:
    """The ratios of both lenses; limit and margin stand where the lens was judged."""
    gates = judged_windows(row)
    found = [gates.get(window) for _, window, _ in _RATIOS]
    return layout(
        (
            Column("PREMIUM", [name for name, _, _ in _RATIOS], right=False),
            Column("HV", [str(window) for _, window, _ in _RATIOS]),
            Column("ratio", [ratio(row.number(column)) for _, _, column in _RATIOS]),
            Column("limit", [f"{gate.comparison}{ratio(gate.limit, 4)}" if gate else "" for gate in found]),
            Column("margin", [signed(gate.distance) if gate else "" for gate in found]),
        )
    )


def judged_windows(row: Row) -> dict[int, Gate]:
    """The premium gates by the window of realized volatility they rest on."""
    yearly = row.text("lens") == "yearly"
    windows = {
        "structural": _YEAR if yearly else 90,
        "tactical": 20 if yearly else 30,
        "structural_252": _YEAR,
        "tactical_20": 20,
    }
    return {windows[gate.name]: gate for gate in row.gates if gate.name in windows}


def tactical_columns(row: Row) -> tuple[str, str, int]:
    """Realized volatility, ratio and window of the short side of the lens the name was judged by."""
    return ("hv20", "tactical_20", 20) if row.text("lens") == "yearly" else ("hv30", "vrp_tactical", 30)


def sentence(row: Row) -> str:
    """`Options price 27.4 % a year; it moved 18.1 % (30 d). Premium 1.51x, 88th percentile ...`."""
    realized, premium, window = tactical_columns(row)
    iv, hv = known(row.number("iv30")), known(row.number(realized))
    priced = f"Options price {percent_text(iv)} a year" if iv is not None else "No usable option price"
    moved = f"it moved {percent_text(hv)} ({window} d)" if hv is not None else "how it moved is not known"
    if iv is None or known(row.number(premium)) is None:
        return f"{priced}; {moved}."
    return f"{priced}; {moved}. Premium {times_text(row.number(premium))}, {_place(row)}."


def sampling_error(window: int) -> float:
    """Relative standard error of a deviation of `window` normal returns, 1/sqrt(2 window): 13 % for 30."""
    return 1.0 / math.sqrt(2.0 * window)


def sampling_line(row: Row) -> str:
    """Names the thresholds that decide by less than the realized volatility behind them is known to."""
    gates = list(judged_windows(row).items())
    gates += [(30, gate) for gate in row.gates if gate.name == "momentum"]
    close: dict[int, list[str]] = {}
    for window, gate in gates:
        decided = _decided_by(gate)
        if decided is not None and decided < sampling_error(window):
            name = gate.name.split("_")[0]
            close.setdefault(window, []).append(f"{name} by {fixed(100 * decided, 1)} %")
    groups = [
        f"HV{window} (about {100 * sampling_error(window):.0f} %): {', '.join(names)}"
        for window, names in close.items()
    ]
    return f"Within the sampling error of {'; of '.join(groups)}." if groups else ""


def denominator_line(row: Row) -> str:
    """Says when a ratio does not divide by the computed realized volatility beside it."""
    realized, premium, window = tactical_columns(row)
    iv, hv, times = (known(row.number(column)) for column in ("iv30", realized, premium))
    if iv is None or hv is None or times is None or times == 0:
        return ""
    used = iv / times
    if abs(used - hv) <= _DENOMINATOR_TOLERANCE * used:
        return ""
    return f"The ratio divides by {percent_text(used)}, not by HV{window}: the floor, or the provider's HV."


def _decided_by(gate: Gate) -> float | None:
    distance, limit = known(gate.distance), known(gate.limit)
    return abs(distance / limit) if distance is not None and limit else None


def _place(row: Row) -> str:
    rank, n = known(row.number("iv_percentile")), known(row.number("iv_percentile_n"))
    stored = f"n={n:.0f}" if n is not None else "n=?"
    if rank is None:
        return f"its place in its own year is not known yet ({stored})"
    if "iv_percentile_provider" in row.flags:
        return f"{ordinal(rank)} percentile by the provider's record"
    if "iv_percentile_series" in row.flags:
        return f"{ordinal(rank)} percentile of the provider's year of IV ({stored})"
    return f"{ordinal(rank)} percentile of its {'year' if (n or 0) >= _YEAR else 'record'} ({stored})"
