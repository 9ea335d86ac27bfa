"""Reads lines of batches' results as OpenAI has them, and Groq and Mistral too.

Source: https://platform.openai.com/docs/api-reference/batch/request-output
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from costmeter.instrumentation.clients.batch_results import Result
from costmeter.instrumentation.clients.reading import Reading
from costmeter.status import status_of_code

if TYPE_CHECKING:
    from collections.abc import Callable

_FIRST_REFUSAL: Final = 300


class _Response(msgspec.Struct):
    status_code: int
    body: msgspec.Raw = msgspec.Raw(b"null")


class _Line(msgspec.Struct):
    """A line; ``response`` is null where the request was never made."""

    response: _Response | None
    custom_id: str | None = None
    id: str | None = None


_decode: Final = msgspec.json.Decoder(_Line).decode


def read(line: bytes, read_body: Callable[[bytes], tuple[str, Reading]]) -> Result | None:
    """Return what a line tells; None where it is no result, or of no call.

    Args:
        line: a line of a file, which may be any other file.
        read_body: returns the operation and the reading of an answer that did not fail.
    """
    try:
        told = _decode(line)
    except msgspec.DecodeError:
        return None
    name = told.custom_id or told.id
    if told.response is None or not name:
        return None
    if told.response.status_code >= _FIRST_REFUSAL:
        return Result(name, "chat", Reading(status=status_of_code(told.response.status_code)))
    return Result(name, *read_body(bytes(told.response.body)))
