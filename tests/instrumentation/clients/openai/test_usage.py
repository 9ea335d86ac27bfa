"""Figures are those of the files in tests/responses, added up by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openai.types import Completion, CreateEmbeddingResponse, Decision
from openai.types.chat import ChatCompletion
from openai.types.responses import CompactedResponse, Response

from costmeter.instrumentation.clients.openai.usage import error_status, read, read_json
from costmeter.instrumentation.clients.reading import Reading, Share

CONTAINER = "cntr_682dfebaacac8198bbfe9c2474fb6f4a085685cbe3cb5863"
RESPONSES = Path(__file__).parents[3] / "responses"

READINGS = {
    "openai/chat_completion": Reading(
        {"input_tokens": 19, "output_tokens": 10}, "gpt-4.1-2025-04-14"
    ),
    "openai/chat_completion_cached": Reading(
        {"input_tokens": 2006, "cache_read_tokens": 1920, "output_tokens": 300},
        "gpt-4o-2024-08-06",
    ),
    "openai/chat_completion_reasoning": Reading(
        {"input_tokens": 75, "output_tokens": 1186, "reasoning_tokens": 1024},
        "o4-mini-2025-04-16",
        "flex",
    ),
    "openai/chat_completion_audio": Reading(
        {
            "input_tokens": 90,
            "input_audio_tokens": 63,
            "output_tokens": 34,
            "output_audio_tokens": 26,
        },
        "gpt-4o-audio-preview-2025-06-03",
    ),
    "openai/embeddings": Reading({"input_tokens": 8}, "text-embedding-3-small"),
    "openai/response": Reading({"input_tokens": 36, "output_tokens": 87}, "gpt-4.1-2025-04-14"),
    "openai/response_cached_reasoning": Reading(
        {
            "input_tokens": 5320,
            "cache_read_tokens": 4096,
            "cache_write_tokens": 1024,
            "output_tokens": 2048,
            "reasoning_tokens": 1856,
        },
        "gpt-5-2025-08-07",
        "priority",
    ),
    "openai/response_web_search": Reading(
        {"input_tokens": 36, "output_tokens": 87, "web_searches": 2}, "gpt-4.1-2025-04-14"
    ),
    "openai/response_tool_usage": Reading(
        {"input_tokens": 36, "output_tokens": 87, "web_searches": 3}, "gpt-4.1-2025-04-14"
    ),
    "openai/response_tools": Reading(
        {"input_tokens": 36, "output_tokens": 87},
        "gpt-4.1-2025-04-14",
        others=(
            Share("file_search", {"file_searches": 2}),
            Share("container", {"container_sessions": 1}, "4g", CONTAINER),
            Share(
                "gpt-image-1.5",
                {
                    "input_tokens": 194,
                    "input_image_tokens": 150,
                    "output_tokens": 1056,
                    "output_image_tokens": 1000,
                },
            ),
        ),
    ),
    "openai/response_incomplete": Reading(
        {"input_tokens": 36, "output_tokens": 16, "reasoning_tokens": 16}, "gpt-4.1-2025-04-14"
    ),
    "openai/response_failed": Reading(None, "gpt-4.1-2025-04-14", "", "rate_limited"),
    "openai/response_compaction": Reading(  # names no model: the one asked for counts
        {"input_tokens": 139, "output_tokens": 438, "reasoning_tokens": 64}
    ),
    "openai/text_completion": Reading(
        {"input_tokens": 5, "output_tokens": 7}, "gpt-3.5-turbo-instruct"
    ),
    "openai/decision": Reading(
        {"input_tokens": 40, "cache_read_tokens": 16, "output_tokens": 2}, "gpt-6-luna"
    ),
    "azure/chat_completion": Reading({"input_tokens": 12, "output_tokens": 2}, "gpt-4o-2024-11-20"),
    "deepseek/chat_completion": Reading(
        {"input_tokens": 1040, "cache_read_tokens": 1024, "output_tokens": 10}, "deepseek-chat"
    ),
    "moonshot/chat_completion": Reading(
        {"input_tokens": 300, "cache_read_tokens": 256, "output_tokens": 20},
        "kimi-k2-0711-preview",
    ),
    "xai/chat_completion": Reading(
        {
            "input_tokens": 32,
            "cache_read_tokens": 6,
            "output_tokens": 103,  # 9 and 94 of reasoning
            "reasoning_tokens": 94,
        },
        "grok-4-0709",
    ),
    "gemini/chat_completion": Reading(
        {"input_tokens": 10, "output_tokens": 202, "reasoning_tokens": 200}, "gemini-2.5-flash"
    ),
    "voyage/embeddings": Reading({"input_tokens": 10}, "voyage-3-large"),
}


def test_every_kept_body_has_its_reading() -> None:
    kept = {str(path.relative_to(RESPONSES).with_suffix("")) for path in RESPONSES.rglob("*.json")}
    assert kept >= READINGS.keys()
    assert {name for name in kept if name.split("/")[0] in {"openai", "xai"}} <= READINGS.keys()


@pytest.mark.parametrize("name", READINGS)
def test_a_body_is_read_as_bytes_as_a_mapping_and_as_the_sdks_model(name: str) -> None:
    content = (RESPONSES / f"{name}.json").read_bytes()
    body = json.loads(content)
    kinds: dict[str, Any] = {
        "list": CreateEmbeddingResponse,
        "response": Response,
        "response.compaction": CompactedResponse,
        "text_completion": Completion,
        "": Decision,
    }
    kind = kinds.get(body.get("object", ""), ChatCompletion)
    assert read_json(content) == READINGS[name]
    assert read(body) == READINGS[name]
    assert read(kind.construct(**body)) == READINGS[name]


@pytest.mark.parametrize("tier", [None, "auto", "default", "standard", "", 5])
def test_the_base_tier_has_no_name(tier: object) -> None:
    assert read({"service_tier": tier}).service_tier == ""


@pytest.mark.parametrize(
    ("usage", "known", "odd"),
    [
        (None, None, []),
        ({}, {}, []),
        ("many", None, ["usage of type str"]),
        (7, None, ["usage of type int"]),
        ([], None, ["usage of type list"]),
        ({"prompt_tokens": None, "completion_tokens": 3}, {"output_tokens": 3}, []),
        (
            {"prompt_tokens": -5, "completion_tokens": 3},
            {"output_tokens": 3},
            ["prompt_tokens -5, which is no count of tokens"],
        ),
        (
            {"prompt_tokens": "secret", "completion_tokens": 3},
            {"output_tokens": 3},
            ["prompt_tokens of type str, which is no count of tokens"],
        ),
        (
            {"prompt_tokens": True, "completion_tokens": 2.0},
            {"output_tokens": 2},
            ["prompt_tokens True, which is no count of tokens"],
        ),
        (
            {"prompt_tokens": float("nan"), "completion_tokens": 2.5},
            {},
            [
                "prompt_tokens nan, which is no count of tokens",
                "completion_tokens 2.5, which is no count of tokens",
            ],
        ),
        (
            {"prompt_tokens": 10**13},
            {},
            ["prompt_tokens 10000000000000, which is no count of tokens"],
        ),
        (
            {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 9}},
            {"input_tokens": 5, "cache_read_tokens": 5},
            ["cached_tokens 9, more than the 5 that it is a part of"],
        ),
        ({"prompt_tokens": 5, "prompt_tokens_details": "none"}, {"input_tokens": 5}, []),
        ({"prompt_tokens": 5, "prompt_tokens_details": []}, {"input_tokens": 5}, []),
    ],
)
def test_of_an_odd_usage_what_is_known_is_kept_and_the_rest_named(
    usage: object, known: dict[str, int] | None, odd: list[str]
) -> None:
    reading = read({"model": "m", "usage": usage})
    assert (reading.usage, list(reading.odd)) == (known, odd)
    assert reading.model == "m"


@pytest.mark.parametrize("body", [None, "text", 5, [], object(), b"bytes"])
def test_a_body_that_is_no_mapping_holds_nothing(body: object) -> None:
    reading = read(body)
    assert reading.usage is None
    assert reading.model == ""


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b"upstream error"])
def test_bytes_that_are_no_json_object_are_named(content: bytes) -> None:
    assert read_json(content).odd == ("a body that is no JSON object",)


def test_a_total_that_fits_neither_output_nor_reasoning_changes_nothing() -> None:
    usage = {
        "prompt_tokens": 10,
        "completion_tokens": 20,
        "total_tokens": 99,
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    assert read({"usage": usage}).usage == {
        "input_tokens": 10,
        "output_tokens": 20,
        "reasoning_tokens": 5,
    }


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": "rate_limit_exceeded", "type": "requests"}, "rate_limited"),
        ({"code": None, "type": "invalid_request_error"}, "bad_request"),
        ({"code": "context_length_exceeded"}, "bad_request"),
        ({"code": "server_error"}, "server_error"),
        ({"code": 500}, "server_error"),
        ("overloaded", "server_error"),
        (None, "server_error"),
    ],
)
def test_an_error_inside_a_body_has_a_status(error: object, status: str) -> None:
    assert error_status(error) == status
