"""The real SDK, a stand-in for its provider over real sockets, and a journal to read back."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest

import costmeter
from costmeter.instrumentation import tokens
from costmeter.instrumentation.clients import answering
from costmeter.journal import process
from costmeter.journal.reader import JournalReader
from costmeter.usage import UsageEvent
from examples.standin.app import Standin, create_app
from tests.examples.serving import serving

Recorded = Callable[[], list[UsageEvent]]


@pytest.fixture(scope="session")
def standin() -> Iterator[str]:
    """The base URL of a stand-in that answers at once."""
    with serving(create_app(Standin())) as url:
        yield f"{url}/v1"


@pytest.fixture
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Returns the events recorded since it was last called, read back from a real journal."""
    directory = tmp_path / "journal"
    directory.mkdir()
    monkeypatch.setenv("COSTMETER_JOURNAL", str(directory))
    monkeypatch.delenv("COSTMETER_DISABLED", raising=False)
    process.reset()
    answering.forget()
    positions: dict[str, int] = {}
    gc.collect()
    gc.freeze()  # so that each read has only this test's to look at

    def read() -> list[UsageEvent]:
        gc.collect()  # what was dropped without being closed has ended, too
        chunk = JournalReader(directory, positions).read(10_000)
        positions.update(chunk.positions)
        return [msgspec.json.decode(payload, type=UsageEvent) for payload in chunk.payloads]

    yield read
    process.reset()


@pytest.fixture
def metered(standin: str, recorded: Recorded, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The SDK is metered, and the stand-in counts as OpenAI; no tokens are counted here."""
    monkeypatch.setattr(tokens, "available", lambda: False)  # as without costmeter[tokens]
    costmeter.instrument(providers={standin: "openai"})
    yield
    costmeter.uninstrument()


@pytest.fixture
def client(standin: str, metered: None) -> Iterator[openai.OpenAI]:
    """A metered client that neither tries again nor waits for long."""
    with openai.OpenAI(api_key="key", base_url=standin, max_retries=0, timeout=0.5) as client:
        yield client


@pytest.fixture
async def async_client(standin: str, metered: None) -> Any:
    """The same for asyncio."""
    async with openai.AsyncOpenAI(
        api_key="key", base_url=standin, max_retries=0, timeout=0.5
    ) as client:
        yield client
