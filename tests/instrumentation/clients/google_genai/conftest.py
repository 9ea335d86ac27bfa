"""Metered clients of the real SDK, and a stand-in for Google over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials

import costmeter
from costmeter.instrumentation.clients import begun
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.google_genai import create_app


@pytest.fixture(scope="session")
def google() -> Iterator[str]:
    """The base URL of the stand-in."""
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def client(google: str, recorded: Recorded) -> Iterator[genai.Client]:
    """A metered client of the Gemini API that does not wait for long."""
    costmeter.instrument("google.genai")
    options = types.HttpOptions(base_url=google, timeout=500)
    with genai.Client(api_key="key", http_options=options) as client:
        yield client
    costmeter.uninstrument()
    begun.forget()


@pytest.fixture
def vertex(google: str, recorded: Recorded) -> Iterator[genai.Client]:
    """A metered client of Vertex AI."""
    costmeter.instrument("google.genai")
    with genai.Client(
        vertexai=True,
        project="acme",
        location="europe-west1",
        credentials=Credentials(token="token"),  # type: ignore[no-untyped-call]
        http_options=types.HttpOptions(base_url=google),
    ) as client:
        yield client
    costmeter.uninstrument()
    begun.forget()


@pytest.fixture
def talker(client: genai.Client, google: str) -> Any:
    """The same client, which may open a live session without encryption."""
    api: Any = client._api_client
    api._websocket_base_url = lambda _: google.replace("http", "ws")
    api._websocket_ssl_ctx = {}
    return client.aio
