"""Streams of Bedrock, whole and broken off: the real botocore, read back from the journal."""

from __future__ import annotations

from typing import Any

import botocore.client
import botocore.exceptions
import pytest
from botocore.eventstream import EventStream

import costmeter
from tests.instrumentation.clients.bedrock.asking import (
    CHAT,
    MESSAGES,
    MODEL,
    STREAMED,
    body_of,
    conversing,
)
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.bedrock import (
    Bedrock,
    chunk_frames,
    converse_frames,
    exception,
)


def test_a_stream_of_converse_is_recorded_at_its_end(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    with costmeter.attribute(feature="search"):
        answer = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)
    stream = answer["stream"]
    assert isinstance(stream, EventStream)
    assert type(stream).__name__ == "EventStream"
    assert recorded() == []
    events = list(stream)
    (event,) = recorded()
    assert [next(iter(one)) for one in events][-2:] == ["messageStop", "metadata"]
    assert (event.usage, event.status, event.service_tier) == (STREAMED, "ok", "priority")
    assert (event.operation, event.model) == ("chat", MODEL)
    assert 0 < event.first_chunk_ns <= event.duration_ns
    assert event.attributes == {"feature": "search"}
    assert type(stream) is EventStream
    stream.close()
    del stream, answer
    assert recorded() == []


def test_a_loop_that_is_left_and_entered_again_loses_nothing(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    assert "messageStart" in next(iter(stream))
    assert recorded() == []
    assert "metadata" in list(stream)[-1]
    assert [(event.usage, event.status) for event in recorded()] == [(STREAMED, "ok")]


def test_a_stream_that_the_caller_closes_is_cancelled(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    next(iter(stream))
    stream.close()
    assert [(event.usage, event.status) for event in recorded()] == [({}, "cancelled")]


# botocore leaves the connection of a stream that was dropped to the garbage collector.
@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_stream_that_the_caller_drops_is_cancelled(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock)
    runtime.converse_stream(modelId=MODEL, messages=MESSAGES)
    assert [event.status for event in recorded()] == ["cancelled"]


def test_a_stream_that_the_server_breaks_off_is_incomplete(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock, breaks=True)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    with pytest.raises(Exception, match=r"prematurely|broken|Incomplete"):
        list(stream)
    assert [(event.usage, event.status) for event in recorded()] == [({}, "incomplete")]


def test_a_stream_that_ends_before_its_usage_is_incomplete(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(frames=converse_frames(body_of("converse_stream.jsonl"))[:3])
    assert len(list(runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"])) == 3
    assert [(event.usage, event.status) for event in recorded()] == [({}, "incomplete")]


def test_a_stream_that_hangs_is_a_timeout(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    conversing(bedrock, hangs=True)
    stream = runtime.converse_stream(modelId=MODEL, messages=MESSAGES)["stream"]
    with pytest.raises(Exception, match="timed out"):
        list(stream)
    assert [event.status for event in recorded()] == ["timeout"]


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("throttlingException", "rate_limited"),
        ("modelStreamErrorException", "server_error"),
        ("internalServerException", "server_error"),
        ("validationException", "bad_request"),
        ("modelTimeoutException", "timeout"),
    ],
)
def test_an_exception_inside_a_stream_is_counted_by_its_kind(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, kind: str, status: str
) -> None:
    frames = chunk_frames(body_of("claude_stream.jsonl"))[:2]
    bedrock.answer(frames=[*frames, exception(kind)])
    answer = runtime.invoke_model_with_response_stream(modelId=MODEL, body=CHAT)
    with pytest.raises(botocore.exceptions.EventStreamError):
        list(answer["body"])
    (event,) = recorded()
    assert event.status == status
    assert event.usage["input_tokens"] == 2510  # what the stream had told by then


@pytest.mark.parametrize("name", ["claude_stream.jsonl", "llama_stream.jsonl", "nova_stream.jsonl"])
def test_a_stream_of_invoke_model_is_recorded_at_its_end(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, name: str
) -> None:
    bedrock.answer(
        frames=chunk_frames(body_of(name)), headers={"x-amzn-bedrock-service-tier": "flex"}
    )
    answer = runtime.invoke_model_with_response_stream(modelId=MODEL, body=CHAT)
    pieces = [piece["chunk"]["bytes"] for piece in answer["body"]]
    (event,) = recorded()
    assert b"\n".join(pieces) == body_of(name).strip()
    assert (event.status, event.service_tier, event.operation) == ("ok", "flex", "chat")
    assert event.usage["output_tokens"] == {"c": 25, "l": 8, "n": 3}[name[0]]
