"""The schema, one step a function; a step that was released is never edited, a change is a new step.

The metric columns stand here word for word instead of being read from the glossary: a glossary that
changes later must not change what an old step makes. A test compares both, so that a new metric asks
for a new step.
"""

from __future__ import annotations

from sqlite_utils import Database, Migrations

from engine.errors import StoreError

MIGRATIONS = Migrations("record")

_RULES = """
CREATE TABLE rules (
    hash TEXT PRIMARY KEY,
    body TEXT NOT NULL CHECK (json_valid(body))
) STRICT, WITHOUT ROWID
"""

_RUNS = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    realm TEXT NOT NULL CHECK (realm IN ('live', 'recorded', 'simulated')),
    official INTEGER NOT NULL CHECK (official IN (0, 1)),
    session TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('open', 'close')),
    asof TEXT NOT NULL,
    source TEXT NOT NULL,
    lens TEXT NOT NULL,
    profile TEXT NOT NULL,
    engine_version TEXT NOT NULL,
    rules_hash TEXT NOT NULL REFERENCES rules (hash),
    state TEXT NOT NULL CHECK (state IN ('complete', 'degraded', 'outage', 'aborted')),
    reason TEXT,
    universe INTEGER NOT NULL,
    measured INTEGER NOT NULL,
    passed INTEGER NOT NULL,
    missing TEXT NOT NULL CHECK (json_valid(missing)),
    near_misses TEXT NOT NULL CHECK (json_valid(near_misses)),
    notes TEXT NOT NULL CHECK (json_valid(notes)),
    UNIQUE (key, revision)
) STRICT
"""

_OBSERVATIONS = """
CREATE TABLE observations (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    symbol TEXT NOT NULL,
    position INTEGER NOT NULL,
    rank INTEGER,
    passed INTEGER NOT NULL CHECK (passed IN (0, 1)),
    signal TEXT,
    score REAL,
    score_share REAL,
    penalties TEXT NOT NULL CHECK (json_valid(penalties)),
    flags TEXT NOT NULL CHECK (json_valid(flags)),
    name TEXT, sector TEXT, asset_class TEXT, spot REAL, quote_session TEXT,
    iv30 REAL, iv_method TEXT, iv_near_days REAL, iv_far_days REAL, iv_error REAL,
    iv_straddle REAL, iv_model_free REAL, iv_model_free_complete INTEGER,
    iv60 REAL, term_slope REAL, skew_25 REAL,
    hv20 REAL, hv30 REAL, hv60 REAL, hv90 REAL, hv252 REAL, hv30_yz REAL,
    hv_forecast REAL, hv_forecast_method TEXT, hv30_provider REAL, hv90_provider REAL,
    hv_rank REAL, hv_rank_n REAL,
    vrp_structural REAL, vrp_tactical REAL, structural_252 REAL, tactical_20 REAL,
    lens TEXT, markup REAL, divergence REAL, spread_vol REAL, spread_variance REAL,
    momentum REAL, zone TEXT, regime TEXT,
    iv_percentile REAL, iv_percentile_n REAL, iv_rank REAL,
    yield REAL, slippage REAL, trade_expiry TEXT, trade_days REAL, trade_strike REAL,
    atm_volume REAL, atm_open_interest REAL, liquidity_rating REAL,
    earnings_date TEXT, earnings_days REAL, correlation REAL, missing_reason TEXT,
    PRIMARY KEY (run_id, symbol)
) STRICT, WITHOUT ROWID
"""

_VERDICTS = """
CREATE TABLE verdicts (
    run_id INTEGER NOT NULL,
    symbol TEXT NOT NULL,
    gates TEXT NOT NULL,
    tags TEXT NOT NULL,
    PRIMARY KEY (run_id, symbol),
    FOREIGN KEY (run_id, symbol) REFERENCES observations (run_id, symbol) ON DELETE CASCADE
) STRICT, WITHOUT ROWID
"""

_SETTINGS = "CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID"

# A year of IV30 for the whole universe is read from this index alone: without it every page of the
# sixty-column observations would have to be read.
_IV_INDEX = "CREATE INDEX observations_iv30 ON observations (run_id, symbol, iv30)"
_SERIES_INDEX = "CREATE INDEX runs_series ON runs (realm, official, kind, session)"


@MIGRATIONS()
def m001_record(db: Database) -> None:
    """Rules, runs, observations, verdicts and settings."""
    for statement in (_RULES, _RUNS, _OBSERVATIONS, _VERDICTS, _SETTINGS, _IV_INDEX, _SERIES_INDEX):
        db.execute(statement)


_PROVENANCE = (
    "hv60_provider REAL",
    "iv30_provider REAL",
    "beta REAL",
    "corr_spy REAL",
    "provenance TEXT",
)


@MIGRATIONS()
def m002_provenance(db: Database) -> None:
    """What live sources bring beside the computed values, and where each value came from."""
    for column in _PROVENANCE:
        db.execute(f"ALTER TABLE observations ADD COLUMN {column}")


_PAIRS = """
CREATE TABLE pair_observations (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    pair TEXT NOT NULL,
    leg_a TEXT NOT NULL,
    leg_b TEXT NOT NULL,
    structural_a REAL,
    structural_b REAL,
    spread REAL,
    correlation REAL CHECK (correlation BETWEEN -1 AND 1),
    correlation_60 REAL CHECK (correlation_60 BETWEEN -1 AND 1),
    threshold REAL NOT NULL,
    signal TEXT NOT NULL CHECK (signal IN ('CONVERGENCE', 'none', 'CORRELATION BROKEN', 'no data')),
    rich_leg TEXT CHECK (rich_leg IN (leg_a, leg_b)),
    PRIMARY KEY (run_id, pair)
) STRICT, WITHOUT ROWID
"""


@MIGRATIONS()
def m003_pairs(db: Database) -> None:
    """The pairs of a run, beside its names."""
    db.execute(_PAIRS)


# Imported volatilities are no observations of ours: a value that changes is a new revision beside the old.
_IMPORTED_IV = """
CREATE TABLE imported_iv (
    realm TEXT NOT NULL CHECK (realm IN ('live', 'recorded', 'simulated')),
    symbol TEXT NOT NULL,
    session TEXT NOT NULL,
    revision INTEGER NOT NULL CHECK (revision >= 1),
    iv30 REAL NOT NULL CHECK (iv30 > 0),
    source TEXT NOT NULL,
    imported_at TEXT NOT NULL,
    PRIMARY KEY (realm, symbol, session, revision)
) STRICT, WITHOUT ROWID
"""

# What became of an official close: the movement of the sessions after it, or why there will be none.
_OUTCOMES = """
CREATE TABLE outcomes (
    run_id INTEGER NOT NULL REFERENCES runs (id) ON DELETE CASCADE,
    symbol TEXT NOT NULL,
    sessions INTEGER NOT NULL CHECK (sessions >= 2),
    realized REAL CHECK (realized >= 0),
    reason TEXT,
    settled_on TEXT NOT NULL,
    PRIMARY KEY (run_id, symbol),
    CHECK ((realized IS NULL) <> (reason IS NULL))
) STRICT, WITHOUT ROWID
"""

# Derived from the rows above and made again whenever they lack: one official close in columns with what is
# known of its outcomes, and the scorecards that were last asked for or expected, compressed.
_OUTCOME_DAYS = """
CREATE TABLE outcome_days (
    run_id INTEGER PRIMARY KEY REFERENCES runs (id) ON DELETE CASCADE,
    layout TEXT NOT NULL,
    sessions INTEGER NOT NULL,
    as_judged INTEGER NOT NULL CHECK (as_judged IN (0, 1)),
    waiting INTEGER NOT NULL CHECK (waiting >= 0),
    settled INTEGER NOT NULL CHECK (settled >= 0),
    lost TEXT NOT NULL CHECK (json_valid(lost)),
    body BLOB NOT NULL
) STRICT
"""
_SCORECARDS = """
CREATE TABLE scorecards (
    key TEXT PRIMARY KEY,
    version TEXT NOT NULL,
    body BLOB NOT NULL
) STRICT
"""


_COUNTS_INDEX = "CREATE INDEX outcome_days_counts ON outcome_days (run_id, layout, settled, waiting)"
# Ten years of closes are found without a look at the runs, one name without a look at the others: pages of
# sixty columns, spread over a file that may be larger than the memory of the machine.
_RUNS_BY_SESSION = (
    "CREATE INDEX runs_series ON runs (realm, official, kind, session, state, profile, lens, key, revision,"
    " source, rules_hash, engine_version, measured)"
)
_NAMES_INDEX = (
    "CREATE INDEX observations_names ON observations (symbol, run_id, iv30, iv_method, hv30, hv90,"
    " vrp_structural, vrp_tactical, structural_252, tactical_20, earnings_date, passed)"
)


@MIGRATIONS()
def m004_proof(db: Database) -> None:
    """Imported volatilities, outcomes of official closes, and what is derived from them."""
    tables = (_IMPORTED_IV, _OUTCOMES, _OUTCOME_DAYS, _SCORECARDS)
    indexes = (_COUNTS_INDEX, "DROP INDEX runs_series", _RUNS_BY_SESSION, _NAMES_INDEX)
    for statement in (*tables, *indexes):
        db.execute(statement)


def upgrade(db: Database, steps: Migrations = MIGRATIONS) -> None:
    """Bring the file to this version's schema of one set of steps, whole or not at all.

    Harmless when it already is there. Two processes may open a new file together: the write lock is taken
    before looking what is to do. Raises StoreError when a newer version has changed the file.
    """
    newer = sorted({step.name for step in steps.applied(db)} - known_steps(steps))
    if newer:
        raise StoreError(
            f"The record was written by a newer version of Variance (it has step {newer[-1]}); "
            "update Variance or choose another file."
        )
    if not steps.pending(db):
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        steps.apply(db)
        db.commit()
    except BaseException:
        db.rollback()
        raise


def known_steps(steps: Migrations = MIGRATIONS) -> frozenset[str]:
    """Every step of a set that this version knows."""
    with Database(memory=True) as empty:
        return frozenset(step.name for step in steps.pending(empty))
