"""Reads the results of Anthropic's message batches, one a line.

Sources: https://platform.claude.com/docs/en/build-with-claude/batch-processing and
https://docs.claude.com/en/api/retrieving-message-batch-results
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.anthropic.usage import error_status, read_json
from costmeter.instrumentation.clients.batch_results import Result
from costmeter.instrumentation.clients.fields import fields_of
from costmeter.instrumentation.clients.reading import Reading

RESULTS: Final = re.compile(r".*/messages/batches/([^/?]+)/results(?:\?.*)?")
"""The address of a batch's results, with the batch's id."""


class _Outcome(msgspec.Struct):
    type: str
    message: msgspec.Raw = msgspec.Raw(b"null")
    error: Any = None


class _Line(msgspec.Struct):
    custom_id: str
    result: _Outcome


_decode_line: Final = msgspec.json.Decoder(_Line).decode


def read_line(line: bytes) -> Result | None:
    """Return what a line tells; None where the request expired or was cancelled, which is free.

    Raises:
        msgspec.DecodeError: it is no result.
    """
    told = _decode_line(line)
    if told.result.type == "succeeded":
        reading = read_json(bytes(told.result.message))
    elif told.result.type == "errored":
        error = (fields_of(told.result.error) or {}).get("error")
        reading = Reading(status=error_status(error))
    else:
        return None
    return Result(told.custom_id, "chat", reading)
