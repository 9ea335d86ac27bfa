"""Mistral's SDK against the stand-in over real sockets, read back from the journal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from mistralai.client import Mistral, utils
from mistralai.client.models import AssistantMessage
from mistralai.extra.observability import set_tracer_provider
from mistralai.extra.observability.otel import TracedResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import costmeter
from costmeter.instrumentation.clients import Settings
from costmeter.instrumentation.clients.mistral import client as mistralai
from costmeter.instrumentation.clients.mistral.client import Mistral as Dialect
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.mistral import create_app

ASKED: dict[str, Any] = {
    "model": "mistral-small-latest",
    "messages": [{"role": "user", "content": "What does it cost?"}],
}
USED = {"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 50}


def fault(name: str) -> dict[str, Any]:
    """Return the arguments that ask the stand-in for a fault."""
    return {"http_headers": {"x-standin-fault": name}}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def metered(server: str, recorded: Recorded) -> Iterator[None]:
    """The SDK is metered, and the stand-in counts as Mistral."""
    costmeter.instrument("mistralai.client", providers={server: "mistral_ai"})
    yield
    costmeter.uninstrument()


@pytest.fixture
def client(server: str, metered: None) -> Iterator[Mistral]:
    """A client that waits half a second, and tries again only where a test says so."""
    with Mistral(api_key="key", server_url=server, timeout_ms=500) as client:
        yield client


@pytest.fixture
async def async_client(server: str, metered: None) -> AsyncIterator[Mistral]:
    """The same for asyncio."""
    async with Mistral(api_key="key", server_url=server, timeout_ms=500) as client:
        yield client


def test_a_stream_that_the_sdk_traces_too_is_recorded_once_and_traced_as_ever(
    client: Mistral, recorded: Recorded
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    set_tracer_provider(client, provider)
    stream = client.chat.stream(**ASKED)
    assert isinstance(stream.response, TracedResponse)
    list(stream)
    assert [(event.status, event.usage) for event in recorded()] == [("ok", USED)]
    (span,) = spans.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["gen_ai.usage.input_tokens"] == 1200


async def test_a_call_whose_task_is_cancelled_is_cancelled(
    async_client: Mistral, recorded: Recorded
) -> None:
    arrived = asyncio.Event()

    async def never_answer(request: httpx2.Request) -> httpx2.Response:
        arrived.set()
        return await asyncio.Event().wait() and httpx2.Response(200)

    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(never_answer))
    waiting = Mistral(api_key="key", async_client=transport)
    call = asyncio.create_task(waiting.chat.complete_async(**ASKED))
    await arrived.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await transport.aclose()
    (event,) = recorded()
    assert (event.status, event.provider) == ("cancelled", "mistral_ai")


@pytest.mark.parametrize("ask", ["complete", "stream"])
def test_the_sdks_own_retries_are_one_call(client: Mistral, recorded: Recorded, ask: str) -> None:
    backoff = utils.BackoffStrategy(1, 1, 1, 1000)
    again = utils.RetryConfig("backoff", backoff, retry_connection_errors=False)
    answer = getattr(client.chat, ask)(**ASKED, **fault(f"once {ask}"), retries=again)
    if ask == "stream":
        list(answer)
    attempt, event = recorded()
    assert (attempt.status, attempt.calls, attempt.retries) == ("server_error", 0, 1)
    assert (attempt.provider, attempt.model) == ("mistral_ai", "mistral-small-latest")
    assert (event.status, event.calls, event.retries, event.usage) == ("ok", 1, 0, USED)


async def test_each_attempt_is_counted_by_how_it_failed(metered: None, recorded: Recorded) -> None:
    codes = [0, 429, 429]

    def answer(request: httpx2.Request) -> httpx2.Response:
        if code := codes.pop(0):
            return httpx2.Response(code)
        raise httpx2.ReadTimeout("late", request=request)

    transport = httpx2.AsyncClient(transport=httpx2.MockTransport(answer))
    backoff = utils.BackoffStrategy(1, 1, 1, 1000, jitter_ms=0)
    again = utils.RetryConfig("backoff", backoff, retry_connection_errors=True)
    client = Mistral(api_key="key", async_client=transport)
    with pytest.raises(IndexError):  # it would try on, but there is nothing more to answer
        await client.chat.complete_async(**ASKED, retries=again)
    await transport.aclose()
    assert [(event.status, event.calls, event.retries) for event in recorded()] == [
        ("timeout", 0, 1),
        ("rate_limited", 0, 1),
        ("rate_limited", 0, 1),
        ("error", 1, 0),
    ]


@pytest.mark.parametrize("region", ["api", "api.eu", "api.us", "codestral"])
def test_every_host_of_mistral_is_mistral(region: str) -> None:
    dialect = Dialect(Settings())
    assert dialect.provider(f"https://{region}.mistral.ai/v1/chat/completions") == "mistral_ai"


def test_a_host_of_someone_else_is_not_priced_as_mistral() -> None:
    assert Dialect(Settings()).provider("https://llm.internal/v1/embeddings") == "llm.internal"


def test_an_sdk_without_the_method_is_not_metered() -> None:
    with pytest.raises(LookupError, match=r"object\.do_request is no method"):
        mistralai.meter(SimpleNamespace(Mistral=object), Settings())  # type: ignore[arg-type]


def test_answers_are_of_the_sdks_own_types(client: Mistral) -> None:
    answer = client.chat.complete(**ASKED)
    assert isinstance(answer.choices[0].message, AssistantMessage)
