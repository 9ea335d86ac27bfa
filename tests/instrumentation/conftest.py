from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from costmeter.instrumentation import boundary
from costmeter.journal import process
from costmeter.journal.reader import JournalReader
from costmeter.usage import UsageEvent


class Recorded:
    """What this process has recorded into a journal of its own."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._reader = JournalReader(directory, {})
        self._errors = 0

    def payloads(self) -> list[bytes]:
        """Return the events since the last call, encoded."""
        chunk = self._reader.read(10_000)
        self._errors += chunk.errors
        return chunk.payloads

    def __call__(self) -> list[UsageEvent]:
        """Return the events since the last call."""
        return [msgspec.json.decode(payload, type=UsageEvent) for payload in self.payloads()]

    def errors(self) -> int:
        """Return how many errors the application was spared."""
        self.payloads()
        return self._errors


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Record into a new journal, and return what was recorded when called."""
    directory = tmp_path / "journal"
    directory.mkdir()
    monkeypatch.setenv("COSTMETER_JOURNAL", str(directory))
    monkeypatch.setattr(boundary, "_told", set())
    process.reset()
    yield Recorded(directory)
    process.reset()
