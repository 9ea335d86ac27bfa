"""Bodies as the Gemini API and Vertex AI answer with, and odd ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from costmeter.instrumentation.clients.google_genai.usage import Answer
from costmeter.instrumentation.clients.reading import Reading
from tests.standins.google_genai import RESPONSES


def read(body: str | bytes, model: str = "gemini-2.5-flash", **headers: str) -> Reading:
    """Return what a body tells that is answered at once."""
    return Answer(model).take(body, headers).reading()


def told(usage: dict[str, Any], **fields: Any) -> Reading:
    """Return what a body with this usage tells."""
    return read(json.dumps({"usageMetadata": usage, **fields}))


def test_cached_tokens_are_part_of_the_prompt_and_thoughts_come_on_top_of_the_candidates() -> None:
    reading = read((RESPONSES / "generate_content.json").read_bytes())
    assert reading == Reading(
        usage={
            "input_tokens": 1200,
            "cache_read_tokens": 1024,
            "output_tokens": 50,
            "reasoning_tokens": 20,
        },
        model="gemini-2.5-flash",
    )


def test_tokens_are_told_apart_by_modality_and_tool_results_are_input() -> None:
    reading = read((RESPONSES / "generate_content_media.json").read_bytes())
    assert reading.usage == {
        "input_tokens": 1200,  # 1000 of the prompt and 200 of tool results
        "cache_read_tokens": 300,
        "input_audio_tokens": 200,
        "cache_audio_read_tokens": 120,
        "input_image_tokens": 608,  # 258 images, 100 documents, 200 film, 50 of tool results
        "output_tokens": 1400,
        "output_image_tokens": 1290,
        "output_audio_tokens": 60,
    }
    assert reading.odd == ()


@pytest.mark.parametrize(
    ("model", "searches"),
    [
        ("gemini-3.1-pro-preview", 2),
        ("gemini-3-flash-preview", 2),
        ("gemini-2.5-flash", 1),
        ("gemini-2.0-flash-001", 1),
        ("gemini-live-2.5-flash", 1),
        ("gemini-1.5-pro", 1),
    ],
)
def test_searches_are_billed_by_different_query_and_up_to_gemini_2_5_by_prompt(
    model: str, searches: int
) -> None:
    body = json.loads((RESPONSES / "generate_content_grounded.json").read_text())
    reading = read(json.dumps({**body, "modelVersion": model}))
    assert reading.usage == {
        "input_tokens": 72,
        "output_tokens": 48,
        "reasoning_tokens": 40,
        "web_searches": searches,
    }


def test_the_model_asked_for_tells_how_searches_are_billed_where_none_answers() -> None:
    body = json.loads((RESPONSES / "generate_content_grounded.json").read_text())
    del body["modelVersion"]
    assert (read(json.dumps(body), "gemini-2.5-pro").usage or {})["web_searches"] == 1
    assert (read(json.dumps(body), "gemini-3-pro").usage or {})["web_searches"] == 2


def test_embeddings_are_input_only() -> None:
    gemini = read((RESPONSES / "embeddings.json").read_bytes())
    vertex = read((RESPONSES / "vertex_embeddings.json").read_bytes())
    assert (gemini.usage, vertex.usage) == ({"input_tokens": 8}, {"input_tokens": 15})


@pytest.mark.parametrize(
    ("model", "modality", "tier"),
    [
        ("gemini-embedding-2", "VIDEO", "video"),
        ("gemini-embedding-2", "IMAGE", ""),
        ("gemini-3.1-flash-live-preview", "VIDEO", ""),  # priced as images are
    ],
)
def test_film_that_costs_more_than_images_has_a_tier_that_no_price_knows(
    model: str, modality: str, tier: str
) -> None:
    details = [{"modality": modality, "tokenCount": 258}]
    usage = {"promptTokenCount": 300, "promptTokenDetails": details}
    reading = read(json.dumps({"usageMetadata": usage}), model)
    assert reading.usage == {"input_tokens": 300, "input_image_tokens": 258}
    assert reading.service_tier == tier


def test_embeddings_without_statistics_tell_no_usage() -> None:
    assert read(b'{"predictions": [{"embeddings": {"values": [0.1]}}]}').usage is None
    assert read(b'{"predictions": [{"bytesBase64Encoded": "aGk="}]}').usage is None
    assert read(b'{"predictions": ["a", 1]}').usage is None


@pytest.mark.parametrize(
    ("headers", "usage", "tier"),
    [
        ({"x-gemini-service-tier": "priority"}, {}, "priority"),
        ({"x-gemini-service-tier": "standard"}, {"serviceTier": "flex"}, ""),
        ({}, {"serviceTier": "flex"}, "flex"),
        ({}, {"serviceTier": "SERVICE_TIER_PRIORITY"}, "priority"),
        ({}, {"serviceTier": "unspecified"}, ""),
        ({}, {"trafficType": "ON_DEMAND"}, ""),
        ({}, {"trafficType": "ON_DEMAND_FLEX"}, "flex"),
        ({}, {"trafficType": "ON_DEMAND_PRIORITY"}, "priority"),
        ({}, {"trafficType": "PROVISIONED_THROUGHPUT"}, "provisioned_throughput"),
        ({}, {"trafficType": "TRAFFIC_TYPE_UNSPECIFIED"}, ""),
        ({}, {}, ""),
    ],
)
def test_the_tier_that_served_is_read_from_where_it_is_told(
    headers: dict[str, str], usage: dict[str, Any], tier: str
) -> None:
    body = json.dumps({"usageMetadata": {"promptTokenCount": 1, **usage}})
    assert read(body, **headers).service_tier == tier


def events(name: str = "generate_content_stream.sse") -> list[str]:
    """Return the chunks of a stream."""
    lines = Path(RESPONSES / name).read_text().splitlines()
    return [line.removeprefix("data: ") for line in lines if line]


def test_the_last_usage_of_a_stream_holds() -> None:
    answer = Answer("gemini-flash-latest")
    first, *others = events()
    answer.take(first, {})
    assert not answer.complete
    assert (answer.reading().usage or {})["output_tokens"] == 21
    for chunk in others:
        answer.take(chunk, {})
    assert answer.complete
    assert answer.reading() == read((RESPONSES / "generate_content.json").read_bytes())


def test_a_chunk_without_usage_takes_none_away() -> None:
    answer = Answer("gemini-2.5-flash")
    answer.take('{"usageMetadata": {"promptTokenCount": 5, "totalTokenCount": 5}}', None)
    answer.take('{"candidates": [{"finishReason": "STOP"}]}', None)
    answer.take('{"usageMetadata": {"totalTokenCount": 0}}', None)
    assert answer.complete
    assert answer.reading().usage == {"input_tokens": 5}


def test_searches_told_again_in_a_stream_count_once() -> None:
    answer = Answer("gemini-3-flash-preview")
    for queries in (["a"], ["a", "b"]):
        candidates = [{"groundingMetadata": {"webSearchQueries": queries}}]
        usage = {"promptTokenCount": 1}
        answer.take(json.dumps({"candidates": candidates, "usageMetadata": usage}), None)
    assert answer.reading().usage == {"input_tokens": 1, "web_searches": 2}


def test_a_blocked_prompt_is_complete_and_paid_for() -> None:
    answer = Answer("gemini-2.5-flash")
    answer.take((RESPONSES / "generate_content_blocked.json").read_bytes(), None)
    assert answer.complete
    assert answer.reading().usage == {"input_tokens": 7}


def test_no_usage_is_unknown_not_zero() -> None:
    assert read(b"{}").usage is None
    assert told({"promptTokenCount": 0, "totalTokenCount": 0}).usage == {}


@pytest.mark.parametrize(
    ("body", "usage", "odd"),
    [
        (b"upstream error", None, "a body that is no JSON object"),
        (b"[]", None, "a body that is no JSON object"),
        (b'{"usageMetadata": 5}', None, "usageMetadata of type int"),
        (b'{"candidates": {"a": 1}}', None, "candidates that are no list of objects"),
        (
            b'{"usageMetadata": {"promptTokenCount": -1, "candidatesTokenCount": 2}}',
            {"output_tokens": 2},
            "promptTokenCount -1, which is no count of tokens",
        ),
        (
            b'{"usageMetadata": {"promptTokenCount": 5, "cachedContentTokenCount": 9}}',
            {"input_tokens": 5, "cache_read_tokens": 5},
            "9 cached tokens, more than the prompt has",
        ),
    ],
)
def test_what_is_odd_is_named_and_the_rest_is_read(
    body: bytes, usage: dict[str, int] | None, odd: str
) -> None:
    reading = read(body)
    assert (reading.usage, reading.odd) == (usage, (odd,))


def test_details_of_odd_shapes_are_passed_over() -> None:
    details = [None, 5, {"modality": 7}, {"modality": "AUDIO"}, {"tokenCount": 3}]
    reading = told({"promptTokenCount": 5, "promptTokensDetails": details})
    assert reading.usage == {"input_tokens": 5}
    assert told({"promptTokenCount": 5, "promptTokensDetails": "x"}).usage == {"input_tokens": 5}


def test_a_modality_never_exceeds_its_whole() -> None:
    details = [{"modality": "AUDIO", "tokenCount": 9}]
    reading = told({"promptTokenCount": 5, "promptTokensDetails": details})
    assert reading.usage == {"input_tokens": 5, "input_audio_tokens": 5}
