"""Ten years of official closes in one file: how large it is, and how long a question to it takes.

`python -m bench.record --names 5000 --sessions 2520` builds the whole case in a temporary folder (some 15 GB,
deleted afterwards). `make bench` asks a small record of ten years beside one of a year.
"""

from __future__ import annotations

import argparse
import math
import os
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from bench.figure import Figure, seconds
from bench.market import SESSION
from engine.market.columns import panel_of
from engine.market.sessions import session_from, sessions_before
from engine.market.simulated import BENCHMARK, SimulatedMarket
from engine.panel import IvHistory, Panel, Prices
from engine.proof.result import BYS
from engine.record.names import name_history
from engine.record.outcomes import Settled, settle
from engine.record.scorecards import WINDOWS, refresh, stored_scorecard
from engine.record.store import Store
from engine.rules import Rules, load_rules, load_universe
from engine.screen.glossary import METRICS
from engine.screen.measure import measure
from engine.screen.screen import screen_of

CONFIG = Path(__file__).resolve().parents[1] / "config"
YEAR, DECADE = 252, 2520
NAMES = 200
ASKED = 40
"""Questions, one after another."""
LIMIT = 200.0
"""Milliseconds at the 95th percentile."""
_MOVING = frozenset({"volatility", "ratio", "percent", "percentile", "points"})


@dataclass(frozen=True, slots=True)
class Built:
    """A record with a past, all but the last horizon of it settled."""

    store: Store
    rules: Rules
    symbols: tuple[str, ...]
    panel: Panel
    """The newest market, with prices of the whole past."""
    made: float
    """Seconds for the rows alone."""
    settling: float
    counting: float
    settled: Settled

    @property
    def size(self) -> int:
        """Bytes of the file and its log."""
        return self.store.counts().size


def run() -> list[Figure]:
    with tempfile.TemporaryDirectory(prefix="variance-bench-") as folder:
        year = build(Path(folder) / "year.db", NAMES, YEAR)
        decade = build(Path(folder) / "decade.db", NAMES, DECADE)
        figures = []
        for name, few, many in zip(questions(year), measured(year), measured(decade), strict=True):
            if "scorecard" in name:
                tail = sorted(many)[math.ceil(0.95 * len(many)) - 1]
                text = f"{name}, ten years, p95 ms"
                figures.append(Figure(text, f"{tail:.0f}", f"< {LIMIT:.0f}", tail < LIMIT))
                continue
            ratio = statistics.median(many) / statistics.median(few)
            text = f"{name}, ten years stored, times one year"
            figures.append(Figure(text, f"{ratio:.1f}", "<= 4", ratio <= 4))
        size = decade.size / (NAMES * DECADE)
        figures.append(Figure("bytes of the record an observation, its outcome with it", f"{size:.0f}"))
        for each in (year, decade):
            each.store.close()
    return figures


# --- building --------------------------------------------------------------------------------------


def build(path: Path, names: int, sessions: int) -> Built:
    """A file with `sessions` official closes of `names` names, copies of real rows with other numbers."""
    rules = load_rules(CONFIG)
    days = [day.item() for day in sessions_before(SESSION, sessions)]
    store = Store.open(path)
    market = _template(store, rules, days[-1])
    store.close()
    start = time.perf_counter()
    symbols = _multiply(path, names, days)
    made = time.perf_counter() - start
    store = Store.open(path)
    panel = _later(market, symbols, days)
    found: list[Settled] = []
    settling = seconds(lambda: found.append(settle(store, panel, "simulated", rules)))
    counting = seconds(lambda: refresh(store, "simulated", rules))
    return Built(store, rules, tuple(symbols), panel, made, settling, counting, found[0])


def _template(store: Store, rules: Rules, session: date) -> Panel:
    """One real close of the simulated market, measured, judged and stored as the bot does it."""
    panel = panel_of(SimulatedMarket(load_universe(CONFIG), session).snapshot(), BENCHMARK)
    past = np.random.default_rng(3).uniform(0.15, 0.6, (len(panel.names), YEAR))
    screen = screen_of(panel, measure(panel, rules, IvHistory(past)), rules)
    store.save(screen, rules.model_dump_json(exclude={"profiles"}, by_alias=True), official=True)
    return panel


