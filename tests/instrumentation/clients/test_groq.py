"""The real SDK against a stand-in over real sockets; what was recorded is read from the journal."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import groq
import httpx
import openai
import pytest

import costmeter
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.groq import create_app

ASKED: dict[str, Any] = {
    "model": "openai/gpt-oss-20b",
    "messages": [{"role": "user", "content": "What does it cost?"}],
}
USED = {
    "input_tokens": 4641,
    "cache_read_tokens": 4608,
    "output_tokens": 556,
    "reasoning_tokens": 200,
}
COMPOUND = [
    ("openai/gpt-oss-120b", {"input_tokens": 3000, "output_tokens": 400}, 1, 1),
    ("meta-llama/llama-4-scout-17b-16e-instruct", {"input_tokens": 150, "output_tokens": 20}, 0, 0),
]


def headers(body: str = "", fault: str = "") -> dict[str, Any]:
    """Return the arguments that ask the stand-in for a body and a fault."""
    asked = {"x-standin-fault": fault} | ({"x-standin-body": body} if body else {})
    return {"extra_headers": asked}


@pytest.fixture(scope="module")
def groq_url() -> Iterator[str]:
    """The base URL of a stand-in for Groq."""
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def instrumented(groq_url: str, recorded: Recorded) -> Iterator[None]:
    """The SDK is metered, and the stand-in counts as Groq."""
    costmeter.instrument("groq", "openai", providers={groq_url: "groq"})
    yield
    costmeter.uninstrument()


@pytest.fixture
def client(groq_url: str, instrumented: None) -> Iterator[groq.Groq]:
    """A metered client that neither tries again nor waits for long."""
    with groq.Groq(api_key="key", base_url=groq_url, max_retries=0, timeout=0.5) as client:
        yield client


@pytest.fixture
async def async_client(groq_url: str, instrumented: None) -> Any:
    """The same for asyncio."""
    async with groq.AsyncGroq(
        api_key="key", base_url=groq_url, max_retries=0, timeout=0.5
    ) as client:
        yield client


async def test_chat_completions_are_recorded_with_usage_model_and_tier(
    client: groq.Groq, async_client: groq.AsyncGroq, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="search"):
        client.chat.completions.create(**ASKED)
        await async_client.chat.completions.create(**ASKED)
    events = recorded()
    for event in events:
        assert (event.operation, event.provider, event.model) == ("chat", "groq", ASKED["model"])
        assert (event.usage, event.status, event.service_tier) == (USED, "ok", "")
        assert event.attributes == {"feature": "search"}
        assert event.duration_ns > 0
    assert len(events) == 2


def test_embeddings_are_recorded_and_other_calls_are_not(
    client: groq.Groq, recorded: Recorded
) -> None:
    client.embeddings.create(model="nomic-embed-text-v1_5", input="one")
    client.models.list()
    (event,) = recorded()
    assert (event.operation, event.usage) == ("embeddings", {"input_tokens": 12})


def test_raw_responses_are_recorded_once(client: groq.Groq, recorded: Recorded) -> None:
    raw = client.chat.completions.with_raw_response.create(**ASKED)
    assert raw.parse().choices
    with client.chat.completions.with_streaming_response.create(**ASKED) as response:
        response.read()
    assert [event.usage for event in recorded()] == [USED, USED]


@pytest.mark.parametrize("stream", [False, True])
def test_the_models_of_a_compound_system_are_each_recorded(
    client: groq.Groq, recorded: Recorded, stream: bool
) -> None:
    body = "chat_stream_compound.sse" if stream else "chat_completion_compound.json"
    asked = ASKED | {"model": "groq/compound"}
    answer: Any = client.chat.completions.create(**asked, stream=stream, **headers(body))
    if stream:
        list(answer)
    else:
        assert answer.model == "groq/compound"
    events = recorded()
    assert [(e.model, e.usage, e.calls, e.requests) for e in events] == COMPOUND
    assert events[0].service_tier == ("" if stream else "flex")


def test_a_raw_compound_response_tells_the_same(client: groq.Groq, recorded: Recorded) -> None:
    client.chat.completions.with_raw_response.create(
        **ASKED, **headers("chat_completion_compound.json")
    )
    assert [(e.model, e.usage, e.calls, e.requests) for e in recorded()] == COMPOUND


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("400", groq.BadRequestError, "bad_request"),
        ("401", groq.AuthenticationError, "authentication"),
        ("429", groq.RateLimitError, "rate_limited"),
        ("498", groq.APIStatusError, "rate_limited"),
        ("503", groq.InternalServerError, "server_error"),
        ("hang", groq.APITimeoutError, "timeout"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_is_counted_by_its_kind_and_reaches_the_caller(
    client: groq.Groq,
    recorded: Recorded,
    fault: str,
    error: type[groq.APIError],
    status: str,
    stream: bool,
) -> None:
    with pytest.raises(error):
        client.chat.completions.create(**ASKED, stream=stream, **headers(fault=fault))
    (event,) = recorded()
    assert (event.status, event.usage, event.model) == (status, {}, ASKED["model"])


# -- sound and batches ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "usage"),
    [
        ("transcription_verbose.json", {"input_audio_seconds": 204}),
        ("transcription_short.json", {"input_audio_seconds": 10}),  # the least that is billed
        ("transcription.json", {}),
        ("transcription.txt", {}),
    ],
)
@pytest.mark.parametrize("raw", [False, True])
def test_a_transcription_counts_its_seconds_where_it_tells_them(
    client: groq.Groq, recorded: Recorded, body: str, usage: dict[str, int], raw: bool
) -> None:
    calls: Any = client.audio.transcriptions
    calls = calls.with_raw_response if raw else calls
    calls.create(model="whisper-large-v3", file=("talk.mp3", b"ID3"), **headers(body))
    (event,) = recorded()
    assert (event.model, event.usage, event.status) == ("whisper-large-v3", usage, "ok")


def test_speech_that_is_not_read_to_its_end_is_paid_for(
    client: groq.Groq, recorded: Recorded
) -> None:
    speech = client.audio.speech.with_streaming_response
    with speech.create(model="orpheus", input="Für 5 € mehr", voice="tara") as response:
        next(response.iter_bytes(10))
    assert [(event.usage, event.status) for event in recorded()] == [
        ({"input_characters": 12}, "cancelled")
    ]


def test_results_of_a_batch_are_known_by_their_file_and_their_name(
    client: groq.Groq, recorded: Recorded
) -> None:
    client.files.content("batch_output")
    events = recorded()
    assert {(event.provider, event.service_tier) for event in events} == {("groq", "batch")}
    assert [event.identity for event in events] == [
        "groq/batch_output/request-1",
        "groq/batch_output/request-2",
        "groq/batch_output/request-2#0",
        "groq/batch_output/request-3",
        "groq/batch_output/request-4",
    ]


# -- streams --------------------------------------------------------------------------------------


async def test_streams_are_recorded_at_their_end_unasked(
    client: groq.Groq, async_client: groq.AsyncGroq, recorded: Recorded
) -> None:
    stream = client.chat.completions.create(**ASKED, stream=True)
    assert type(stream) is groq.Stream
    assert recorded() == []
    chunks = list(stream)
    assert chunks[-1].x_groq is not None
    assert chunks[-1].x_groq.usage is not None
    async for _ in await async_client.chat.completions.create(**ASKED, stream=True):
        pass
    events = recorded()
    assert [(event.usage, event.status) for event in events] == [(USED, "ok")] * 2
    assert {event.model for event in events} == {ASKED["model"]}


def test_a_stream_that_groq_stopped_early_is_paid_for_and_no_success(
    client: groq.Groq, recorded: Recorded
) -> None:
    list(client.chat.completions.create(**ASKED, stream=True, **headers("chat_stream_stopped.sse")))
    assert [(event.usage, event.status) for event in recorded()] == [(USED, "server_error")]


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        ("truncate", "incomplete"),
        ("drop", "incomplete"),
        ("stall", "timeout"),
        ("error", "server_error"),
    ],
)
@pytest.mark.parametrize("asynchronous", [False, True])
async def test_a_stream_that_breaks_is_counted_with_what_is_known(
    client: groq.Groq,
    async_client: groq.AsyncGroq,
    recorded: Recorded,
    fault: str,
    status: str,
    asynchronous: bool,
) -> None:
    broken = False
    asked = headers("chat_stream_failed.sse") if fault == "error" else headers(fault=fault)
    try:
        if asynchronous:
            async for _ in await async_client.chat.completions.create(
                **ASKED, stream=True, **asked
            ):
                pass
        else:
            list(client.chat.completions.create(**ASKED, stream=True, **asked))
    except (groq.APIError, httpx.HTTPError):
        broken = True
    assert broken == (fault != "truncate")
    gc.collect()  # the SDK leaves a stream that told of an error to the collector and the loop
    for _ in range(10):
        await asyncio.sleep(0)
    (event,) = recorded()
    assert (event.status, event.usage, event.model) == (status, {}, ASKED["model"])


def leave(stream: Any) -> None:
    with stream:
        next(stream)


def forget(stream: Any) -> None:
    del stream


@pytest.mark.parametrize("end", [leave, forget])
def test_a_stream_that_the_caller_breaks_off_is_cancelled(
    client: groq.Groq, recorded: Recorded, end: Callable[[Any], None]
) -> None:
    patient = client.with_options(timeout=30)
    stream = patient.chat.completions.create(**ASKED, stream=True, **headers(fault="stall"))
    end(stream)
    del stream
    assert [(event.status, event.usage) for event in recorded()] == [("cancelled", {})]


def test_openais_sdk_reads_groqs_usage_where_it_did_not_ask(
    groq_url: str, instrumented: None, recorded: Recorded
) -> None:
    costmeter.instrument("openai", stream_usage=False)
    try:
        with openai.OpenAI(api_key="key", base_url=f"{groq_url}/openai/v1") as client:
            list(client.chat.completions.create(**ASKED, stream=True))
    finally:
        costmeter.instrument("openai", stream_usage=True)
    assert [(event.provider, event.usage) for event in recorded()] == [("groq", USED)]


# -- the SDK itself -------------------------------------------------------------------------------


def test_the_sdk_keeps_its_signatures_and_gets_its_methods_back() -> None:
    owners = [groq.Groq.__mro__[1], groq.AsyncGroq.__mro__[1]]
    before = [vars(owner)["request"] for owner in owners]
    costmeter.instrument("groq")
    try:
        for owner, original in zip(owners, before, strict=True):
            assert vars(owner)["request"] is not original
            assert inspect.signature(owner.request) == inspect.signature(original)
    finally:
        costmeter.uninstrument()
    assert [vars(owner)["request"] for owner in owners] == before
