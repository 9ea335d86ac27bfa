"""Reads usage out of Anthropic's messages.

``input_tokens`` of theirs leave cached tokens out; ours include what was read from a cache and what
was written to it. A compaction of the context is in no total of theirs, only among the iterations,
and so is an advisor, which is another model with prices of its own.

Sources: https://docs.claude.com/en/api/messages, https://docs.claude.com/en/api/errors,
https://docs.claude.com/en/docs/build-with-claude/prompt-caching,
https://platform.claude.com/docs/en/build-with-claude/compaction and
https://platform.claude.com/docs/en/agents-and-tools/tool-use/advisor-tool
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.fields import counts_of, fields_of, text_of
from costmeter.instrumentation.clients.reading import NO_JSON, Reading, Share
from costmeter.usage import MAX_QUANTITY

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASE_TIERS: Final = frozenset({"", "standard"})
"""Service tiers and speeds that are the base price."""

_COUNTS: Final = {
    "input_tokens": "input_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    "output_tokens": "output_tokens",
}
"""Keys by the names in ``usage``; their input tokens are to have the cached ones added."""
_LIFETIMES: Final = {
    "ephemeral_1h_input_tokens": "cache_write_1h_tokens",
    "ephemeral_5m_input_tokens": "cache_write_5m_tokens",
}
_TOOLS: Final = {"web_search_requests": "web_searches"}
_PARTS: Final = {"thinking_tokens": "reasoning_tokens"}

ERROR_TYPES: Final = {
    "authentication_error": "authentication",
    "billing_error": "bad_request",
    "conflict_error": "conflict",
    "invalid_request_error": "bad_request",
    "modelTimeoutException": "timeout",
    "not_found_error": "not_found",
    "permission_error": "permission_denied",
    "rate_limit_error": "rate_limited",
    "request_too_large": "bad_request",
    "throttlingException": "rate_limited",
    "timeout_error": "timeout",
    "validationException": "bad_request",
}
"""Types of errors inside a stream, those of Bedrock too; all others are the server's.

Source of Bedrock's: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ResponseStream.html
"""


class _Body(msgspec.Struct):
    """The fields of a message that matter here: what was answered is passed over."""

    model: Any = None
    usage: Any = None


_decode = msgspec.json.Decoder(_Body).decode


def read(body: object) -> Reading:
    """Return what a message tells of usage, model and tier."""
    fields = fields_of(body)
    if fields is None:
        return Reading(odd=(f"a response of type {type(body).__name__}",))
    reported = fields.get("usage")
    of = fields_of(reported)
    model = text_of(fields.get("model"))
    if of is None:
        odd = () if reported is None else (f"usage of type {type(reported).__name__}",)
        return Reading(model=model, odd=odd)
    strange: list[str] = []
    usage = _usage(of, strange)
    others = _add_iterations(of, usage, strange)
    return Reading(
        usage=usage,
        model=model,
        service_tier=_tier(of),
        odd=tuple(strange),
        others=others,
    )


def read_json(body: bytes) -> Reading:
    """Return what a message tells that is not decoded yet."""
    try:
        return read(msgspec.structs.asdict(_decode(body)))
    except msgspec.DecodeError:
        return NO_JSON


def error_status(error: object) -> str:
    """Return the status that an ``error`` object in a stream stands for."""
    kind = text_of((fields_of(error) or {}).get("type"))
    return ERROR_TYPES.get(kind, "server_error")


def _usage(of: Mapping[str, Any], odd: list[str]) -> dict[str, int]:
    """Return one ``usage``, or one of its iterations, in our keys; zeros are left out."""
    usage = counts_of(of, _COUNTS, odd)
    if details := fields_of(of.get("output_tokens_details")):
        usage |= counts_of(details, _PARTS, odd, usage.get("output_tokens", 0))
    if tools := fields_of(of.get("server_tool_use")):
        usage |= counts_of(tools, _TOOLS, odd)
    if lifetimes := fields_of(of.get("cache_creation")):
        usage |= counts_of(lifetimes, _LIFETIMES, odd)
        told = usage.pop("cache_write_5m_tokens", 0) + usage.get("cache_write_1h_tokens", 0)
        if told > usage.get("cache_write_tokens", 0):
            usage["cache_write_tokens"] = min(told, MAX_QUANTITY)
    cached = usage.get("cache_read_tokens", 0) + usage.get("cache_write_tokens", 0)
    if cached:
        usage["input_tokens"] = min(usage.get("input_tokens", 0) + cached, MAX_QUANTITY)
    return usage


def _add_iterations(
    of: Mapping[str, Any], usage: dict[str, int], odd: list[str]
) -> tuple[Share, ...]:
    """Add compactions to the usage, and return what advisors used."""
    others: list[Share] = []
    iterations = of.get("iterations")
    for item in iterations if isinstance(iterations, list) else ():
        fields = fields_of(item) or {}
        match fields.get("type"):
            case "compaction":
                for key, amount in _usage(fields, odd).items():
                    usage[key] = min(usage.get(key, 0) + amount, MAX_QUANTITY)
            case "advisor_message":
                model = text_of(fields.get("model"))
                others.append(Share(model=model, usage=_usage(fields, odd)))
    return tuple(others)


def _tier(of: Mapping[str, Any]) -> str:
    """Return the tier that sets the price; ``speed`` is one too, and knows no other beside it."""
    for name in ("speed", "service_tier"):
        if (tier := text_of(of.get(name))) not in _BASE_TIERS:
            return tier
    return ""
