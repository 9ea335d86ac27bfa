"""Figures are those of the files in tests/responses/anthropic, added up by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from anthropic.types import Message
from anthropic.types.beta import BetaMessage

from costmeter.instrumentation.clients.anthropic.usage import error_status, read, read_json
from costmeter.instrumentation.clients.reading import Share
from costmeter.pricing.book import PriceBook
from costmeter.pricing.schema import PricesConfig

BODIES = Path(__file__).parents[3] / "responses/anthropic"

CACHED = {
    "input_tokens": 2406,  # 50 as they come, 1800 read from the cache, 556 written to it
    "cache_read_tokens": 1800,
    "cache_write_tokens": 556,  # 456 for five minutes, 100 for an hour
    "cache_write_1h_tokens": 100,
    "output_tokens": 503,
}
ITERATIONS = {
    "input_tokens": 203_000,  # 23 000 of the message, 100 000 + 80 000 of the compaction
    "cache_read_tokens": 80_000,
    "output_tokens": 4500,  # 1000 and 3500
}


@pytest.mark.parametrize(
    ("name", "model", "usage", "tier"),
    [
        (
            "message.json",
            "claude-haiku-4-5-20251001",
            {"input_tokens": 2095, "output_tokens": 503},
            "",
        ),
        ("message_cached.json", "claude-haiku-4-5-20251001", CACHED, "priority"),
        (
            "message_web_search.json",
            "claude-opus-4-6",
            {
                "input_tokens": 6039,
                "output_tokens": 931,
                "reasoning_tokens": 400,
                "web_searches": 2,
            },
            "fast",
        ),
        ("message_iterations.json", "claude-sonnet-4-6", ITERATIONS, ""),
    ],
)
@pytest.mark.parametrize("shape", ["bytes", "mapping", "message", "beta message"])
def test_a_message_tells_usage_model_and_tier_in_any_shape(
    name: str, model: str, usage: dict[str, int], tier: str, shape: str
) -> None:
    body = (BODIES / name).read_bytes()
    decoded = json.loads(body)
    match shape:
        case "bytes":
            reading = read_json(body)
        case "mapping":
            reading = read(decoded)
        case "message":
            reading = read(Message.construct(**decoded))
        case _:
            reading = read(BetaMessage.construct(**decoded))
    assert (reading.model, reading.usage, reading.service_tier) == (model, usage, tier)
    assert (reading.status, reading.odd) == ("ok", ())


def test_an_advisor_is_another_model_in_the_same_call() -> None:
    reading = read_json((BODIES / "message_iterations.json").read_bytes())
    used = {"input_tokens": 823, "output_tokens": 1612}
    assert reading.others == (Share(model="claude-opus-4-6", usage=used),)


def test_both_lifetimes_of_the_cache_are_charged_at_their_own_price() -> None:
    """As Sonnet 4.5: 3 USD a million in, 0.30 read, 3.75 and 6 written, 15 out."""
    usage = read_json((BODIES / "message_cached.json").read_bytes()).usage
    model = {
        "provider": "anthropic",
        "model": "claude-haiku-4-5-20251001",
        "usd_per_million": {
            "input": "3",
            "cache_read": "0.3",
            "cache_write": "3.75",
            "cache_write_1h": "6",
            "output": "15",
        },
    }
    book = PriceBook(PricesConfig.model_validate({"models": [model]}))
    assert usage is not None
    charge = book.charge("anthropic", "claude-haiku-4-5-20251001", "", usage, 0)
    assert charge is not None
    assert dict(charge.components) == {
        "input": 50 * 3000,
        "cache_read": 1800 * 300,
        "cache_write": 456 * 3750 + 100 * 6000,
        "output": 503 * 15_000,
    }


def test_writes_of_known_lifetimes_count_where_their_sum_is_missing() -> None:
    lifetimes = {"ephemeral_5m_input_tokens": 7, "ephemeral_1h_input_tokens": 3}
    reading = read({"usage": {"input_tokens": 1, "cache_creation": lifetimes}})
    assert reading.usage == {
        "input_tokens": 11,
        "cache_write_tokens": 10,
        "cache_write_1h_tokens": 3,
    }


@pytest.mark.parametrize(
    ("usage", "known", "odd"),
    [
        (None, None, ()),
        ("many", None, ("usage of type str",)),
        ([], None, ("usage of type list",)),
        ({}, {}, ()),
        (
            {"input_tokens": -5, "output_tokens": 3},
            {"output_tokens": 3},
            ("input_tokens -5, which is no count of tokens",),
        ),
        (
            {"input_tokens": "secret", "output_tokens": 3},
            {"output_tokens": 3},
            ("input_tokens of type str, which is no count of tokens",),
        ),
        (
            {"output_tokens": 3, "output_tokens_details": {"thinking_tokens": 4}},
            {"output_tokens": 3, "reasoning_tokens": 3},
            ("thinking_tokens 4, more than the 3 that it is a part of",),
        ),
        ({"input_tokens": 1, "iterations": "none", "cache_creation": 7}, {"input_tokens": 1}, ()),
        ({"input_tokens": 1, "iterations": [None, 7, {}]}, {"input_tokens": 1}, ()),
        (
            {"input_tokens": 10**12, "cache_read_input_tokens": 10**12},
            {"input_tokens": 10**12, "cache_read_tokens": 10**12},
            (),
        ),
    ],
)
def test_what_is_odd_is_named_and_the_rest_is_read(
    usage: Any, known: dict[str, int] | None, odd: tuple[str, ...]
) -> None:
    reading = read({"model": "claude", "usage": usage})
    assert (reading.model, reading.usage, reading.odd) == ("claude", known, odd)


def test_what_is_no_message_tells_nothing() -> None:
    assert read_json(b"upstream error").odd == ("a body that is no JSON object",)
    assert read("upstream error").odd == ("a response of type str",)
    assert read(None).usage is None


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("overloaded_error", "server_error"),
        ("api_error", "server_error"),
        ("rate_limit_error", "rate_limited"),
        ("timeout_error", "timeout"),
        ("invalid_request_error", "bad_request"),
        ("authentication_error", "authentication"),
        ("permission_error", "permission_denied"),
        ("throttlingException", "rate_limited"),
        ("modelStreamErrorException", "server_error"),
        (None, "server_error"),
    ],
)
def test_an_error_has_a_status_by_its_type(kind: object, status: str) -> None:
    assert error_status({"type": kind, "message": "private"}) == status
    assert error_status(None) == "server_error"
