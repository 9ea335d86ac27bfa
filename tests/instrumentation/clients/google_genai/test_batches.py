"""Batches of the Gemini API: each answer counts once, wherever and however often it is read."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from google import genai

import costmeter
from costmeter.instrumentation.clients.google_genai.batch import read_line, results_of
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.counting import spent
from tests.instrumentation.clients.google_genai.asking import asking
from tests.standins.google_genai import RESPONSES

USED = {
    "input_tokens": 1200,
    "cache_read_tokens": 1024,
    "output_tokens": 50,
    "reasoning_tokens": 20,
}
IN_BATCH = [
    ("gemini-2.5-flash", USED, "ok", "gcp.gemini/batches/8f3c2a1b/0"),
    ("gemini-2.5-flash", {}, "bad_request", "gcp.gemini/batches/8f3c2a1b/1"),
]
IN_FILE = [
    ("gemini-2.5-flash", USED, "ok", "gcp.gemini/results/request-1"),
    ("gemini-2.5-pro", {"input_tokens": 40, "output_tokens": 2}, "ok", "gcp.gemini/results/request-2"),
    ("", {}, "rate_limited", "gcp.gemini/results/request-3"),
]  # fmt: skip


def told(recorded: Recorded) -> list[tuple[Any, ...]]:
    events = recorded()
    assert {(one.calls, one.requests, one.service_tier) for one in events} <= {(1, 1, "batch")}
    return [(one.model, one.usage, one.status, one.identity) for one in events]


def test_each_result_within_a_batch_is_a_call_at_the_price_of_batches(
    client: genai.Client, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="reports"):
        batch = client.batches.get(name="batches/8f3c2a1b")
    assert batch.dest is not None
    assert len(batch.dest.inlined_responses or ()) == 2
    events = recorded()
    assert {(one.provider, one.operation) for one in events} == {("gcp.gemini", "generate_content")}
    assert {one.attributes["feature"] for one in events} == {"reports"}
    assert [(one.model, one.usage, one.status, one.identity) for one in events] == IN_BATCH


def test_vectors_of_a_batch_count_their_tokens(client: genai.Client, recorded: Recorded) -> None:
    client.batches.get(name="batches/embeddings")
    events = recorded()
    assert [(one.operation, one.model, one.usage) for one in events] == [
        ("embeddings", "gemini-embedding-001", {"input_tokens": 5}),
        ("embeddings", "gemini-embedding-001", {"input_tokens": 3}),
    ]


def test_a_batch_that_is_not_done_has_no_results(client: genai.Client, recorded: Recorded) -> None:
    client.batches.create(model="gemini-2.5-flash", src="files/requests")
    client.batches.cancel(name="batches/8f3c2a1b")
    assert recorded() == []
    unfinished = '{"name": "batches/1", "metadata": {"state": "BATCH_STATE_RUNNING"}}'
    name, results = results_of(unfinished)
    assert (name, list(results)) == ("batches/1", [])


def test_a_batch_that_ended_long_ago_is_not_counted_now() -> None:
    body = (RESPONSES / "batch.json").read_text()
    old = body.replace('"createTime"', '"endTime": "2025-01-01T00:00:00.5Z", "createTime"')
    assert len(list(results_of(body)[1])) == 2
    assert list(results_of(old)[1]) == []


@pytest.mark.parametrize("to", ["memory", "path", "file"])
async def test_each_result_in_a_file_is_a_call_however_it_is_downloaded(
    client: genai.Client, recorded: Recorded, tmp_path: Path, to: str
) -> None:
    path = tmp_path / "results.jsonl"
    buffer = io.BytesIO()
    destination: Any = {"memory": None, "path": path, "file": buffer}[to]
    text = (RESPONSES / "batch_results.jsonl").read_bytes()
    content = client.files.download(file="files/results", destination=destination)
    assert told(recorded) == IN_FILE
    again = await client.aio.files.download(file="files/results", destination=destination)
    assert told(recorded) == IN_FILE
    assert content == again == (text if to == "memory" else None)
    assert to != "path" or path.read_bytes() == text
    assert to != "file" or buffer.getvalue() == text * 2
    await client.aio.aclose()


def test_a_file_with_anything_else_is_let_alone(
    client: genai.Client, recorded: Recorded, tmp_path: Path
) -> None:
    config = asking(answer="images.json")
    path = tmp_path / "film.mp4"
    client.files.download(file="files/film", destination=path, config=config)
    assert json.loads(path.read_text())["predictions"]
    assert recorded() == []
    assert read_line(b'{"contents": []}') is None
    assert read_line(b"\x89PNG") is None


def test_a_download_that_fails_is_no_call(client: genai.Client, recorded: Recorded) -> None:
    with pytest.raises(genai.errors.ClientError):
        client.files.download(file="files/results", config=asking(fault="404"))
    assert recorded() == []


def test_results_that_are_read_again_and_by_another_process_cost_once(
    client: genai.Client, recorded: Recorded, tmp_path: Path
) -> None:
    client.batches.get(name="batches/8f3c2a1b")
    client.files.download(file="files/results")
    once = recorded()
    client.batches.get(name="batches/8f3c2a1b")
    client.files.download(file="files/results")
    again = recorded()
    assert (len(once), len(again)) == (5, 5)
    # gemini-2.5-flash twice: 176 at 150, 1,024 from the cache at 30, as without a batch, and 50 at
    # 1,250 nano-dollars; gemini-2.5-pro: 40 at 625 and 2 at 5,000.
    flash, pro = 26_400 + 30_720 + 62_500, 25_000 + 10_000
    assert spent(tmp_path / "ledger.db", once, again) == 2 * flash + pro
