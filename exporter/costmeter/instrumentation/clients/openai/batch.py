"""Reads the results of OpenAI's batches: lines of a file, each with the answer to one request.

Source: https://platform.openai.com/docs/api-reference/batch/request-output
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients import batch_lines
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.openai.images import ImageReader
from costmeter.instrumentation.clients.openai.usage import read_json

if TYPE_CHECKING:
    from costmeter.instrumentation.clients.batch_results import Result
    from costmeter.instrumentation.clients.reading import Reading

CONTENT: Final = re.compile(r"/files/([^/]+)/content")
"""The path of a file's content: nothing but that tells what is in it."""

_OPERATIONS: Final = {
    "chat.completion": "chat",
    "response": "chat",
    "text_completion": "text_completion",
    "list": "embeddings",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the kind of object that a body says it is."""


class _Kind(msgspec.Struct):
    """What tells apart the answers of different endpoints."""

    object: Any = None
    data: msgspec.Raw = msgspec.Raw(b"")


_decode_kind: Final = msgspec.json.Decoder(_Kind).decode
_by_tokens: Final = ImageReader("")


def read_line(line: bytes) -> Result | None:
    """Return what a line of a file tells; None where it is no result, or of no call."""
    return batch_lines.read(line, _read_body)


def _read_body(body: bytes) -> tuple[str, Reading]:
    """Return the operation and the reading of an answer, which says what kind of object it is."""
    kind = _decode_kind(body)
    operation = _OPERATIONS.get(text_of(kind.object))
    if operation is None and bytes(kind.data):
        return "image_generation", _by_tokens.read_json(body)
    return operation or "moderation", read_json(body)
