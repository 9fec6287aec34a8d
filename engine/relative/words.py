"""Pairs and sectors in words: what was found, with its numbers, and what it does not say."""

from __future__ import annotations

from engine.relative.pairs import LEAST_CLOSES, PairDetail, PairRow

WARNINGS: tuple[str, ...] = (
    "Capital: outside portfolio margin each leg is margined on its own, so a hedged position ties up about "
    "twice the buying power.",
    "Legging: two option spreads can hardly be entered at once; between the fills one leg stands alone.",
    "Correlation: it may break, on news of one leg for instance, and then both legs may lose.",
)
"""What comes with every pair trade (seed 000, section 4)."""

_FAIR = 1.0
"""IV30 / HV252 at which the options ask what the year has delivered."""


def verdict(row: PairRow, apart: float | None = None) -> str:
    """A pair in one sentence with its numbers.

    `apart` is the spread above which there is convergence (rules.relative.convergence_spread); with it the
    sentence names the limit.
    """
    match row.signal:
        case "CONVERGENCE":
            return f"{_richer(row, apart)}, and they move together ({_correlation(row)}): convergence."
        case "none":
            return f"{_richer(row, apart)}: no signal ({_correlation(row)})."
        case "CORRELATION BROKEN":
            spread = "" if row.spread is None else f"; that {_richer(row)} is no signal then"
            return f"The pair is broken: {_correlation(row)}{spread}."
        case _:
            return f"No verdict: {' and '.join(_unknown(row))}."


def actions(row: PairRow) -> tuple[str, ...]:
    """What the convergence trade consists of, leg by leg; why there is none; empty without either."""
    if row.signal == "CORRELATION BROKEN":
        return ("No action: legs that do not move together do not hedge each other.",)
    if row.signal != "CONVERGENCE":
        return ()
    rich, high, cheap, low = _by_ratio(row)
    facts = [
        f"Rich leg {rich}: where premium is sold (short strangle, iron condor).",
        f"Cheap leg {cheap}: where premium is bought (long straddle, calendar), or no trade.",
    ]
    if high <= _FAIR:
        facts.append(f"{rich} is rich only beside {cheap}: its own IV30 is {high:.2f} of its HV252.")
    if low > _FAIR:
        facts.append(f"{cheap} is cheap only beside {rich}: its own IV30 is {low:.2f} of its HV252.")
    return tuple(facts)


def past_words(row: PairRow, detail: PairDetail) -> str:
    """The spread against its own stored closes, with n."""
    closes = f"{detail.n} stored close{'' if detail.n == 1 else 's'}"
    if detail.n < LEAST_CLOSES:
        return f"History: {closes} of the spread; from {LEAST_CLOSES} on it is compared with its own past."
    usual = f"mean {detail.mean:+.2f}, deviation {detail.deviation:.2f} over {closes}"
    if row.spread is None:
        return f"History: {usual}; there is no spread in this run."
    if detail.z is None:
        return f"History: {usual}; it has not moved, so there is no z-score."
    return f"History: the spread of {row.spread:+.2f} has z {detail.z:+.1f} ({usual})."


def earnings_words(row: PairRow, detail: PairDetail) -> str | None:
    """An earnings mismatch of the legs, or that it cannot be told; None where there is none, or no spread."""
    expiry = detail.expiry_days
    if expiry is None or detail.mismatch is False or row.spread is None:
        return None
    known = ((row.leg_a, row.leg_b, detail.earnings_a), (row.leg_b, row.leg_a, detail.earnings_b))
    for leg, other, days in known:
        if days is None or days > expiry:
            continue
        when = f"Earnings: {leg} reports in {days:.0f} days, before the expiry in {expiry:.0f}"
        if detail.mismatch is None:
            return f"{when}; when {other} reports is not known."
        return f"{when}, and {other} does not: a part of the spread may be that event."
    return "Earnings: a leg's date is not known, so a mismatch cannot be told."


