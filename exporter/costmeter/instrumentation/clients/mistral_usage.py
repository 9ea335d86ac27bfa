"""Reads usage out of Mistral's response bodies and streams.

``prompt_tokens`` include the cached ones, which ``prompt_tokens_details`` tells.

Sources: https://docs.mistral.ai/api and
https://docs.mistral.ai/studio-api/conversations/advanced/prompt-caching
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.reading import NO_JSON, NOTHING, Reading

_BASE_TIERS: Final = frozenset({"", "default", "standard"})
"""Service tiers that are the base price."""

_WHOLES: Final = (
    (
        "prompt_tokens",
        "input_tokens",
        "prompt_tokens_details",
        "cached_tokens",
        "cache_read_tokens",
    ),
    (
        "completion_tokens",
        "output_tokens",
        "completion_tokens_details",
        "reasoning_tokens",
        "reasoning_tokens",
    ),
)
"""Name and key of a whole, where its details stand, and name and key of the part in them."""


class _Body(msgspec.Struct):
    """The fields of a body that matter here: answers and embeddings are large, and passed over."""

    model: Any = None
    usage: Any = None


_decode = msgspec.json.Decoder(_Body).decode


def read(body: bytes) -> Reading:
    """Return what a response body or the data of an event tells of usage, model and tier."""
    try:
        fields = _decode(body)
    except msgspec.DecodeError:
        return NO_JSON
    odd: list[str] = []
    used = fields_of(fields.usage)
    tier = text_of(used.get("service_tier")) if used else ""
    return Reading(
        usage=None if used is None else _usage(used, odd),
        model=text_of(fields.model),
        service_tier="" if tier in _BASE_TIERS else tier,
        odd=tuple(odd),
    )


class StreamWatcher(LineWatcher):
    """Watches a stream of completion chunks: the last of them carries usage."""

    def __init__(self) -> None:
        """Watch a stream from its first byte."""
        super().__init__()
        self._reading = NOTHING

    def line(self, line: bytes) -> None:
        """Take a line in: nearly every one is a piece of text, and not parsed."""
        if not line.startswith(b"data:"):
            return
        data = line[5:].strip()
        if data == b"[DONE]":
            self.complete = True
        elif self._reading is NOTHING or b'"usage"' in data:
            reading = read(data)
            if self._reading is NOTHING or reading.usage is not None:
                self._reading = reading

    def reading(self) -> Reading:
        """Return what was read so far; where no usage came, at least the model that answers."""
        return self._reading


def _usage(used: Any, odd: list[str]) -> dict[str, int]:
    usage: dict[str, int] = {}
    for name, key, details, part_name, part_key in _WHOLES:
        if not (whole := count_of(name, used.get(name), odd)):
            continue
        usage[key] = whole
        parts = fields_of(used.get(details)) or {}
        if part := count_of(part_name, parts.get(part_name), odd):
            usage[part_key] = min(part, whole)
    name = "prompt_audio_seconds"  # billed beside the tokens
    if seconds := count_of(name, used.get(name), odd):
        usage["input_audio_seconds"] = seconds
    return usage
