"""Which tables tell of people and servers, in plain words; /privacy and docs/privacy.md speak from here."""

from __future__ import annotations

from dataclasses import dataclass

NEVER = (
    "The text of messages: I have no permission to read it and never ask for it.",
    "Names, pictures, roles, lists of members, e-mail or IP addresses: of a person I know the Discord id.",
    "Who looked up what: the record keeps the market's numbers, not who asked for them.",
)
"""What is not stored at all."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One table: what it holds, for how long, who sees it."""

    table: str
    title: str
    what: str
    until: str
    seen_by: str


_MANAGERS = "those who manage the server"

KEPT: tuple[Kept, ...] = (
    Kept(
        "watched",
        "Watchlist",
        "your Discord id, the tickers, their order and when you added each",
        "until you remove a name, clear the list or delete your data",
        "you alone",
    ),
    Kept(
        "alert_rules",
        "Alert rules",
        "your Discord id, what each rule watches, its level, pause and the channel you chose, if any",
        "until you remove the rule or delete your data",
        "you alone, and the channel you chose",
    ),
    Kept(
        "alert_states",
        "Memory of alerts",
        "what each of your rules saw last, so that it speaks once and not at every run",
        "as long as its rule",
        "nobody",
    ),
    Kept(
        "alert_messages",
        "Alerts that fired",
        "which of your rules fired on which name, the old and the new value",
        "90 days after it was delivered",
        "you alone, and the channel you chose",
    ),
    Kept(
        "alert_deliveries",
        "Delivery of alerts",
        "when an alert was to reach you, whether it did, and the id of its message",
        "90 days after it ended",
        "nobody",
    ),
    Kept(
        "alert_settings",
        "Settings of alerts",
        "your time zone, quiet hours and digest as you set them, and whether your messages are closed to me",
        "until you delete your data",
        "you alone",
    ),
    Kept(
        "positions",
        "Portfolio",
        "your Discord id, each leg you entered or imported with its price, and when",
        "until you remove it, clear the book or delete your data",
        "you alone",
    ),
    Kept(
        "portfolio_settings",
        "Settings of the portfolio",
        "what you said your account is worth, and how many legs you ever numbered",
        "until you delete your data",
        "you alone",
    ),
    Kept(
        "guilds",
        "Settings of a server",
        "ids of the server, channel and role, what is posted there, and the id of who set it up",
        "until they are reset or I leave the server; your id until you delete your data",
        _MANAGERS,
    ),
    Kept(
        "guild_changes",
        "Changes of a server's settings",
        "which setting was changed from what to what, when, and the id of who did it",
        "for the last 200 changes, until I leave the server; your id until you delete your data",
        _MANAGERS,
    ),
    Kept(
        "guild_pairs",
        "Pairs of a server",
        "the id of the server, the two names and their threshold, when it was added and the id of who did it",
        "until the pair is removed or I leave the server; your id until you delete your data",
        f"everybody in that server; who added it {_MANAGERS} alone",
    ),
    Kept(
        "guild_notes",
        "Monthly notes",
        "the id of the server, the month, and whether the note reached one of those who manage it; no person",
        "for 400 days, or until the settings are reset or I leave the server",
        _MANAGERS,
    ),
    Kept(
        "posts",
        "Posts in channels",
        "ids of server, channel and message of each scheduled post, so that none comes twice; no person",
        "for 400 days",
        "nobody",
    ),
)
"""In the order they are told."""


def kept(table: str) -> Kept | None:
    """What is said about a table, None for one that holds no person and no server."""
    return next((entry for entry in KEPT if entry.table == table), None)
