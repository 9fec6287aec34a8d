"""The matrix: every source, every fault, what the person sees and what is stored."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from tests.faults.world import EARLY_CLOSE, NAMES, VICTIM, Case
from tests.loopback.faults import AnyFault, Edited, Fault, emptied, replaced, without
from tests.loopback.public import FRED, NASDAQ, TREASURY
from tests.loopback.server import Loopback
from tests.loopback.yahoo import unadjusted_split

YAHOO = "query2.finance.yahoo.com"
TASTYTRADE = "api.tastyworks.com"
STREAM = "tasty-openapi-ws.dxfeed.com"
CBOE = "cdn-api.cboe.com"
OTHERS = len(NAMES) - 1
FIVE, TEN = timedelta(minutes=5), timedelta(minutes=10)
IMPATIENT = {"timeout_seconds": 2.0, "attempts": 1}

OF_THE_LINE: tuple[tuple[Fault, str], ...] = (
    (Fault.SERVER_ERROR, "server error (5xx)"),
    (Fault.UNAVAILABLE, "server error (5xx)"),
    (Fault.TIMEOUT, "timed out"),
    (Fault.TRUNCATED, "unreadable reply"),
    (Fault.HALF_JSON, "unreadable reply"),
    (Fault.HTML, "unreadable reply"),
    (Fault.EMPTY_BODY, "unreadable reply"),
    (Fault.HALF_OPEN, "connection broken"),
)
"""What may befall the reply for one name."""


def on(host: str, fault: AnyFault, path: str = "") -> Callable[[Loopback], None]:
    """The fault at a host, for paths that hold `path`."""
    return lambda net: net.fault(host, fault, path)


def both(*harms: Callable[[Loopback], None]) -> Callable[[Loopback], None]:
    """Several faults at once."""

    def harm(net: Loopback) -> None:
        for each in harms:
            each(net)

    return harm


def cases() -> Iterator[Case]:
    """All of them, source by source."""
    yield from _yahoo_lines()
    yield from _yahoo_replies()
    yield from _yahoo_days()
    yield from _tastytrade()
    yield from _cboe()
    yield from _public()
    yield from _books()


def _yahoo_lines() -> Iterator[Case]:
    chain = f"/options/{VICTIM}"
    for fault, words in OF_THE_LINE:
        reason = f"{words} [yahoo]"
        limits = {"yahoo": IMPATIENT} if fault is Fault.TIMEOUT else {}
        yield Case(
            "yahoo",
            f"{fault} (one chain)",
            on(YAHOO, fault, chain),
            words,
            OTHERS,
            reason=reason,
            limits=limits,
        )
    for fault, words, pause in (
        (Fault.RATE_LIMITED, "rate limited (429)", FIVE),
        (Fault.RATE_LIMITED_600, "rate limited (429)", TEN),
    ):
        yield Case(
            *("yahoo", f"{fault} (everywhere)", on(YAHOO, fault), words, 0),
            state="aborted",
            pauses=pause,
            requests=(YAHOO, 4),
        )
    for fault, words in (
        (Fault.UNAUTHORIZED, "credentials refused (401)"),
        (Fault.FORBIDDEN, "access refused (403)"),
        (Fault.NO_DNS, "no network"),
        (Fault.SERVER_ERROR, "server error (5xx)"),
    ):
        yield Case(
            *("yahoo", f"{fault} (everywhere)", on(YAHOO, fault), words, 0),
            state="aborted",
            requests=(YAHOO, 24),
        )


def _yahoo_replies() -> Iterator[Case]:
    chain = f"/options/{VICTIM}"
    edits: tuple[tuple[str, AnyFault, str], ...] = (
        ("404 (unknown symbol)", Fault.NOT_FOUND, "unknown symbol"),
        ("empty chain", Edited(emptied("calls", "puts")), "empty option chain"),
        ("no expiries", Edited(emptied("expirationDates", "options")), "no options listed"),
        ("strikes missing", Edited(without("strike")), "fields missing in the reply"),
        ("reply of another shape", Edited(lambda _: {"other": 1}), "fields missing in the reply"),
    )
    for name, fault, words in edits:
        yield Case("yahoo", name, on(YAHOO, fault, chain), words, OTHERS, reason=f"{words} [yahoo]")
    words = "no two-sided quotes"
    for name, edit in (
        ("bids and asks missing", without("bid", "ask")),
        ("null for every bid and ask", replaced(None, "bid", "ask")),
        ("zero for every bid and ask", replaced(0, "bid", "ask")),
    ):
        yield Case("yahoo", name, on(YAHOO, Edited(edit), chain), words, OTHERS, reason=words)
    words = "fields missing in the reply"
    yield Case(
        *("yahoo", "404 for every expiry but the nearest", on(YAHOO, Fault.NOT_FOUND, f"{chain}?date=")),
        sees=words,
        measured=OTHERS,
        reason=f"{words} [yahoo]",
    )
    yield Case(*("yahoo", "a name nobody knows", lambda _: None, "unknown symbol"), extra=("ZZZZ",))


def _yahoo_days() -> Iterator[Case]:
    chart = f"/chart/{VICTIM}"
    split = Edited(_split_not_worked_in)
    words = "split not adjusted in the history"
    yield Case(
        *("yahoo", "a split in the history, not worked in", on(YAHOO, split, chart), words, OTHERS),
        reason=f"{words} [yahoo]",
    )
    yield Case(
        *("yahoo", "a row on a holiday", on(YAHOO, Edited(_with_holiday), chart)),
        sees="price on a day without a session",
    )
    yield Case(
        *("yahoo", "closes missing in the history", on(YAHOO, Edited(without("close")), chart)),
        sees="fields missing in the reply",
        measured=OTHERS,
        reason="fields missing in the reply [yahoo]",
    )
    yield Case(
        *("yahoo", "no history", on(YAHOO, Edited(_without_rows), chart), "no price history", OTHERS),
        reason="no price history [yahoo]",
    )
    yield Case(
        *("yahoo", "an early close (13:00)", lambda _: None, f"Close screen of {EARLY_CLOSE}"),
        session=EARLY_CLOSE,
    )
    yield Case(
        *("yahoo", "quotes of the day before", on(YAHOO, Edited(_a_day_older), f"/options/{VICTIM}")),
        sees="stale quotes",
        measured=OTHERS,
        reason="stale quotes",
        still=("iv30", "vrp_structural"),
    )


def _tastytrade() -> Iterator[Case]:
    chain = f"/option-chains/{VICTIM}"
    for fault, words in OF_THE_LINE:
        # The client tells a reply that stops short by the closed connection.
        words = "connection broken" if fault is Fault.TRUNCATED else words
        limits = {"tastytrade": IMPATIENT} if fault is Fault.TIMEOUT else {}
        yield Case(
            *("tastytrade", f"{fault} (one chain)", on(TASTYTRADE, fault, chain)),
            sees=f"1 x chain from yahoo, as {words} [tastytrade]",
            choice="tastytrade",
            limits=limits,
        )
    for fault, words, pause in (
        (Fault.UNAUTHORIZED, "credentials refused (401)", None),
        (Fault.FORBIDDEN, "access refused (403)", None),
        (Fault.RATE_LIMITED, "rate limited (429)", FIVE),
        (Fault.RATE_LIMITED_600, "rate limited (429)", TEN),
        (Fault.NO_DNS, "no network", None),
    ):
        yield Case(
            *("tastytrade", f"{fault} (everywhere)", on(TASTYTRADE, fault), f"tastytrade: {words}"),
            choice="tastytrade",
            pauses=pause,
            requests=(TASTYTRADE, 2 if pause or fault is Fault.UNAUTHORIZED else 24),
        )
    yield Case(
        *("tastytrade", "404 (one chain)", on(TASTYTRADE, Fault.NOT_FOUND, chain)),
        sees="1 x chain from yahoo, as ",
        choice="tastytrade",
    )
    yield Case(
        *("tastytrade", "empty chain", on(TASTYTRADE, Edited(emptied("expirations")), chain)),
        sees="1 x chain from yahoo, as ",
        choice="tastytrade",
    )
    words = "no two-sided quotes"
    yield Case(
        *("tastytrade", "null for every bid and ask", on(TASTYTRADE, Edited(replaced(None, "bid", "ask")))),
        sees=f"Not measured: {words} 6",
        measured=0,
        reason=words,
        choice="tastytrade",
    )
    metrics = "/market-metrics"
    yield Case(
        *("tastytrade", "NaN in the metrics", on(TASTYTRADE, Edited(_with_nan), metrics)),
        sees="6 of 6 measured",
        choice="tastytrade",
    )
    yield Case(
        *("tastytrade", "one bad item among the metrics", on(TASTYTRADE, Edited(_one_bad_item), metrics)),
        sees="1 x metrics: fields missing in the reply [tastytrade]",
        choice="tastytrade",
    )
    yield Case(
        *("tastytrade", "metrics refused (500)", on(TASTYTRADE, Fault.SERVER_ERROR, metrics)),
        sees="6 x metrics: server error (5xx) [tastytrade]",
        choice="tastytrade",
    )
    yield Case(
        *("tastytrade", "the stream is cut", on(STREAM, Fault.HALF_OPEN)),
        sees="No daily implied volatility for 6 names",
        choice="tastytrade",
        limits={"tastytrade": {"attempts": 1}},
    )


def _cboe() -> Iterator[Case]:
    chain = f"/options/{VICTIM}"
    words = "no two-sided quotes"
    yield Case(
        *("cboe", "null for every bid and ask", on(CBOE, Edited(replaced(None, "bid", "ask")), chain)),
        sees=words,
        measured=OTHERS,
        reason=words,
        choice="cboe",
    )
    for fault, words in OF_THE_LINE:
        limits = {"cboe": IMPATIENT} if fault is Fault.TIMEOUT else {}
        yield Case(
            *("cboe", f"{fault} (one chain)", on(CBOE, fault, chain)),
            sees=f"1 x chain from yahoo, as {words} [cboe]",
            choice="cboe",
            limits=limits,
        )
    for name, fault, words in (
        ("403 (unknown symbol)", Fault.FORBIDDEN, "unknown symbol"),
        ("404 (one chain)", Fault.NOT_FOUND, "not found (404)"),
        ("empty chain", Edited(emptied("options")), "empty option chain"),
        ("fields missing", Edited(without("option")), "fields missing in the reply"),
        ("no time of a trade", Edited(without("bid", "ask")), "fields missing in the reply"),
    ):
        yield Case(
            *("cboe", name, on(CBOE, fault, chain), f"1 x chain from yahoo, as {words} [cboe]"),
            choice="cboe",
        )
    for fault, words, pause in (
        (Fault.UNAUTHORIZED, "credentials refused (401)", None),
        (Fault.RATE_LIMITED, "rate limited (429)", FIVE),
        (Fault.RATE_LIMITED_600, "rate limited (429)", TEN),
        (Fault.NO_DNS, "no network", None),
    ):
        yield Case(
            *("cboe", f"{fault} (everywhere)", on(CBOE, fault), f"cboe: {words}"),
            choice="cboe",
            pauses=pause,
            requests=(CBOE, 3 if pause else 24),
        )


def _public() -> Iterator[Case]:
    for fault in (Fault.SERVER_ERROR, Fault.HTML, Fault.NO_DNS, Fault.NOT_FOUND, Fault.EMPTY_BODY):
        yield Case(
            *("treasury", str(fault), on(TREASURY, fault)),
            sees="The rate is FRED's copy of the Treasury yields",
        )
    yield Case(
        *(
            "fred",
            "Treasury and FRED both gone",
            both(on(TREASURY, Fault.HTML), on(FRED, Fault.SERVER_ERROR)),
        ),
        sees="The rate is the configured constant",
    )
    for fault, words in (
        (Fault.FORBIDDEN, "access refused (403)"),
        (Fault.HTML, "unreadable reply"),
        (Fault.HALF_JSON, "unreadable reply"),
        (Fault.NO_DNS, "no network"),
    ):
        yield Case(
            *("nasdaq", str(fault), on(NASDAQ, fault)),
            sees=f"Earnings calendar incomplete: nasdaq: {words}",
            requests=(NASDAQ, 6),
        )


def _books() -> Iterator[Case]:
    """A person's book asked for while a source fails."""
    words = "server error (5xx) [yahoo]"
    yield Case(
        *("yahoo", "a book, 500 for one chain", on(YAHOO, Fault.SERVER_ERROR, f"/options/{VICTIM}")),
        sees=f"No whole answer for {VICTIM} ({words}).",
        measured=OTHERS,
        reason=words,
        state="degraded",
        of_a_book=True,
    )
    yield Case(
        *("yahoo", "a book, 429 everywhere", on(YAHOO, Fault.RATE_LIMITED)),
        sees="No price of SPY is to be had (rate limited (429) [yahoo]).",
        measured=0,
        state="aborted",
        pauses=FIVE,
        requests=(YAHOO, 4),
        of_a_book=True,
    )
    yield Case(
        *("tastytrade", "a book, 401 everywhere", on(TASTYTRADE, Fault.UNAUTHORIZED)),
        sees="tastytrade: credentials refused (401)",
        choice="tastytrade",
        requests=(TASTYTRADE, 2),
        of_a_book=True,
    )


