"""The run ledger: what was planned, how far it came, and which channel has what. It decides what is done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, Literal, TypeVar

from sqlite_utils import Database

from bot.clock.entries import (
    OPEN_STATES,
    POST_FIELDS,
    RUN_FIELDS,
    LedgerRun,
    Post,
    PostState,
    Queue,
    RunState,
    Target,
    What,
    instant_of,
    nonce_of,
    post_of,
    run_of,
    text_of,
)
from bot.clock.lease import Lease
from bot.clock.notes import GuildNotes
from bot.clock.schema import MIGRATIONS
from engine.market.schedule import PlannedRun
from engine.record.store import Store

T = TypeVar("T")


class Ledger:
    """Every step is one transaction, and none is taken by a process that lost the lease."""

    def __init__(self, store: Store, lease: Lease) -> None:
        store.prepare(MIGRATIONS)
        self._store = store
        self._lease = lease
        self.notes = GuildNotes(store, lease.require)
        """The monthly notes to those who keep a server, beside the posts."""

    def plan(self, runs: Sequence[PlannedRun], quiet: bool = False) -> None:
        """Enter runs that are not in the ledger yet."""

        def work(db: Database) -> None:
            for run in runs:
                db.execute(
                    "INSERT INTO planned_runs (key, kind, session, planned_at, until, state, quiet)"
                    " VALUES (?, ?, ?, ?, ?, 'planned', ?) ON CONFLICT (key) DO NOTHING",
                    (
                        *(run.key, run.kind, run.session.isoformat()),
                        *(text_of(run.at), text_of(run.until), int(quiet)),
                    ),
                )

        self._step(work)

    def last_planned(self) -> datetime | None:
        """The instant of the newest regular entry, None in a new ledger."""
        with self._store.reading() as db:
            sql = "SELECT max(planned_at) FROM planned_runs WHERE key NOT LIKE '%/extra-%'"
            return instant_of(db.execute(sql).fetchone()[0])

    def run(self, key: str) -> LedgerRun | None:
        """One entry."""
        found = self._runs("key = ?", (key,))
        return found[0] if found else None

    def unfinished(self) -> list[LedgerRun]:
        """Entries that are not at their end, oldest first."""
        marks = ", ".join("?" * len(OPEN_STATES))
        return self._runs(f"state IN ({marks})", OPEN_STATES)

    def renewable(self, now: datetime) -> list[LedgerRun]:
        """Done runs whose market is to be asked for once more by now."""
        return self._runs("state = 'done' AND again_at IS NOT NULL AND again_at <= ?", (text_of(now),))

    def between(self, first: datetime, last: datetime) -> list[LedgerRun]:
        """Entries planned from `first` to `last`."""
        return self._runs("planned_at BETWEEN ? AND ?", (text_of(first), text_of(last)))

    def last_done(self) -> LedgerRun | None:
        """The newest entry that came to a result."""
        found = self._runs("state = 'done' AND run_id IS NOT NULL", ())
        return found[-1] if found else None

    def newest_close(self, upto: date, simulated: bool) -> int | None:
        """The official close of the newest session up to `upto` that measured anything; None without one."""
        sql = (
            "SELECT id FROM runs WHERE official = 1 AND kind = 'close' AND state IN ('complete', 'degraded')"
            " AND (realm = 'simulated') = ? AND session <= ? ORDER BY session DESC, id DESC LIMIT 1"
        )
        with self._store.reading() as db:
            found = db.execute(sql, (int(simulated), upto.isoformat())).fetchone()
        return None if found is None else int(found[0])

    def market_under_way(self, upto: datetime) -> bool:
        """Whether an open or close run planned up to an instant has yet to bring its market."""
        sql = "kind <> 'weekly' AND state IN ('planned', 'computing') AND planned_at <= ?"
        return bool(self._runs(sql, (text_of(upto),)))

    def compute(self, key: str, now: datetime) -> LedgerRun | None:
        """Begin an attempt; None when the entry is no longer to be computed."""

        def work(db: Database) -> int:
            floor = db.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()[0]
            return db.execute(
                "UPDATE planned_runs SET state = 'computing', attempts = attempts + 1, next_try = NULL,"
                " started_at = coalesce(started_at, ?), run_floor = coalesce(run_floor, ?)"
                " WHERE key = ? AND state IN ('planned', 'computing')",
                (text_of(now), floor, key),
            ).rowcount

        return self.run(key) if self._step(work) else None

    def computed(self, key: str, run_id: int) -> None:
        """The snapshot is kept: from here on nothing is measured again for this entry."""
        self._set(key, "computing", state="computed", run_id=run_id, reason=None)

    def try_later(self, key: str, when: datetime, reason: str) -> None:
        """An attempt failed; the next one not before `when`."""
        self._set(key, "computing", next_try=text_of(when), reason=reason)

    def alerted(self, key: str) -> None:
        """The alerts of the run are evaluated."""
        self._step(lambda db: db.execute("UPDATE planned_runs SET alerted = 1 WHERE key = ?", (key,)))

    def posting(
        self, key: str, targets: Sequence[Target], told: Sequence[Target] = (), reason: str = ""
    ) -> None:
        """Name the channels that get the run, and those that are told why they do not, all at once."""

        def work(db: Database) -> None:
            moved = db.execute(
                "UPDATE planned_runs SET state = 'posting' WHERE key = ? AND state = 'computed'", (key,)
            ).rowcount
            if moved:
                _enter(db, key, "screen", targets)
                _enter(db, key, "notice", told, reason)

        self._step(work)

    def done(self, key: str, now: datetime, again_at: datetime | None = None) -> None:
        """The entry is at its end: every channel has its answer."""
        again = again_at and text_of(again_at)
        self._set(key, "posting", state="done", finished_at=text_of(now), again_at=again)

    def ask_again(self, key: str, when: datetime | None) -> None:
        """When the market of a done run is to be asked for once more."""
        self._set(key, "done", again_at=when and text_of(when))

    def renewed(self, key: str, run_id: int, targets: Sequence[Target]) -> None:
        """A done run has a better market now, and so have its posts."""

        def work(db: Database) -> None:
            db.execute("UPDATE planned_runs SET run_id = ? WHERE key = ? AND state = 'done'", (run_id, key))
            for target in targets:
                db.execute(
                    "UPDATE posts SET run_id = ? WHERE key = ? AND channel_id = ?",
                    (target.run_id, key, target.channel_id),
                )

        self._step(work)

    def give_up(
        self,
        key: str,
        state: Literal["failed", "skipped"],
        reason: str,
        now: datetime,
        told: Sequence[Target],
    ) -> None:
        """End an entry that has not come to its posts; the channels in `told` hear of it."""

        def work(db: Database) -> None:
            moved = db.execute(
                "UPDATE planned_runs SET state = ?, reason = ?, finished_at = ?, next_try = NULL"
                " WHERE key = ? AND state IN ('planned', 'computing', 'computed')",
                (state, reason, text_of(now), key),
            ).rowcount
            if moved:
                _enter(db, key, "notice", told)

        self._step(work)

    def too_late(self, key: str, reason: str) -> None:
        """Posts of a run that have not left in time become notices.

        One that is on its way keeps its state and its nonce: if the screen did arrive, it stays the only
        message.
        """
        self._step(
            lambda db: db.execute(
                "UPDATE posts SET what = 'notice', next_try = NULL, reason = ?"
                " WHERE key = ? AND what = 'screen' AND state IN ('pending', 'sending')",
                (reason, key),
            )
        )

    def unplan(self, now: datetime) -> int:
        """Forget entries of the future that came to nothing: the clock was ahead and was set back.

        A weekly one stands on what was stored long before; only a post makes something of it.
        """

        def work(db: Database) -> int:
            ahead = (
                "SELECT key FROM planned_runs WHERE planned_at > ? AND (run_id IS NULL OR kind = 'weekly')"
                " AND key NOT IN (SELECT key FROM posts WHERE state IN ('sending', 'sent'))"
            )
            db.execute(f"DELETE FROM posts WHERE key IN ({ahead})", (text_of(now),))  # noqa: S608
            return db.execute(f"DELETE FROM planned_runs WHERE key IN ({ahead})", (text_of(now),)).rowcount  # noqa: S608

        return self._step(work)

    def gather_notices(self) -> None:
        """Of several notices a channel has not had yet, the newest tells of all, and of all those told of."""
        waiting = (
            "SELECT p.channel_id, p.key FROM posts p JOIN planned_runs r USING (key)"
            " WHERE p.what = 'notice' AND p.state = 'pending' ORDER BY r.planned_at DESC"
        )

        def work(db: Database) -> None:
            newest: dict[int, str] = {}
            for channel, key in db.execute(waiting).fetchall():
                if newest.setdefault(channel, key) == key:
                    continue
                db.execute(
                    "UPDATE posts SET state = 'skipped', told_by = ?"
                    " WHERE channel_id = ? AND (key = ? OR told_by = ?)",
                    (newest[channel], channel, key, key),
                )

        self._step(work)

    def told_with(self, post: Post) -> list[LedgerRun]:
        """The runs a notice tells of, oldest first."""
        sql = "key = ? OR key IN (SELECT key FROM posts WHERE channel_id = ? AND told_by = ?)"
        return self._runs(sql, (post.key, post.channel_id, post.key))

    def posts(self, key: str | None = None, *states: PostState) -> list[Post]:
        """Posts of a run (of all runs when None) in some states."""
        marks = ", ".join("?" * len(states))
        sql = f"SELECT {POST_FIELDS} FROM posts WHERE (? IS NULL OR key = ?)"  # noqa: S608
        sql += f" AND state IN ({marks})" if states else ""
        # In the order of the runs, not of their names.
        sql += (
            " ORDER BY (SELECT planned_at FROM planned_runs r WHERE r.key = posts.key), guild_id, channel_id"
        )
        with self._store.reading() as db:
            found = db.execute(sql, (key, key, *states)).fetchall()
        return [post_of(row) for row in found]

    def sending(self, post: Post, now: datetime, next_try: datetime) -> Post | None:
        """Claim a post before it leaves; None when there is nothing to send any more."""

        def work(db: Database) -> Any:
            db.execute(
                # Nothing of ours leaves for this channel between here and the send: what comes lies above.
                "UPDATE posts SET state = 'sending', attempts = attempts + 1, next_try = ?, floor = coalesce("
                "  floor, (SELECT max(p.message_id) FROM posts p WHERE p.channel_id = posts.channel_id))"
                " WHERE key = ? AND channel_id = ? AND state IN ('pending', 'sending')",
                (text_of(next_try), post.key, post.channel_id),
            )
            sql = f"SELECT {POST_FIELDS} FROM posts WHERE key = ? AND channel_id = ? AND state = 'sending'"  # noqa: S608
            return db.execute(sql, (post.key, post.channel_id)).fetchone()

        found = self._step(work)
        return None if found is None else post_of(found)

    def sent(self, post: Post, message_id: int, now: datetime) -> None:
        """The message is in the channel."""
        self._settle(post, "sent", message_id=message_id, sent_at=text_of(now), reason=None)

    def failed(self, post: Post, state: Literal["failed", "skipped"], reason: str) -> None:
        """The channel will not get it: refused, or no longer wanted."""
        self._settle(post, state, reason=reason)

    def resend(self, key: str, now: datetime) -> int:
        """Posts of a run that failed are tried again; how many."""
        return self._step(
            lambda db: (
                db.execute(
                    "UPDATE posts SET state = 'sending', next_try = NULL, reason = NULL"
                    " WHERE key = ? AND state = 'failed'",
                    (key,),
                ).rowcount
            )
        )

    def queue(self) -> Queue:
        """How much is on its way."""
        with self._store.reading() as db:
            counted = dict(
                db.execute(
                    "SELECT state, count(*) FROM posts WHERE state IN ('pending', 'sending') GROUP BY state"
                ).fetchall()
            )
        return Queue(counted.get("pending", 0), counted.get("sending", 0))

    def missed(self, since: datetime) -> list[LedgerRun]:
        """Entries since an instant that ended without a screen."""
        return self._runs("state IN ('failed', 'skipped') AND planned_at >= ?", (text_of(since),))

    def prune(self, before: datetime) -> None:
        """Forget what ended long ago; the record itself keeps every run."""

        def work(db: Database) -> None:
            old = "key IN (SELECT key FROM planned_runs WHERE planned_at < ? AND finished_at IS NOT NULL)"
            db.execute(f"DELETE FROM posts WHERE {old}", (text_of(before),))  # noqa: S608
            db.execute(
                "DELETE FROM planned_runs WHERE planned_at < ? AND finished_at IS NOT NULL"
                " AND key NOT IN (SELECT key FROM posts)",
                (text_of(before),),
            )

        self._step(work)
        self.notes.prune(before)

    def _runs(self, where: str, values: Sequence[Any]) -> list[LedgerRun]:
        sql = f"SELECT {RUN_FIELDS} FROM planned_runs WHERE {where} ORDER BY planned_at, key"  # noqa: S608
        with self._store.reading() as db:
            return [run_of(row) for row in db.execute(sql, values).fetchall()]

    def _set(self, key: str, expected: RunState, **values: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        sql = f"UPDATE planned_runs SET {names} WHERE key = ? AND state = ?"  # noqa: S608
        self._step(lambda db: db.execute(sql, (*values.values(), key, expected)))

    def _settle(self, post: Post, state: PostState, **values: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in ("state", *values))
        sql = f"UPDATE posts SET {names} WHERE key = ? AND channel_id = ?"  # noqa: S608
        self._step(lambda db: db.execute(sql, (state, *values.values(), post.key, post.channel_id)))

    def _step(self, work: Callable[[Database], T]) -> T:
        def fenced(db: Database) -> T:
            self._lease.require(db)
            return work(db)

        return self._store.write(fenced)


def _enter(db: Database, key: str, what: What, targets: Sequence[Target], reason: str | None = None) -> None:
    for target in targets:
        db.execute(
            "INSERT INTO posts (key, channel_id, guild_id, what, state, nonce, run_id, reason)"
            " VALUES (?, ?, ?, ?, 'pending', ?, ?, ?) ON CONFLICT (key, channel_id) DO NOTHING",
            (
                *(key, target.channel_id, target.guild_id, what),
                *(nonce_of(key, target.channel_id), target.run_id, reason),
            ),
        )
