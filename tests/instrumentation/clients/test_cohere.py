"""Cohere's SDK against the stand-in over real sockets, read back from the journal."""

from __future__ import annotations

import asyncio
import inspect
import logging
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
from cohere.core.http_client import AsyncHttpClient, HttpClient

import costmeter
from costmeter.instrumentation.clients import Settings
from costmeter.instrumentation.clients import cohere as metering
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.answering import RESPONSES
from tests.standins.cohere import create_app

MESSAGES: list[Any] = [{"role": "user", "content": "What does it cost?"}]
ASKED: dict[str, Any] = {"model": "command-a-03-2025", "messages": MESSAGES}
ASKED_V1: dict[str, Any] = {"model": "command-a-03-2025", "message": "What does it cost?"}
EMBED: dict[str, Any] = {
    "model": "embed-v4.0",
    "texts": ["one", "two"],
    "input_type": "search_document",
}
RERANK: dict[str, Any] = {"model": "rerank-v3.5", "query": "price", "documents": ["one", "two"]}
USED = {"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 50}
USED_V1 = {"input_tokens": 5, "output_tokens": 418}
METHODS = ("request", "stream")
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
    (event,) = recorded()
    assert answer.usage is not None
    assert answer.usage.tokens is not None
    assert answer.usage.tokens.input_tokens == 1700
    assert (event.operation, event.provider) == ("chat", "cohere")
    assert (event.model, event.usage, event.status) == ("command-a-03-2025", USED, "ok")
    assert (event.calls, event.requests) == (1, 1)
    assert 0 < event.duration_ns < 60 * 10**9


async def test_an_async_chat_is_recorded_the_same(
    async_client: cohere.AsyncClientV2, recorded: Recorded
) -> None:
    await async_client.chat(**ASKED)
    (event,) = recorded()
    assert (event.model, event.usage, event.status) == ("command-a-03-2025", USED, "ok")


def test_a_chat_of_the_first_version_is_recorded(
    client_v1: cohere.Client, recorded: Recorded
) -> None:
    client_v1.chat(**ASKED_V1)
    (event,) = recorded()
    assert (event.model, event.usage) == ("command-a-03-2025", USED_V1)


def test_a_model_put_into_the_body_wins(client: cohere.ClientV2, recorded: Recorded) -> None:
    options = {"additional_body_parameters": {"model": "command-r7b-12-2024"}}
    client.chat(**ASKED, request_options=options)  # type: ignore[arg-type]
    assert [event.model for event in recorded()] == ["command-r7b-12-2024"]


async def test_embeddings_are_recorded(
    client: cohere.ClientV2, async_client: cohere.AsyncClientV2, recorded: Recorded
) -> None:
    client.embed(**EMBED, embedding_types=["float"])
    await async_client.embed(**EMBED, embedding_types=["float"])
    events = recorded()
    assert [event.operation for event in events] == ["embeddings"] * 2
    assert [event.usage for event in events] == [{"input_tokens": 12}] * 2


def test_batches_that_the_sdk_embeds_in_threads_are_attributed_to_the_caller(
    client_v1: cohere.Client, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="index"):
        client_v1.embed(**{**EMBED, "texts": ["text"] * 200})  # the SDK sends at most 96 at once
    events = recorded()
    assert [event.usage for event in events] == [{"input_tokens": 2}] * 3
    assert [event.attributes for event in events] == [{"feature": "index"}] * 3


def test_reranking_is_counted_by_its_search_units(
    client: cohere.ClientV2, client_v1: cohere.Client, recorded: Recorded
) -> None:
    client.rerank(**RERANK)
    client_v1.rerank(**RERANK)
    assert [(event.operation, event.model, event.usage) for event in recorded()] == [
        ("rerank", "rerank-v3.5", {"search_units": 1})
    ] * 2


def test_other_calls_are_not_recorded(client: cohere.ClientV2, recorded: Recorded) -> None:
    assert client.tokenize(text="one", model="command-a-03-2025", offline=False).tokens == [1, 2]
    assert recorded() == []


def test_a_raw_response_is_recorded(client: cohere.ClientV2, recorded: Recorded) -> None:
    raw = client.with_raw_response.chat(**ASKED)
    assert raw.headers["content-type"] == "application/json"
    assert [event.usage for event in recorded()] == [USED]


def test_a_stream_is_recorded_at_its_end(client: cohere.ClientV2, recorded: Recorded) -> None:
    stream = client.chat_stream(**ASKED)
    first = next(stream)
    assert recorded() == []
    kinds = [first.type, *(event.type for event in stream)]  # type: ignore[union-attr]
    assert kinds[-1] == "message-end"
    (event,) = recorded()
    assert (event.model, event.usage, event.status) == ("command-a-03-2025", USED, "ok")


async def test_an_async_stream_is_recorded_for_whom_it_was_opened(
    async_client: cohere.AsyncClientV2, recorded: Recorded
) -> None:
    stream = async_client.chat_stream(**ASKED)
    with costmeter.attribute(feature="asking"):
        await anext(stream)
    async for _event in stream:
        pass
    (event,) = recorded()
    assert (event.usage, event.status) == (USED, "ok")
    assert event.attributes == {"feature": "asking"}


def test_a_stream_of_the_first_version_is_recorded(
    client_v1: cohere.Client, recorded: Recorded
) -> None:
    assert len(list(client_v1.chat_stream(**ASKED_V1))) == 4
    assert [(event.usage, event.status) for event in recorded()] == [(USED_V1, "ok")]


def test_a_stream_that_fails_inside_is_an_error_of_the_server(
    client: cohere.ClientV2, recorded: Recorded
) -> None:
    headers = {"x-standin-body": "v2_chat_stream_failed.sse"}
    list(client.chat_stream(**ASKED, request_options={"additional_headers": headers}))
    (event,) = recorded()
    assert (event.status, event.usage) == ("server_error", {"input_tokens": 5})


def test_a_stream_that_the_caller_leaves_is_cancelled(
    client: cohere.ClientV2, recorded: Recorded
) -> None:
    stream = client.chat_stream(**ASKED, **fault("stall"))
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    (event,) = recorded()
    assert (event.status, event.usage) == ("cancelled", {})


async def test_an_async_stream_that_the_caller_leaves_is_cancelled(
    async_client: cohere.AsyncClientV2, recorded: Recorded
) -> None:
    stream = async_client.chat_stream(**ASKED, **fault("stall"))
    await anext(stream)
    await stream.aclose()  # type: ignore[attr-defined]
    assert [event.status for event in recorded()] == ["cancelled"]


@pytest.mark.parametrize(
    ("name", "status"), [("truncate", "incomplete"), ("drop", "incomplete"), ("stall", "timeout")]
)
async def test_a_stream_that_the_server_breaks_off_is_counted_without_usage(
    client: cohere.ClientV2,
    async_client: cohere.AsyncClientV2,
    recorded: Recorded,
    name: str,
    status: str,
) -> None:
    try:
        list(client.chat_stream(**ASKED, **fault(name)))
    except httpx.TransportError:
        assert name != "truncate"
    try:
        async for _event in async_client.chat_stream(**ASKED, **fault(name)):
            pass
    except httpx.TransportError:
        assert name != "truncate"
    assert [(event.status, event.usage) for event in recorded()] == [(status, {})] * 2


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("400", "bad_request"),
        ("401", "authentication"),
        ("404", "not_found"),
        ("429", "rate_limited"),
        ("500", "server_error"),
    ],
)
async def test_an_error_is_counted_by_its_kind_and_reaches_the_caller(
    client: cohere.ClientV2,
    async_client: cohere.AsyncClientV2,
    recorded: Recorded,
    code: str,
    status: str,
) -> None:
    with pytest.raises(ApiError):
        client.chat(**ASKED, **fault(code))
    with pytest.raises(ApiError):
        await async_client.chat(**ASKED, **fault(code))
    with pytest.raises(ApiError):
        next(client.chat_stream(**ASKED, **fault(code)))
    with pytest.raises(ApiError):
        await anext(async_client.chat_stream(**ASKED, **fault(code)))
    assert [(event.status, event.usage, event.model) for event in recorded()] == [
        (status, {}, "command-a-03-2025")
    ] * 4


