"""Reads the results of OpenAI's batches: lines of a file, each with the answer to one request.

Source: https://platform.openai.com/docs/api-reference/batch/request-output
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.batch_results import Result
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.openai import usage as openai_usage
from costmeter.instrumentation.clients.openai.images import ImageReader
from costmeter.instrumentation.clients.reading import Reading
from costmeter.status import status_of_code

CONTENT: Final = re.compile(r"/files/([^/]+)/content")
"""The path of a file's content: nothing but that tells what is in it."""

_OPERATIONS: Final = {
    "chat.completion": "chat",
    "response": "chat",
    "text_completion": "text_completion",
    "list": "embeddings",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the kind of object that a body says it is."""
_FIRST_REFUSAL: Final = 300


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct):
    """A line; ``response`` is null where the request was never made."""

    custom_id: str
    response: _Response | None


class _Kind(msgspec.Struct):
    """What tells apart the answers of different endpoints."""

    object: Any = None
    data: msgspec.Raw = msgspec.Raw(b"")


_decode_line: Final = msgspec.json.Decoder(_Line).decode
_decode_kind: Final = msgspec.json.Decoder(_Kind).decode
_by_tokens: Final = ImageReader("")


def read_line(line: bytes) -> Result | None:
    """Return what a line of a file tells; None where it is no result, or of no call."""
    try:
        told = _decode_line(line)
    except msgspec.DecodeError:
        return None  # any other file of lines
    if told.response is None:
        return None
    body = bytes(told.response.body)
    if told.response.status_code >= _FIRST_REFUSAL:
        reading = Reading(status=status_of_code(told.response.status_code))
        return Result(told.custom_id, "chat", reading)
    kind = _decode_kind(body)
    operation = _OPERATIONS.get(text_of(kind.object))
    if operation is None and bytes(kind.data):
        return Result(told.custom_id, "image_generation", _by_tokens.read_json(body))
    return Result(told.custom_id, operation or "moderation", openai_usage.read_json(body))