def missing_words(row: PairRow, detail: PairDetail) -> str | None:
    """Why a leg has no structural ratio; None when both have one."""
    if detail.missing_a is not None and detail.missing_a == detail.missing_b:
        return f"{row.leg_a} and {row.leg_b}: {detail.missing_a}"
    reasons = ((row.leg_a, detail.missing_a), (row.leg_b, detail.missing_b))
    return "; ".join(f"{leg}: {reason}" for leg, reason in reasons if reason is not None) or None


def wide_words(row: PairRow, detail: PairDetail) -> str | None:
    """Which legs' ratios are uncertain for their quotes; None when neither is, or there is no spread."""
    if not detail.wide or row.spread is None:
        return None
    return f"Wide quotes leave the IV30 of {' and '.join(detail.wide)} open by more than a tenth."


def level_word(part: float | None, notable: float) -> str:
    """A sector's own level: `part` is its mean less the market's median, notable from `notable` on."""
    if part is None:
        return "not compared with the market"
    return "in line with the market" if abs(part) < notable else f"{_side(part)} as a whole"


def delta_word(part: float | None, delta: float, notable: float, level: float) -> str:
    """Where a name's distance from the market comes from: `part` its sector's, `delta` its own.

    The own one counts from `notable` on, the sector's from `level` on; neither: in line. Else the larger one
    names it, the name's own where they are equal; the other is told beside it when notable as well. Without
    a market (`part` None) only the own is known.
    """
    own, sector = abs(delta) >= notable, part is not None and abs(part) >= level
    if not own and not sector:
        return "in line" if part is not None else "in line with its sector"
    if part is None or not sector:
        return f"idiosyncratic: the name itself is {_side(delta)}"
    if own and abs(delta) >= abs(part):
        return f"idiosyncratic: the name itself is {_side(delta)}, in a {_side(part)} sector"
    beside = "" if not own else ", itself more so" if part * delta > 0 else ", itself less so"
    return f"systematic: its sector is {_side(part)} as a whole{beside}"


def _side(value: float) -> str:
    return "rich" if value > 0 else "cheap"


def _by_ratio(row: PairRow) -> tuple[str, float, str, float]:
    """The richer leg and its ratio, then the cheaper one and its; in the pair's order when equal."""
    a, b = row.structural_a or 0.0, row.structural_b or 0.0
    return (row.leg_b, b, row.leg_a, a) if row.rich_leg == row.leg_b else (row.leg_a, a, row.leg_b, b)


def _richer(row: PairRow, apart: float | None = None) -> str:
    rich, high, cheap, low = _by_ratio(row)
    if row.rich_leg is None:
        return f"{rich} and {cheap} are equally rich at {high:.2f}"
    if apart is None:
        return f"{rich} at {high:.2f} is {high - low:.2f} richer than {cheap} at {low:.2f}"
    shown, limit = _told_apart(high - low, apart)
    compared = "more" if high - low > apart else "not more"
    return f"{rich} at {high:.2f} is {shown} richer than {cheap} at {low:.2f}, {compared} than {limit}"


def _correlation(row: PairRow) -> str:
    found = row.correlation or 0.0
    shown, limit = _told_apart(found, row.threshold)
    lately = "" if row.correlation_60 is None else f", and {row.correlation_60:.2f} over 60 days"
    compared = "below" if found < row.threshold else "at least"
    return f"correlation {shown} over the year, {compared} {limit}{lately}"


def _unknown(row: PairRow) -> list[str]:
    """What a pair without a verdict lacks."""
    ratios = ((row.leg_a, row.structural_a), (row.leg_b, row.structural_b))
    legs = [leg for leg, ratio in ratios if ratio is None]
    has = "has" if len(legs) == 1 else "have"
    parts = [f"{' and '.join(legs)} {has} no IV30/HV252"] if legs else []
    if row.correlation is None:
        parts.append("the correlation over the year is not known")
    return parts


def _told_apart(value: float, limit: float) -> tuple[str, str]:
    """Both as text, with more than two decimals where a value that misses its limit would look like it."""
    digits = next((n for n in (2, 3, 4) if f"{value:.{n}f}" != f"{limit:.{n}f}"), 2)
    whole = f"{limit:.2f}"
    return f"{value:.{digits}f}", whole if float(whole) == limit else f"{limit:g}"
