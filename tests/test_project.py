"""What the project promises about itself: pins, documents, places."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in listed.stdout.splitlines()]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_every_requirement_is_pinned_with_hashes_and_no_index_is_named(name: str) -> None:
    text = (ROOT / name).read_text()
    assert not re.search(r"https?://|file:|--index|--find-links", text)
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) > 30
    assert all(
        re.match(r"[A-Za-z0-9._-]+(\[[^\]]*\])?==", block) and "--hash=sha256:" in block for block in blocks
    )


def test_production_requirements_are_part_of_the_development_ones() -> None:
    def pins(name: str) -> set[str]:
        return set(re.findall(r"^[A-Za-z0-9._-]+==\S+", (ROOT / name).read_text(), re.MULTILINE))

    assert pins("requirements.txt") <= pins("requirements-dev.txt")


def test_no_lock_file_data_or_path_of_a_machine_is_tracked() -> None:
    files = tracked()
    names = {path.name for path in files}
    assert not names & {"uv.lock", "poetry.lock", "pdm.lock", "Pipfile.lock", ".env"}
    assert not [path for path in files if path.suffix in (".parquet", ".db", ".sqlite", ".gz")]
    homes = re.compile(r"/(?:home|root|Users|work)/\w")
    texts = [path for path in files if path.suffix in (".py", ".md", ".toml", ".json", ".txt", "")]
    assert [path.name for path in texts if path.is_file() and homes.search(path.read_text())] == []


def test_the_procfile_starts_a_worker() -> None:
    assert (ROOT / "Procfile").read_text() == "worker: python -m bot\n"


def test_the_readme_names_every_command_of_the_terminal() -> None:
    readme = (ROOT / "README.md").read_text()
    words = (
        *("screen", "vrp", "why", "snapshot", "doctor", "universe refresh"),
        *("sessions", "backup", "restore"),
    )
    assert all(f"variance {name}" in readme for name in words)


def test_every_linked_file_is_there() -> None:
    for document in (ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", document.read_text()):
            assert (ROOT / target).exists(), target
