"""Embed jobs and batches of Cohere, which go on after they were answered, by the real SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import cohere
import pytest
from cohere.core.api_error import ApiError

import costmeter
from costmeter.instrumentation.clients import begun
from costmeter.instrumentation.clients.cohere import jobs as cohere_jobs
from costmeter.usage import UsageEvent
from tests.examples.serving import serving
from tests.instrumentation.clients.conftest import Recorded
from tests.standins.cohere import create_app

JOB: dict[str, Any] = {
    "model": "embed-v4.0",
    "dataset_id": "prices-1",
    "input_type": "search_document",
}
BATCH = cohere.batches.Batch(name="a", model="command-a-03-2025", input_dataset_id="prices-1")


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with serving(create_app()) as url:
        yield url


@pytest.fixture
def client(server: str, recorded: Recorded) -> Iterator[cohere.ClientV2]:
    begun.forget()
    costmeter.instrument("cohere", providers={server: "cohere"})
    with cohere.ClientV2(base_url=server, api_key="key", timeout=5, max_retries=0) as client:
        yield client
    costmeter.uninstrument()


def told(event: UsageEvent) -> tuple[Any, ...]:
    return (event.model, event.usage, event.status, event.service_tier, event.identity)


def test_an_embed_job_counts_once_it_is_complete_for_whom_it_was_begun(
    client: cohere.ClientV2, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="index"):
        client.embed_jobs.create(**JOB)
    client.embed_jobs.get("processing")
    assert recorded() == []
    with costmeter.attribute(feature="waiting"):
        client.embed_jobs.get("complete")
    (event,) = recorded()
    assert (event.operation, event.attributes) == ("embeddings", {"feature": "index"})
    assert told(event) == ("embed-v4.0", {"input_tokens": 4096}, "ok", "", "cohere/3c4c0e94")


def test_a_job_that_nobody_here_has_begun_counts_for_whom_it_is_asked_for(
    client: cohere.ClientV2, recorded: Recorded
) -> None:
    with costmeter.attribute(feature="waiting"):
        client.embed_jobs.get("failed")
    (event,) = recorded()
    assert event.attributes == {"feature": "waiting"}
    assert told(event) == ("embed-v4.0", {}, "server_error", "", "cohere/3c4c0e95")


def test_a_batch_counts_its_tokens_at_the_price_of_batches(
    client: cohere.ClientV2, recorded: Recorded
) -> None:
    client.batches.create(request=BATCH)
    client.batches.retrieve("running")
    assert recorded() == []
    client.batches.retrieve("completed")
    client.batches.retrieve("canceled")
    usage = {"input_tokens": 1200, "output_tokens": 50}
    assert [told(event) for event in recorded()] == [
        ("command-a-03-2025", usage, "ok", "batch", "cohere/batch-1"),
        ("command-a-03-2025", {}, "cancelled", "batch", "cohere/batch-1"),
    ]


def test_one_that_cannot_be_begun_is_a_call_that_failed(
    client: cohere.ClientV2, recorded: Recorded
) -> None:
    headers = {"additional_headers": {"x-standin-fault": "400"}}
    with pytest.raises(ApiError):
        client.embed_jobs.create(**JOB, request_options=headers)  # type: ignore[arg-type]
    (event,) = recorded()
    assert (event.model, event.status, event.calls) == ("embed-v4.0", "bad_request", 1)


@pytest.mark.parametrize("path", ["v1/embed-jobs", "v2/batches", "v1/embed-jobs/1/cancel"])
def test_a_list_of_jobs_is_no_question_for_one(path: str) -> None:
    assert cohere_jobs.asking("cohere", path) is None


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("v1/embed-jobs/1", {"job_id": "1", "status": "complete"}),
        ("v2/batches/1", {"batch": {"id": "1", "status": "BATCH_STATUS_COMPLETED"}}),
    ],
)
def test_a_job_that_was_begun_long_ago_is_not_counted_now(
    recorded: Recorded, path: str, body: dict[str, Any]
) -> None:
    told = body.get("batch", body)
    for created_at in ("2025-01-01T00:00:00Z", "2125-01-01T00:00:00Z"):
        told["created_at"] = created_at
        asking = cohere_jobs.asking("cohere", path)
        assert asking is not None
        assert asking.reader is not None
        asking.end("ok", asking.reader.read_json, json.dumps(body).encode())
    assert len(recorded()) == 1  # the ledger may have forgotten that the other was counted
