"""Streams of the real SDK, ended in every way there is; and the watcher, byte by byte."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest

import costmeter
from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.openai.stream import StreamWatcher
from costmeter.instrumentation.clients.openai.usage import read_json
from tests.instrumentation.clients.asking import (
    ANSWERING,
    CHAT,
    RESPONSE,
    RESPONSE_USAGE,
    USED,
    headers,
)
from tests.instrumentation.clients.conftest import Recorded

RESPONSES = Path(__file__).parents[3] / "responses"
ASKED = {"stream_options": {"include_usage": True}}
DECLINED = {"stream_options": {"include_usage": False}}


def test_a_stream_is_recorded_at_its_end_with_the_usage_it_was_asked_for(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    stream = client.chat.completions.create(**CHAT, stream=True, **headers(tier="priority"))
    assert recorded() == []
    list(stream)
    (event,) = recorded()
    assert (event.model, event.usage, event.status) == (ANSWERING, USED, "ok")
    assert event.service_tier == "priority"
    assert 0 < event.first_chunk_ns <= event.duration_ns


def test_a_caller_who_did_not_ask_for_usage_does_not_see_it(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    chunks = list(client.chat.completions.create(**CHAT, stream=True, **headers()))
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_a_caller_who_asks_for_usage_sees_it(client: openai.OpenAI, recorded: Recorded) -> None:
    chunks = list(client.chat.completions.create(**CHAT, stream=True, **ASKED, **headers()))
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.prompt_tokens == 1200
    assert [event.usage for event in recorded()] == [USED]


def test_a_caller_who_declines_usage_is_obeyed(client: openai.OpenAI, recorded: Recorded) -> None:
    chunks = list(client.chat.completions.create(**CHAT, stream=True, **DECLINED, **headers()))
    assert "usage" not in chunks[0].model_fields_set
    assert [(event.usage, event.status) for event in recorded()] == [({}, "ok")]


def test_other_stream_options_and_extra_bodies_stay(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    given = {"stream_options": {"include_obfuscation": False}}
    chunks = list(client.chat.completions.create(**CHAT, stream=True, **given, **headers()))
    chunks += client.chat.completions.create(**CHAT, stream=True, extra_body=given, **headers())
    assert given == {"stream_options": {"include_obfuscation": False}}
    assert all(chunk.choices for chunk in chunks)
    assert [event.usage for event in recorded()] == [USED, USED]


def test_asking_for_usage_can_be_turned_off(client: openai.OpenAI, recorded: Recorded) -> None:
    costmeter.instrument(stream_usage=False)
    try:
        list(client.chat.completions.create(**CHAT, stream=True, **headers()))
    finally:
        costmeter.instrument(stream_usage=True)
    assert [(event.usage, event.status) for event in recorded()] == [({}, "ok")]


def test_a_server_that_does_not_know_the_question_is_not_asked_again(
    standin: str, metered: None, recorded: Recorded
) -> None:
    asked: list[bool] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(b"stream_options" in request.content)
        if asked[-1]:
            return httpx2.Response(422, json={"detail": [{"loc": ["body", "stream_options"]}]})
        stream = (RESPONSES / "openai/chat_stream.sse").read_bytes()
        return httpx2.Response(200, content=stream, headers={"content-type": "text/event-stream"})

    with openai.OpenAI(
        api_key="key",
        base_url="http://127.0.0.1:1/v1",
        http_client=httpx2.Client(transport=httpx2.MockTransport(answer)),
    ) as client:
        assert len(list(client.chat.completions.create(**CHAT, stream=True))) == 7
        assert len(list(client.chat.completions.create(**CHAT, stream=True))) == 7
    assert asked == [True, False, False]
    used = {"input_tokens": 1117, "cache_read_tokens": 1024, "output_tokens": 46}
    assert [(event.status, event.usage) for event in recorded()] == [("ok", used), ("ok", used)]


def test_another_mistake_in_a_request_is_not_tried_twice(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    with pytest.raises(openai.BadRequestError):
        client.chat.completions.create(**CHAT, stream=True, **headers(fault="400"))
    assert [event.status for event in recorded()] == ["bad_request"]


def test_the_sdks_helper_for_streams_is_metered(client: openai.OpenAI, recorded: Recorded) -> None:
    with client.chat.completions.stream(**CHAT, **headers()) as stream:
        kinds = {event.type for event in stream}
        completion = stream.get_final_completion()
    assert "content.done" in kinds
    assert completion.usage is None
    assert [(event.usage, event.status) for event in recorded()] == [(USED, "ok")]


def test_a_response_is_metered_as_a_stream(client: openai.OpenAI, recorded: Recorded) -> None:
    list(client.responses.create(**RESPONSE, stream=True, **headers(RESPONSE_USAGE)))
    with client.responses.stream(**RESPONSE, **headers(RESPONSE_USAGE)) as stream:
        stream.until_done()
        final = stream.get_final_response()
    assert final.usage is not None
    assert [(event.usage, event.status) for event in recorded()] == [(USED, "ok"), (USED, "ok")]


async def test_async_streams_are_metered(
    async_client: openai.AsyncOpenAI, recorded: Recorded
) -> None:
    async for _ in await async_client.chat.completions.create(**CHAT, stream=True, **headers()):
        pass
    async with async_client.chat.completions.stream(**CHAT, **headers()) as stream:
        await stream.until_done()
    async with async_client.responses.stream(**RESPONSE, **headers(RESPONSE_USAGE)) as responses:
        await responses.until_done()
    events = recorded()
    assert [(event.usage, event.status) for event in events] == [(USED, "ok")] * 3
    assert all(0 < event.first_chunk_ns <= event.duration_ns for event in events)


def test_raw_streams_are_metered_and_lose_nothing_but_the_usage(
    client: openai.OpenAI, recorded: Recorded
) -> None:
    create = client.chat.completions
    raw = create.with_raw_response.create(**CHAT, stream=True, **headers())
    assert all(chunk.choices for chunk in raw.parse())
    with create.with_streaming_response.create(**CHAT, stream=True, **headers()) as response:
        lines = list(response.iter_lines())
    assert lines[-2:] == ["data: [DONE]", ""]
    assert lines[1::2] == [""] * (len(lines) // 2)  # one blank line after each event, no more
    assert all(json.loads(line[6:])["choices"] for line in lines[:-2:2])
    assert [(event.usage, event.status) for event in recorded()] == [(USED, "ok"), (USED, "ok")]


@pytest.mark.parametrize(
    ("fault", "error", "status"),
    [
        ("truncate", None, "incomplete"),
        ("drop", openai.APIConnectionError, "incomplete"),
        ("stall", openai.APITimeoutError, "timeout"),
        ("error", openai.APIError, "server_error"),
    ],
)
@pytest.mark.parametrize("api", ["chat", "responses"])
def test_a_stream_that_breaks_is_counted_with_what_is_known(
    client: openai.OpenAI,
    recorded: Recorded,
    fault: str,
    error: type[Exception] | None,
    status: str,
    api: str,
) -> None:
    def read() -> None:
        if api == "chat":
            list(client.chat.completions.create(**CHAT, stream=True, **headers(fault=fault)))
        else:
            list(client.responses.create(**RESPONSE, stream=True, **headers(fault=fault)))

    if error is None:
        read()
    else:
        with pytest.raises(error):
            read()
    (event,) = recorded()
    assert (event.status, event.usage) == (status, {})
    assert event.model == (ANSWERING if api == "chat" else "o4-mini-2025-04-16")


def close(stream: Any) -> None:
    stream.close()


def leave(stream: Any) -> None:
    with stream:
        next(stream)


def break_off(stream: Any) -> None:
    for _ in stream:
        break


def fail(stream: Any) -> None:
    with pytest.raises(ZeroDivisionError), stream:
        next(stream).choices[0].index / 0


def forget(stream: Any) -> None:
    del stream


@pytest.mark.parametrize("end", [close, leave, break_off, fail, forget])
def test_a_stream_that_the_caller_breaks_off_is_cancelled(
    client: openai.OpenAI, recorded: Recorded, end: Callable[[Any], None]
) -> None:
    with costmeter.attribute(feature="chat"):
        stream = client.chat.completions.create(**CHAT, stream=True, **headers())
    end(stream)
    del stream
    (event,) = recorded()
    assert (event.status, event.usage) == ("cancelled", {})
    assert event.attributes == {"feature": "chat"}  # whose it was when it was opened


async def test_an_async_stream_that_the_caller_breaks_off_is_cancelled(
    async_client: openai.AsyncOpenAI, recorded: Recorded
) -> None:
    async with async_client.chat.completions.stream(**CHAT, **headers()) as stream:
        async for _ in stream:
            break
    async with await async_client.chat.completions.create(
        **CHAT, stream=True, **headers()
    ) as chunks:
        await anext(chunks)
    assert [event.status for event in recorded()] == ["cancelled", "cancelled"]


def test_the_stream_is_the_sdks_own(client: openai.OpenAI, recorded: Recorded) -> None:
    stream = client.chat.completions.create(**CHAT, stream=True, **headers())
    assert type(stream) is openai.Stream
    list(stream)
    assert not {"iter_bytes", "aiter_bytes", "close", "aclose"} & vars(stream.response).keys()


# -- the watcher ----------------------------------------------------------------------------------


def watch(name: str, size: int, *, hiding: bool) -> tuple[StreamWatcher, bytes, bytes]:
    content = (RESPONSES / name).read_bytes()
    watcher = StreamWatcher(hiding=hiding)
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    seen = b"".join(map(watcher.feed, chunks)) + watcher.flush()
    return watcher, content, seen


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 100_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_the_usage_chunk_is_hidden_however_the_bytes_arrive(size: int, line_end: bytes) -> None:
    content = (RESPONSES / "openai/chat_stream.sse").read_bytes().replace(b"\n", line_end)
    watcher = StreamWatcher(hiding=True)
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    seen = b"".join(map(watcher.feed, chunks)) + watcher.flush()
    events = content.split(line_end * 2)
    assert b'"choices":[],"usage":{' in events[-3]
    assert seen == (line_end * 2).join([*events[:-3], *events[-2:]])
    reading = watcher.reading()
    assert watcher.complete
    assert reading.usage == {
        "input_tokens": 1117,
        "cache_read_tokens": 1024,
        "output_tokens": 46,
    }


@pytest.mark.parametrize("colon", [b":", b": ", b" : ", b"\t:\t", b" :", b":   "])
@pytest.mark.parametrize("hiding", [False, True])
@pytest.mark.parametrize("size", [50, 100_000])
def test_usage_is_read_however_the_json_is_spaced(colon: bytes, hiding: bool, size: int) -> None:
    content = (RESPONSES / "openai/chat_stream.sse").read_bytes()
    content = content.replace(b'"usage":', b'"usage"' + colon).replace(b'":[]', b'" : [ ]')
    watcher = StreamWatcher(hiding=hiding)
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    seen = b"".join(map(watcher.feed, chunks)) + watcher.flush()
    assert content.count(b'"usage"' + colon) > content.count(b'"usage"' + colon + b"null") > 0
    assert watcher.reading().usage == {
        "input_tokens": 1117,
        "cache_read_tokens": 1024,
        "output_tokens": 46,
    }
    assert content.count(b"data:") - seen.count(b"data:") == hiding


@pytest.mark.parametrize("size", [1, 64, 100_000])
@pytest.mark.parametrize(
    "name",
    [
        "openai/chat_stream.sse",
        "openai/response_stream.sse",
        "openai/response_stream_failed.sse",
        "vllm/chat_stream_continuous_usage.sse",
    ],
)
def test_without_hiding_every_byte_passes_at_once(name: str, size: int) -> None:
    watcher, content, seen = watch(name, size, hiding=False)
    assert seen == content
    assert watcher.complete


def test_a_watched_response_tells_usage_and_failure() -> None:
    watcher, _, _ = watch("openai/response_stream.sse", 50, hiding=False)
    assert watcher.reading().usage == {"input_tokens": 36, "output_tokens": 87}
    watcher, _, _ = watch("openai/response_stream_failed.sse", 50, hiding=False)
    assert watcher.reading().status == "server_error"
    assert watcher.reading().model == "gpt-4.1-2025-04-14"


def test_of_a_running_usage_the_last_counts() -> None:
    watcher, _, seen = watch("vllm/chat_stream_continuous_usage.sse", 50, hiding=True)
    assert watcher.reading().usage == {"input_tokens": 7, "output_tokens": 2}
    assert seen.count(b"data:") == 4  # three with choices, and the end


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b": comment\n\n",
        b"data: {\n\n",
        b'data: {"usage": \n\n',
        b"\xff\xfe\n",
        b"{}",
    ],
)
@pytest.mark.parametrize("hiding", [False, True])
def test_what_is_no_stream_passes_untouched(content: bytes, hiding: bool) -> None:
    watcher = StreamWatcher(hiding=hiding)
    assert watcher.feed(content) + watcher.flush() == content
    assert not watcher.complete
    assert watcher.reading().usage is None


def test_a_body_is_read_at_its_end_only() -> None:
    content = (RESPONSES / "openai/response.json").read_bytes()
    watcher = BodyWatcher(read_json)
    assert watcher.feed(content[:100]) == content[:100]
    assert watcher.reading().usage is None
    assert watcher.feed(content[100:]) + watcher.flush() == content[100:]
    assert watcher.reading().usage == {"input_tokens": 36, "output_tokens": 87}
