"""The record: every run with its observations and verdicts, in one SQLite file."""

from engine.record.rows import Realm, RunInfo
from engine.record.series import Point
from engine.record.store import Counts, Store

__all__ = ["Counts", "Point", "Realm", "RunInfo", "Store"]
