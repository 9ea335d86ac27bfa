"""Reads the results of batches of the Gemini API: within the batch, or lines of a file.

Those of Vertex AI go to Cloud Storage or BigQuery, which the SDK does not read.

Source: https://ai.google.dev/gemini-api/docs/batch-api
"""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.batch_results import Result
from costmeter.instrumentation.clients.begun import is_long_past
from costmeter.instrumentation.clients.fields import fields_of, text_of
from costmeter.instrumentation.clients.google_genai.usage import Answer, status_of_error
from costmeter.instrumentation.clients.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmeter.instrumentation.clients.reading import Watcher

FILE: Final = re.compile(r"files/([^/:?]+):download")
"""The path of a file's content: nothing but that tells what is in it."""
BATCH: Final = re.compile(r"batches/[^/:?]+")
"""The path of a batch."""
_CHUNK: Final = 1 << 20
"""Bytes of a file that are read at once."""


class _Line(msgspec.Struct):
    """One answer, or an error in its place."""

    response: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None
    key: Any = None
    metadata: Any = None


class _Inlined(msgspec.Struct, rename="camel"):
    inlined_responses: list[msgspec.Raw] = []


class _Output(msgspec.Struct, rename="camel"):
    inlined_responses: _Inlined | None = None
    inlined_embed_content_responses: _Inlined | None = None


class _Metadata(msgspec.Struct, rename="camel"):
    model: str = ""
    output: _Output | None = None
    end_time: datetime | None = None


class _Batch(msgspec.Struct):
    name: str = ""
    metadata: _Metadata | None = None


_decode_line: Final = msgspec.json.Decoder(_Line).decode
_decode_batch: Final = msgspec.json.Decoder(_Batch).decode


def read_line(line: bytes) -> Result | None:
    """Return what a line of a file tells; None where it is no result."""
    try:
        told = _decode_line(line)
    except msgspec.DecodeError:
        return None  # any other file of lines
    return _result(told, text_of(told.key), "") if told.key else None


def results_of(body: str | bytes) -> tuple[str, Iterator[Result]]:
    """Return the name of a batch, and the results that it has come to.

    Raises:
        msgspec.DecodeError: it is no batch.
    """
    batch = _decode_batch(body or "{}")
    told = batch.metadata or _Metadata()
    if is_long_past(told.end_time):
        return batch.name, iter(())
    output = told.output or _Output()
    inlined = output.inlined_responses or output.inlined_embed_content_responses or _Inlined()
    model = told.model.rpartition("/")[2]
    return batch.name, _numbered(inlined.inlined_responses, model)


def _numbered(lines: list[msgspec.Raw], model: str) -> Iterator[Result]:
    """Yield results, which are known by their places: their keys need not differ, nor exist."""
    for number, line in enumerate(lines):
        if (result := _result(_decode_line(line), str(number), model)) is not None:
            yield result


def _result(told: _Line, name: str, model: str) -> Result | None:
    body = bytes(told.response)
    if (error := fields_of(told.error)) is not None:
        failed = Reading(model=model, status=status_of_error(error))
        return Result(name, "generate_content", failed)
    if body == b"null":
        return None
    reading = Answer(model).take(body, None).reading()
    embeds = b'"candidates"' not in body and b'"embedding"' in body
    operation = "embeddings" if embeds else "generate_content"
    return Result(name, operation, reading if reading.model else reading._replace(model=model))


class Copying:
    """A file that an application has opened to write a download to, read along."""

    def __init__(self, file: Any, watcher: Watcher) -> None:
        """Take the file."""
        self._file = file
        self._watcher = watcher

    def write(self, chunk: bytes) -> Any:
        """Write a chunk."""
        written = self._file.write(chunk)
        self._watcher.feed(chunk)
        return written


def read_along(named: dict[str, Any], watcher: Watcher) -> dict[str, Any]:
    """Return the arguments of a download; a file that cannot be read again is read along."""
    destination = named.get("destination")
    if hasattr(destination, "write"):
        return {**named, "destination": Copying(destination, watcher)}
    return named


def read_file(content: bytes | None, destination: Any, watcher: Watcher) -> None:
    """Read a file that was downloaded: its content, or the path that it was written to."""
    if content is not None:
        watcher.feed(content)
    elif isinstance(destination, str | os.PathLike):
        with Path(destination).open("rb") as file:
            while chunk := file.read(_CHUNK):
                watcher.feed(chunk)
    watcher.flush()
