"""Reads the results of Mistral's batches: lines of a file, or inside the batch's own answer.

Both are told by the file, where there is one, so that a result counts once whichever is read.

Source: https://docs.mistral.ai/studio-api/batch-processing
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients import batch_lines
from costmeter.instrumentation.clients.answers import Answers
from costmeter.instrumentation.clients.batch_results import TIER, Download, ResultsReader
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.mistral.answers import read_pages, read_transcription
from costmeter.instrumentation.clients.mistral.usage import read
from costmeter.instrumentation.clients.reading import NOTHING

if TYPE_CHECKING:
    from costmeter.instrumentation.clients.batch_results import Result
    from costmeter.instrumentation.clients.reading import Reading

_CONTENT: Final = re.compile(r"files/([^/]+)/content")
"""The path of a file's content: nothing but that tells what is in it."""
_JOB: Final = re.compile(r"batch/jobs/[^/]+")

_OPERATIONS: Final = {
    "chat.completion": "chat",
    "conversation.response": "chat",
    "list": "embeddings",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the kind of object that a body says it is."""


class _Kind(msgspec.Struct):
    """What tells apart the answers of different endpoints."""

    object: Any = None
    usage_info: Any = None
    text: Any = None
    results: msgspec.Raw = msgspec.Raw(b"")


class _Job(msgspec.Struct):
    id: str = ""
    output_file: str | None = None
    outputs: list[msgspec.Raw] | None = None


_decode_kind: Final = msgspec.json.Decoder(_Kind).decode
_decode_job: Final = msgspec.json.Decoder(_Job).decode


def download(provider: str, path: str) -> Download | None:
    """Return what a ``GET`` of a path may tell results by; None where it tells none."""
    if content := _CONTENT.fullmatch(path):
        return ResultsReader.download(provider, content[1], read_line)
    if _JOB.fullmatch(path):
        reader = Answers(lambda body: _read_job(provider, body))
        return Download(TIER, provider, "", reader=reader, reservation="")
    return None


def read_line(line: bytes) -> Result | None:
    """Return what a line of a file tells; None where it is no result, or of no call."""
    return batch_lines.read(line, _read_body)


def _read_body(body: bytes) -> tuple[str, Reading]:
    """Return the operation and the reading of an answer, which tells its endpoint by its shape."""
    kind = _decode_kind(body)
    if operation := _OPERATIONS.get(text_of(kind.object)):
        return operation, read(body)
    if kind.usage_info is not None:
        return "ocr", read_pages(body)
    if kind.text is not None:
        return "transcription", read_transcription(body)
    operation = "moderation" if b'"category_scores"' in bytes(kind.results) else "classification"
    return operation, read(body)


def _read_job(provider: str, body: bytes) -> Reading:
    """Record the results that a batch brings along, where it was asked for them."""
    job = _decode_job(body)
    reader = ResultsReader(provider, job.output_file or job.id, read_line)
    for output in job.outputs or ():
        reader.read_json(bytes(output).replace(b"\n", b" "))  # text has no line feed of its own
    return NOTHING
