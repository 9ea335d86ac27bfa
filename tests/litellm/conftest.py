"""The real litellm, in an environment of its own, and stand-ins for what it calls."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# It looks for prices and tokenizers on the internet otherwise, for a minute.
os.environ |= {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "HF_HUB_OFFLINE": "1"}

import litellm
from litellm.llms.custom_httpx.async_client_cleanup import close_litellm_async_clients

import costmeter
from tests.gate.conftest import stack
from tests.instrumentation.clients.conftest import Recorded, recorded, standin
from tests.standins.bedrock import Bedrock, serving_bedrock

__all__ = ["Provider", "recorded", "stack", "standin"]

RESPONSES = Path(__file__).parents[1] / "responses"
KINDS = {".sse": "text/event-stream", ".ndjson": "application/x-ndjson"}


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("filterwarnings", "default")  # litellm's own are not ours to mend


class Provider:
    """A provider that answers with kept bodies, whatever the path, and counts under a name."""

    def __init__(self, server: Bedrock) -> None:
        self.server = server

    def answers(self, name: str, **fields: Any) -> None:
        """Answer the next call with a kept response: a body, or a stream of events."""
        body = (RESPONSES / name).read_bytes()
        kind = KINDS.get(Path(name).suffix, "application/json")
        self.server.answer(body, headers={"content-type": kind}, **fields)

    def sent(self) -> dict[str, Any]:
        """What a call of this provider needs beside its messages."""
        return {"api_base": self.server.url, "api_key": "k", "num_retries": 0}


@pytest.fixture
def provider(recorded: Recorded) -> Iterator[Callable[[str], Provider]]:
    """Instruments litellm and OpenAI's SDK, and returns the provider of a name."""
    with serving_bedrock() as server:

        def named(name: str) -> Provider:
            known = {server.url: name} if name else {}
            costmeter.instrument("litellm", "openai", "botocore", providers=known)
            return Provider(server)

        yield named
    costmeter.uninstrument()


@pytest.fixture(autouse=True)
async def aws(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Credentials to sign with, and connections of each test's own."""
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_REGION_NAME": "eu-central-1",
    }.items():
        monkeypatch.setenv(name, value)
    yield
    await close_litellm_async_clients()
    litellm.in_memory_llm_clients_cache.flush_cache()
    gc.collect()  # while what litellm leaves open is no error
