"""Fixtures every test may use."""

from pathlib import Path

import pytest
import structlog

ROOT = Path(__file__).resolve().parents[1]

# In tests that set up no logs, structlog would colour every traceback: a third of a second each.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The recorded real markets beside the checkout; they may not be published with it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recorded market data beside the checkout ({folder.parent.name}/{folder.name})")
    return folder
