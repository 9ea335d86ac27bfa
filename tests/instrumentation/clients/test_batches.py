"""Batches of OpenAI and Anthropic: the real SDKs read results from a stand-in over real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anthropic
import httpx2
import msgspec
import openai
import pytest

import costmeter
from costmeter.instrumentation.clients import call
from costmeter.instrumentation.clients.anthropic import batch as anthropic_batch
from costmeter.instrumentation.clients.openai import batch as openai_batch
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.counting import spent
from tests.standins.answering import RESPONSES
from tests.standins.batches import PICTURE, create_app

BATCH = "msgbatch_013Zva2CMHLNnXjNJJKqJ2EF"
OUTPUT = [
    (
        "chat",
        "gpt-4o-mini-2024-07-18",
        {
            "input_tokens": 1200,
            "cache_read_tokens": 1024,
            "output_tokens": 50,
            "reasoning_tokens": 20,
        },
        "ok",
        "openai/output/request-1",
    ),
    (
        "chat",
        "o4-mini-2025-04-16",
        {"input_tokens": 36, "output_tokens": 87, "reasoning_tokens": 64},
        "ok",
        "openai/output/request-2",
    ),
    ("embeddings", "text-embedding-3-small", {"input_tokens": 8}, "ok", "openai/output/request-3"),
    (
        "image_generation",
        "",
        {"input_tokens": 50, "output_tokens": 1056, "output_image_tokens": 1056},
        "ok",
        "openai/output/request-4",
    ),
    ("moderation", "omni-moderation-latest", {}, "ok", "openai/output/request-5"),
]
RESULTS = [
    (
        "claude-haiku-4-5-20251001",
        {
            "input_tokens": 2381,
            "cache_read_tokens": 1800,
            "cache_write_tokens": 556,
            "cache_write_1h_tokens": 100,
            "output_tokens": 15,
        },
        "ok",
        f"anthropic/{BATCH}/second",
    ),
    (
        "claude-haiku-4-5-20251001",
        {"input_tokens": 2095, "output_tokens": 503},
        "ok",
        f"anthropic/{BATCH}/first",
    ),
    ("", {}, "bad_request", f"anthropic/{BATCH}/third"),
]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def metered(server: str, recorded: Recorded) -> Iterator[None]:
    costmeter.instrument(
        "openai", "anthropic", providers={f"{server}/v1": "openai", server: "anthropic"}
    )
    yield
    costmeter.uninstrument()


@pytest.fixture
def files(server: str, metered: None) -> Iterator[openai.resources.Files]:
    with openai.OpenAI(api_key="key", base_url=f"{server}/v1", max_retries=0) as client:
        yield client.files


@pytest.fixture
def batches(server: str, metered: None) -> Iterator[anthropic.resources.messages.Batches]:
    with anthropic.Anthropic(api_key="key", base_url=server, max_retries=0) as client:
        yield client.messages.batches


def told(recorded: Recorded) -> list[tuple[Any, ...]]:
    events = recorded()
    assert {(each.calls, each.requests, each.service_tier) for each in events} <= {(1, 1, "batch")}
    return [(each.operation, each.model, each.usage, each.status, each.identity) for each in events]


class TestOpenAI:
    def test_each_result_of_a_batch_is_a_call_at_the_price_of_batches(
        self, files: openai.resources.Files, recorded: Recorded
    ) -> None:
        with costmeter.attribute(feature="reports"):
            content = files.content("output")
        assert content.text.count("\n") == 5
        events = recorded()
        assert {each.attributes["feature"] for each in events} == {"reports"}
        assert {each.provider for each in events} == {"openai"}
        assert [
            (each.operation, each.model, each.usage, each.status, each.identity) for each in events
        ] == OUTPUT

    def test_however_the_results_are_read(
        self, files: openai.resources.Files, recorded: Recorded
    ) -> None:
        files.with_raw_response.content("output")
        assert told(recorded) == OUTPUT
        with files.with_streaming_response.content("output") as response:
            assert recorded() == []
            assert len(b"".join(response.iter_bytes(100))) > 1000
        assert told(recorded) == OUTPUT
        with pytest.warns(DeprecationWarning, match="content"):
            files.retrieve_content("output")
        assert told(recorded) == OUTPUT

    async def test_by_asyncio_too(self, server: str, metered: None, recorded: Recorded) -> None:
        async with openai.AsyncOpenAI(api_key="key", base_url=f"{server}/v1") as client:
            await client.files.content("output")
        assert told(recorded) == OUTPUT

    def test_a_request_that_failed_is_a_call_and_one_that_was_never_made_is_none(
        self, files: openai.resources.Files, recorded: Recorded
    ) -> None:
        files.content("errors")
        assert told(recorded) == [("chat", "", {}, "bad_request", "openai/errors/request-6")]

    @pytest.mark.parametrize("file", ["input", "picture"])
    def test_other_files_are_no_calls(
        self, files: openai.resources.Files, recorded: Recorded, file: str
    ) -> None:
        content = files.content(file).read()
        assert file != "picture" or content == PICTURE
        assert recorded() == []

    def test_a_download_that_fails_is_no_call(
        self, files: openai.resources.Files, recorded: Recorded
    ) -> None:
        with pytest.raises(openai.NotFoundError):
            files.content("nothing")
        assert recorded() == []

    @pytest.mark.parametrize(
        "line",
        [
            b"{",
            b"[]",
            b'{"custom_id": 7, "response": {"status_code": 200}}',
            b'{"custom_id": "a", "response": {"status_code": "200"}}',
            b'{"custom_id": "a", "response": null}',
        ],
    )
    def test_a_line_of_something_else_is_no_result(self, line: bytes) -> None:
        assert openai_batch.read_line(line) is None


def test_results_can_be_read_whatever_the_gate_says(
    files: openai.resources.Files, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Closed:
        def admit(self, *_: object, **__: object) -> None:
            raise AssertionError("asked for what costs nothing")

    monkeypatch.setattr(call, "gate", Closed())
    files.content("output")
    assert told(recorded) == OUTPUT


class TestAnthropic:
    def told(self, recorded: Recorded) -> list[tuple[Any, ...]]:
        return [each[1:] for each in told(recorded)]

    def test_each_result_of_a_batch_is_a_call_at_the_price_of_batches(
        self, batches: anthropic.resources.messages.Batches, recorded: Recorded
    ) -> None:
        names = [result.custom_id for result in batches.results(BATCH)]
        assert names == ["second", "first", "third", "fourth", "fifth"]
        assert self.told(recorded) == RESULTS

    def test_a_raw_response_counts_when_it_is_read(
        self, batches: anthropic.resources.messages.Batches, recorded: Recorded
    ) -> None:
        raw = batches.with_raw_response.results(BATCH)
        assert len(list(raw.parse())) == 5
        assert self.told(recorded) == RESULTS

    async def test_those_of_asyncio_count_the_same(
        self, server: str, metered: None, recorded: Recorded
    ) -> None:
        async with anthropic.AsyncAnthropic(api_key="key", base_url=server) as client:
            results = await client.messages.batches.results(BATCH)
            assert len([result async for result in results]) == 5
            assert self.told(recorded) == RESULTS
            beta = await client.beta.messages.batches.results(BATCH)
            assert len([result async for result in beta]) == 5
            assert self.told(recorded) == RESULTS

    def test_of_a_download_that_breaks_off_counts_what_was_read(
        self, batches: anthropic.resources.messages.Batches, recorded: Recorded
    ) -> None:
        results = batches.results(BATCH, extra_headers={"x-standin-fault": "drop"})
        with suppress(httpx2.TransportError):
            assert len(list(results)) == 2
        assert self.told(recorded) == RESULTS[:2]

    def test_a_line_that_cannot_be_read_costs_no_other(self) -> None:
        lines = (RESPONSES / "anthropic_batch/results.jsonl").read_bytes().splitlines()
        with pytest.raises(msgspec.DecodeError):
            anthropic_batch.read_line(b'{"custom_id": "a"}')
        assert anthropic_batch.read_line(lines[0]) is not None


def test_results_that_are_read_again_and_by_another_process_cost_once(
    files: openai.resources.Files, recorded: Recorded, tmp_path: Path
) -> None:
    files.content("output")
    files.content("output")
    twice = recorded()
    files.content("output")
    again = recorded()
    assert (len(twice), len(again)) == (10, 5)
    # gpt-4o-mini: 176 at 75, 1,024 from the cache at 75, as without a batch, 50 at 300; o4-mini: 36
    # at 550, 87 at 2,200; text-embedding-3-small: 8 at 10 nano-dollars. Whose the picture is, nobody
    # told: it has no price.
    assert (
        spent(tmp_path / "ledger.db", twice, again)
        == 13_200 + 76_800 + 15_000 + 19_800 + 191_400 + 80
    )
