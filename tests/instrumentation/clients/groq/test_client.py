"""The real SDK against a stand-in over real sockets; what was recorded is read from the journal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import groq
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


def headers(body: str) -> dict[str, Any]:
    """Return the arguments that ask the stand-in for a body."""
    return {"extra_headers": {"x-standin-body": body}}


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


def test_a_stream_that_groq_stopped_early_is_paid_for_and_no_success(
    client: groq.Groq, recorded: Recorded
) -> None:
    list(client.chat.completions.create(**ASKED, stream=True, **headers("chat_stream_stopped.sse")))
    assert [(event.usage, event.status) for event in recorded()] == [(USED, "server_error")]


def test_a_stream_that_tells_of_an_error_is_no_success(
    client: groq.Groq, recorded: Recorded
) -> None:
    with pytest.raises(groq.APIError):
        list(
            client.chat.completions.create(
                **ASKED, stream=True, **headers("chat_stream_failed.sse")
            )
        )
    assert [(event.usage, event.status) for event in recorded()] == [({}, "server_error")]


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
