"""One line of a benchmark: what was measured and what was wanted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figure:
    """`holds` is None where nothing is asked of the figure."""

    name: str
    value: str
    wanted: str = ""
    holds: bool | None = None

    def __str__(self) -> str:
        mark = {True: "ok", False: "FAILED", None: ""}[self.holds]
        return f"{self.name:66} {self.value:>12}  {self.wanted:16} {mark}"


def seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start
