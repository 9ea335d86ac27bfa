"""Spans of GenAI calls to usage events, by OpenTelemetry's conventions and the older names.

A span counts where it is the caller's own record of one inference or embedding. Spans above it that
tell the same call again (of an agent, a workflow, a framework's wrapper) do not: the innermost one
counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from costmeter.pricing.service_tiers import tier_name
from costmeter.sidecar.handover import Identified
from costmeter.sidecar.otlp.decode import ERROR, SERVER, Scalar, Span
from costmeter.sidecar.otlp.names import (
    ATTRIBUTES,
    ERROR_TYPE,
    FIRST_CHUNK,
    METERED,
    MODEL,
    OPERATION,
    OPERATIONS,
    PREFIX,
    PROVIDER,
    PROVIDERS,
    RESPONSE_ID,
    SERVICE_TIER,
    STATUS_BY_WORD,
    UNKNOWN_PROVIDER,
    USAGE,
)
from costmeter.status import status_of_code
from costmeter.usage import (
    MAX_ATTRIBUTES,
    MAX_DURATION_NS,
    MAX_EVENT_BYTES,
    MAX_NAME_LENGTH,
    MAX_QUANTITY,
    MAX_VALUE_LENGTH,
    UsageEvent,
)

_TRACE_ID: Final = re.compile(r"(?!0{32})[0-9a-f]{32}")
_SPAN_ID: Final = re.compile(r"(?!0{16})[0-9a-f]{16}")
_encode: Final = msgspec.json.Encoder().encode


class Metered(NamedTuple):
    """What an export comes to.

    Attributes:
        events: usage, each with what it is known by, in the order of the spans; of a call that is
            metered in its process, only what it is known by.
        problems: why spans that should have counted are refused, one sentence each.
    """

    events: list[Identified]
    problems: list[str]


def meter(spans: Iterable[Span], now_ns: int) -> Metered:
    """Return the usage of spans.

    Args:
        spans: those of one export.
        now_ns: the time of spans that tell none, in nanoseconds since 1970-01-01 UTC.
    """
    parents: dict[tuple[str, str], str] = {}
    calls: dict[tuple[str, str], tuple[Span, str]] = {}
    events: list[Identified] = []
    problems: list[str] = []
    for span in spans:
        operation = _operation(span)
        if _TRACE_ID.fullmatch(span.trace_id) and _SPAN_ID.fullmatch(span.span_id):
            parents[span.trace_id, span.span_id] = span.parent_id
            if operation:
                calls[span.trace_id, span.span_id] = span, operation
        elif operation and not (_says_metered(span.attributes) or _says_metered(span.resource)):
            problems.append(f"span {span.span_id[:16]!r}: its ids are not valid")
    repeated = _above(calls, parents)
    for key, (span, operation) in calls.items():
        if key in repeated or _says_metered(span.resource):
            continue
        if _says_metered(span.attributes):
            events.append(_identified(span, None))
            continue
        try:
            events.append(_identified(span, _event(span, operation, now_ns)))
        except ValueError as error:
            problems.append(f"span {span.span_id}: {error}")
    return Metered(events, problems)


def _above(
    calls: Iterable[tuple[str, str]], parents: Mapping[tuple[str, str], str]
) -> set[tuple[str, str]]:
    """Return the spans that stand above a call in its trace, as far as the export shows."""
    above: set[tuple[str, str]] = set()
    for trace_id, span_id in calls:
        parent = (trace_id, parents[trace_id, span_id])
        while parent in parents and parent not in above:
            above.add(parent)
            parent = (trace_id, parents[parent])
    return above


def _identified(span: Span, event: UsageEvent | None) -> Identified:
    """Say what an event is known by: its span, its response's id, and for the span above its call.

    A span above that is exported later, as it ends later, is known by then.
    """
    own = _name(span.trace_id, span.span_id)
    response = _text(span.attributes, RESPONSE_ID)
    if response:
        response = _name(span.trace_id, "response", response)
    takes = [response or own]
    if _SPAN_ID.fullmatch(span.parent_id):
        takes.append(_name(span.trace_id, span.parent_id))
    return Identified(event, (own, response) if response else (own,), tuple(takes))


def _name(*parts: str) -> str:
    return blake2b("/".join(parts).encode("utf-8", "replace"), digest_size=16).hexdigest()


def _operation(span: Span) -> str:
    """Return the operation of a span that is a call, or nothing."""
    attributes = span.attributes
    if span.kind == SERVER:
        return ""
    if name := _text(attributes, OPERATION):
        return OPERATIONS.get(name.lower(), "")
    # The AI SDK and others say no operation of a call; what says usage, whose and of what, is one.
    told = any(name in attributes for names in USAGE.values() for name in names)
    return "chat" if told and _text(attributes, PROVIDER) and _text(attributes, MODEL) else ""


def _says_metered(attributes: Mapping[str, Scalar]) -> bool:
    """Whether a span or its resource says that its calls are metered in their process."""
    return any(str(attributes.get(name, "")).lower() in {"true", "1"} for name in METERED)


def _event(span: Span, operation: str, now_ns: int) -> UsageEvent:
    """Return a span's usage.

    Raises:
        ValueError: a count is none, or there is too much of everything.
    """
    attributes = span.attributes
    provider = _text(attributes, PROVIDER).lower()
    ended = span.end_ns if 0 < span.end_ns < 1 << 63 else now_ns
    event = UsageEvent(
        time_ns=ended,
        operation=operation,
        provider=PROVIDERS.get(provider, provider)[:MAX_NAME_LENGTH] or UNKNOWN_PROVIDER,
        model=_text(attributes, MODEL)[:MAX_VALUE_LENGTH],
        attributes=_attributes(span),
        usage=_usage(attributes),
        duration_ns=min(max(ended - span.start_ns, 0), MAX_DURATION_NS) if span.start_ns else 0,
        status=_status(span),
        service_tier=tier_name(_text(attributes, SERVICE_TIER))[:MAX_NAME_LENGTH],
        first_chunk_ns=_first_chunk_ns(attributes),
    )
    if len(_encode(event)) > MAX_EVENT_BYTES:
        raise ValueError(f"its attributes have more than {MAX_EVENT_BYTES} bytes")
    return event


def _usage(attributes: Mapping[str, Scalar]) -> dict[str, int]:
    """Return the tokens by kind, inputs with those read from and written to a cache."""
    usage = {}
    for kind, names in USAGE.items():
        name = next((name for name in names if name in attributes), None)
        if name is not None:
            usage[kind] = _count(name, attributes[name])
    cached = usage.get("cache_read_tokens", 0) + usage.get("cache_write_tokens", 0)
    if cached > usage.get("input_tokens", 0):  # counted beside them, as Anthropic's API does
        usage["input_tokens"] = usage.get("input_tokens", 0) + cached
    if usage.get("reasoning_tokens", 0) > usage.get("output_tokens", 0):
        usage["output_tokens"] = usage.get("output_tokens", 0) + usage["reasoning_tokens"]
    return usage


def _first_chunk_ns(attributes: Mapping[str, Scalar]) -> int:
    """Return the time to the first chunk in nanoseconds; 0 where it is not told, or cannot be."""
    for name, unit_ns in FIRST_CHUNK.items():
        told = attributes.get(name)
        if isinstance(told, int | float) and 0 < told * unit_ns <= MAX_DURATION_NS:
            return round(told * unit_ns)
    return 0


def _count(name: str, value: Scalar) -> int:
    whole = isinstance(value, float) and value.is_integer()  # JavaScript has but one number
    if (type(value) is int or whole) and 0 <= value <= MAX_QUANTITY:  # type: ignore[operator]
        return int(value)
    raise ValueError(f"{name}: {str(value)[:40]!r} is not a whole number from 0 to {MAX_QUANTITY}")


def _attributes(span: Span) -> dict[str, str]:
    found: dict[str, str] = {}
    for origin in (span.attributes, span.resource):
        for name, value in origin.items():
            if name.startswith(PREFIX) and name not in METERED:
                found.setdefault(name.removeprefix(PREFIX)[:MAX_NAME_LENGTH], _shown(value))
    for name, others in ATTRIBUTES.items():
        if value := _text(span.attributes, others) or _text(span.resource, others):
            found.setdefault(name, value[:MAX_VALUE_LENGTH])
    return {name: found[name] for name in sorted(found)[:MAX_ATTRIBUTES] if name and found[name]}


def _shown(value: Scalar) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text[:MAX_VALUE_LENGTH]


def _status(span: Span) -> str:
    error = str(next((span.attributes[n] for n in ERROR_TYPE if n in span.attributes), ""))
    failed = span.status == ERROR or "error.type" in span.attributes
    if not failed:
        return "ok"
    if re.fullmatch("[45][0-9]{2}", error):
        return status_of_code(int(error))
    word = re.sub("[^a-z]", "", error[:MAX_VALUE_LENGTH].rpartition(".")[2].lower())
    return next((status for part, status in STATUS_BY_WORD.items() if part in word), "error")


def _text(attributes: Mapping[str, Scalar], names: Iterable[str]) -> str:
    """Return the first of some attributes that is a string and not empty."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, str) and value:
            return value
    return ""