def _results(reply: Any) -> dict[str, Any]:
    found: dict[str, Any] = reply["chart"]["result"][0]
    return found


def _with_holiday(reply: Any) -> Any:
    """Good Friday 2026 as a day of trading."""
    result = _results(reply)
    quote = result["indicators"]["quote"][0]
    holiday = 1775223000  # 2026-04-03 09:30 New York
    place = next(number for number, at in enumerate(result["timestamp"]) if at > holiday)
    result["timestamp"].insert(place, holiday)
    for series in (*quote.values(), *(each["adjclose"] for each in result["indicators"].get("adjclose", ()))):
        series.insert(place, series[place - 1])
    return reply


def _split_not_worked_in(reply: Any) -> Any:
    """Four shares for one, forty sessions ago, listed but not in the prices."""
    result = _results(reply)
    at = result["timestamp"][-40]
    split = {"date": at, "numerator": 4.0, "denominator": 1.0, "splitRatio": "4:1"}
    result.setdefault("events", {})["splits"] = {str(at): split}
    return unadjusted_split(4.0, 40)(reply)


def _without_rows(reply: Any) -> Any:
    result = _results(reply)
    result.pop("timestamp", None)
    result["indicators"] = {"quote": [{}], "adjclose": [{}]}
    return reply


def _a_day_older(reply: Any) -> Any:
    """Trade times of the session before, in an otherwise good reply."""
    day = 86_400
    result = reply["optionChain"]["result"][0]
    result["quote"]["regularMarketTime"] -= day
    for page in result["options"]:
        for contract in (*page["calls"], *page["puts"]):
            contract["lastTradeDate"] -= day
    return reply


def _with_nan(reply: Any) -> Any:
    """Numbers that are none, as text and as JSON's own NaN."""
    for item in reply["data"]["items"]:
        for field in ("historical-volatility-30-day", "beta", "implied-volatility-percentile"):
            item[field] = "NaN"
        item["corr-spy-3month"] = float("nan")
    return reply


def _one_bad_item(reply: Any) -> Any:
    items = reply["data"]["items"]
    reply["data"]["items"] = [{"symbol": VICTIM} if item["symbol"] == VICTIM else item for item in items]
    return reply