def _multiply(path: Path, names: int, days: Sequence[date]) -> list[str]:
    """The stored close copied over names and sessions inside SQLite; every number moves a little."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for pragma in ("journal_mode = DELETE", "journal_mode = OFF", "synchronous = OFF"):
            db.execute(f"PRAGMA {pragma}")
        # The one index whose order is not that of the rows is made at the end, which is much quicker.
        by_name = db.execute("SELECT sql FROM sqlite_master WHERE name = 'observations_names'").fetchone()[0]
        db.execute("DROP INDEX observations_names")
        measured = [symbol for (symbol,) in db.execute("SELECT symbol FROM observations ORDER BY symbol")]
        symbols = sorted({BENCHMARK, *map(_ticker, range(names - 1))})
        places = {symbol: measured[place % len(measured)] for place, symbol in enumerate(symbols)}
        places[BENCHMARK] = BENCHMARK
        db.execute("CREATE TEMP TABLE copies (symbol TEXT PRIMARY KEY, like TEXT) WITHOUT ROWID")
        db.executemany("INSERT INTO copies VALUES (?, ?)", places.items())
        for table in ("observations", "verdicts"):
            db.execute(
                f"CREATE TEMP TABLE all_{table} AS SELECT c.symbol AS ticker, t.* FROM copies AS c"
                f" JOIN {table} AS t ON t.symbol = c.like ORDER BY c.symbol"
            )
        statements = [_copy(db, "observations"), _copy(db, "verdicts")]
        db.execute("BEGIN")
        for number, day in enumerate(days[:-1]):
            run_id = 10 + number
            db.execute(_run_like(db), {"id": run_id, "day": day.isoformat(), "names": names})
            for statement in statements:
                db.execute(statement, {"id": run_id})
            if number % 20 == 19:
                db.execute("COMMIT")
                db.execute("BEGIN")
        db.execute("DELETE FROM runs WHERE id < 10")
        db.execute("COMMIT")
        db.execute(by_name)
    return symbols


def _ticker(number: int) -> str:
    """Four letters."""
    return "".join(chr(65 + number // 26**power % 26) for power in (3, 2, 1, 0))


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    return [name for (name,) in db.execute("SELECT name FROM pragma_table_info(?)", (table,))]


def _copy(db: sqlite3.Connection, table: str) -> str:
    """Rows of one more run. A number moves by up to a fifth, another way every day and name."""
    moving = {metric.column for metric in METRICS if metric.kind in _MOVING}
    factor = "(0.8 + 0.4 * ((rowid * 7919 + :id * 104729) % 10007) / 10007.0)"
    values = []
    for column in _columns(db, table):
        special = {"run_id": ":id", "symbol": "ticker"}.get(column)
        values.append(special or (f'"{column}" * {factor}' if column in moving else f'"{column}"'))
    return f"INSERT INTO {table} SELECT {', '.join(values)} FROM temp.all_{table}"


def _run_like(db: sqlite3.Connection) -> str:
    special = {
        **{"id": ":id", "session": ":day", "key": ":day || substr(key, 11)", "universe": ":names"},
        **{"measured": "measured * :names / universe", "passed": "passed * :names / universe"},
        "asof": ":day || substr(asof, 11)",
    }
    values = [special.get(column, f'"{column}"') for column in _columns(db, "runs")]
    return f"INSERT INTO runs SELECT {', '.join(values)} FROM runs WHERE id < 10"


def _later(market: Panel, symbols: Sequence[str], days: Sequence[date]) -> Panel:
    """The newest close of the same market, with the prices of the whole past."""
    random = np.random.default_rng(5)
    width = random.uniform(0.01, 0.03, (len(symbols), 1))
    close = 100 * np.exp(np.cumsum(random.standard_normal((len(symbols), len(days))) * width, axis=1))
    names = market.names.iloc[np.arange(len(symbols)) % len(market.names)].reset_index(drop=True)
    prices = Prices(close, close, close, close, np.zeros(len(symbols)))
    return replace(market, names=names.assign(symbol=list(symbols)), prices=prices)


# --- asking ----------------------------------------------------------------------------------------


def questions(built: Built) -> dict[str, Callable[[str], object]]:
    """What is asked, by name; each takes a ticker, which some of them have no use for."""
    store, rules = built.store, built.rules
    return {
        "/history, a year": lambda symbol: name_history(
            store, symbol, "simulated", "year", rules, brief=True
        ),
        "percentile of a name": lambda symbol: store.iv_history([symbol], date.max, realm="simulated"),
        "scorecard of any window": lambda symbol: [
            stored_scorecard(store, "simulated", rules, BYS[len(symbol) % 3], sessions)
            for sessions in [WINDOWS[list(WINDOWS)[sum(map(ord, symbol)) % 3]]]
        ],
        "scorecard by symbol, all": lambda _: stored_scorecard(store, "simulated", rules, "symbol"),
    }


def measured(built: Built, asked: int = ASKED) -> list[list[float]]:
    """Milliseconds of every question."""
    return [_times(question, built.symbols, asked) for question in questions(built).values()]


def _times(question: Callable[[str], object], symbols: Sequence[str], asked: int) -> list[float]:
    chosen = np.random.default_rng(11).choice(len(symbols), asked)
    question(symbols[0])
    return [1e3 * seconds(lambda row=row: question(symbols[row])) for row in chosen.tolist()]  # type: ignore[misc]


# --- the whole case --------------------------------------------------------------------------------


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.record", description=__doc__)
    parser.add_argument("--names", type=int, default=5_000)
    parser.add_argument("--sessions", type=int, default=DECADE)
    parser.add_argument("--folder", type=Path, help="where the file is made; a temporary folder otherwise")
    chosen = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="variance-bench-", dir=chosen.folder) as folder:
        built = build(Path(folder) / "record.db", chosen.names, chosen.sessions)
        failed = 0
        for figure in whole(built):
            sys.stdout.write(f"{figure}\n")
            sys.stdout.flush()
            failed += figure.holds is False
        built.store.close()
    return 1 if failed else 0


def whole(built: Built) -> list[Figure]:
    """Every figure of one large record."""
    rows = built.store.counts().observations
    figures = [
        Figure(f"{rows:,} observations with verdicts and outcomes, GB", f"{built.size / 1e9:.1f}"),
        Figure("rows made, seconds", f"{built.made:.0f}"),
        Figure(f"{built.settled.outcomes:,} outcomes settled at once, seconds", f"{built.settling:.0f}"),
        Figure("every scorecard counted anew, seconds", f"{built.counting:.1f}"),
    ]
    store, rules, symbols = built.store, built.rules, built.symbols
    further: dict[str, Callable[[str], object]] = {
        "/history, all": lambda symbol: name_history(store, symbol, "simulated", "all", rules, brief=True),
        "variance history, all": lambda symbol: name_history(store, symbol, "simulated", "all", rules),
        "Store.history, a year": lambda symbol: store.history(symbol, "simulated"),
        "Store.history, all": lambda symbol: store.history(symbol, "simulated", days=DECADE),
        "percentile of every name": lambda _: store.iv_history(symbols, date.max, realm="simulated"),
    }
    for name, question in {**questions(built), **further}.items():
        held = name not in further or name.startswith("/history")
        for warm in (True, False):
            times = sorted(_asked(built, question, warm))
            tail = times[math.ceil(0.95 * len(times)) - 1]
            text = f"{name}, {'' if warm else 'nothing cached, '}p50 {statistics.median(times):.0f}, p95 ms"
            limits = (f"< {LIMIT:.0f}", tail < LIMIT) if held else ("", None)
            figures.append(Figure(text, f"{tail:.0f}", *limits))
    return figures + _one_more(built)


def _one_more(built: Built) -> list[Figure]:
    """What the next close costs on top of such a record."""
    store, rules, panel = built.store, built.rules, built.panel
    found = store.latest(kind="close", realm="simulated")
    assert found is not None
    session = session_from(panel.session + timedelta(days=1))
    screen = replace(found[1], run=replace(found[1].run, session=session))
    body = store.rules(screen.run.rules_hash) or "{}"
    close = np.concatenate([panel.prices.close, panel.prices.close[:, -1:] * 1.01], axis=1)
    later = replace(panel, session=session, prices=replace(panel.prices, close=close))
    return [
        Figure("one more close stored, seconds", f"{seconds(lambda: store.save(screen, body, True)):.2f}"),
        Figure("and settled", f"{seconds(lambda: settle(store, later, 'simulated', rules)):.2f}"),
        Figure("and counted", f"{seconds(lambda: refresh(store, 'simulated', rules)):.1f}"),
    ]


def _asked(built: Built, question: Callable[[str], object], warm: bool) -> list[float]:
    if warm:
        return _times(question, built.symbols, ASKED)
    times = []
    for row in np.random.default_rng(13).choice(len(built.symbols), ASKED // 4).tolist():
        _forget(built.store.path)
        times.append(1e3 * seconds(lambda row=row: question(built.symbols[row])))  # type: ignore[misc]
    return times


def _forget(path: Path) -> None:
    """Ask the system to drop the file from its memory."""
    with path.open("rb") as file:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


if __name__ == "__main__":
    sys.exit(main())
