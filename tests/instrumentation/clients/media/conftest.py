"""OpenAI's SDK, metered, and a stand-in for its images and audio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import openai
import pytest

import costmeter
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.openai_media import create_app


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield f"{url}/v1"


@pytest.fixture
def metered(server: str, recorded: Recorded) -> Iterator[None]:
    costmeter.instrument("openai", providers={server: "openai"})
    yield
    costmeter.uninstrument()


@pytest.fixture
def client(server: str, metered: None) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key="key", base_url=server, max_retries=0, timeout=0.5) as client:
        yield client


@pytest.fixture
async def async_client(server: str, metered: None) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(
        api_key="key", base_url=server, max_retries=0, timeout=0.5
    ) as client:
        yield client
