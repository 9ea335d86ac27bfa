"""Reads the results of Groq's batches: lines of a file, each with the answer to one request.

Source: https://console.groq.com/docs/batch
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients import batch_lines
from costmeter.instrumentation.clients.groq.audio import TranscriptionReader
from costmeter.instrumentation.clients.groq.usage import read_json

if TYPE_CHECKING:
    from costmeter.instrumentation.clients.batch_results import Result
    from costmeter.instrumentation.clients.reading import Reading

CONTENT: Final = re.compile(r"/openai/v1/files/([^/]+)/content")
"""The path of a file's content: nothing but that tells what is in it."""


class _Kind(msgspec.Struct):
    """What tells apart the answers of different endpoints."""

    text: Any = None


_decode_kind: Final = msgspec.json.Decoder(_Kind).decode


def read_line(line: bytes) -> Result | None:
    """Return what a line of a file tells; None where it is no result, or of no call."""
    return batch_lines.read(line, _read_body)


def _read_body(body: bytes) -> tuple[str, Reading]:
    """Return the operation and the reading of an answer, which tells its endpoint by its shape."""
    if _decode_kind(body).text is not None:
        return "transcription", TranscriptionReader().read_json(body)
    return "chat", read_json(body)
