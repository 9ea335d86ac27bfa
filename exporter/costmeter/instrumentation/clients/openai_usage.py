"""Reads usage out of OpenAI's response bodies, and of those that speak its wire format.

A body is a mapping (decoded JSON) or an object with the same fields (the SDK's models). Whatever
its shape, reading never raises for it: what can be read is read, and what is odd is named.

Sources: https://platform.openai.com/docs/api-reference/chat/object,
https://platform.openai.com/docs/api-reference/responses/object and
https://platform.openai.com/docs/api-reference/embeddings/create
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.reading import Reading
from costmeter.usage import MAX_QUANTITY

# Key of UsageEvent.usage, and where it stands in `usage`: chat completions and embeddings use the
# first name, responses the second.
_WHOLES: Final = (
    ("input_tokens", ("prompt_tokens", "input_tokens")),
    ("output_tokens", ("completion_tokens", "output_tokens")),
)
_INPUT_DETAILS: Final = ("prompt_tokens_details", "input_tokens_details")
_INPUT_PARTS: Final = (
    ("cache_read_tokens", "cached_tokens"),
    ("cache_write_tokens", "cache_write_tokens"),
    ("input_audio_tokens", "audio_tokens"),
    ("input_image_tokens", "image_tokens"),
)
_OUTPUT_DETAILS: Final = ("completion_tokens_details", "output_tokens_details")
_OUTPUT_PARTS: Final = (
    ("reasoning_tokens", "reasoning_tokens"),
    ("output_audio_tokens", "audio_tokens"),
    ("output_image_tokens", "image_tokens"),
)
_CACHED_ELSEWHERE: Final = ("prompt_cache_hit_tokens", "cached_tokens")
"""Where DeepSeek and Moonshot report cached tokens without ``prompt_tokens_details``."""

_BASE_TIERS: Final = frozenset({"", "auto", "default", "standard"})
"""Service tiers that are the base price."""

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


_decode = msgspec.json.Decoder(_Body).decode


def read(body: object) -> Reading:
    """Return what a response body tells of usage, model, tier and outcome."""
    fields = _fields(body)
    if fields is None:
        return Reading(odd=(f"a response of type {type(body).__name__}",))
    odd: list[str] = []
    return Reading(
        usage=_usage(fields, odd),
        model=_text(fields.get("model")),
        service_tier=_tier(fields.get("service_tier")),
        status=_status(fields),
        odd=tuple(odd),
    )


def read_json(body: bytes) -> Reading:
    """Return what a response body tells that is not decoded yet."""
    try:
        return read(msgspec.structs.asdict(_decode(body)))
    except msgspec.DecodeError:
        return Reading(odd=("a body that is no JSON object",))


def error_status(error: object) -> str:
    """Return the status that an ``error`` object in a body or a stream stands for."""
    fields = _fields(error) or {}
    for key in ("code", "type"):
        if status := ERROR_CODES.get(_text(fields.get(key))):
            return status
    return "server_error"


def _usage(fields: Mapping[str, Any], odd: list[str]) -> dict[str, int] | None:
    reported = fields.get("usage")
    if reported is None:
        return None
    of = _fields(reported)
    if of is None:
        odd.append(f"usage of type {type(reported).__name__}")
        return None
    usage = _wholes(of, odd)
    unreported = _unreported_reasoning(of, usage)
    if unreported:
        usage["output_tokens"] = usage.get("output_tokens", 0) + unreported
    _add_parts(usage, "input_tokens", _first(of, _INPUT_DETAILS), _INPUT_PARTS, odd)
    _add_parts(usage, "output_tokens", _first(of, _OUTPUT_DETAILS), _OUTPUT_PARTS, odd)
    if unreported:
        usage["reasoning_tokens"] = unreported
    if "cache_read_tokens" not in usage and (count := _count(of, _CACHED_ELSEWHERE, odd)):
        usage["cache_read_tokens"] = _part(count, usage.get("input_tokens", 0), "cached", odd)
    if searches := _web_searches(fields, odd):
        usage["web_searches"] = searches
    return usage


def _wholes(of: Mapping[str, Any], odd: list[str]) -> dict[str, int]:
    usage = {key: count for key, names in _WHOLES if (count := _count(of, names, odd))}
    if not usage and not odd and (total := _count(of, ("total_tokens",), odd)):
        usage["input_tokens"] = total  # Voyage reports embeddings by their total alone
    return usage


def _unreported_reasoning(of: Mapping[str, Any], usage: Mapping[str, int]) -> int:
    """Return the reasoning tokens that are in the total but not in the output.

    xAI reports reasoning beside ``completion_tokens``, and Gemini's OpenAI endpoint only in the
    total; both bill it as output.
    """
    odd: list[str] = []
    total = _count(of, ("total_tokens",), odd)
    beyond = total - usage.get("input_tokens", 0) - usage.get("output_tokens", 0)
    if beyond <= 0 or "input_tokens" not in usage:
        return 0
    reasoning = _count(_first(of, _OUTPUT_DETAILS), ("reasoning_tokens",), odd)
    return beyond if reasoning in (0, beyond) and not odd else 0


def _first(of: Mapping[str, Any], names: Iterable[str]) -> Mapping[str, Any]:
    """Return the first of some details that is there; empty where none is."""
    return _fields(next((of[name] for name in names if of.get(name) is not None), None)) or {}


def _add_parts(
    usage: dict[str, int],
    whole: str,
    details: Mapping[str, Any],
    parts: Iterable[tuple[str, str]],
    odd: list[str],
) -> None:
    for key, name in parts:
        if count := _count(details, (name,), odd):
            usage[key] = _part(count, usage.get(whole, 0), name, odd)


def _web_searches(fields: Mapping[str, Any], odd: list[str]) -> int:
    """Return the billed web searches of a response: opening and reading a page found is free."""
    billed = _fields((_fields(fields.get("tool_usage")) or {}).get("web_search"))
    if billed is not None:
        return _count(billed, ("num_requests",), odd)
    output = fields.get("output")
    return sum(_is_search(_fields(item)) for item in output) if isinstance(output, list) else 0


def _is_search(item: Mapping[str, Any] | None) -> bool:
    if item is None or item.get("type") != "web_search_call":
        return False
    action = _fields(item.get("action"))
    return action is None or action.get("type", "search") == "search"


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


def _count(fields: Mapping[str, Any], names: Iterable[str], odd: list[str]) -> int:
    for name in names:
        value = fields.get(name)
        if value is None:
            continue
        if type(value) is int and 0 <= value <= MAX_QUANTITY:
            return value
        if type(value) is float and value.is_integer() and 0 <= value <= MAX_QUANTITY:
            return int(value)
        odd.append(f"{name} {_shown(value)}, which is no count of tokens")
    return 0


def _part(count: int, whole: int, name: str, odd: list[str]) -> int:
    if count > whole:
        odd.append(f"{name} {count}, more than the {whole} that it is a part of")
        return whole
    return count


def _tier(value: object) -> str:
    tier = _text(value)
    return "" if tier in _BASE_TIERS else tier


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _shown(value: object) -> str:
    """Return a value as a message may show it: numbers only, for anything else could be private."""
    return str(value) if isinstance(value, int | float) else f"of type {type(value).__name__}"


def _fields(thing: object) -> Mapping[str, Any] | None:
    """Return the fields of a mapping or of a model, unknown ones of a newer API included."""
    if isinstance(thing, dict):
        return thing
    fields: dict[str, Any] | None = getattr(thing, "__dict__", None)
    if isinstance(fields, dict) and (extra := getattr(thing, "__pydantic_extra__", None)):
        return {**extra, **fields}
    return fields if isinstance(fields, dict) else None