async def test_a_server_that_does_not_answer_is_a_timeout(
    client: cohere.ClientV2, async_client: cohere.AsyncClientV2, recorded: Recorded
) -> None:
    with pytest.raises(httpx.TimeoutException):
        client.chat(**ASKED, **fault("hang"))
    with pytest.raises(httpx.TimeoutException):
        await async_client.chat(**ASKED, **fault("hang"))
    with pytest.raises(httpx.TimeoutException):
        next(client.chat_stream(**ASKED, **fault("hang")))
    assert [event.status for event in recorded()] == ["timeout"] * 3


def test_a_server_that_is_not_there_is_a_connection_error(
    metered: None, recorded: Recorded
) -> None:
    with cohere.ClientV2(base_url="http://127.0.0.1:9", **BASIC) as client:
        with pytest.raises(httpx.ConnectError):
            client.chat(**ASKED)
        with pytest.raises(httpx.ConnectError):
            next(client.chat_stream(**ASKED))
    assert [(event.status, event.provider) for event in recorded()] == [
        ("connection_error", "127.0.0.1")
    ] * 2


async def test_a_call_whose_task_is_cancelled_is_cancelled(
    metered: None, recorded: Recorded
) -> None:
    arrived = asyncio.Event()

    async def never_answer(request: httpx.Request) -> httpx.Response:
        arrived.set()
        return await asyncio.Event().wait() and httpx.Response(200)

    transport = httpx.AsyncClient(transport=httpx.MockTransport(never_answer))
    async with cohere.AsyncClientV2(api_key="key", httpx_client=transport) as client:
        call = asyncio.create_task(client.chat(**ASKED))
        await arrived.wait()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
    (event,) = recorded()
    assert (event.status, event.provider) == ("cancelled", "cohere")


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


