"""Mistral's SDK against the stand-in over real sockets, read back from the journal."""

from __future__ import annotations

import asyncio
import functools
import inspect
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from mistralai.client import Mistral, errors, utils
from mistralai.client.basesdk import BaseSDK
from mistralai.client.models import AssistantMessage
from mistralai.extra.observability import set_tracer_provider
from mistralai.extra.observability.otel import TracedResponse
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import costmeter
from costmeter.instrumentation.clients import Settings, mistralai
from costmeter.instrumentation.clients.mistralai import Mistral as Dialect
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


def test_a_chat_completion_is_recorded_with_usage_model_and_duration(
    client: Mistral, recorded: Recorded
) -> None:
    answer = client.chat.complete(**ASKED)
    (event,) = recorded()
    assert answer.usage.prompt_tokens == 1200
    assert (event.operation, event.provider) == ("chat", "mistral_ai")
    assert (event.model, event.usage, event.status) == ("mistral-small-2603", USED, "ok")
    assert (event.service_tier, event.calls, event.requests) == ("", 1, 1)
    assert 0 < event.duration_ns < 60 * 10**9


async def test_an_async_chat_completion_is_recorded_the_same(
    async_client: Mistral, recorded: Recorded
) -> None:
    await async_client.chat.complete_async(**ASKED)
    (event,) = recorded()
    assert (event.model, event.usage, event.status) == ("mistral-small-2603", USED, "ok")


def test_an_agents_model_is_the_one_that_answers(client: Mistral, recorded: Recorded) -> None:
    client.agents.complete(agent_id="ag:1", messages=ASKED["messages"])
    (event,) = recorded()
    assert (event.operation, event.model, event.usage) == ("chat", "mistral-small-2603", USED)


def test_a_fill_in_the_middle_completion_is_recorded(client: Mistral, recorded: Recorded) -> None:
    client.fim.complete(model="codestral-latest", prompt="def add(a, b):", suffix="")
    (event,) = recorded()
    assert (event.operation, event.model) == ("text_completion", "codestral-2508")
    assert event.usage == {"input_tokens": 20, "output_tokens": 8}


async def test_embeddings_are_recorded(
    client: Mistral, async_client: Mistral, recorded: Recorded
) -> None:
    client.embeddings.create(model="mistral-embed", inputs=["one", "two"])
    await async_client.embeddings.create_async(model="mistral-embed", inputs=["one", "two"])
    events = recorded()
    assert [event.operation for event in events] == ["embeddings", "embeddings"]
    assert [event.usage for event in events] == [{"input_tokens": 15}] * 2


def test_other_calls_are_not_recorded(client: Mistral, recorded: Recorded) -> None:
    assert client.models.list().data == []
    assert recorded() == []


def test_a_stream_is_recorded_at_its_end(client: Mistral, recorded: Recorded) -> None:
    stream = client.chat.stream(**ASKED)
    assert recorded() == []
    with costmeter.attribute(feature="reading"):
        words = [str(chunk.data.choices[0].delta.content) for chunk in stream]
    (event,) = recorded()
    assert "".join(words) == 'The word "usage" costs nothing.'
    assert (event.model, event.usage, event.status) == ("mistral-small-2603", USED, "ok")
    assert event.attributes == {}  # settled when it was opened


async def test_an_async_stream_is_recorded_at_its_end(
    async_client: Mistral, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="asking"):
        stream = await async_client.chat.stream_async(**ASKED)
    async with stream:
        assert len([chunk async for chunk in stream]) == 4
    (event,) = recorded()
    assert (event.usage, event.status) == (USED, "ok")
    assert event.attributes == {"feature": "asking"}


def test_streams_of_agents_and_of_fill_in_the_middle_are_recorded(
    client: Mistral, recorded: Recorded
) -> None:
    list(client.agents.stream(agent_id="ag:1", messages=ASKED["messages"]))
    list(client.fim.stream(model="codestral-latest", prompt="def add(a, b):"))
    assert [(event.operation, event.usage) for event in recorded()] == [
        ("chat", USED),
        ("text_completion", USED),
    ]


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


def test_a_stream_that_the_caller_leaves_is_cancelled(client: Mistral, recorded: Recorded) -> None:
    with client.chat.stream(**ASKED, **fault("stall")) as stream:
        next(stream)
    (event,) = recorded()
    assert (event.status, event.usage, event.model) == ("cancelled", {}, "mistral-small-2603")


def test_a_stream_that_is_forgotten_is_cancelled(client: Mistral, recorded: Recorded) -> None:
    client.chat.stream(**ASKED, **fault("stall"))
    assert [event.status for event in recorded()] == ["cancelled"]


