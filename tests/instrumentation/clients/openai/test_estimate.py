"""Streams that tell no usage: their tokens are counted here, and marked as an estimate."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import openai
import pytest

import costmeter
from costmeter.instrumentation import tokens
from costmeter.instrumentation.clients.openai.estimate import EstimatingReader
from tests.instrumentation.clients.asking import CHAT, CHAT_USAGE, USED, headers
from tests.instrumentation.clients.conftest import Recorded

UNASKED: dict[str, Any] = {**CHAT, "stream": True, "stream_options": {"include_usage": False}}
ASKED_TOKENS = 12
"""What, does, it, cost and ? are 5 tokens, user is 1, the message's frame 3 and the reply's 3."""


@pytest.fixture
def client(standin: str, recorded: Recorded) -> Iterator[openai.OpenAI]:
    costmeter.instrument("openai", providers={standin: "openai"})
    with openai.OpenAI(api_key="key", base_url=standin, max_retries=0, timeout=30) as client:
        yield client
    costmeter.uninstrument()


def given(**body: Any) -> Callable[[str], Any]:
    return {**UNASKED, **body}.get


def watched(events: list[dict[str, Any] | str], **body: Any) -> Any:
    """Return what a stream of events comes to, read one byte after the other."""
    reader = EstimatingReader(given(**body))
    watcher = reader.watcher("text/event-stream", hiding=False)
    stream = "".join(f"data: {e if isinstance(e, str) else json.dumps(e)}\n\n" for e in events)
    assert b"".join(watcher.feed(bytes([byte])) for byte in stream.encode()) == stream.encode()
    return watcher.reading()


def chunk(model: str = "gpt-4o-mini", index: int = 0, **delta: Any) -> dict[str, Any]:
    return {"model": model, "choices": [{"index": index, "delta": delta}], "usage": None}


def test_a_stream_that_was_not_asked_for_usage_is_counted_and_marked(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    stream = client.chat.completions.create(**UNASKED)
    text = "".join(part.choices[0].delta.content or "" for part in stream)
    [event] = recorded()
    assert event.estimated
    assert (event.status, event.model) == ("ok", "gpt-4o-mini-2024-07-18")
    written = tokens.count([text], tokens.O200K)
    assert event.usage == {"input_tokens": ASKED_TOKENS, "output_tokens": written}


def test_a_stream_that_tells_its_usage_is_not_counted(
    client: openai.OpenAI, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "count_prompt", lambda *_: 1 / 0)
    list(client.chat.completions.create(**CHAT, stream=True, **headers(CHAT_USAGE)))
    [event] = recorded()
    assert (event.usage, event.estimated) == (USED, False)


def test_a_model_of_unknown_vocabulary_stays_without_usage(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    list(client.chat.completions.create(**{**UNASKED, "model": "o4-mini"}))
    [event] = recorded()
    assert (event.usage, event.estimated) == ({}, False)


def test_without_the_extra_nothing_is_counted(
    standin: str, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "available", lambda: False)
    costmeter.instrument("openai", providers={standin: "openai"})
    with openai.OpenAI(api_key="key", base_url=standin) as client:
        list(client.chat.completions.create(**UNASKED))
    costmeter.uninstrument()
    [event] = recorded()
    assert (event.usage, event.estimated) == ({}, False)


def test_a_stream_that_breaks_off_is_counted_as_far_as_it_came(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    tokens.count((), tokens.O200K)  # a stream that was to tell its usage does not wait for it
    with pytest.raises(openai.APIConnectionError):
        list(client.chat.completions.create(**CHAT, stream=True, **headers(fault="drop")))
    [event] = recorded()
    assert (event.status, event.estimated) == ("incomplete", True)
    assert event.usage["input_tokens"] == ASKED_TOKENS
    assert event.usage["output_tokens"] > 0


def test_texts_are_put_together_again_before_they_are_counted() -> None:
    reading = watched(
        [
            chunk(role="assistant", content=""),
            chunk(content="Hel"),
            chunk(index=1, content="Hello"),
            chunk(content="lo!"),
            "[DONE]",
        ]
    )
    assert reading.usage == {"input_tokens": ASKED_TOKENS, "output_tokens": 3}
    assert (reading.estimated, reading.model) == (True, "gpt-4o-mini")


def test_calls_of_functions_and_refusals_are_output() -> None:
    def call(index: int, **function: str) -> dict[str, Any]:
        return {"index": index, "function": function}

    reading = watched(
        [
            chunk(tool_calls=[call(0, name="Hello", arguments="")]),
            chunk(tool_calls=[call(0, arguments="Hel")]),
            chunk(tool_calls=[call(0, arguments="lo!"), call(1, name="Hello")]),
            chunk(refusal="Hello!"),
        ]
    )
    assert reading.usage["output_tokens"] == 1 + 2 + 1 + 2


def test_a_completion_is_counted_too() -> None:
    text = [{"model": "gpt-3.5-turbo-instruct", "choices": [{"index": 0, "text": "Hello!"}]}]
    reading = watched(text, model="gpt-3.5-turbo-instruct", messages=None, prompt="Hello")
    assert reading.usage == {"input_tokens": 1, "output_tokens": 2}


@pytest.mark.parametrize(
    ("events", "body"),
    [
        ([chunk(content="Hello")], {"messages": [{"role": "user", "content": [{"image_url": 1}]}]}),
        ([chunk("served-by-another", content="Hello")], {}),
        ([chunk(content="Hello"), {"error": {"code": "server_error"}}], {}),
        ([], {}),
    ],
)
def test_what_cannot_be_counted_whole_is_not_counted(events: Any, body: dict[str, Any]) -> None:
    reading = watched(events, **body)
    assert (reading.usage, reading.estimated) == (None, False)


def test_the_caller_may_go_on_with_its_list_of_messages() -> None:
    messages = [*CHAT["messages"]]
    reader = EstimatingReader(given(messages=messages))
    watcher = reader.watcher("text/event-stream", hiding=False)
    messages.append({"role": "user", "content": "Hello!"})
    watcher.feed(b"data: %b\n\n" % json.dumps(chunk(content="Hello")).encode())
    assert watcher.reading().usage == {"input_tokens": ASKED_TOKENS, "output_tokens": 1}


def test_a_stream_that_was_to_tell_its_usage_does_not_wait_for_a_vocabulary(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "loaded", lambda _: False)
    told = {"include_usage": True}
    assert watched([chunk(content="Hello")], stream_options=told).usage is None
    assert watched([chunk(content="Hello")]).usage is not None


def test_an_answer_that_does_not_stream_is_not_watched(
    client: openai.OpenAI, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EstimatingReader, "__init__", lambda *_: 1 / 0)
    client.chat.completions.create(**CHAT, **headers())
    assert [event.usage for event in recorded()] == [USED]
