"""Tables of the alerts: rules, what each has seen, what it had to say, and how that is to reach its owner."""

from __future__ import annotations

from sqlite_utils import Database, Migrations

MIGRATIONS = Migrations("alerts")

# A number is never given twice, so that the buttons of an old message cannot reach another rule.
_RULES = """
CREATE TABLE alert_rules (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    number INTEGER NOT NULL CHECK (number >= 1),
    subject TEXT NOT NULL CHECK (subject IN ('name', 'watchlist', 'pair')),
    target TEXT NOT NULL,
    condition TEXT NOT NULL CHECK (
        condition IN ('above', 'below', 'enters', 'leaves', 'regime', 'signal', 'earnings', 'breaks')
    ),
    metric TEXT NOT NULL,
    level REAL,
    cooldown INTEGER NOT NULL CHECK (cooldown BETWEEN 3600 AND 1209600),
    guild_id INTEGER,
    channel_id INTEGER,
    added_at TEXT NOT NULL,
    snoozed_until TEXT,
    off INTEGER NOT NULL DEFAULT 0 CHECK (off IN (0, 1)),
    UNIQUE (user_id, number),
    CHECK ((guild_id IS NULL) = (channel_id IS NULL)),
    CHECK ((subject = 'watchlist') = (target = '')),
    CHECK ((condition IN ('above', 'below', 'earnings')) = (level IS NOT NULL)),
    CHECK ((condition IN ('above', 'below')) = (metric <> ''))
) STRICT
"""
_RULES_OF_GUILD = (
    "CREATE INDEX alert_rules_guild ON alert_rules (guild_id, channel_id) WHERE guild_id IS NOT NULL"
)

# One row a rule: `seen` is {state: "NAME NAME"}, `cooling` {name: epoch seconds}, `held` {name: facts}.
_STATES = """
CREATE TABLE alert_states (
    rule_id INTEGER PRIMARY KEY REFERENCES alert_rules (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL,
    seen TEXT NOT NULL CHECK (json_valid(seen)),
    cooling TEXT NOT NULL CHECK (json_valid(cooling)),
    held TEXT NOT NULL CHECK (json_valid(held))
) STRICT
"""

# What is sent as one Discord message. The nonce is fixed before the first attempt.
_DELIVERIES = """
CREATE TABLE alert_deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id INTEGER NOT NULL,
    guild_id INTEGER,
    channel_id INTEGER,
    digest INTEGER NOT NULL CHECK (digest IN (0, 1)),
    nonce TEXT NOT NULL DEFAULT (lower(hex(randomblob(12)))),
    state TEXT NOT NULL DEFAULT 'pending'
        CHECK (state IN ('pending', 'sending', 'sent', 'kept', 'shown', 'failed')),
    created_at TEXT NOT NULL,
    not_before TEXT NOT NULL,
    next_try TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    first_try TEXT,
    reason TEXT,
    message_id INTEGER,
    ended_at TEXT,
    CHECK ((guild_id IS NULL) = (channel_id IS NULL)),
    CHECK ((state = 'sent') = (message_id IS NOT NULL))
) STRICT
"""
_DUE = "CREATE INDEX alert_deliveries_open ON alert_deliveries (state, next_try)"
_DELIVERIES_OF = "CREATE INDEX alert_deliveries_user ON alert_deliveries (user_id, state)"

_MESSAGES = """
CREATE TABLE alert_messages (
    id INTEGER PRIMARY KEY,
    rule_id INTEGER NOT NULL REFERENCES alert_rules (id) ON DELETE CASCADE,
    delivery_id INTEGER NOT NULL REFERENCES alert_deliveries (id) ON DELETE CASCADE,
    user_id INTEGER NOT NULL,
    run_id INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    facts TEXT NOT NULL CHECK (json_valid(facts)),
    created_at TEXT NOT NULL,
    UNIQUE (rule_id, run_id, symbol)
) STRICT
"""
_OF_DELIVERY = "CREATE INDEX alert_messages_delivery ON alert_messages (delivery_id)"

_SETTINGS = """
CREATE TABLE alert_settings (
    user_id INTEGER PRIMARY KEY,
    zone TEXT,
    quiet_from TEXT,
    quiet_to TEXT,
    digest_at TEXT,
    dm_closed_at TEXT,
    last_number INTEGER NOT NULL DEFAULT 0,
    CHECK ((quiet_from IS NULL) = (quiet_to IS NULL)),
    CHECK (zone IS NOT NULL OR (quiet_from IS NULL AND digest_at IS NULL))
) STRICT
"""

_RUNS = """
CREATE TABLE alert_runs (
    id INTEGER PRIMARY KEY,
    run_id INTEGER NOT NULL UNIQUE,
    state TEXT NOT NULL CHECK (state IN ('evaluated', 'no ranking', 'overtaken')),
    evaluated_at TEXT NOT NULL,
    fired INTEGER NOT NULL
) STRICT
"""


@MIGRATIONS()
def m001_alerts(db: Database) -> None:
    """Rules, states, deliveries, messages, settings and the runs that were evaluated."""
    for statement in (
        *(_RULES, _RULES_OF_GUILD, _STATES, _DELIVERIES, _DUE, _DELIVERIES_OF),
        *(_MESSAGES, _OF_DELIVERY, _SETTINGS, _RUNS),
    ):
        db.execute(statement)
