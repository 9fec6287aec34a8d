"""A book on a terminal, as JSON and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from engine.console import MISSING, gates_table
from engine.portfolio.book import Reading
from engine.portfolio.result import Analysis, Fit, LegView, PositionView, StressLine, Totals
from engine.report import gate_shape, harmless

_POSITION_FIELDS = (
    *("symbol", "strategy", "units", "days", "opened", "worth", "pl", "max_profit", "max_loss"),
    *("theta", "alpha_theta", "quality", "delta", "gamma", "vega", "beta_delta", "beta_gamma"),
    "two_sigma_loss",
)
_TOTAL_FIELDS = (
    *("theta", "alpha_theta", "quality", "beta_delta", "beta_gamma", "mean_correlation", "concentration"),
    *("pl", "vega", "delta_dollars", "largest", "largest_share", "size_warning"),
    *("positions", "legs", "left_out", "without_pl", "without_alpha", "without_beta"),
)
_LEG_FIELDS = (
    *("status", "mark", "mark_method", "volatility", "vol_method", "pl"),
    *("delta", "gamma", "theta", "vega"),
)

# --- JSON and CSV ------------------------------------------------------------------------------


def portfolio_json(found: Analysis, fit: Fit | None = None) -> str:
    """Positions, totals, stress and rejected lines; money as it is, fractions, missing as null.

    `move` and `frequency` are fractions, `vol_points` is in points of volatility (15.0).
    """
    shape: dict[str, Any] = {
        "asof": found.asof.isoformat(),
        "session": found.session.isoformat(),
        "source": found.source,
        "lens": found.lens,
        "net_liquidation": found.net_liquidation,
        "positions": [_position_shape(position) for position in found.positions],
        "total": _fields(found.totals, _TOTAL_FIELDS),
        "stress": [_stress_shape(line) for line in found.stress.lines],
        "vix": {"points": found.stress.vix, "source": found.stress.vix_source},
        "rejected": [{"line": each.line, "reason": each.reason} for each in found.rejected],
        "notes": [*found.notes, *found.stress.notes],
    }
    if fit is not None:
        shape["fit"] = _fit_shape(fit)
    return json.dumps(shape, indent=1, allow_nan=False)


def _fields(value: object, names: Sequence[str]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _position_shape(position: PositionView) -> dict[str, Any]:
    return _fields(position, _POSITION_FIELDS) | {
        "legs": [_leg_shape(leg) for leg in position.legs],
        "triage": [tag.name for tag in position.triage],
        "triage_rules": [tag.rule for tag in position.triage],
        "flags": list(position.flags),
    }


def _leg_shape(view: LegView) -> dict[str, Any]:
    leg = view.leg
    return {
        "kind": leg.kind,
        "expiration": leg.expiration.isoformat() if leg.expiration else None,
        "strike": leg.strike,
        "right": leg.right,
        "quantity": view.quantity,
        "open_price": leg.open_price,
        "multiplier": leg.multiplier,
    } | _fields(view, _LEG_FIELDS)


def _stress_shape(line: StressLine) -> dict[str, Any]:
    worst = [{"leg": text, "pl": money} for text, money in line.worst]
    return _fields(line, ("label", "move", "vol_points", "pl", "frequency", "frequency_source")) | {
        "worst": worst
    }


def _fit_shape(fit: Fit) -> dict[str, Any]:
    return {
        "symbol": fit.symbol,
        "reason": fit.reason,
        "strangle": None if fit.strangle is None else _position_shape(fit.strangle),
        "before": _fields(fit.before, _TOTAL_FIELDS),
        "after": None if fit.after is None else _fields(fit.after, _TOTAL_FIELDS),
        "stress_before": [_stress_shape(line) for line in fit.stress_before],
        "stress_after": [_stress_shape(line) for line in fit.stress_after],
        "correlation": fit.correlation,
        "gates": [gate_shape(gate) for gate in fit.gates],
    }


def portfolio_csv(found: Analysis) -> str:
    """One line a leg with the position it belongs to; missing is an empty cell, no text is a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    leading = ("symbol", "strategy", "expiration", "strike", "right", "quantity", "open_price", "multiplier")
    writer.writerow([*leading, *_LEG_FIELDS, "triage"])
    for position in found.positions:
        for view in position.legs:
            shape = _leg_shape(view) | {"symbol": position.symbol, "strategy": position.strategy}
            tags = " ".join(tag.name for tag in position.triage)
            writer.writerow([harmless(shape[name]) for name in (*leading, *_LEG_FIELDS)] + [tags])
    return out.getvalue()


