"""Events whose data is broken over several lines, as the specification of their streams allows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from costmeter.instrumentation.clients.anthropic.stream import StreamWatcher as AnthropicStream
from costmeter.instrumentation.clients.cohere import usage as cohere_usage
from costmeter.instrumentation.clients.lines import OpenEvent
from costmeter.instrumentation.clients.mistral import usage as mistral_usage
from costmeter.instrumentation.clients.openai import usage as openai_usage
from costmeter.instrumentation.clients.openai.events import EventWatcher
from costmeter.instrumentation.clients.openai.stream import StreamWatcher as OpenAIStream
from costmeter.instrumentation.clients.providers import Providers
from costmeter.instrumentation.clients.reading import Watcher
from costmeter.instrumentation.clients.wire import Head, recognise
from tests.standins.answering import RESPONSES

GEMINI = "https://generativelanguage.googleapis.com/v1beta/models/asked:streamGenerateContent"
LINE_ENDS = [pytest.param("\n", id="LF"), pytest.param("\r\n", id="CRLF")]


def of_gemini() -> Watcher:
    request = recognise(GEMINI, {}, Providers())
    assert request is not None
    return request.format.watch(Head("asked", {}))


def of_speech() -> Watcher:
    return EventWatcher(b'.done"', openai_usage.read_json)


WATCHERS = [
    pytest.param("openai/chat_stream.sse", lambda: OpenAIStream(hiding=False), id="chat"),
    pytest.param("openai/chat_stream.sse", lambda: OpenAIStream(hiding=True), id="hiding"),
    pytest.param("openai/response_stream.sse", lambda: OpenAIStream(hiding=False), id="response"),
    pytest.param("anthropic/message_stream.sse", AnthropicStream, id="anthropic"),
    pytest.param("mistral/chat_stream.sse", mistral_usage.StreamWatcher, id="mistral"),
    pytest.param("cohere/v2_chat_stream.sse", cohere_usage.StreamWatcher, id="cohere"),
    pytest.param("google_genai/generate_content_stream.sse", of_gemini, id="gemini"),
    pytest.param("openai_media/speech.sse", of_speech, id="speech"),
]


def broken(stream: bytes, end: str) -> bytes:
    """Return the same events with a line for each field, and each bracket, of their data."""
    lines = []
    for line in stream.decode().splitlines():
        field, _, data = line.partition(": ")
        if field == "data" and data.startswith("{"):
            parts = json.dumps(json.loads(data), indent=1).splitlines()
            lines += [f"data: {part}" for part in parts]
        else:
            lines.append(line)
    return "".join(line + end for line in lines).encode()


def fed(watcher: Watcher, *chunks: bytes) -> Watcher:
    for chunk in chunks:
        watcher.feed(chunk)
    watcher.flush()
    return watcher


def chunkings(stream: bytes) -> Iterator[tuple[bytes, ...]]:
    """Yield a stream whole, byte by byte, line by line, and cut in two at each of its bytes."""
    yield (stream,)
    yield tuple(stream[at : at + 1] for at in range(len(stream)))
    yield tuple(stream.splitlines(keepends=True))
    for at in range(1, len(stream)):
        yield (stream[:at], stream[at:])


@pytest.mark.parametrize("end", LINE_ENDS)
@pytest.mark.parametrize(("name", "watcher"), WATCHERS)
def test_their_usage_is_read_wherever_chunks_end(
    name: str, watcher: Callable[[], Watcher], end: str
) -> None:
    stream = (RESPONSES / name).read_bytes()
    told = fed(watcher(), stream)
    assert told.reading().usage
    for chunks in chunkings(broken(stream, end)):
        again = fed(watcher(), *chunks)
        assert (again.reading(), again.complete) == (told.reading(), told.complete), chunks


def test_none_of_them_is_kept_from_the_caller() -> None:
    stream = broken((RESPONSES / "openai/chat_stream.sse").read_bytes(), "\n")
    for chunks in chunkings(stream):
        watcher = OpenAIStream(hiding=True)
        assert b"".join((*map(watcher.feed, chunks), watcher.flush())) == stream


def test_events_that_no_blank_line_ends_are_read_line_by_line_and_let_go() -> None:
    stream = (RESPONSES / "openai/chat_stream.sse").read_bytes().replace(b"\n\n", b"\n")
    watcher = OpenAIStream(hiding=False)
    text = next(line for line in stream.splitlines(keepends=True) if b"usage" not in line)
    for line in (*[text] * 5000, *stream.splitlines(keepends=True)):
        watcher.feed(line)
    assert (watcher.complete, bool(watcher.reading().usage)) == (True, True)
    assert len(watcher._open.lines) <= OpenEvent.MOST
