"""Cohere's SDK against the stand-in over real sockets, read back from the journal."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import cohere
import httpx
import pytest
from cohere.core import http_client
from cohere.core.api_error import ApiError

import costmeter
from costmeter.instrumentation.clients import Settings
from costmeter.instrumentation.clients.cohere import client as metering
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.answering import RESPONSES
from tests.standins.cohere import create_app

ASKED: dict[str, Any] = {
    "model": "command-a-03-2025",
    "messages": [{"role": "user", "content": "What does it cost?"}],
}
EMBED: dict[str, Any] = {
    "model": "embed-v4.0",
    "texts": ["one", "two"],
    "input_type": "search_document",
}
USED = {"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 50}
BASIC: dict[str, Any] = {"api_key": "key", "timeout": 0.5, "max_retries": 0}


def fault(name: str, **options: Any) -> dict[str, Any]:
    """Return the arguments that ask the stand-in for a fault."""
    return {"request_options": {"additional_headers": {"x-standin-fault": name}, **options}}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def metered(server: str, recorded: Recorded) -> Iterator[None]:
    """The SDK is metered, and the stand-in counts as Cohere."""
    costmeter.instrument("cohere.client", providers={server: "cohere"})
    yield
    costmeter.uninstrument()


@pytest.fixture
def client(server: str, metered: None) -> Iterator[cohere.ClientV2]:
    """A client that waits half a second, and tries again only where a test says so."""
    with cohere.ClientV2(base_url=server, **BASIC) as client:
        yield client


@pytest.fixture
def client_v1(server: str, metered: None) -> Iterator[cohere.Client]:
    """The same for the first version of the API."""
    with cohere.Client(base_url=server, **BASIC) as client:
        yield client


@pytest.fixture
async def async_client(server: str, metered: None) -> AsyncIterator[cohere.AsyncClientV2]:
    """The same for asyncio."""
    async with cohere.AsyncClientV2(base_url=server, **BASIC) as client:
        yield client


def test_a_chat_is_recorded_with_what_is_billed(
    client: cohere.ClientV2, recorded: Recorded
) -> None:
    answer = client.chat(**ASKED)
    assert answer.usage is not None
    assert answer.usage.tokens is not None
    assert answer.usage.tokens.input_tokens == 1700
    assert [event.usage for event in recorded()] == [USED]


def test_a_model_put_into_the_body_wins(client: cohere.ClientV2, recorded: Recorded) -> None:
    options = {"additional_body_parameters": {"model": "command-r7b-12-2024"}}
    client.chat(**ASKED, request_options=options)  # type: ignore[arg-type]
    assert [event.model for event in recorded()] == ["command-r7b-12-2024"]


def test_batches_that_the_sdk_embeds_in_threads_are_attributed_to_the_caller(
    client_v1: cohere.Client, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="index"):
        client_v1.embed(**{**EMBED, "texts": ["text"] * 200})  # the SDK sends at most 96 at once
    events = recorded()
    assert [event.usage for event in events] == [{"input_tokens": 2}] * 3
    assert [event.attributes for event in events] == [{"feature": "index"}] * 3


def test_a_stream_that_fails_inside_is_an_error_of_the_server(
    client: cohere.ClientV2, recorded: Recorded
) -> None:
    headers = {"x-standin-body": "v2_chat_stream_failed.sse"}
    list(client.chat_stream(**ASKED, request_options={"additional_headers": headers}))
    (event,) = recorded()
    assert (event.status, event.usage) == ("server_error", {"input_tokens": 5})


async def test_the_sdks_own_retries_are_one_call(
    client: cohere.ClientV2, async_client: cohere.AsyncClientV2, recorded: Recorded
) -> None:
    client.chat(**ASKED, **fault("once", max_retries=2))
    await async_client.chat(**ASKED, **fault("once, async", max_retries=2))
    assert [
        (event.status, event.calls, event.retries, event.provider, event.usage)
        for event in recorded()
    ] == [("server_error", 0, 1, "cohere", {}), ("ok", 1, 0, "cohere", USED)] * 2


def test_each_attempt_is_counted_by_how_it_failed(
    metered: None, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_client, "INITIAL_RETRY_DELAY_SECONDS", 0)
    codes = [0, 429, 429]

    def answer(request: httpx.Request) -> httpx.Response:
        if code := codes.pop(0):
            return httpx.Response(code)
        raise httpx.ConnectError("refused")

    transport = httpx.Client(transport=httpx.MockTransport(answer))
    with cohere.ClientV2(api_key="key", httpx_client=transport) as client:
        with pytest.raises(ApiError):
            client.chat(**ASKED)
        assert [
            (event.status, event.calls, event.retries, event.model) for event in recorded()
        ] == [
            ("connection_error", 0, 1, "command-a-03-2025"),
            ("rate_limited", 0, 1, "command-a-03-2025"),
            ("rate_limited", 1, 0, "command-a-03-2025"),
        ]


def test_a_request_that_is_sent_elsewhere_counts_for_who_answered(
    metered: None, recorded: Recorded
) -> None:
    def move(request: httpx.Request) -> None:
        request.url = httpx.URL("https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke")

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=(RESPONSES / "cohere" / "v2_chat.json").read_bytes())

    transport = httpx.Client(transport=httpx.MockTransport(answer), event_hooks={"request": [move]})
    with cohere.ClientV2(api_key="key", httpx_client=transport) as client:
        client.chat(**ASKED)
    assert [event.provider for event in recorded()] == ["aws.bedrock"]


def test_an_sdk_without_the_module_is_not_metered() -> None:
    with pytest.raises(LookupError):
        metering.meter(SimpleNamespace(__name__="other.client"), Settings())  # type: ignore[arg-type]


def test_nothing_of_the_sdk_is_imported_before_the_application_needs_it() -> None:
    script = """
import sys, costmeter
costmeter.instrument()
import cohere
assert "cohere.core" not in sys.modules
cohere.ClientV2
from cohere.core.http_client import AsyncHttpClient, HttpClient
for client in (HttpClient, AsyncHttpClient):
    assert client.request.__wrapped__ and client.stream.__wrapped__.__wrapped__
"""
    subprocess.run([sys.executable, "-c", script], check=True)