# --- terminal ----------------------------------------------------------------------------------


def portfolio_sheet(found: Analysis, fit: Fit | None, reading: Reading) -> RenderableType:
    """Totals, positions, what asks for a look, stress, what could not be read or valued."""
    if not found.positions and fit is None:
        return Group(Text("The file holds no position that can be used."), _remarks(found, reading))
    parts: list[RenderableType] = [_heading(found), Text(), _positions(found), Text()]
    parts += [_triage(found), _stress(found), Text()]
    if fit is not None:
        parts += [_fit(fit), Text()]
    parts.append(_remarks(found, reading))
    return Group(*parts)


def _heading(found: Analysis) -> Text:
    total = found.totals
    spread = f" {total.concentration}" if total.concentration else ""
    lines = (
        f"Book of {total.legs} legs in {total.positions} positions · {found.lens} lens",
        f"P/L {_money(total.pl)} · theta {_money(total.theta)} a day · "
        f"Alpha-Theta {_money(total.alpha_theta)} (x{_number(total.quality)}"
        f"{_but(total.without_alpha)}) · "
        f"vega {_money(total.vega)} a point",
        f"beta-weighted delta {_number(total.beta_delta)} shares of the benchmark · mean correlation "
        f"{_number(total.mean_correlation)}{spread}",
        *_size(found),
        f"as of {found.asof:%Y-%m-%d %H:%M %z} · {found.source}",
    )
    text = Text(lines[0], style="bold")
    for line in lines[1:]:
        text.append(f"\n{line}", style="not bold")
    return text


def _size(found: Analysis) -> list[str]:
    """The largest name, by delta in money or by what a bad day takes, against what the account is worth."""
    total = found.totals
    if total.largest is None or total.largest_share is None:
        return []
    what = f"largest name {total.largest}, {100 * total.largest_share:,.1f} % of net liquidation"
    return [what + (": SIZE WARNING, above the limit" if total.size_warning else "")]


def _but(count: int) -> str:
    return f", without {count} of the legs" if count else ""


def _positions(found: Analysis) -> Table:
    table = _table("Symbol", "Strategy", "Legs", left=3)
    for title in ("Days", "P/L", "Theta", "Alpha", "Qual", "Delta", "Gamma", "Vega", "B-delta"):
        table.add_column(title, justify="right")
    table.add_column("Triage")
    for each in found.positions:
        units = "" if each.units == 1 else f" x{each.units:.10g}"
        table.add_row(
            each.symbol,
            each.strategy + units,
            _legs(each),
            MISSING if each.days is None and not each.legs else "-" if each.days is None else str(each.days),
            *map(_money, (each.pl, each.theta, each.alpha_theta)),
            _number(each.quality),
            _number(each.delta, 1),
            _number(each.gamma),
            *map(_money, (each.vega, each.beta_delta)),
            " ".join(tag.name for tag in each.triage),
        )
    return table


def _legs(position: PositionView) -> str:
    """`-60P/-70C`, the days left to their own column; shares as `+100`."""
    words = []
    for view in position.legs:
        leg = view.leg
        what = f"{leg.strike:.10g}{leg.right}" if leg.strike is not None else ""
        words.append(f"{view.quantity:+.10g} {what}".rstrip())
    return ", ".join(words)


