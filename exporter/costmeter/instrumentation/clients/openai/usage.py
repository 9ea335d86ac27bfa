"""Reads usage out of OpenAI's response bodies, and of those that speak its wire format.

A body is a mapping (decoded JSON) or an object with the same fields (the SDK's models). Whatever
its shape, reading never raises for it: what can be read is read, and what is odd is named.

Sources: https://platform.openai.com/docs/api-reference/chat/object,
https://platform.openai.com/docs/api-reference/responses/object and
https://platform.openai.com/docs/api-reference/embeddings/create
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.fields import count_of, counts_of, fields_of, text_of
from costmeter.instrumentation.clients.openai import tools
from costmeter.instrumentation.clients.reading import NO_JSON, Reading, Share

_WHOLES: Final = {
    "prompt_tokens": "input_tokens",
    "input_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "output_tokens": "output_tokens",
}
"""Keys of :attr:`UsageEvent.usage` by their names in chat completions and in responses."""
_INPUT_PARTS: Final = {
    "cached_tokens": "cache_read_tokens",
    "cache_write_tokens": "cache_write_tokens",
    "audio_tokens": "input_audio_tokens",
    "image_tokens": "input_image_tokens",
}
_OUTPUT_PARTS: Final = {
    "reasoning_tokens": "reasoning_tokens",
    "audio_tokens": "output_audio_tokens",
    "image_tokens": "output_image_tokens",
}
_PARTS: Final = {
    "prompt_tokens_details": ("input_tokens", _INPUT_PARTS),
    "input_tokens_details": ("input_tokens", _INPUT_PARTS),
    "input_token_details": ("input_tokens", _INPUT_PARTS),
    "completion_tokens_details": ("output_tokens", _OUTPUT_PARTS),
    "output_tokens_details": ("output_tokens", _OUTPUT_PARTS),
    "output_token_details": ("output_tokens", _OUTPUT_PARTS),
}
"""Which whole the details in ``usage`` are parts of, and the keys of the parts by their names."""
_CACHED_ELSEWHERE: Final = {
    "prompt_cache_hit_tokens": "cache_read_tokens",
    "cached_tokens": "cache_read_tokens",
}
"""Where DeepSeek and Moonshot report cached tokens: right in ``usage``."""

_BASE_TIERS: Final = frozenset({"", "auto", "default", "on_demand", "standard"})
"""Service tiers that are the base price; ``on_demand`` is Groq's."""

ERROR_CODES: Final = {
    "rate_limit_exceeded": "rate_limited",
    "insufficient_quota": "rate_limited",
    "context_length_exceeded": "bad_request",
    "invalid_request_error": "bad_request",
    "invalid_prompt": "bad_request",
    "timeout": "timeout",
}
"""Codes and types of errors inside a body or a stream; all others are the server's."""


class _Body(msgspec.Struct):
    """The fields of a body that matter here: answers and embeddings are large, and passed over."""

    model: Any = None
    usage: Any = None
    service_tier: Any = None
    status: Any = None
    error: Any = None
    output: Any = None
    tool_usage: Any = None
    tools: msgspec.Raw = msgspec.Raw(b"null")
    x_groq: Any = None


_decode = msgspec.json.Decoder(_Body).decode


def read(body: object) -> Reading:
    """Return what a response body tells of usage, model, tier and outcome."""
    fields = fields_of(body)
    if fields is None:
        return Reading(odd=(f"a response of type {type(body).__name__}",))
    odd: list[str] = []
    reported = _reported(fields, odd)
    usage = None if reported is None else _usage(reported, odd)
    others: tuple[Share, ...] = ()
    if usage is not None and fields.get("output"):
        searches, others = tools.used(fields, odd)
        if searches:
            usage["web_searches"] = searches
    return Reading(
        usage=usage,
        model=text_of(fields.get("model")),
        service_tier=_tier(fields.get("service_tier")),
        status=_status(fields),
        odd=tuple(odd),
        others=others,
    )


def read_json(body: bytes) -> Reading:
    """Return what a response body tells that is not decoded yet."""
    try:
        return read(msgspec.structs.asdict(_decode(body)))
    except msgspec.DecodeError:
        return NO_JSON


def error_status(error: object) -> str:
    """Return the status that an ``error`` object in a body or a stream stands for."""
    fields = fields_of(error) or {}
    for key in ("code", "type"):
        if status := ERROR_CODES.get(text_of(fields.get(key))):
            return status
    return "server_error"


def _reported(fields: Mapping[str, Any], odd: list[str]) -> Mapping[str, Any] | None:
    """Return the fields of the ``usage`` that a body reports."""
    reported = fields.get("usage")
    if reported is None and (groq := fields_of(fields.get("x_groq"))) is not None:
        reported = groq.get("usage")
    if (of := fields_of(reported)) is None and reported is not None:
        odd.append(f"usage of type {type(reported).__name__}")
    return of


def _usage(of: Mapping[str, Any], odd: list[str]) -> dict[str, int]:
    """Return reported usage in our keys."""
    usage = counts_of(of, _WHOLES, odd)
    if of.get("total_tokens") != usage.get("input_tokens", 0) + usage.get("output_tokens", 0):
        _add_unsplit(usage, of)
    for name, (whole, parts) in _PARTS.items():
        if name in of and (details := fields_of(of[name])):
            usage |= counts_of(details, parts, odd, usage.get(whole, 0))
    if "cache_read_tokens" not in usage:
        usage |= counts_of(of, _CACHED_ELSEWHERE, odd, usage.get("input_tokens", 0))
    return usage


def _add_unsplit(usage: dict[str, int], of: Mapping[str, Any]) -> None:
    """Add what is in the total only.

    Voyage reports embeddings by their total alone. xAI reports reasoning beside
    ``completion_tokens``, and Gemini's OpenAI endpoint in the total only; both bill it as output.
    """
    odd: list[str] = []
    total = count_of("total_tokens", of.get("total_tokens"), odd)
    beyond = total - usage.get("input_tokens", 0) - usage.get("output_tokens", 0)
    if beyond <= 0:
        return
    if not any(of.get(name) for name in _WHOLES):
        usage["input_tokens"] = total
    elif "input_tokens" in usage:
        details = fields_of(of.get("completion_tokens_details")) or {}
        reasoning = count_of("reasoning_tokens", details.get("reasoning_tokens"), odd)
        if reasoning in (0, beyond) and not odd:
            usage["output_tokens"] = usage.get("output_tokens", 0) + beyond
            usage["reasoning_tokens"] = beyond


def _status(fields: Mapping[str, Any]) -> str:
    """Return the outcome that a body tells of: chat completions have none, responses do.

    A response cut short by ``max_output_tokens`` was delivered and is paid for, so it is ``ok``.
    """
    match fields.get("status"):
        case "failed":
            return error_status(fields.get("error"))
        case "cancelled":
            return "cancelled"
        case _:
            return "ok"


def _tier(value: object) -> str:
    tier = text_of(value)
    return "" if tier in _BASE_TIERS else tier
