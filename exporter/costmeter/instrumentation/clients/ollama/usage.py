"""Reads usage out of the answers of Ollama: its SDK's models, or decoded JSON.

Thinking is part of what was generated, and not told apart.

Source: https://docs.ollama.com/api/usage
"""

from __future__ import annotations

from typing import Final

from costmeter.instrumentation.clients.fields import counts_of, fields_of, text_of
from costmeter.instrumentation.clients.reading import Reading

_COUNTS: Final = {
    "prompt_eval_count": "input_tokens",
    "input_tokens": "input_tokens",
    "eval_count": "output_tokens",
    "output_tokens": "output_tokens",
}
"""Keys of usage by their names in an answer, or in the ``usage`` of System One's."""


def read(body: object) -> Reading:
    """Return what an answer, or the last part of a stream, tells."""
    fields = fields_of(body)
    if fields is None:
        return Reading(odd=(f"a response of type {type(body).__name__}",))
    told = fields_of(fields.get("usage")) or fields
    odd: list[str] = []
    counted = any(told.get(name) is not None for name in _COUNTS)
    usage = counts_of(told, _COUNTS, odd) if counted else None
    return Reading(usage=usage, model=text_of(fields.get("model")), odd=tuple(odd))


def is_last(part: object) -> bool:
    """Return whether a part of a stream is its last, which tells the usage."""
    return bool((fields_of(part) or {}).get("done"))
