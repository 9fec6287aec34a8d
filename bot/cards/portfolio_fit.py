"""What one standard strangle more would do to a book, the numbers without and with it side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from bot.cards.card import Card
from bot.cards.facts import day
from bot.cards.gates import short_phrase
from bot.cards.portfolio_words import (
    Market,
    amount_text,
    money,
    money_text,
    per_contract,
    quality_text,
    reach,
    sentence_of,
    strike_text,
)
from bot.cards.table import MISSING, Column, fixed, known, layout, percent, percent_text, ratio, signed
from bot.cards.text import clean, dotted, escaped, stamp
from engine.portfolio.result import Fit, LegView, PositionView, Totals

_WORDS = (("fail", "Fails"), ("unknown", "Not known"), ("pass", "Passes"))
_SCENARIO_WIDTH = 7

Show = Callable[[float | None], str]
Line = tuple[str, str, str, str]
"""Label, without it, with it, the difference."""


def fit_card(fit: Fit, market: Market) -> Card:
    """The strangle, the gates, and theta, deltas, correlation and every scenario before and after.

    Where the chain offers no strangle the reason stands in its place.
    """
    run = market.run
    return Card(
        title=market.title(f"{escaped(fit.symbol, 20)} beside your book", day(run.session)),
        state=run.state,
        headline="\n".join(filter(None, (market.note, *_headline(fit)))),
        table=_table(fit, market),
        sentence=_verdict(fit) if fit.strangle is not None else sentence_of(fit.reason),
        details=tuple(filter(None, _details(fit, market))),
        asof=dotted((f"As of {stamp(run.asof)}", escaped(run.source), f"lens {escaped(run.lens)}")),
        footer=market.footer,
    )


def _headline(fit: Fit) -> tuple[str, ...]:
    strangle = fit.strangle
    if strangle is None:
        return (f"No standard strangle in {escaped(fit.symbol, 20)}",)
    credit = None if strangle.opened is None else -strangle.opened
    return (
        f"One {escaped(strangle.strategy, 40)}, {_strikes(strangle)}",
        f"Credit {amount_text(credit)}, theta {money_text(strangle.theta)}/day, "
        f"Alpha-Theta {money_text(strangle.alpha_theta)}{quality_text(strangle.quality)}",
    )


def _strikes(strangle: PositionView) -> str:
    """`60P 70C of 2026-06-19 (51 days)`."""
    strikes = " ".join(filter(None, (strike_text(view.leg) for view in strangle.legs)))
    dates = {view.leg.expiration for view in strangle.legs} - {None}
    of = " and ".join(sorted(day.isoformat() for day in dates if day is not None))
    return f"{strikes} of {of or MISSING}" + ("" if strangle.days is None else f" ({strangle.days} days)")


def _table(fit: Fit, market: Market) -> str:
    if fit.after is None:
        return ""
    lines = [*_measures(fit.before, fit.after, market), *_scenarios(fit)]
    return layout(
        (
            Column("YOUR BOOK", [each[0] for each in lines], right=False, flexible=True),
            Column("NOW", [each[1] for each in lines]),
            Column("WITH", [each[2] for each in lines]),
            Column("CHANGE", [each[3] for each in lines]),
        )
    )


def _measures(before: Totals, after: Totals, market: Market) -> Iterator[Line]:
    benchmark = clean(market.benchmark, 8)
    yield _line("theta/day", before.theta, after.theta, money, money)
    yield _line("Alpha-Theta/day", before.alpha_theta, after.alpha_theta, money, money)
    yield _line("quality", before.quality, after.quality, ratio, signed)
    yield _line(f"{benchmark} delta", before.beta_delta, after.beta_delta, money, money)
    yield _line("vega/point", before.vega, after.vega, money, money)
    yield _line("correlation", before.mean_correlation, after.mean_correlation, ratio, signed)
    if known(after.largest_share) is not None:
        yield _line("largest, % of NL", before.largest_share, after.largest_share, percent, _points)


def _scenarios(fit: Fit) -> Iterator[Line]:
    """Profit or loss of each scenario; both come from the same rules in the same order."""
    for before, after in zip(fit.stress_before, fit.stress_after, strict=True):
        yield _line(clean(after.label, 40), before.pl, after.pl, _wide, _wide)


def _wide(value: float | None) -> str:
    return money(value, _SCENARIO_WIDTH)


def _line(name: str, before: float | None, after: float | None, show: Show, change: Show) -> Line:
    first, second = known(before), known(after)
    if first is None or second is None:
        return name, show(first), show(second), MISSING
    difference = change(second - first)
    # A difference too small to be seen has no direction either.
    return name, show(first), show(second), difference if set(difference) & set("123456789") else "0"


def _points(share: float | None) -> str:
    number = known(share)
    return MISSING if number is None else signed(100 * number, 1, 6)


def _verdict(fit: Fit) -> str:
    """How many of the gates asked it passes, and the correlation with the book where there is one."""
    passed = sum(gate.state == "pass" for gate in fit.gates)
    gates = f"It passes {passed} of {len(fit.gates)} gates" if fit.gates else "No gate was asked"
    if known(fit.correlation) is None:
        return f"{gates}."
    return f"{gates}; its correlation with the book is {fixed(fit.correlation)}."


def _details(fit: Fit, market: Market) -> Iterator[str]:
    yield from _gate_lines(fit)
    if fit.after is not None and fit.after.concentration not in (None, fit.before.concentration):
        was = f"{fit.before.concentration} now, " if fit.before.concentration else ""
        yield f"**Concentration** {was}{fit.after.concentration} with it."
    if fit.after is not None and fit.after.size_warning and not fit.before.size_warning:
        largest, limit = escaped(fit.after.largest or MISSING, 20), percent_text(market.size_limit)
        yield f"**Size** {largest} is above {limit} of net liquidation with it."
    strangle = fit.strangle
    if strangle is None:
        return
    yield from (sentence_of(flag) for flag in strangle.flags)
    for tag in strangle.triage:
        yield f"**{tag.name}** {sentence_of(tag.rule)}"
    yield f"**Legs** {'; '.join(_leg(view) for view in strangle.legs)}."
    if fit.reason:
        yield sentence_of(fit.reason)
    if held := reach(fit.before, market.benchmark, with_pl=False):
        yield f"**Now** {held}."
    yield "NOW without it, WITH it; below, P/L of each scenario. Money in the quotes' currency."


def _gate_lines(fit: Fit) -> Iterator[str]:
    """What fails first, with its numbers; what passes last."""
    for wanted, word in _WORDS:
        said = [short_phrase(gate) for gate in fit.gates if gate.state == wanted]
        if said:
            yield f"**{word}** {'; '.join(said)}."


def _leg(view: LegView) -> str:
    """`60P at 1.03, delta -0.20, IV 27.4 %`."""
    volatility = known(view.volatility)
    return ", ".join(
        filter(
            None,
            (
                f"{strike_text(view.leg)} at {fixed(view.mark, 2, 9)}",
                f"delta {signed(per_contract(view), 2)}",
                f"IV {percent(volatility)} %" if volatility is not None else "",
            ),
        )
    )
