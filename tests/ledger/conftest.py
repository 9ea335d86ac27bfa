"""A new ledger in a temporary directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from costmeter.ledger.store import Ledger


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


@pytest.fixture
def ledger(path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(path)
    yield opened
    opened.close()


@pytest.fixture
def few_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let transactions wait but shortly for another process's."""
    monkeypatch.setattr("costmeter.ledger.file.BUSY_SECONDS", 0.02)