def test_an_answer_that_is_no_json_is_counted_without_usage(
    client: cohere.ClientV2, recorded: Recorded
) -> None:
    with pytest.raises(ApiError):
        client.chat(**ASKED, **fault("text"))
    assert [(event.status, event.usage) for event in recorded()] == [("ok", {})]


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


def test_signatures_stay_and_uninstrument_gives_back_the_very_methods() -> None:
    methods = [(owner, name) for owner in (HttpClient, AsyncHttpClient) for name in METHODS]
    before = [vars(owner)[name] for owner, name in methods]
    costmeter.instrument("cohere.client")
    try:
        for (owner, name), original in zip(methods, before, strict=True):
            metered = vars(owner)[name]
            assert metered is not original
            assert inspect.signature(metered) == inspect.signature(original)
            assert inspect.iscoroutinefunction(metered) == inspect.iscoroutinefunction(original)
    finally:
        costmeter.uninstrument()
    assert all(
        vars(owner)[name] is original
        for (owner, name), original in zip(methods, before, strict=True)
    )


def test_an_sdk_that_is_not_made_as_it_was_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def request(self: object, path: str) -> str:
        """Take other parameters than those known."""
        return path

    stream = vars(AsyncHttpClient)["stream"]
    monkeypatch.setattr(HttpClient, "request", request)
    with caplog.at_level(logging.WARNING, "costmeter"):
        costmeter.instrument("cohere.client")
    assert "does not meter cohere.client" in caplog.text
    assert "HttpClient.request takes no base_url, data, json, method" in caplog.text
    assert vars(AsyncHttpClient)["stream"] is stream
    costmeter.uninstrument()


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
