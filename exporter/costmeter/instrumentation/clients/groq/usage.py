"""Reads usage out of Groq's response bodies: OpenAI's, and what each model of a system used.

A compound system answers with the work of several models. It is billed by theirs, not by a price of
its own, so the first of them counts as the one that answered, and the others beside it.

Sources: https://console.groq.com/docs/api-reference#chat-create and
https://console.groq.com/docs/compound
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.fields import fields_of, text_of
from costmeter.instrumentation.clients.openai import usage as openai_usage
from costmeter.instrumentation.clients.reading import NO_JSON, Reading, Share


class _Body(msgspec.Struct):
    """The fields of a body that matter here."""

    model: Any = None
    usage: Any = None
    usage_breakdown: Any = None
    service_tier: Any = None
    x_groq: Any = None


_decode: Final = msgspec.json.Decoder(_Body).decode


def read(body: object) -> Reading:
    """Return what a response body, or the last chunk of a stream, tells."""
    reading = openai_usage.read(body)
    fields = fields_of(body) or {}
    inner = fields_of(fields.get("x_groq")) or {}
    told = fields_of(fields.get("usage_breakdown")) or fields_of(inner.get("usage_breakdown")) or {}
    models = told.get("models")
    if not isinstance(models, list) or not models:
        return reading
    parts = [fields_of(item) or {} for item in models]
    shares = [
        (text_of(part.get("model")), openai_usage.read({"usage": part.get("usage")}))
        for part in parts
    ]
    (model, first), *others = shares
    return reading._replace(
        model=model or reading.model,
        usage=first.usage,
        odd=tuple(odd for _, share in shares for odd in share.odd),
        others=tuple(Share(model=name, usage=share.usage or {}) for name, share in others),
    )


def read_json(body: bytes) -> Reading:
    """Return what a response body tells that is not decoded yet."""
    try:
        return read(msgspec.structs.asdict(_decode(body)))
    except msgspec.DecodeError:
        return NO_JSON