def _triage(found: Analysis) -> Text:
    lines = [
        f"{tag.name}: {each.symbol} {each.strategy}, {tag.rule}."
        for each in found.positions
        for tag in each.triage
    ]
    return Text("\n".join([*lines, ""]) if lines else "No position asks for a look.\n")


def _stress(found: Analysis) -> RenderableType:
    table = _table("Stress", left=1)
    for title in ("Move", "Vol points", "P/L", "Of such days"):
        table.add_column(title, justify="right")
    table.add_column("Worst leg")
    for line in found.stress.lines:
        often = MISSING if line.frequency is None else f"{100 * line.frequency:.2f} %"
        worst = f"{line.worst[0][0]}: {_money(line.worst[0][1])}" if _loses(line) else "-"
        table.add_row(
            line.label, f"{100 * line.move:+.0f} %", f"{line.vol_points:+.0f}", _money(line.pl), often, worst
        )
    vix = f"Volatility index at {found.stress.vix:.1f} ({found.stress.vix_source})."
    return Group(table, Text(vix, style="dim"))


def _loses(line: StressLine) -> bool:
    return bool(line.worst) and round(line.worst[0][1]) < 0


def _fit(fit: Fit) -> RenderableType:
    title = Text(f"One standard strangle in {fit.symbol}", style="bold")
    if fit.strangle is None or fit.after is None:
        return Group(title, Text(f"None to be had: {fit.reason}."))
    credit = None if fit.strangle.opened is None else -fit.strangle.opened
    lead = f"{_legs(fit.strangle)}, {fit.strangle.days} days, credit {_money(credit)}"
    table = _table("", left=1)
    for name in ("Before", "After"):
        table.add_column(name, justify="right")
    for label, before, after in _lines(fit.before, fit.after):
        table.add_row(label, before, after)
    for one, other in zip(fit.stress_before, fit.stress_after, strict=True):
        table.add_row(f"stress: {one.label}", _money(one.pl), _money(other.pl))
    correlation = f"Correlation with the book {_number(fit.correlation)}."
    reason = f"\n{fit.reason}." if fit.reason else ""
    return Group(title, Text(lead + reason), table, Text(), Text(correlation), gates_table(fit.gates))


def _lines(before: Totals, after: Totals) -> list[tuple[str, str, str]]:
    def money(name: str) -> tuple[str, str]:
        return _money(getattr(before, name)), _money(getattr(after, name))

    return [
        ("theta a day", *money("theta")),
        ("Alpha-Theta", *money("alpha_theta")),
        ("quality", _number(before.quality), _number(after.quality)),
        ("beta-weighted delta", _number(before.beta_delta), _number(after.beta_delta)),
        ("mean correlation", _number(before.mean_correlation), _number(after.mean_correlation)),
    ]


def _remarks(found: Analysis, reading: Reading) -> Text:
    lines = [f"Line {each.line} is left out: {each.reason}" for each in found.rejected]
    lines += [f"Line {each.line}: {each.remark}" for each in reading.accepted if each.remark]
    lines += [f"{each.symbol} {each.strategy}: {flag}" for each in found.positions for flag in each.flags]
    lines += [f"Note: {note}" for note in (*reading.notes, *found.notes, *found.stress.notes)]
    lines.append("Information, not advice.")
    return Text("\n".join(dict.fromkeys(lines)), style="dim")


def _table(*titles: str, left: int) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, title in enumerate(titles):
        table.add_column(title, justify="left" if place < left else "right")
    return table


def _money(value: float | None) -> str:
    return MISSING if value is None else f"{round(value) + 0.0:,.0f}"


def _number(value: float | None, decimals: int = 2) -> str:
    # Rounded first, so that nothing shows as -0.00.
    return MISSING if value is None else f"{round(value, decimals) + 0.0:,.{decimals}f}"
