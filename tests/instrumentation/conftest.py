from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

import costmeter
from costmeter.instrumentation import boundary
from costmeter.journal import process
from costmeter.journal.reader import JournalReader
from costmeter.usage import UsageEvent
from examples.standin.app import Standin, create_app
from tests.examples.serving import serving
from tests.recorded import usage_in


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
        """Return the usage since the last call."""
        return usage_in(self.payloads())

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


@pytest.fixture(scope="session")
def standin() -> Iterator[str]:
    """The base URL of a provider's stand-in that answers at once."""
    with serving(create_app(Standin())) as url:
        yield f"{url}/v1"


class Client:
    """The real SDK, calling a provider."""

    def __init__(self, base_url: str) -> None:
        self._options: dict[str, Any] = {"api_key": "k", "base_url": base_url, "max_retries": 0}

    def call(self) -> str:
        """Make one call."""
        with openai.OpenAI(**self._options) as client:
            done = client.chat.completions.create(model="gpt-4o-mini", messages=[])
        return str(done.choices[0].message.content)

    async def acall(self) -> str:
        """Make one call."""
        async with openai.AsyncOpenAI(**self._options) as client:
            done = await client.chat.completions.create(model="gpt-4o-mini", messages=[])
        return str(done.choices[0].message.content)


@pytest.fixture
def provider(standin: str, recorded: Recorded) -> Iterator[Client]:
    """A client of the stand-in, whose calls are metered."""
    costmeter.instrument("openai", providers={standin: "openai"})
    yield Client(standin)
    costmeter.uninstrument()
