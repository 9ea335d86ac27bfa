"""What Mistral's bodies and streams tell."""

from __future__ import annotations

import pytest

from costmeter.instrumentation.clients.mistral.usage import StreamWatcher, read
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from tests.standins.answering import RESPONSES

BODIES = RESPONSES / "mistral"
USED = {"input_tokens": 1200, "cache_read_tokens": 1024, "output_tokens": 50}


@pytest.mark.parametrize(
    ("name", "reading"),
    [
        ("chat_completion", Reading(USED, "mistral-small-2603")),
        (
            "chat_completion_priority",
            Reading({"input_tokens": 7, "output_tokens": 3}, "mistral-large-2512", "priority"),
        ),
        ("fim_completion", Reading({"input_tokens": 20, "output_tokens": 8}, "codestral-2508")),
        ("embeddings", Reading({"input_tokens": 15}, "mistral-embed")),
    ],
)
def test_a_body_tells_usage_model_and_tier(name: str, reading: Reading) -> None:
    assert read((BODIES / f"{name}.json").read_bytes()) == reading


def test_audio_counts_by_its_seconds_beside_the_tokens() -> None:
    reading = read((BODIES / "chat_completion_audio.json").read_bytes())
    assert reading.usage == {"input_tokens": 25, "output_tokens": 6, "input_audio_seconds": 12}
    assert not reading.odd


def test_reasoning_is_part_of_the_output() -> None:
    usage = b'{"completion_tokens": 9, "completion_tokens_details": {"reasoning_tokens": 4}}'
    assert read(b'{"usage": %b}' % usage).usage == {"output_tokens": 9, "reasoning_tokens": 4}


def test_cached_tokens_are_never_more_than_the_prompt() -> None:
    usage = b'{"prompt_tokens": 10, "prompt_tokens_details": {"cached_tokens": 64}}'
    assert read(b'{"usage": %b}' % usage).usage == {"input_tokens": 10, "cache_read_tokens": 10}


@pytest.mark.parametrize("body", [b"", b"upstream connect error", b"[1]", b"\xff"])
def test_a_body_that_is_no_json_object_is_odd(body: bytes) -> None:
    assert read(body) == Reading(odd=("a body that is no JSON object",))


def test_a_count_that_is_none_is_odd_and_the_rest_is_read() -> None:
    reading = read(b'{"usage": {"prompt_tokens": -1, "completion_tokens": 3}}')
    assert reading.usage == {"output_tokens": 3}
    assert reading.odd == ("prompt_tokens -1, which is no count of tokens",)


def test_a_body_without_usage_tells_none() -> None:
    assert read(b'{"model": "m"}') == Reading(model="m")


@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_a_stream_tells_the_same_however_it_is_cut(size: int) -> None:
    body = (BODIES / "chat_stream.sse").read_bytes()
    watcher = StreamWatcher()
    seen = [watcher.feed(body[start : start + size]) for start in range(0, len(body), size)]
    assert b"".join([*seen, watcher.flush()]) == body
    assert watcher.complete
    assert watcher.reading() == Reading(USED, "mistral-small-2603")


def test_a_stream_that_ends_early_tells_its_model() -> None:
    body = (BODIES / "chat_stream.sse").read_bytes()
    watcher = StreamWatcher()
    watcher.feed(body[:400])
    assert not watcher.complete
    assert watcher.reading() == Reading(model="mistral-small-2603")


def test_usage_of_an_earlier_chunk_stays_where_later_ones_have_none() -> None:
    watcher = StreamWatcher()
    watcher.feed(b'data: {"usage": {"prompt_tokens": 3}}\n\ndata: {"usage": null}\n\n')
    assert watcher.reading().usage == {"input_tokens": 3}


def test_a_last_line_without_an_end_is_read_and_comments_are_not() -> None:
    watcher = StreamWatcher()
    watcher.feed(b": keep-alive\n\ndata: [DONE]")
    assert not watcher.complete
    watcher.flush()
    assert watcher.complete
    assert watcher.reading() == NOTHING
