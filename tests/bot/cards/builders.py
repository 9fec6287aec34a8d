"""Screens made by hand for the cards: plausible by default, every part replaceable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bot.cards.card import Card
from bot.cards.history import HistoryPoint
from engine.screen.glossary import METRICS
from engine.screen.result import Coverage, Gate, GateState, Row, Run, Screen, Value

ASOF = datetime(2026, 4, 29, 20, 15, tzinfo=UTC)
SESSION = date(2026, 4, 29)

PLAIN: Mapping[str, Value] = {
    "name": "Example Inc.",
    "sector": "Energy",
    "asset_class": "equity",
    "spot": 69.1,
    "quote_session": "2026-04-29",
    "iv30": 0.274,
    "iv_method": "interpolated",
    "iv_near_days": 23.0,
    "iv_far_days": 51.0,
    "iv_error": 0.004,
    "iv_straddle": 0.276,
    "iv_model_free": 0.289,
    "iv_model_free_complete": True,
    "iv60": 0.261,
    "term_slope": 1.05,
    "skew_25": 0.041,
    "hv20": 0.172,
    "hv30": 0.181,
    "hv60": 0.19,
    "hv90": 0.2,
    "hv252": 0.223,
    "hv30_yz": 0.184,
    "hv_forecast": 0.19,
    "hv_forecast_method": "har",
    "hv_rank": 43.0,
    "hv_rank_n": 252.0,
    "vrp_structural": 0.274 / 0.2,
    "vrp_tactical": 0.274 / 0.181,
    "structural_252": 0.274 / 0.223,
    "tactical_20": 0.274 / 0.172,
    "lens": "quarterly",
    "markup": 0.274 / 0.181 - 1,
    "divergence": 1.1,
    "spread_vol": 0.093,
    "spread_variance": 0.0423,
    "momentum": 0.905,
    "zone": "normal",
    "regime": "NORMAL",
    "iv_percentile": 88.0,
    "iv_percentile_n": 252.0,
    "iv_rank": 71.0,
    "yield": 0.061,
    "slippage": 0.031,
    "trade_expiry": "2026-06-19",
    "trade_days": 51.0,
    "trade_strike": 70.0,
    "atm_volume": 1204.0,
    "atm_open_interest": 8300.0,
    "earnings_date": "2026-06-02",
    "earnings_days": 34.0,
}


def a_gate(
    name: str,
    state: GateState = "pass",
    value: float | None = None,
    limit: float | None = None,
    comparison: str = ">=",
    blocks: bool | None = None,
) -> Gate:
    """A verdict; the distance is the difference, turned for `<=`."""
    distance = None if value is None or limit is None else value - limit
    if distance is not None and comparison == "<=":
        distance = -distance
    return Gate(
        name, state, value, limit, distance, comparison, state == "fail" if blocks is None else blocks
    )


PASSING: tuple[Gate, ...] = (
    a_gate("data", comparison="is"),
    a_gate("structural", "pass", 1.37, 1.10, ">"),
    a_gate("tactical", "pass", 1.51, 1.15, ">"),
    a_gate("momentum", "pass", 0.905, 0.85),
    a_gate("iv_percentile", "pass", 88.0, 20.0),
    a_gate("dead_legs", "pass", 1204.0, 0.0, ">"),
    a_gate("slippage", "pass", 0.031, 0.05, "<="),
    a_gate("liquidity", "pass", 1204.0, 100.0),
    a_gate("price", "pass", 69.1, 25.0),
)
EARNINGS_TAG = a_gate("earnings", "pass", 34.0, 10.0, "outside")


def with_gates(*changed: Gate) -> tuple[Gate, ...]:
    """All gates, the given ones in place of those of the same name."""
    by_name = {gate.name: gate for gate in changed}
    return tuple(by_name.get(gate.name, gate) for gate in PASSING)


def a_row(symbol: str = "XLE", *, values: Mapping[str, Value] | None = None, **parts: Any) -> Row:
    """A listed name; `values` override single metrics, `parts` fields of Row."""
    empty: dict[str, Value] = dict.fromkeys(metric.column for metric in METRICS)
    row = Row(
        symbol=symbol,
        passed=True,
        rank=1,
        signal="RICH",
        score=78.4,
        score_share=1.0,
        penalties=(),
        flags=(),
        gates=PASSING,
        tags=(EARNINGS_TAG,),
        values=empty | dict(PLAIN) | dict(values or {}),
    )
    return replace(row, **parts)


def a_miss(symbol: str = "KO", *changed: Gate, **parts: Any) -> Row:
    """A name that one gate keeps out (tactical 1.07 against 1.15 unless told otherwise)."""
    gates = with_gates(*(changed or (a_gate("tactical", "fail", 1.07, 1.15, ">"),)))
    return a_row(symbol, **({"passed": False, "rank": None, "signal": "FAIR", "gates": gates} | parts))


def unmeasured(symbol: str = "ZZZ", reason: str = "no option quotes") -> Row:
    """A name without data: everything missing but its reason."""
    missing: dict[str, Value] = dict.fromkeys(metric.column for metric in METRICS)
    return Row(
        symbol=symbol,
        passed=False,
        rank=None,
        signal=None,
        score=None,
        score_share=None,
        penalties=(),
        flags=(),
        gates=(
            a_gate("data", "fail", comparison="is"),
            a_gate("structural", "unknown", None, 1.10, ">", blocks=True),
            a_gate("slippage", "fail", None, 0.05, "<="),
            a_gate("iv_percentile", "unknown", None, 20.0, blocks=False),
        ),
        tags=(),
        values=missing | {"missing_reason": reason},
    )


def a_run(**parts: Any) -> Run:
    """A complete closing run of a recorded market."""
    run = Run(
        asof=ASOF,
        session=SESSION,
        kind="close",
        source="recorded ndx100",
        lens="quarterly",
        profile="balanced",
        engine_version="0.1.0",
        rules_hash="abc123def456",
        state="complete",
    )
    return replace(run, **parts)


def simulated_run(**parts: Any) -> Run:
    """The same of the simulated market."""
    return a_run(**({"source": "SIMULATED market, seed 7"} | parts))


def a_screen(rows: Sequence[Row] = (), *, run: Run | None = None, **parts: Any) -> Screen:
    """Rows as they are; ranks, near misses and coverage follow from them unless given."""
    listed = [row for row in rows if row.passed]
    ranked = [replace(row, rank=place) for place, row in enumerate(listed, start=1)]
    others = [row for row in rows if not row.passed]
    missing: dict[str, int] = {}
    for row in others:
        reason = row.text("missing_reason")
        if reason is not None:
            missing[reason] = missing.get(reason, 0) + 1
    measured = len(rows) - sum(missing.values())
    screen = Screen(
        run=run or a_run(),
        coverage=Coverage(len(rows), measured, len(listed), missing),
        rows=(*ranked, *others),
        near_misses=tuple(row.symbol for row in others if len(row.failed) == 1),
    )
    return replace(screen, **parts)


def a_history(count: int, step: int = 1, **values: Any) -> list[HistoryPoint]:
    """`count` closes before SESSION, oldest first, IV30 rising a little each time."""
    first = SESSION - timedelta(days=count * step)
    return [
        HistoryPoint(
            session=first + timedelta(days=place * step),
            iv30=values.get("iv30", 0.2 + 0.0004 * place),
            hv30=values.get("hv30", 0.18 + 0.0002 * (place % 30)),
            hv90=values.get("hv90", 0.19),
            passed=values.get("passed", place % 9 == 0),
        )
        for place in range(count)
    ]


def shown(card: Card) -> str:
    """Everything a card says, in one text."""
    return "\n".join(
        (card.title, card.headline, card.table, card.sentence, *card.details, card.asof, card.footer)
    )
