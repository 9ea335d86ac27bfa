"""The watchers, byte by byte."""

from __future__ import annotations

import pytest

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.anthropic.frames import Frames
from costmeter.instrumentation.clients.anthropic.stream import FrameWatcher, StreamWatcher
from tests.instrumentation.clients.anthropic.test_client import STREAMED
from tests.standins.anthropic import BODIES, frame

STREAM = (BODIES / "message_stream.sse").read_bytes()
EVENTS = [event.partition(b"data: ")[2] for event in STREAM.strip().split(b"\n\n")]


def watch(
    watcher: StreamWatcher | FrameWatcher, content: bytes, size: int
) -> StreamWatcher | FrameWatcher:
    chunks = [content[at : at + size] for at in range(0, len(content), size)]
    assert b"".join(map(watcher.feed, chunks)) + watcher.flush() == content
    return watcher


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 1000, 100_000])
@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
def test_a_stream_is_read_however_its_bytes_arrive(size: int, line_end: bytes) -> None:
    watcher = watch(StreamWatcher(), STREAM.replace(b"\n", line_end), size)
    reading = watcher.reading()
    assert watcher.complete
    assert (reading.model, reading.usage) == ("claude-haiku-4-5-20251001", STREAMED)
    assert (reading.status, reading.odd) == ("ok", ())


@pytest.mark.parametrize("size", [1, 13, 100_000])
def test_frames_are_read_however_their_bytes_arrive(size: int) -> None:
    watcher = watch(FrameWatcher(), b"".join(map(frame, EVENTS)), size)
    assert watcher.complete
    assert watcher.reading().usage == STREAMED


def test_a_stream_without_a_last_line_end_is_read_to_its_end() -> None:
    assert watch(StreamWatcher(), STREAM.rstrip(), 50).complete


def test_the_last_usage_stands_for_the_whole_stream() -> None:
    content = (BODIES / "message_stream_web_search.sse").read_bytes()
    assert watch(StreamWatcher(), content, 100).reading().usage == {
        "input_tokens": 10_682,
        "output_tokens": 510,
        "web_searches": 1,
    }


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n\n\n",
        b"data: {\n\n",
        b'data: {"type": "message_start"\n\n',
        b'data: {"type": "message_start", "message": 7}\n\n',
        b'data: {"type": "message_start", "message": {"usage": 7}}\n\n',
        b'data: {"type": "message_delta", "usage": []}\n\n',
        b'data: ["message_start"]\n\n',
        b"\xff\xfe\n",
        b"{}",
    ],
)
def test_what_is_no_stream_passes_untouched(
    content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(boundary, "_tell", lambda message, error: pytest.fail(message))
    watcher = watch(StreamWatcher(), content, 5)
    assert not watcher.complete
    assert watcher.reading().usage is None


def test_what_is_no_frame_is_given_up() -> None:
    frames = Frames()
    with pytest.raises(ValueError, match="a frame of 1684108385 bytes with 975207293 bytes"):
        list(frames.feed(b"data: {}\n\ndata: {}\n\n"))
    assert list(frames.feed(frame(b"{}"))) == []


def test_a_frame_has_its_texts_among_headers_of_every_kind() -> None:
    others = b"\x01t\x00\x01f\x01\x01b\x02\x07\x01s\x03\x00\x07\x01i\x04\x00\x00\x00\x07"
    others += b"\x01l\x05" + bytes(8) + b"\x01d\x08" + bytes(8) + b"\x01u\x09" + bytes(16)
    others += b"\x01y\x06\x00\x02hi"
    headers = others + b"\x05:kind\x07\x00\x05chunk"
    length = 16 + len(headers) + 2
    content = length.to_bytes(4, "big") + len(headers).to_bytes(4, "big") + bytes(4)
    content += headers + b"{}" + bytes(4)
    ((texts, payload),) = Frames().feed(content)
    assert (texts, payload) == ({":kind": "chunk"}, b"{}")