@pytest.mark.parametrize(
    ("name", "status"), [("truncate", "incomplete"), ("drop", "incomplete"), ("stall", "timeout")]
)
async def test_a_stream_that_the_server_breaks_off_is_counted_without_usage(
    client: Mistral, async_client: Mistral, recorded: Recorded, name: str, status: str
) -> None:
    try:
        list(client.chat.stream(**ASKED, **fault(name)))
    except httpx2.TransportError:
        assert name != "truncate"
    try:
        async for _chunk in await async_client.chat.stream_async(**ASKED, **fault(name)):
            pass
    except httpx2.TransportError:
        assert name != "truncate"
    assert [(event.status, event.usage) for event in recorded()] == [(status, {})] * 2


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("400", "bad_request"),
        ("401", "authentication"),
        ("422", "bad_request"),
        ("429", "rate_limited"),
        ("500", "server_error"),
    ],
)
@pytest.mark.parametrize("ask", ["complete", "stream"])
async def test_an_error_is_counted_by_its_kind_and_reaches_the_caller(
    client: Mistral, async_client: Mistral, recorded: Recorded, code: str, status: str, ask: str
) -> None:
    with pytest.raises(errors.MistralError):
        getattr(client.chat, ask)(**ASKED, **fault(code))
    with pytest.raises(errors.MistralError):
        await getattr(async_client.chat, f"{ask}_async")(**ASKED, **fault(code))
    assert [(event.status, event.usage, event.model) for event in recorded()] == [
        (status, {}, "mistral-small-latest")
    ] * 2


def test_a_server_that_does_not_answer_is_a_timeout(client: Mistral, recorded: Recorded) -> None:
    with pytest.raises(httpx2.TimeoutException):
        client.chat.complete(**ASKED, **fault("hang"))
    assert [event.status for event in recorded()] == ["timeout"]


def test_a_server_that_is_not_there_is_a_connection_error(
    client: Mistral, recorded: Recorded
) -> None:
    with pytest.raises(httpx2.ConnectError):
        client.chat.complete(**ASKED, server_url="http://127.0.0.1:9")
    (event,) = recorded()
    assert (event.status, event.provider) == ("connection_error", "127.0.0.1")


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


def test_an_answer_that_is_no_json_is_counted_without_usage(
    client: Mistral, recorded: Recorded
) -> None:
    with pytest.raises(errors.SDKError):
        client.chat.complete(**ASKED, **fault("text"))
    assert [(event.status, event.usage) for event in recorded()] == [("ok", {})]


@pytest.mark.parametrize("region", ["api", "api.eu", "api.us", "codestral"])
def test_every_host_of_mistral_is_mistral(region: str) -> None:
    dialect = Dialect(Settings())
    assert dialect.provider(f"https://{region}.mistral.ai/v1/chat/completions") == "mistral_ai"


def test_a_host_of_someone_else_is_not_priced_as_mistral() -> None:
    assert Dialect(Settings()).provider("https://llm.internal/v1/embeddings") == "llm.internal"


def test_signatures_stay_and_uninstrument_gives_back_the_very_methods(server: str) -> None:
    before = {name: vars(BaseSDK)[name] for name in ("do_request", "do_request_async")}
    costmeter.instrument("mistralai.client")
    try:
        for name, original in before.items():
            metered = vars(BaseSDK)[name]
            assert metered is not original
            assert inspect.signature(metered) == inspect.signature(original)
            assert inspect.iscoroutinefunction(metered) == inspect.iscoroutinefunction(original)
    finally:
        costmeter.uninstrument()
    assert {name: vars(BaseSDK)[name] for name in before} == before


def test_where_another_library_has_wrapped_us_since_calls_pass_on_unmetered(
    client: Mistral, recorded: Recorded
) -> None:
    metered = BaseSDK.do_request

    @functools.wraps(metered)
    def wrapper(*args: Any, **named: Any) -> httpx2.Response:
        return metered(*args, **named)

    BaseSDK.do_request = wrapper  # type: ignore[method-assign]
    try:
        client.chat.complete(**ASKED)
        costmeter.uninstrument("mistralai.client")
        assert BaseSDK.do_request is wrapper
        client.chat.complete(**ASKED)
    finally:
        BaseSDK.do_request = inspect.unwrap(metered)  # type: ignore[method-assign]
    assert len(recorded()) == 1


def test_an_sdk_that_is_not_made_as_it_was_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def do_request(self: object, call: object) -> object:
        """Take other parameters than those known."""
        return call

    monkeypatch.setattr(BaseSDK, "do_request", do_request)
    with caplog.at_level(logging.WARNING, "costmeter"):
        costmeter.instrument("mistralai.client")
    assert BaseSDK.do_request is do_request
    assert "does not meter mistralai.client" in caplog.text
    costmeter.uninstrument()


def test_an_sdk_without_the_method_is_not_metered() -> None:
    with pytest.raises(LookupError, match=r"object\.do_request is no method"):
        mistralai.meter(SimpleNamespace(Mistral=object), Settings())  # type: ignore[arg-type]


def test_answers_are_of_the_sdks_own_types(client: Mistral) -> None:
    answer = client.chat.complete(**ASKED)
    assert isinstance(answer.choices[0].message, AssistantMessage)


def test_the_sdk_is_metered_where_the_application_imports_it_later() -> None:
    script = """
import sys, costmeter
costmeter.instrument()
assert "mistralai" not in sys.modules
from mistralai.client import Mistral
assert Mistral.do_request.__wrapped__ and Mistral.do_request_async.__wrapped__
"""
    subprocess.run([sys.executable, "-c", script], check=True)
