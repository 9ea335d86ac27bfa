from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from costmeter.journal import tail
from costmeter.journal.reader import JournalReader
from costmeter.journal.writer import JournalWriter

EXPORTER = Path(__file__).parents[2] / "exporter"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """The journal's directory, empty."""
    journal = tmp_path / "journal"
    journal.mkdir()
    return journal


@pytest.fixture
def writer(directory: Path) -> Iterator[JournalWriter]:
    """A writer of the directory, closed at the end."""
    writer = JournalWriter(directory)
    yield writer
    writer.close()


@pytest.fixture(autouse=True)
def _ask_at_every_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Readers ask for a writer's life at every read, not once in a second."""
    monkeypatch.setattr(tail, "PROBE_SECONDS", 0.0)


class Reading:
    """Everything that a reader finds, until it finds nothing more."""

    def __init__(self, reader: JournalReader, *, at_a_time: int = 10_000) -> None:
        self.payloads: list[bytes] = []
        self.positions: dict[str, int] = {}
        self.forgotten: list[str] = []
        self.dropped = self.torn = self.errors = 0
        idle = 0
        while idle < 2:  # the first may have learnt that a writer is gone, the second what it left
            chunk = reader.read(at_a_time)
            assert len(chunk.payloads) <= at_a_time
            idle = 0 if chunk.payloads else idle + 1
            self.payloads += chunk.payloads
            self.positions.update(chunk.positions)
            self.dropped += chunk.dropped
            self.torn += chunk.torn
            self.errors += chunk.errors
            for name in reader.release():
                self.positions.pop(name, None)
                self.forgotten.append(name)


@pytest.fixture
def read_all(directory: Path) -> Iterator[Callable[..., Reading]]:
    """Read everything with a new reader, from the positions given."""
    readers = []

    def read(positions: dict[str, int] | None = None, **how: int) -> Reading:
        reader = JournalReader(directory, positions or {})
        readers.append(reader)
        return Reading(reader, **how)

    yield read
    for reader in readers:
        reader.close()


@pytest.fixture
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a piece of Python in a process of its own."""

    def run(
        code: str, *arguments: object, prefix: tuple[str, ...] = ()
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, sys.executable, "-c", code, *map(str, arguments)],
            env={"PYTHONPATH": str(EXPORTER), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )

    return run
