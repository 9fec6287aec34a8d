"""A whole book as a file: a line a leg, with what is known of the leg and of the position it belongs to."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from bot.cards.card import Attachment, Card
from bot.cards.csvfile import cell
from bot.cards.facts import SIMULATED, day
from bot.cards.portfolio_words import Market, asof_of
from bot.cards.text import plural
from engine.portfolio.result import Analysis, LegView, PositionView
from engine.screen.result import Value

_PLAIN = ("symbol", "expiration", "strike", "right", "quantity", "open_price")
"""The plain format of an import, so that the file can be read in again."""
_LEG = (
    *("kind", "multiplier", "contract", "status", "mark", "mark_method", "volatility", "volatility_method"),
    *("leg_pl", "leg_delta", "leg_gamma", "leg_theta", "leg_vega"),
)
_POSITION = (
    *("position", "strategy", "units", "days", "opened", "worth", "pl", "max_profit", "max_loss"),
    *("theta", "alpha_theta", "quality", "delta", "gamma", "vega", "beta_delta", "beta_gamma"),
    *("two_sigma_loss", "triage", "rules", "flags"),
)
_MARKET = ("session", "asof", "source", "lens")
COLUMNS = (*_PLAIN, *_LEG, *_POSITION, *_MARKET)


def portfolio_csv(analysis: Analysis, simulated: bool) -> Attachment:
    """Every leg in the order of the positions; a leg shared by two positions has a line in each.

    Volatilities are fractions, money that of the whole leg or position, missing cells empty. A text cell
    that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(COLUMNS)
    for number, position in enumerate(analysis.positions, start=1):
        for view in position.legs:
            values = (*_leg(position, view), *_position(number, position), *_market(analysis))
            writer.writerow([cell(value) for value in values])
    rows = _counted(analysis)
    return Attachment(
        filename=f"{f'{SIMULATED}_' if simulated else ''}variance_book_{analysis.session.isoformat()}.csv",
        data=file.getvalue().encode("utf-8", "replace"),
        description=f"{SIMULATED}: {rows}" if simulated else rows,
    )


def portfolio_csv_card(analysis: Analysis, market: Market) -> Card:
    """The file with a line of explanation."""
    file = portfolio_csv(analysis, market.run.simulated)
    return Card(
        title=market.title("Your book as a file", day(analysis.session)),
        state=market.run.state,
        headline="\n".join(filter(None, (market.note, _counted(analysis)))),
        sentence="Every leg with mark, volatility and greeks; its position with profit or loss and triage.",
        asof=asof_of(analysis),
        footer=market.footer,
        files=(file,),
    )


def _counted(analysis: Analysis) -> str:
    rows = sum(len(position.legs) for position in analysis.positions)
    return f"{plural(rows, 'leg')} in {plural(len(analysis.positions), 'position')}"


def _leg(position: PositionView, view: LegView) -> Iterator[Value]:
    leg = view.leg
    expiration = leg.expiration.isoformat() if leg.expiration is not None else None
    yield from (position.symbol, expiration, leg.strike, leg.right, view.quantity, leg.open_price)
    yield from (leg.kind, leg.multiplier, leg.contract, view.status, view.mark, view.mark_method)
    yield from (view.volatility, view.vol_method)
    yield from (view.pl, view.delta, view.gamma, view.theta, view.vega)


def _position(number: int, each: PositionView) -> Iterator[Value]:
    yield from (number, each.strategy, each.units, each.days, each.opened, each.worth, each.pl)
    yield from (each.max_profit, each.max_loss, each.theta, each.alpha_theta, each.quality)
    yield from (each.delta, each.gamma, each.vega, each.beta_delta, each.beta_gamma, each.two_sigma_loss)
    yield " ".join(tag.name for tag in each.triage)
    yield "; ".join(tag.rule for tag in each.triage)
    yield "; ".join(each.flags)


def _market(analysis: Analysis) -> Iterator[Value]:
    yield from (analysis.session.isoformat(), analysis.asof.isoformat(), analysis.source, analysis.lens)
