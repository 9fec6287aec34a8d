"""One name: what its premium is made of, and why it is listed or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.cards.card import Attachment, Button, Card
from bot.cards.charts import describe, drawable, vrp_chart
from bot.cards.evidence import Evidence, why_lines
from bot.cards.facts import asof, footer, titled
from bot.cards.gates import check_line, verdict
from bot.cards.history import HistoryPoint
from bot.cards.premium import denominator_line, premium_table, sampling_line, sentence, volatility_table
from bot.cards.table import (
    MISSING,
    count,
    fixed,
    known,
    percent_text,
    plain,
    ratio,
    signed,
    times_text,
    whole,
)
from bot.cards.text import clean, dotted, escaped
from engine.screen.flags import FLAGS
from engine.screen.glossary import title_of
from engine.screen.result import Row, Run

__all__ = ["HistoryPoint", "vrp_card", "why_card"]

_SYMBOL = 20
_NO_EARNINGS = ("etf", "index", "future")


def vrp_card(row: Row, run: Run, run_id: int, history: Sequence[HistoryPoint]) -> Card:
    """Everything the run knows about one name, with the chart of its stored year.

    A name that could not be measured gets its reason and what is known beside it; without any
    volatility there is no chart.
    """
    return Card(
        title=_title(row, run),
        state=run.state,
        headline=_headline(row),
        table=f"{volatility_table(row)}\n\n{premium_table(row)}",
        sentence=sentence(row),
        details=_details(row),
        asof=asof(run),
        footer=footer(run, run_id),
        buttons=(
            Button(f"Why {clean(row.symbol, 12)}", "why", run_id, row.symbol),
            Button("Method", "method", run_id),
        ),
        image=_image(row, run, history),
    )


def why_card(row: Row, run: Run, run_id: int, evidence: Evidence | None = None) -> Card:
    """Every gate with its mark, value, limit and distance; then the tags; the verdict last.

    Beneath stands what became of names like it, as far as the `evidence` suffices.
    """
    lines = [check_line(gate) for gate in row.gates]
    if row.tags:
        lines += ["shown only, keep nothing out:", *(check_line(gate) for gate in row.tags)]
    quoted = why_lines(row, run, evidence)
    return Card(
        title=_title(row, run),
        state=run.state,
        headline=_headline(row),
        table="\n".join((*lines, f"= {verdict(row)}")),
        sentence=sentence(row) if _reason(row) is None else "",
        details=tuple(filter(None, (sampling_line(row), _unknowns(row), _score(row), *quoted, *_flags(row)))),
        asof=asof(run),
        footer=footer(run, run_id),
        buttons=(
            Button(f"Chart {clean(row.symbol, 12)}", "vrp", run_id, row.symbol),
            Button("Method", "method", run_id),
        ),
    )


def _title(row: Row, run: Run) -> str:
    name = row.text("name")
    return titled(run, escaped(row.symbol, _SYMBOL), escaped(name) if name and name != row.symbol else "")


def _reason(row: Row) -> str | None:
    return row.text("missing_reason")


def _headline(row: Row) -> str:
    reason = _reason(row)
    if reason is not None:
        return f"Could not be measured: {escaped(reason, 200)}"
    text = verdict(row)
    rank = f"rank {row.rank}" if row.rank is not None else ""
    return dotted((row.signal or "", f"{text[0].upper()}{text[1:]}", rank))


def _image(row: Row, run: Run, history: Sequence[HistoryPoint]) -> Attachment | None:
    if not drawable(run, history, row):
        return None
    return Attachment("vrp.png", vrp_chart(row.symbol, run, history, row), describe(run, history, row))


def _details(row: Row) -> tuple[str, ...]:
    lines = (
        sampling_line(row),
        denominator_line(row),
        _forecast(row),
        _movement(row),
        _shape(row),
        _earnings(row),
        _trade(row),
        _score(row),
        _data(row),
        _sources(row),
        *_flags(row),
    )
    return tuple(line for line in lines if line)


def _forecast(row: Row) -> str:
    forecast, iv = known(row.number("hv_forecast")), known(row.number("iv30"))
    if forecast is None:
        return ""
    method = escaped(row.text("hv_forecast_method") or MISSING)
    against = f"premium against it {times_text(iv / forecast)}" if iv is not None and forecast else ""
    ahead = f"**Forecast** {percent_text(forecast)} for the next 21 sessions ({method})"
    return dotted((ahead, against))


def _movement(row: Row) -> str:
    if not _any_known(row, "momentum", "hv_rank", "hv30_provider", "hv90_provider"):
        return ""
    zone = row.text("zone")
    momentum = f"HV30/HV90 {ratio(row.number('momentum'))}" + (f" ({escaped(zone)})" if zone else "")
    rank = f"HV rank {whole(row.number('hv_rank'))} (n={count(row.number('hv_rank_n'))})"
    provider = [
        f"HV{window} {percent_text(row.number(f'hv{window}_provider'))}"
        for window in (30, 90)
        if known(row.number(f"hv{window}_provider")) is not None
    ]
    theirs = f"provider's {', '.join(provider)}" if provider else ""
    return "**Movement** " + dotted((escaped(row.text("regime") or MISSING), momentum, rank, theirs))


def _shape(row: Row) -> str:
    if not _any_known(row, "term_slope", "skew_25", "spread_vol"):
        return ""
    return "**Options** " + dotted(
        (
            f"IV30/IV60 {ratio(row.number('term_slope'))}",
            f"25-delta skew {_points(row, 'skew_25')}",
            f"IV - HV {_points(row, 'spread_vol')}",
            f"IV^2 - HV^2 {signed(row.number('spread_variance'), 3)}",
            "" if row.values["iv_model_free_complete"] is not False else "model-free wings incomplete",
        )
    )


def _points(row: Row, column: str) -> str:
    value = known(row.number(column))
    return f"{signed(100 * value, 1)} points" if value is not None else MISSING


def _earnings(row: Row) -> str:
    days, when = known(row.number("earnings_days")), row.text("earnings_date")
    if days is None and when is None:
        return "" if row.text("asset_class") in _NO_EARNINGS else "**Earnings** date not known"
    away = f"{fixed(days, 0)} days from the session" if days is not None else ""
    return f"**Earnings** {dotted((escaped(when) if when else '', away))}"


def _trade(row: Row) -> str:
    expiry = row.text("trade_expiry")
    if expiry is None and _reason(row) is not None:
        return ""
    if expiry is None:
        return "**Trade expiry** none within the range"
    return f"**Trade expiry** {escaped(expiry)} ({whole(row.number('trade_days'))} d) · " + dotted(
        (
            f"strike {fixed(row.number('trade_strike'), 2, 9)} at spot {fixed(row.number('spot'), 2, 9)}",
            f"slippage {percent_text(row.number('slippage'))}",
            f"volume {count(row.number('atm_volume'))}",
            f"open interest {count(row.number('atm_open_interest'))}",
            f"yield on margin {percent_text(row.number('yield'))} in 30 d",
        )
    )


def _score(row: Row) -> str:
    if known(row.score) is None:
        return ""
    share = f"{whole(_hundredfold(row.score_share))} % of its weights known"
    lowered = ", ".join(escaped(penalty.replace("_", " ")) for penalty in row.penalties)
    return "**Score** " + dotted(
        (f"{whole(row.score)} of 100", share, f"lowered by {lowered}" if lowered else "no penalty")
    )


def _any_known(row: Row, *columns: str) -> bool:
    return any(known(row.number(column)) is not None for column in columns)


def _hundredfold(share: float | None) -> float | None:
    return None if share is None else 100 * share


def _data(row: Row) -> str:
    near, far = (whole(row.number(column)) for column in ("iv_near_days", "iv_far_days"))
    expiries = " and ".join(days for days in dict.fromkeys((near, far)) if days != MISSING)
    error = known(row.number("iv_error"))
    return "**Data** " + dotted(
        (
            f"IV30 {escaped(row.text('iv_method') or MISSING)}",
            f"expiries in {expiries} days" if expiries else "",
            f"quotes leave {fixed(100 * error, 1)} points open" if error is not None else "",
            f"quotes of {escaped(row.text('quote_session') or MISSING)}",
        )
    )


def _sources(row: Row) -> str:
    """Who said what, by source, and who said otherwise."""
    by_source: dict[str, list[str]] = {}
    for column, said in row.provenance.items():
        by_source.setdefault(str(said.get("source", MISSING)), []).append(title_of(column))
    if not by_source:
        return ""
    words = [f"{escaped(source)}: {escaped(', '.join(titles), 200)}" for source, titles in by_source.items()]
    return "**Sources** " + dotted((*words, *_dissent(row)))


def _dissent(row: Row) -> Iterator[str]:
    for column, said in row.provenance.items():
        for other in said.get("otherwise", ()):
            yield escaped(f"{title_of(column)} is {_said(other.get('value'))} by {other.get('source')}", 80)


def _said(value: object) -> str:
    """What a source said, a number in the reader's dress."""
    return plain(value) if isinstance(value, float) else str(value)


def _flags(row: Row) -> tuple[str, ...]:
    return tuple(f"• {escaped(FLAGS.get(flag, flag.replace('_', ' ')), 200)}" for flag in row.flags)


def _unknowns(row: Row) -> str:
    gates = (gate for gate in row.gates if gate.name == "iv_percentile" and gate.state == "unknown")
    if _reason(row) is not None or next(gates, None) is None:
        return ""
    n = count(row.number("iv_percentile_n"))
    return f"The IV percentile is unknown, not failed: {n} closes are stored so far."
