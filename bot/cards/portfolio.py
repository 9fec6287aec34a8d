"""A person's book at a glance: what it earns by time, where it stands, what asks for attention first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bot.cards.card import Card
from bot.cards.facts import day
from bot.cards.portfolio_remarks import lacking, left_out, remarks, reports, sureness
from bot.cards.portfolio_words import (
    Market,
    asof_of,
    code_legend,
    code_of,
    counted_name,
    days_text,
    money,
    money_text,
    quality_text,
    reach,
    sentences_of,
    size_text,
    worded,
)
from bot.cards.table import (
    MISSING,
    NOT_APPLICABLE,
    Column,
    fixed,
    known,
    layout,
    percent_text,
    ratio,
)
from bot.cards.text import clean, escaped, listed, plural
from engine.portfolio.result import Analysis, PositionView, Tag, Totals

PAGE_ROWS = 12
TAGS = {
    "EXPIRING": "EXP",
    "HARVEST": "HARV",
    "SIZE": "SIZE",
    "DEFENSE": "DEF",
    "GAMMA": "GAM",
    "TOXIC": "TOX",
    "EARNINGS": "EARN",
}
"""Tags of the triage, most urgent first, with their word in the table."""
_IN_TABLE = {
    "expired": "over",
    "unknown underlying": "name?",
    "no quotes": "no px",
    "not listed": "chain",
    "adjusted contract": "adj",
    "future": "fut",
    "future option": "fut",
}
_RULE_LENGTH = 150
_NAMED = 4
LEGEND = (
    "WHAT: - short, + long. TH/d theta a day, Q = Alpha-Theta/theta; the delta above is beta-weighted. Money "
    "in the quotes' currency."
)


@dataclass(frozen=True, slots=True)
class BookCard(Card):
    """A card of a book that may have further pages, counted from 0."""

    page: int = 0
    pages: int = 1


def portfolio_card(analysis: Analysis, market: Market, page: int = 0) -> BookCard:
    """Totals, a line a position, the triage with its rules, and what was left out of the sums.

    Positions are ordered by urgency (the triage's order, then what could not be valued, then days left);
    `page` counts from 0 and is brought into range. Missing numbers show `?`.
    """
    ranked = by_urgency(analysis.positions)
    pages = max(1, -(-len(ranked) // PAGE_ROWS))
    page = min(max(page, 0), pages - 1)
    shown = ranked[page * PAGE_ROWS : (page + 1) * PAGE_ROWS]
    where = f", page {page + 1} of {pages}" if pages > 1 else ""
    return BookCard(
        title=market.title("Your book", day(analysis.session)),
        state=market.run.state,
        headline="\n".join(filter(None, (market.note, *_totals(analysis.totals, market)))),
        table=positions_table(shown) if shown else "",
        sentence=_sentence(analysis, ranked) + where + ".",
        details=_details(analysis, market, shown),
        asof=asof_of(analysis),
        footer=market.footer,
        page=page,
        pages=pages,
    )


def by_urgency(positions: Iterable[PositionView]) -> list[PositionView]:
    """Tagged positions by their first tag, then those without a value, then the others; fewest days first."""
    order = list(TAGS)

    def urgency(position: PositionView) -> tuple[int, float, str]:
        days = float("inf") if position.days is None else float(position.days)
        first = position.triage[0].name if position.triage else ""
        place = order.index(first) if first else len(order) + (0 if _unvalued(position) else 1)
        return place, days, position.symbol

    return sorted(positions, key=urgency)


def positions_table(positions: Sequence[PositionView]) -> str:
    """Symbol, strategy, days, profit or loss, theta, quality, first tag: at most TABLE_WIDTH columns."""
    return layout(
        (
            Column("SYM", [clean(each.symbol, 6) for each in positions], right=False),
            Column(
                "WHAT", [code_of(each.strategy, each.units) for each in positions], right=False, flexible=True
            ),
            Column("DTE", [days_text(each.days) for each in positions]),
            Column("P/L", [money(each.pl) for each in positions]),
            Column("TH/d", [money(each.theta, 5) for each in positions]),
            Column("Q", [_quality(each) for each in positions]),
            Column("TAG", [_tag(each) for each in positions], right=False),
        )
    )


def _unvalued(position: PositionView) -> bool:
    return any(view.status != "valued" for view in position.legs)


def _totals(totals: Totals, market: Market) -> tuple[str, str, str]:
    """`Theta +142/day, Alpha-Theta +188 (x1.32)`, `SPY delta -34 shares, P/L +812, correlation 0.52 (bound)`.

    The third line is how much of the book the sums hold; empty for all of it.
    """
    correlation = ""
    if known(totals.mean_correlation) is not None:
        spread = f" ({totals.concentration})" if totals.concentration else ""
        correlation = f", correlation {fixed(totals.mean_correlation)}{spread}"
    return (
        f"Theta {money_text(totals.theta)}/day, Alpha-Theta {money_text(totals.alpha_theta)}"
        f"{quality_text(totals.quality, totals.theta, totals.alpha_theta)}",
        f"{escaped(market.benchmark, 10)} delta {size_text(totals.beta_delta)} shares, "
        f"P/L {money_text(totals.pl)}{correlation}",
        reach(totals, market.benchmark),
    )


def _sentence(analysis: Analysis, ranked: Sequence[PositionView]) -> str:
    totals = analysis.totals
    first: Counter[str] = Counter(position.triage[0].name for position in ranked if position.triage)
    tagged = ", ".join(f"{first[name]} {name}" for name in TAGS if first[name])
    of = f"{plural(totals.positions, 'position')} of {plural(totals.legs, 'leg')}"
    return f"{of}: {tagged or 'no rule of the triage fires'}"


def _details(analysis: Analysis, market: Market, shown: Sequence[PositionView]) -> tuple[str, ...]:
    """Warnings, the rules behind the tags of the page and what comes near; then how sure the numbers are."""
    codes = code_legend(shown)
    return (
        *_warnings(analysis, market),
        *(_triage_line(position) for position in shown if position.triage),
        *reports(analysis.positions),
        "",
        *left_out(analysis.positions),
        *lacking(analysis.positions),
        *sureness(analysis.positions),
        *remarks(analysis.positions),
        *sentences_of(analysis.notes),
        *_rejected(analysis),
        *((f"{LEGEND} {codes}.",) if shown and codes else (LEGEND,) if shown else ()),
    )


def _warnings(analysis: Analysis, market: Market) -> tuple[str, ...]:
    totals = analysis.totals
    lines = []
    if totals.size_warning:
        lines.append(
            f"**Size** {escaped(totals.largest or MISSING, 20)} is {percent_text(totals.largest_share)} of "
            f"net liquidation, above {percent_text(market.size_limit)}."
        )
    if analysis.net_liquidation is None:
        lines.append("**Size** is not judged: net liquidation is not known.")
    if totals.concentration == "CONCENTRATED":
        lines.append(
            f"**Concentration** the names move together: mean correlation {fixed(totals.mean_correlation)}."
        )
    return tuple(lines)


def _triage_line(position: PositionView) -> str:
    """`**DEFENSE** KO short strangle x2: rule; **GAMMA** rule`."""
    first, *others = position.triage
    rest = "".join(f"; **{tag.name}** {_rule(tag)}" for tag in others)
    return f"**{first.name}** {counted_name(position)}: {_rule(first)}{rest}."


def _rule(tag: Tag) -> str:
    return worded(tag.rule.removesuffix("."), _RULE_LENGTH)


def _rejected(analysis: Analysis) -> tuple[str, ...]:
    if not analysis.rejected:
        return ()
    lines = [f"line {each.line}: {escaped(each.reason, 120)}" for each in analysis.rejected]
    return (f"Not read: {listed(lines, _NAMED)}.",)


def _quality(position: PositionView) -> str:
    """Shares have no theta to hold anything against."""
    options = any(view.leg.is_option for view in position.legs)
    return ratio(position.quality, 4) if options or position.quality is not None else NOT_APPLICABLE


def _tag(position: PositionView) -> str:
    """The first tag, `+` when more rules fire; without one, why nothing could be valued."""
    if position.triage:
        first = TAGS[position.triage[0].name]
        return f"{first}+" if len(position.triage) > 1 else first
    status = next((view.status for view in position.legs if view.status != "valued"), "valued")
    return _IN_TABLE.get(status, "")
