"""The nightly backup: made and thinned out in a thread, counted when it fails, and never a reason to fall."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bot.operation.jobs import BackupPlan, nightly_backup
from bot.operation.metrics import Metrics
from engine.record.store import Store
from tests.bot.operation.test_metrics import read

NOW = datetime(2026, 3, 2, 7, 10, tzinfo=UTC)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics(lambda: NOW)


@pytest.fixture
def plan(tmp_path: Path) -> Iterator[BackupPlan]:
    with Store.open(tmp_path / "variance.db") as store:
        yield BackupPlan(store.path, tmp_path / "backups", daily=2, weekly=1)


async def test_every_night_brings_one_and_takes_the_old_ones_away(plan: BackupPlan, metrics: Metrics) -> None:
    for night in range(5):
        moment = NOW + timedelta(days=night)
        assert await nightly_backup(plan, lambda moment=moment: moment, metrics)  # type: ignore[misc]
    assert sorted(path.name for path in plan.folder.glob("*.db")) == [
        "variance-20260305T071000Z.db",
        "variance-20260306T071000Z.db",
    ]
    found = read(metrics)
    assert found["variance_backups_total{result=made}"] == 5
    assert (
        found["variance_backup_size_bytes"] == (plan.folder / "variance-20260306T071000Z.db").stat().st_size
    )


async def test_a_failure_is_logged_and_counted_and_not_raised(plan: BackupPlan, metrics: Metrics) -> None:
    plan.folder.write_text("in the way")
    with capture_logs() as logs:
        assert await nightly_backup(plan, lambda: NOW, metrics) is None
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("no backup", "error")]
    assert "cannot be written" in logs[0]["reason"]
    assert read(metrics)["variance_backups_total{result=failed}"] == 1
