"""Usage as Bedrock's documented bodies, streams and headers tell it, worked out by hand."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from costmeter.instrumentation.clients.bedrock.usage import Tally, model_name
from costmeter.pricing.book import PriceBook
from costmeter.pricing.schema import PricesConfig

RESPONSES = Path(__file__).parents[3] / "responses" / "bedrock"
CLAUDE = {
    "input_tokens": 2510,  # 10, and 2,000 read from the cache, and 500 written to it
    "cache_read_tokens": 2000,
    "cache_write_tokens": 500,
    "cache_write_1h_tokens": 400,
    "output_tokens": 25,
}
HEADERS = {
    "x-amzn-bedrock-input-token-count": "10",
    "x-amzn-bedrock-output-token-count": "25",
    "x-amzn-bedrock-cache-read-input-token-count": "2000",
    "x-amzn-bedrock-cache-write-input-token-count": "500",
}


def converse(name: str) -> Tally:
    tally = Tally()
    tally.response(json.loads((RESPONSES / name).read_bytes()))
    return tally


def invoked(name: str, headers: dict[str, str] | None = None) -> Tally:
    tally = Tally()
    tally.response({"ResponseMetadata": {"HTTPHeaders": headers or {}}})
    tally.body((RESPONSES / name).read_bytes())
    return tally


def streamed(name: str) -> Tally:
    tally = Tally()
    for line in (RESPONSES / name).read_bytes().splitlines():
        tally.event({"chunk": {"bytes": line}})
    return tally


def test_converse_has_input_without_cached_tokens_and_ours_has_it_with_them() -> None:
    reading = converse("converse.json").reading()
    assert reading.usage == {
        "input_tokens": 7520,  # 18 and 7,502 written to the cache; 7,906 less 386 of output
        "cache_write_tokens": 7502,
        "cache_write_1h_tokens": 7000,
        "output_tokens": 386,
    }
    assert (reading.service_tier, reading.model, reading.odd) == ("flex", "", ())


def test_a_routed_prompt_tells_the_model_that_answered() -> None:
    reading = converse("converse_router.json").reading()
    assert reading.model == "us.anthropic.claude-3-5-sonnet-20240620-v1:0"
    assert reading.usage == {"input_tokens": 30, "output_tokens": 5}


def test_inference_optimized_for_latency_counts_as_a_tier_for_it_has_a_price_of_its_own() -> None:
    assert converse("converse_router.json").reading().service_tier == "optimized"


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("claude.json", CLAUDE),
        ("nova.json", {"input_tokens": 105, "cache_read_tokens": 100, "output_tokens": 3}),
        ("llama.json", {"input_tokens": 19, "output_tokens": 8}),
        ("titan_text.json", {"input_tokens": 12, "output_tokens": 6}),
        ("titan_embed.json", {"input_tokens": 7}),
        ("titan_image.json", {"images": 2}),
        (
            "gpt_oss.json",  # OpenAI's wire format: 70 include the 64 cached
            {
                "input_tokens": 70,
                "cache_read_tokens": 64,
                "output_tokens": 20,
                "reasoning_tokens": 12,
            },
        ),
        ("mistral.json", None),
        ("cohere_embed.json", None),
    ],
)
def test_each_familys_body_tells_its_usage(name: str, usage: dict[str, int] | None) -> None:
    assert invoked(name).reading().usage == usage


def test_headers_tell_the_usage_of_a_body_that_tells_none() -> None:
    without_lifetimes = {key: CLAUDE[key] for key in CLAUDE if key != "cache_write_1h_tokens"}
    assert invoked("mistral.json", HEADERS).reading().usage == without_lifetimes


def test_headers_and_a_body_that_both_tell_are_not_added_up() -> None:
    assert invoked("claude.json", HEADERS).reading().usage == CLAUDE
    headers = HEADERS | {"x-amzn-bedrock-input-token-count": "6"}
    assert (invoked("gpt_oss.json", headers).reading().usage or {})["input_tokens"] == 70


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("claude_stream.jsonl", CLAUDE),
        ("nova_stream.jsonl", {"input_tokens": 105, "cache_read_tokens": 100, "output_tokens": 3}),
        ("llama_stream.jsonl", {"input_tokens": 19, "output_tokens": 8}),
    ],
)
def test_each_familys_stream_tells_its_usage(name: str, usage: dict[str, int]) -> None:
    tally = streamed(name)
    assert (tally.reading().usage, tally.complete) == (usage, True)


def test_the_metadata_of_a_stream_of_converse_is_its_last_word() -> None:
    tally = Tally()
    for line in (RESPONSES / "converse_stream.jsonl").read_bytes().splitlines():
        assert not tally.complete
        tally.event(json.loads(line))
    reading = tally.reading()
    assert tally.complete
    assert reading.usage == {
        "input_tokens": 7520,  # 18 and 7,502 read from the cache
        "cache_read_tokens": 7502,
        "output_tokens": 503,
    }
    assert reading.service_tier == "priority"


def test_nothing_told_is_unknown_and_no_tokens_are_known() -> None:
    assert Tally().reading().usage is None
    tally = Tally()
    tally.response({"usage": {"inputTokens": 0, "outputTokens": 0}})
    assert tally.reading().usage == {}


@pytest.mark.parametrize("count", [-1, 1.5, "12", True, 10**13, [1]])
def test_what_is_no_count_is_named_and_left_out(count: Any) -> None:
    tally = Tally()
    tally.response({"usage": {"inputTokens": count, "outputTokens": 3}})
    reading = tally.reading()
    assert reading.usage == {"output_tokens": 3}
    (odd,) = reading.odd
    assert odd.startswith("inputTokens")


@pytest.mark.parametrize(
    "response",
    [
        {"usage": None},
        {"usage": [], "ResponseMetadata": None, "serviceTier": 3, "trace": "no"},
        {"ResponseMetadata": {"HTTPHeaders": {"x-amzn-bedrock-input-token-count": "many"}}},
        {"usage": {"cacheDetails": None, "cache_creation": 3}},
        {"usage": {"cacheDetails": [3, {"ttl": "1h"}]}},
        {"usage": {"cacheDetails": 3}},
    ],
)
def test_a_response_of_another_shape_is_unknown(response: dict[str, Any]) -> None:
    tally = Tally()
    tally.response(response)
    assert tally.reading().usage is None


def test_a_body_that_is_no_json_is_none_of_ours() -> None:
    with pytest.raises(msgspec.DecodeError):
        Tally().body(b"\x89PNG")


@pytest.mark.parametrize(
    ("model_id", "name"),
    [
        ("anthropic.claude-3-haiku-20240307-v1:0", "anthropic.claude-3-haiku-20240307-v1:0"),
        ("eu.amazon.nova-pro-v1:0", "eu.amazon.nova-pro-v1:0"),
        (
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
            "amazon.nova-pro-v1:0",
        ),
        (
            "arn:aws-us-gov:bedrock:us-gov-west-1:123456789012:inference-profile/us-gov.x.y-v1:0",
            "us-gov.x.y-v1:0",
        ),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/a1b2c3d4e5f6",
            "application-inference-profile/a1b2c3d4e5f6",
        ),
        (
            "arn:aws:bedrock:eu-west-1:123456789012:provisioned-model/a1b2c3d4e5f6",
            "provisioned-model/a1b2c3d4e5f6",
        ),
        ("arn:aws:sagemaker:us-east-1:123456789012:endpoint/mine", "endpoint/mine"),
    ],
)
def test_a_model_has_the_name_that_prices_know_and_no_account(model_id: str, name: str) -> None:
    assert model_name(model_id) == name


@pytest.mark.parametrize(
    ("model_id", "nano_usd"),
    [  # for 1,000 tokens of input
        ("anthropic.claude-3-haiku-20240307-v1:0", 250_000),  # 0.25 USD a million
        ("us.amazon.nova-pro-v1:0", 800_000),
        ("us.meta.llama3-3-70b-instruct-v1:0", 720_000),
        ("global.anthropic.claude-sonnet-4-5-20250929-v1:0", 3_000_000),
        ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0", 3_300_000),  # a tenth more
        (
            "arn:aws:bedrock:eu-central-1:123456789012:inference-profile/"
            "global.anthropic.claude-sonnet-4-5-20250929-v1:0",
            3_000_000,
        ),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0", 20_000),
    ],
)
def test_a_recorded_model_has_its_price(model_id: str, nano_usd: int) -> None:
    book = PriceBook(PricesConfig())
    usage = {"input_tokens": 1000}
    charge = book.charge("aws.bedrock", model_name(model_id), "", usage, time.time_ns())
    assert charge is not None
    assert charge.components == (("input", nano_usd),)
