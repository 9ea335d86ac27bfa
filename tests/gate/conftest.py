from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from costmeter.instrumentation import boundary, gate_client, gate_lines
from costmeter.instrumentation.reserved import reserved
from costmeter.journal import process
from tests.gate.stack import Stack


@pytest.fixture
def stack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    """A sidecar that is not started yet; this process is an application beside it."""
    stack = Stack(tmp_path)
    stack.journal.mkdir(exist_ok=True)
    monkeypatch.setenv("COSTMETER_JOURNAL", str(stack.journal))
    monkeypatch.setattr(boundary, "_told", set())
    monkeypatch.setattr(gate_lines, "TIMEOUT_SECONDS", 10)  # a busy machine is no gate that is gone
    for name in ("COSTMETER_GATE", "COSTMETER_GATE_FALLBACK", "COSTMETER_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    process.reset()
    gate_client.reset()
    reserved.set(None)
    yield stack
    gate_client.reset()
    process.reset()
    stack.stop()
