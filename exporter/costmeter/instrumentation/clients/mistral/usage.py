"""Reads usage out of Mistral's response bodies and streams.

``prompt_tokens`` include the cached ones, which ``prompt_tokens_details`` tells. A conversation
also tells which connectors it used: each is billed by the call at a price of its own, whatever the
model, so they count beside it under their own names. What they found is read by the model, and told
apart from the prompt.

Sources: https://docs.mistral.ai/api,
https://docs.mistral.ai/studio-api/conversations/advanced/prompt-caching and
https://docs.mistral.ai/studio/agents/agent-tools/websearch
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.fields import count_of, counts_of, fields_of, text_of
from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.reading import NO_JSON, NOTHING, Reading, Share

if TYPE_CHECKING:
    from collections.abc import Mapping

_BASE_TIERS: Final = frozenset({"", "default", "standard"})
"""Service tiers that are the base price."""

_COUNTS: Final = {
    "prompt_tokens": "input_tokens",
    "completion_tokens": "output_tokens",
    "prompt_audio_seconds": "input_audio_seconds",  # billed beside the tokens
    "connector_tokens": "connector_tokens",  # in no other count
}
_PARTS: Final = {
    "prompt_tokens_details": ("input_tokens", {"cached_tokens": "cache_read_tokens"}),
    "completion_tokens_details": ("output_tokens", {"reasoning_tokens": "reasoning_tokens"}),
}
"""Which whole the details in ``usage`` are parts of, and the keys of the parts by their names."""

_CONNECTORS: Final = {
    "code_interpreter": "container_sessions",
    "document_library": "file_searches",
    "image_generation": "images",
    "web_search": "web_searches",
    "web_search_premium": "web_searches",
}
"""What calls of Mistral's own connectors are counted as; those of others are not billed by it."""


class _Body(msgspec.Struct):
    """The fields of a body that matter here: answers and embeddings are large, and passed over."""

    model: Any = None
    usage: Any = None
    outputs: msgspec.Raw = msgspec.Raw(b"")


class _Output(msgspec.Struct):
    """The field of an entry of a conversation that matters here; most entries have none."""

    model: Any = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_outputs = msgspec.json.Decoder(list[_Output]).decode


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
        model=text_of(fields.model) or _answering(fields.outputs),
        service_tier="" if tier in _BASE_TIERS else tier,
        odd=tuple(odd),
        others=() if used is None else _connectors(used, odd),
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


def _answering(outputs: msgspec.Raw) -> str:
    """Return the model that a conversation was answered by, as the first entry with one tells."""
    try:
        told = (text_of(output.model) for output in _decode_outputs(outputs))
    except msgspec.DecodeError:
        return ""  # it is no conversation
    return next(filter(None, told), "")


def _usage(used: Mapping[str, Any], odd: list[str]) -> dict[str, int]:
    usage = counts_of(used, _COUNTS, odd)
    for name, (whole, parts) in _PARTS.items():
        if details := fields_of(used.get(name)):
            usage |= counts_of(details, parts, odd, usage.get(whole, 0))
    if found := usage.pop("connector_tokens", 0):
        usage["input_tokens"] = usage.get("input_tokens", 0) + found
    return usage


def _connectors(used: Any, odd: list[str]) -> tuple[Share, ...]:
    """Return what a conversation used of Mistral's connectors."""
    if not (told := fields_of(used.get("connectors"))):
        return ()
    counts = ((name, key, count_of(name, told.get(name), odd)) for name, key in _CONNECTORS.items())
    return tuple(Share(model=name, usage={key: count}) for name, key, count in counts if count)
