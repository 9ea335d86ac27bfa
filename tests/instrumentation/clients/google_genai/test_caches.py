"""Context caches by tokens and time, and jobs of tuning by the tokens that they trained with."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google import genai

import costmeter
from costmeter.instrumentation.clients.google_genai.cache import CacheReader
from costmeter.instrumentation.clients.google_genai.tuning import JobReader
from costmeter.instrumentation.clients.reading import NO_JSON
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.google_genai.asking import asking
from tests.standins.google_genai import RESPONSES

JOB = "projects/acme/locations/europe-west1/tuningJobs/42"


def test_a_cache_of_the_gemini_api_costs_its_storage(
    client: genai.Client, recorded: Recorded
) -> None:
    client.caches.create(model="gemini-2.5-flash", config={"ttl": "3600s"})
    (event,) = recorded()
    assert (event.operation, event.provider) == ("cache", "gcp.gemini")
    assert event.model == "gemini-2.5-flash-cache-storage"
    assert event.usage == {"cached_token_seconds": 43_130 * 3600}


def test_a_cache_that_is_kept_longer_costs_the_time_that_is_added(
    client: genai.Client, recorded: Recorded
) -> None:
    client.caches.create(model="gemini-2.5-flash")
    client.caches.update(name="cachedContents/4k2j3h", config={"ttl": "3600s"})
    client.caches.update(
        name="cachedContents/4k2j3h", config={"ttl": "60s", **asking(answer="cache.json")}
    )
    made, longer, shorter = recorded()
    assert made.usage == {"cached_token_seconds": 43_130 * 3600}
    assert longer.usage == {"cached_token_seconds": 43_130 * 1800}
    assert shorter.usage == {"cached_token_seconds": 0}  # nothing is given back


def test_a_cache_of_vertex_ai_costs_what_was_written_to_it_too(
    vertex: genai.Client, recorded: Recorded
) -> None:
    vertex.caches.create(model="gemini-2.5-pro", config={"ttl": "300s"})
    written, storage = recorded()
    assert written.model == "gemini-2.5-pro"
    assert written.usage == {"input_tokens": 100_000, "cache_write_tokens": 100_000}
    assert storage.model == "gemini-2.5-pro-cache-storage"
    assert storage.usage == {"cached_token_seconds": 100_000 * 300}
    assert (written.calls, storage.calls) == (1, 0)


def test_storage_that_is_more_than_fits_into_an_event_is_told_by_several() -> None:
    body = {
        "name": "cachedContents/large",
        "model": "models/gemini-2.5-pro",
        "createTime": "2026-11-01T00:00:00Z",
        "expireTime": "2026-12-01T00:00:00Z",  # 2,592,000 seconds
        "usageMetadata": {"totalTokenCount": 1_000_000},
    }
    reading = CacheReader("gcp.gemini", made=True).read(json.dumps(body))
    told = [reading.usage, *(share.usage for share in reading.others)]
    assert told == [
        {"cached_token_seconds": 10**12},
        {"cached_token_seconds": 10**12},
        {"cached_token_seconds": 592 * 10**9},
    ]
    assert {reading.model, *(share.model for share in reading.others)} == {
        "gemini-2.5-pro-cache-storage"
    }
    for_ever = json.dumps({**body, "expireTime": "9999-12-31T00:00:00Z"})
    reading = CacheReader("gcp.gemini", made=True).read(for_ever)
    assert (reading.usage, reading.others) == ({}, ())
    assert reading.odd == ("a cache that is kept for ever, whose storage is not counted",)


def test_a_longer_time_for_a_cache_of_another_process_is_not_known() -> None:
    body = json.loads((RESPONSES / "cache_longer.json").read_text())
    told = json.dumps({**body, "name": "cachedContents/other"})
    assert CacheReader("gcp.gemini", made=False).read(told).usage is None
    assert CacheReader("gcp.gemini", made=True).read("{}") == NO_JSON


def test_looking_at_caches_and_deleting_them_costs_nothing(
    client: genai.Client, recorded: Recorded
) -> None:
    client.caches.get(name="cachedContents/4k2j3h", config=asking(answer="cache.json"))
    client.caches.delete(name="cachedContents/4k2j3h", config=asking(answer="cache.json"))
    assert recorded() == []


# The SDK warns once in a process, which may have been for another test.
@pytest.mark.filterwarnings("ignore::google.genai._common.ExperimentalWarning")
def test_a_job_of_tuning_counts_its_tokens_as_often_as_they_were_trained_with(
    vertex: genai.Client, recorded: Recorded
) -> None:
    with costmeter.attribute(team="research"):
        vertex.tunings.tune(
            base_model="gemini-2.5-flash", training_dataset={"gcs_uri": "gs://texts/train"}
        )
    vertex.tunings.get(name=JOB, config=asking(answer="job_begun.json"))
    assert recorded() == []
    vertex.tunings.get(name=JOB)
    (event,) = recorded()
    assert (event.operation, event.model) == ("fine_tuning", "gemini-2.5-flash-training")
    assert event.usage == {"training_tokens": 3 * 300_000}
    assert event.attributes == {"team": "research"}
    assert event.identity == f"gcp.vertex_ai/{JOB}"


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"supervisedTuningSpec": {}}, "ok"),
        ({"tuningDataStats": None}, "ok"),
        ({"state": "JOB_STATE_FAILED"}, "error"),
        ({"state": "JOB_STATE_CANCELLED"}, "cancelled"),
    ],
)
def test_a_job_that_does_not_tell_what_it_has_used_has_no_usage(
    changed: dict[str, object], status: str
) -> None:
    body = json.loads((RESPONSES / "job.json").read_text())
    reading = JobReader().read(json.dumps(body | changed))
    assert (reading.usage, reading.status) == (None, status)
    assert JobReader().read("<html>") == NO_JSON


def test_a_job_that_ended_long_ago_is_not_counted_now() -> None:
    body = json.loads((RESPONSES / "job.json").read_text())
    told: Any = JobReader().read(json.dumps(body | {"endTime": "2025-01-01T00:00:00.5Z"}))
    assert not told.over  # the ledger may have forgotten that it was counted
