"""Reads usage out of Cohere's response bodies and streams.

``billed_units`` are what is charged; ``tokens`` beside them also count those that Cohere adds by
itself and does not charge for. Version 2 of the API tells both in ``usage`` of a chat and in
``meta`` of anything else, version 1 always in ``meta``. No answer names the model.

Sources: https://docs.cohere.com/v2/docs/how-does-cohere-pricing-work,
https://docs.cohere.com/reference/chat and https://docs.cohere.com/reference/embed
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.fields import counts_of, fields_of, text_of
from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.reading import NO_JSON, NOTHING, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

_STATUS: Final = {"ERROR": "server_error", "TIMEOUT": "timeout", "USER_CANCEL": "cancelled"}
"""Outcomes by ``finish_reason``; with any other, an answer was delivered and is paid for."""

_IMAGES: Final = "images"
"""A billed unit that has no key in :data:`costmeter.usage.USAGE_KEYS`: pictures that were read."""

_UNITS: Final = {
    "input_tokens": "input_tokens",
    "text_tokens": "text_tokens",
    "image_tokens": "input_image_tokens",
    "output_tokens": "output_tokens",
    "search_units": "search_units",
    "classifications": "classifications",
    "pages": "input_pages",
}
"""Keys by the names of what is billed; text has none of its own."""
_DOCUMENTS_PER_UNIT: Final = 100
"""Documents of one query that one search unit pays for; a long one counts as several."""
_CACHED: Final = {"cached_tokens": "cache_read_tokens"}


class _Body(msgspec.Struct):
    """The fields of a body that matter here: answers and embeddings are large, and passed over."""

    usage: Any = None
    meta: Any = None
    finish_reason: Any = None


class _Event(msgspec.Struct):
    """The fields of an event that matter here: two of version 2, three of version 1."""

    type: Any = None
    delta: _Body | None = None
    event_type: Any = None
    response: _Body | None = None
    finish_reason: Any = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_event = msgspec.json.Decoder(_Event).decode


def foreseen_ranking(asked: Mapping[str, Any]) -> Reading:
    """Return what a request for a ranking tells of its cost."""
    documents = asked.get("documents")
    number = len(documents) if isinstance(documents, list | tuple) else 0
    return Reading(usage={"search_units": max(-(-number // _DOCUMENTS_PER_UNIT), 1)})


def read(body: bytes) -> Reading:
    """Return what a response body tells of usage and outcome."""
    try:
        return _read(_decode(body))
    except msgspec.DecodeError:
        return NO_JSON


class StreamWatcher(LineWatcher):
    """Watches a stream, server-sent events or a JSON document a line: its last event tells all."""

    def __init__(self) -> None:
        """Watch a stream from its first byte."""
        super().__init__()
        self._reading = NOTHING

    def line(self, line: bytes) -> None:
        """Take a line in: nearly every one is a piece of text, and not parsed."""
        if b'"message-end"' not in line and b'"stream-end"' not in line:
            return
        event = _decode_event(line.removeprefix(b"data:"))
        if event.type == "message-end":
            last = event.delta
        elif event.event_type == "stream-end":
            last = event.response or _Body()
            last.finish_reason = event.finish_reason
        else:
            return  # a piece of text that reads like it
        self.complete = True
        self._reading = NOTHING if last is None else _read(last)

    def reading(self) -> Reading:
        """Return what was read; nothing before the last event."""
        return self._reading


def _read(body: _Body) -> Reading:
    odd: list[str] = []
    reported = fields_of(body.usage) or fields_of(body.meta)
    return Reading(
        usage=_usage(reported, odd) if reported else None,
        status=_STATUS.get(text_of(body.finish_reason), "ok"),
        odd=tuple(odd),
    )


def _usage(reported: Mapping[str, Any], odd: list[str]) -> dict[str, int] | None:
    units = fields_of(reported.get("billed_units"))
    if units is None:
        units = fields_of(reported.get("tokens"))
    if units is None:
        return None

    usage = counts_of(units, _UNITS, odd)
    # Embeddings of text and images are reported by either kind, by their sum, or by all of these.
    image = usage.get("input_image_tokens", 0)
    whole = max(usage.get("input_tokens", 0), usage.pop("text_tokens", 0) + image)
    if whole:
        usage["input_tokens"] = whole
        usage |= counts_of(reported, _CACHED, odd, whole)
    if usage and units.get(_IMAGES) and not image:
        odd.append(f"{_IMAGES}, which are billed beside the tokens and are not metered")
    return usage
