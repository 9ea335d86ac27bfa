"""What Cohere's bodies and streams tell."""

from __future__ import annotations

import pytest

from costmeter.instrumentation.clients.cohere.usage import StreamWatcher, read
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from tests.standins.answering import RESPONSES

BODIES = RESPONSES / "cohere"
USED = {"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 50}


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("v2_chat", USED),
        ("v1_chat", {"input_tokens": 5, "output_tokens": 418}),
        ("v2_embed", {"input_tokens": 12}),
        ("v1_embed", {"input_tokens": 2}),
        ("v2_embed_image", {"input_tokens": 504, "input_image_tokens": 500}),
        ("rerank", {"search_units": 1}),
    ],
)
def test_a_body_tells_what_is_billed(name: str, usage: dict[str, int]) -> None:
    assert read((BODIES / f"{name}.json").read_bytes()) == Reading(usage)


def test_a_sum_beside_its_kinds_is_not_added_to_them() -> None:
    units = b'{"input_tokens": 504, "text_tokens": 4, "image_tokens": 500}'
    usage = read(b'{"meta": {"billed_units": %b}}' % units).usage
    assert usage == {"input_tokens": 504, "input_image_tokens": 500}


def test_without_billed_units_all_tokens_count() -> None:
    reading = read(b'{"usage": {"tokens": {"input_tokens": 7, "output_tokens": 2}}}')
    assert reading.usage == {"input_tokens": 7, "output_tokens": 2}


def test_tokens_that_are_not_billed_are_not_counted_for_what_is_billed_otherwise() -> None:
    meta = b'{"billed_units": {"search_units": 1}, "tokens": {"input_tokens": 70}}'
    assert read(b'{"meta": %b}' % meta).usage == {"search_units": 1}


def test_cached_tokens_are_never_more_than_what_is_billed() -> None:
    usage = b'{"billed_units": {"input_tokens": 10}, "cached_tokens": 64}'
    assert read(b'{"usage": %b}' % usage).usage == {"input_tokens": 10, "cache_read_tokens": 10}


def test_what_usage_has_no_word_for_is_said_to_be_missing_from_it() -> None:
    units = b'{"input_tokens": 5, "search_units": 3, "images": 1}'
    reading = read(b'{"meta": {"billed_units": %b}}' % units)
    assert reading.usage == {"input_tokens": 5, "search_units": 3}
    assert reading.odd == ("images, which are billed beside the tokens and are not metered",)


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        ("COMPLETE", "ok"),
        ("MAX_TOKENS", "ok"),
        ("TOOL_CALL", "ok"),
        ("ERROR", "server_error"),
        ("TIMEOUT", "timeout"),
        ("USER_CANCEL", "cancelled"),
    ],
)
def test_the_reason_to_finish_tells_the_outcome(reason: str, status: str) -> None:
    assert read(b'{"finish_reason": "%b"}' % reason.encode()) == Reading(status=status)


@pytest.mark.parametrize("body", [b"", b"upstream connect error", b"[1]", b"\xff"])
def test_a_body_that_is_no_json_object_is_odd(body: bytes) -> None:
    assert read(body) == Reading(odd=("a body that is no JSON object",))


@pytest.mark.parametrize("body", [b"{}", b'{"usage": null}', b'{"usage": 3}', b'{"meta": {}}'])
def test_a_body_without_usage_tells_none(body: bytes) -> None:
    assert read(body).usage is None


def test_a_count_that_is_none_is_odd_and_the_rest_is_read() -> None:
    units = b'{"input_tokens": -1, "output_tokens": 2.0}'
    reading = read(b'{"usage": {"billed_units": %b}}' % units)
    assert reading.usage == {"output_tokens": 2}
    assert reading.odd == ("input_tokens -1, which is no count of tokens",)


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("v2_chat_stream.sse", Reading(USED)),
        ("v1_chat_stream.jsonl", Reading({"input_tokens": 5, "output_tokens": 418})),
        ("v2_chat_stream_failed.sse", Reading({"input_tokens": 5}, status="server_error")),
    ],
)
def test_a_stream_tells_the_same_however_it_is_cut(name: str, reading: Reading, size: int) -> None:
    body = (BODIES / name).read_bytes()
    watcher = StreamWatcher()
    seen = [watcher.feed(body[start : start + size]) for start in range(0, len(body), size)]
    assert b"".join([*seen, watcher.flush()]) == body
    assert watcher.complete
    assert watcher.reading() == reading


def test_a_piece_of_text_that_reads_like_the_last_event_is_none() -> None:
    body = (BODIES / "v2_chat_stream.sse").read_bytes()
    watcher = StreamWatcher()
    watcher.feed(body[: body.index(b"event: message-end")])
    assert not watcher.complete
    assert watcher.reading() == NOTHING


def test_the_last_event_of_the_first_version_may_tell_of_an_error_alone() -> None:
    watcher = StreamWatcher()
    watcher.feed(b'{"event_type": "stream-end", "finish_reason": "ERROR", "error": "failed"}\n')
    assert watcher.complete
    assert watcher.reading() == Reading(status="server_error")


def test_a_last_event_without_contents_ends_the_stream() -> None:
    watcher = StreamWatcher()
    watcher.feed(b'data: {"type": "message-end"}\n\n')
    assert watcher.complete
    assert watcher.reading() == NOTHING
