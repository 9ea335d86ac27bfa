"""Reads along with Anthropic's stream of events: as server-sent events, or as Bedrock frames them.

``message_start`` tells the model and the input, ``message_delta`` the usage so far, and
``message_stop`` that it was all.

Source: https://docs.claude.com/en/docs/build-with-claude/streaming
"""

from __future__ import annotations

import base64
from typing import Any, Final

import msgspec

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.anthropic.frames import Frames
from costmeter.instrumentation.clients.anthropic.usage import error_status, read
from costmeter.instrumentation.clients.fields import fields_of
from costmeter.instrumentation.clients.lines import OpenEvent, telling
from costmeter.instrumentation.clients.reading import Reading

_MATTER: Final = (b"message_", b'"error"')
"""What nearly no event holds: the others are pieces of text, and not parsed."""


class _Event(msgspec.Struct):
    """The few fields of an event that matter here."""

    type: Any = None
    message: Any = None
    usage: Any = None
    error: Any = None


_decode = msgspec.json.Decoder(_Event).decode


class _Events:
    """Puts together what the events of one message tell."""

    def __init__(self) -> None:
        self.complete = False
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._status = "ok"
        self._open = OpenEvent()

    def reading(self) -> Reading:
        """Return what is known so far; of a stream that broke off, what its start told."""
        usage = self._usage or None
        return read({**self._message, "usage": usage})._replace(status=self._status)

    def flush(self) -> bytes:
        """Return nothing: nothing is held back."""
        return b""

    def _see(self, data: bytes) -> None:
        """Take in the data of an event."""
        try:
            event = _decode(data)
        except msgspec.MsgspecError:
            self._open.broken = True
            return  # or else the SDK will say what is wrong with it
        match event.type:
            case "message_start":
                self._message = dict(fields_of(event.message) or {})
                # The output of a message that has only started is a placeholder.
                self._usage = dict(fields_of(self._message.get("usage")) or {})
                self._usage.pop("output_tokens", None)
            case "message_delta":
                told = fields_of(event.usage) or {}
                self._usage |= {name: value for name, value in told.items() if value is not None}
            case "message_stop":
                self.complete = True
            case "error":
                self._fail(event.error)

    def _fail(self, error: object) -> None:
        """Take in an error."""
        self._status = error_status(error)


class StreamWatcher(_Events):
    """Watches server-sent events. The caller sees all of them."""

    def __init__(self) -> None:
        """Watch a stream from its first byte."""
        super().__init__()
        self._line: list[bytes] = []  # the pieces of a line that has not ended yet

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk in; the caller sees all of it."""
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._line.append(chunk)
            return chunk
        whole = b"".join((*self._line, chunk[:end])) if self._line else chunk[:end]
        self._line = [chunk[end:]] if end < len(chunk) else []
        boundary.attempt(self._read, whole, default=None)
        return chunk

    def flush(self) -> bytes:
        """Return nothing: nothing is held back."""
        boundary.attempt(self._read, b"".join((*self._line, b"\n\n")), default=None)
        self._line = []
        return b""

    def _read(self, lines: bytes) -> None:
        for line in telling(lines, _MATTER):
            if line.startswith(b"data:"):
                self._see(line[5:])
        for data in self._open.passed(lines):
            self._see(data)


class _Chunk(msgspec.Struct):
    """The payload of a frame: an event in base64."""

    bytes: str


_decode_chunk = msgspec.json.Decoder(_Chunk).decode


class FrameWatcher(_Events):
    """Watches the same events in AWS's binary frames, as Bedrock sends them."""

    def __init__(self) -> None:
        """Watch a stream from its first byte."""
        super().__init__()
        self._frames = Frames()

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk in; the caller sees all of it."""
        boundary.attempt(self._read, chunk, default=None)
        return chunk

    def _read(self, chunk: bytes) -> None:
        for frame in self._frames.feed(chunk):
            if error := frame.headers.get(":exception-type") or frame.headers.get(":error-code"):
                self._fail({"type": error})
            elif frame.headers.get(":event-type") == "chunk":
                data = base64.b64decode(_decode_chunk(frame.payload).bytes)
                if any(word in data for word in _MATTER):
                    self._see(data)
