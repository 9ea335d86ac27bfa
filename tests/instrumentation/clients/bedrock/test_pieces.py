"""What Bedrock bills that is no tokens, and models of other families, by the real botocore."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

import costmeter
from costmeter.instrumentation.clients.bedrock.media import asked_of_film, tier_of_pictures
from tests.instrumentation.clients.bedrock.asking import MESSAGES, MODEL, body_of, client_of
from tests.instrumentation.clients.conftest import Recorded
from tests.instrumentation.clients.counting import spent
from tests.standins.bedrock import Bedrock

COUNTS = {
    "x-amzn-bedrock-input-token-count": "9",
    "x-amzn-bedrock-output-token-count": "4",
}
OUTPUT = {"s3OutputDataConfig": {"s3Uri": "s3://films"}}
ARN = "arn:aws:bedrock:us-east-1:123456789012:async-invoke/9f3k2l1m8a7b"
REEL = {
    "modelId": "amazon.nova-reel-v1:1",
    "modelInput": {
        "taskType": "TEXT_VIDEO",
        "textToVideoParams": {"text": "a cent"},
        "videoGenerationConfig": {"durationSeconds": 6, "fps": 24, "dimension": "1280x720"},
    },
    "outputDataConfig": OUTPUT,
}
CONTENT = [{"text": {"text": "What does it cost?"}}]


@pytest.mark.parametrize(
    ("model", "asked", "name", "operation", "usage"),
    [
        ("ai21.jamba-1-5-mini-v1:0", {"messages": []}, "jamba.json", "chat",
         {"input_tokens": 21, "output_tokens": 5}),
        ("us.deepseek.r1-v1:0", {"prompt": "one"}, "deepseek.json", "text_completion",
         {"input_tokens": 9, "output_tokens": 4}),
        ("mistral.mistral-7b-instruct-v0:2", {"prompt": "one"}, "mistral.json", "text_completion",
         {"input_tokens": 9, "output_tokens": 4}),
        ("cohere.embed-v4:0", {"texts": ["one"]}, "cohere_embed.json", "embeddings",
         {"input_tokens": 9, "output_tokens": 4}),
        ("amazon.titan-embed-text-v2:0", {"inputText": "one"}, "titan_embed.json", "embeddings",
         {"input_tokens": 7, "output_tokens": 4}),
        ("us.stability.stable-image-inpaint-v1:0", {"prompt": "one"}, "stability.json",
         "image_generation", {"images": 1}),
    ],
)  # fmt: skip
def test_each_familys_call_tells_its_usage(
    runtime: Any, bedrock: Bedrock, recorded: Recorded,
    model: str, asked: dict[str, Any], name: str, operation: str, usage: dict[str, int],
) -> None:  # fmt: skip
    headers = {} if "image" in operation else COUNTS
    bedrock.answer(body_of(name), headers=headers)
    runtime.invoke_model(modelId=model, body=json.dumps(asked))["body"].read()
    (event,) = recorded()
    assert (event.operation, event.model, event.usage) == (operation, model, usage)


@pytest.mark.parametrize(
    ("model", "config", "tier"),
    [
        ("amazon.nova-canvas-v1:0", {"quality": "standard", "width": 1024, "height": 1024}, ""),
        ("amazon.nova-canvas-v1:0", {"quality": "premium", "width": 1280, "height": 720}, "premium"),
        ("amazon.nova-canvas-v1:0", {"quality": "premium", "width": 2048, "height": 2048},
         "premium 2048"),
        ("amazon.titan-image-generator-v2:0", {"width": 512, "height": 512}, "512"),
        ("amazon.titan-image-generator-v2:0", {"quality": "premium", "width": 512, "height": 512},
         "premium 512"),
        ("amazon.titan-image-generator-v2:0", {}, ""),
    ],
)  # fmt: skip
def test_the_quality_and_size_of_pictures_are_their_service_tier(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, model: str, config: Any, tier: str
) -> None:
    bedrock.answer(body_of("nova_canvas.json"))
    asked = {"taskType": "TEXT_IMAGE", "imageGenerationConfig": config}
    runtime.invoke_model(modelId=model, body=json.dumps(asked).encode())["body"].read()
    (event,) = recorded()
    assert (event.operation, event.usage) == ("image_generation", {"images": 3})
    assert event.service_tier == tier


def test_a_request_for_pictures_that_cannot_be_read_is_of_the_usual_kind(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    assert tier_of_pictures("amazon.nova-canvas-v1:0", None) == ""
    assert tier_of_pictures("us.amazon.nova-pro-v1:0", b"\xff") == ""
    bedrock.answer(body_of("nova_canvas.json"))
    runtime.invoke_model(modelId="amazon.nova-canvas-v1:0", body=b"\xff")["body"].read()
    assert [event.usage for event in recorded()] == [{"images": 3}]


@pytest.mark.parametrize(("documents", "units"), [(1, 1), (100, 1), (101, 2)])
def test_a_ranking_by_a_model_costs_a_unit_for_each_hundred_documents(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, documents: int, units: int
) -> None:
    bedrock.answer(body_of("rerank.json"))
    asked = json.dumps({"query": "one", "documents": ["two"] * documents, "api_version": 2})
    runtime.invoke_model(modelId="cohere.rerank-v3-5:0", body=asked)["body"].read()
    (event,) = recorded()
    assert (event.operation, event.usage) == ("rerank", {"search_units": units})


def test_a_guardrail_counts_its_text_units_by_policy(
    runtime: Any, bedrock: Bedrock, recorded: Recorded, tmp_path: Path
) -> None:
    bedrock.answer(body_of("guardrail.json"))
    with costmeter.attribute(feature="chat"):
        runtime.apply_guardrail(
            guardrailIdentifier="gr1", guardrailVersion="1", source="INPUT", content=CONTENT
        )
    call, *policies = recorded()
    assert (call.operation, call.model, call.usage, call.calls) == ("guardrail", "guardrail", {}, 1)
    assert [(one.model, one.usage, one.calls) for one in policies] == [
        ("guardrail-denied-topics", {"text_units": 2}, 0),
        ("guardrail-content-filters", {"text_units": 2, "images": 1}, 0),
        ("guardrail-sensitive-information", {"text_units": 2}, 0),
        ("guardrail-automated-reasoning", {"text_units": 1}, 0),
    ]
    assert {one.attributes["feature"] for one in policies} == {"chat"}
    # Two text units at 0.15 dollars a thousand for either of two, a picture at 0.00075, two at 0.10,
    # one at 0.17.
    in_nano_usd = 2 * 300_000 + 750_000 + 200_000 + 170_000
    assert spent(tmp_path / "ledger.db", [call, *policies]) == in_nano_usd


def test_a_guardrail_beside_a_model_counts_where_the_trace_tells_it(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    guardrail = {"guardrailIdentifier": "gr1", "guardrailVersion": "1", "trace": "enabled"}
    bedrock.answer(body_of("converse_guarded.json"))
    runtime.converse(modelId=MODEL, messages=MESSAGES, guardrailConfig=guardrail)
    answer, *policies = recorded()
    assert (answer.model, answer.usage) == (MODEL, {"input_tokens": 30, "output_tokens": 5})
    assert [(one.model, one.usage) for one in policies] == [
        ("guardrail-denied-topics", {"text_units": 4}),  # 1 of the prompt and 3 of the answer
        ("guardrail-content-filters", {"text_units": 4}),
        ("guardrail-sensitive-information", {"text_units": 3}),
    ]


def test_so_it_does_in_a_body_of_invoke_model(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answers.clear()
    bedrock.answer(body_of("invoke_guarded.json"))
    asked = {"modelId": MODEL, "body": '{"messages": []}', "trace": "ENABLED"}
    runtime.invoke_model(**asked, guardrailIdentifier="gr1", guardrailVersion="1")["body"].read()
    _, *policies = recorded()
    assert [(one.model, one.usage) for one in policies] == [
        ("guardrail-denied-topics", {"text_units": 3}),
        ("guardrail-contextual-grounding", {"text_units": 4}),
    ]


def test_a_film_counts_its_seconds_once_it_is_made_for_who_asked_for_it(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("film_begun.json"))
    bedrock.answer(body_of("film.json").replace(b"Completed", b"InProgress"))
    bedrock.answer(body_of("film.json"))
    with costmeter.attribute(feature="trailer"):
        arn = runtime.start_async_invoke(**REEL)["invocationArn"]
    runtime.get_async_invoke(invocationArn=arn)
    assert recorded() == []
    runtime.get_async_invoke(invocationArn=arn)
    runtime.get_async_invoke(invocationArn=arn)
    first, again = recorded()
    assert (first.operation, first.provider) == ("video_generation", "aws.bedrock")
    assert (first.model, first.usage) == ("amazon.nova-reel-v1:1", {"output_video_seconds": 6})
    assert first.attributes == {"feature": "trailer"}
    assert first.identity == again.identity == "aws.bedrock/async-invoke/9f3k2l1m8a7b"


def test_a_film_that_was_not_made_or_asked_for_elsewhere_has_no_usage(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.answer(body_of("film.json").replace(b"Completed", b"Failed"))
    bedrock.answer(body_of("film.json"))
    runtime.get_async_invoke(invocationArn=ARN)
    runtime.get_async_invoke(invocationArn=ARN)
    assert [(one.status, one.usage) for one in recorded()] == [("error", {}), ("ok", {})]


def test_a_film_that_was_made_long_ago_is_not_counted_now(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    body = body_of("film.json").replace(b'"status"', b'"endTime": "2025-01-01T00:00:00Z", "status"')
    bedrock.answer(body)
    assert runtime.get_async_invoke(invocationArn=ARN)["endTime"].year == 2025
    assert recorded() == []


def test_a_film_that_is_refused_is_a_call_that_failed(
    runtime: Any, bedrock: Bedrock, recorded: Recorded
) -> None:
    bedrock.refuse("ThrottlingException", 429)
    with pytest.raises(ClientError):
        runtime.start_async_invoke(**REEL)
    assert [(one.status, one.model) for one in recorded()] == [
        ("rate_limited", "amazon.nova-reel-v1:1")
    ]


@pytest.mark.parametrize(
    ("asked", "seconds", "tier"),
    [
        ({"taskType": "TEXT_VIDEO"}, 6, ""),
        ({"taskType": "MULTI_SHOT_AUTOMATED", "videoGenerationConfig": {"durationSeconds": 60}}, 60, ""),
        ({"taskType": "MULTI_SHOT_MANUAL", "multiShotManualParams": {"shots": [{}, {}, {}]}}, 18, ""),
        ({"prompt": "a cent", "duration": "9s", "resolution": "540p"}, 9, "540p"),
        ({"prompt": "a cent", "duration": "5s", "resolution": "720p"}, 5, ""),
        ({"inputText": "vectors of a film"}, 0, ""),
        ({"taskType": "SEGMENTED_EMBEDDING"}, 0, ""),  # no film is made
    ],
)  # fmt: skip
def test_the_request_tells_how_long_a_film_is(asked: Any, seconds: int, tier: str) -> None:
    assert asked_of_film(asked) == {"seconds": seconds, "tier": tier}


def test_a_guardrails_and_a_films_names_are_free_of_other_services(
    bedrock: Bedrock, metered: None, recorded: Recorded
) -> None:
    client = client_of(bedrock.url)
    bedrock.answer(b"{}")
    client.list_async_invokes()
    client.close()
    assert recorded() == []
