"""Fixtures every test may use."""

import gc
from collections.abc import Generator
from pathlib import Path

import pytest
import structlog

ROOT = Path(__file__).resolve().parents[1]

# In tests that set up no logs, structlog would colour every traceback: a third of a second each.
structlog.dev.ConsoleRenderer.get_active().exception_formatter = structlog.dev.plain_traceback


LONG = (
    *("tests/kill/", "tests/faults/", "tests/bot/test_demo.py"),
    *("tests/engine/market/live/", "tests/engine/test_cli_live.py"),
)
"""Files that take long or wait long; workers begin with them, so that none ends with one alone."""


def pytest_configure(config: pytest.Config) -> None:
    # pytest-xdist would begin with the files of most tests; here the longest have few.
    config.option.loadscopereorder = False


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    # What is imported and collected stays; looking for garbage among it costs a worker seconds.
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def place(item: pytest.Item) -> int:
        return next((at for at, path in enumerate(LONG) if item.nodeid.startswith(path)), len(LONG))

    items.sort(key=place)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The recorded real markets beside the checkout; they may not be published with it."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no recorded market data beside the checkout ({folder.parent.name}/{folder.name})")
    return folder
