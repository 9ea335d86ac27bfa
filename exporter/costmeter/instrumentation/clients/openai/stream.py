"""Reads along with OpenAI's server-sent events: usage, outcome and end of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.lines import EVENT_ENDS, OpenEvent, telling
from costmeter.instrumentation.clients.openai.usage import error_status, read
from costmeter.instrumentation.clients.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Callable

_LAST_EVENTS: Final = frozenset(
    {b'"response.completed"', b'"response.incomplete"', b'"response.failed"'}
)
_NO_USAGE: Final = (b'"usage":null', b'"usage": null')
_USAGE: Final = (b'"usage":{', b'"usage": {')
_TELLING: Final = (b'"error"', b"[DONE]")
"""What lines hold that may tell something: the others are pieces of text, and not parsed.

Where usage was asked for, every piece of text has one that is null. It is known by these two
spacings; where there is another, each is parsed.
"""
_ABSENT: Final = frozenset({b"", b"null"})


class _Event(msgspec.Struct):
    """The few fields of an event that matter here, undecoded.

    Groq has ``usage`` and ``error`` of a stream in ``x_groq``, of the same shape.
    """

    type: msgspec.Raw = msgspec.Raw(b"")
    usage: msgspec.Raw = msgspec.Raw(b"")
    error: msgspec.Raw = msgspec.Raw(b"")
    x_groq: msgspec.Raw = msgspec.Raw(b"")
    choices: msgspec.Raw = msgspec.Raw(b"")
    response: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(_Event).decode
_NONE: Final = _Event()


def _tells(data: bytes) -> bool:
    """Return whether data holds one of the telling words; a loop takes twice as long."""
    usages = data.count(b'"usage"')
    if usages and usages != sum(map(data.count, _NO_USAGE)):
        return True
    return b'"error"' in data or b"[DONE]" in data


def _telling(lines: bytes) -> list[bytes]:
    """Return the lines that hold one of the telling words."""
    if not _tells(lines):
        return []
    known = lines.count(b'"usage"') == sum(map(lines.count, _NO_USAGE + _USAGE))
    return telling(lines, _TELLING + (_USAGE if known else (b'"usage"',)))


class StreamWatcher:
    """Watches a stream of chat completion chunks or of response events.

    With ``hiding``, the chunk that only carries usage is kept from the caller, who did not ask for
    it; for that, a line is held back until it is whole. One in several lines is let pass.
    """

    def __init__(self, *, hiding: bool, read: Callable[[object], Reading] = read) -> None:
        """Watch a stream from its first byte; ``read`` reads the chunk that tells the most."""
        self.complete = False
        self._read = read
        self._hiding = hiding
        self._hid = False
        self._line: list[bytes] = []  # the pieces of a line that has not ended yet
        self._open = OpenEvent()
        self._first = b""
        self._body: bytes | msgspec.Raw = b""
        self._error: bytes | msgspec.Raw = b""

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk in and return what of it the caller is to see."""
        if self._passes(chunk):
            return chunk
        end = chunk.rfind(b"\n") + 1
        if not end:
            self._line.append(chunk)
            return b"" if self._hiding else chunk
        whole = b"".join((*self._line, chunk[:end])) if self._line else chunk[:end]
        self._line = [chunk[end:]] if end < len(chunk) else []
        shown = boundary.attempt(self._see, whole, default=whole)
        return shown if self._hiding else chunk

    def flush(self) -> bytes:
        """Return what was held back, now that no chunk will follow."""
        rest = b"".join(self._line)
        self._line = []
        shown = boundary.attempt(self._see, rest, default=rest)
        boundary.attempt(self._see, b"\n\n", default=b"")
        return shown if self._hiding else b""

    def reading(self) -> Reading:
        """Return what was read so far; where no usage came, at least the model that answers."""
        reading = self._read(self._source())
        if self._error:
            error = msgspec.json.decode(self._error)
            return reading._replace(status=error_status(error))
        return reading

    def _source(self) -> Any:
        """Return the body that tells the most: the one with usage, or else the first."""
        if self._body:
            return msgspec.json.decode(self._body)
        try:
            first = msgspec.json.decode(self._first)
        except msgspec.DecodeError:
            return {}
        return first.get("response", first) if isinstance(first, dict) else {}

    def _passes(self, chunk: bytes) -> bool:
        """Return whether a chunk of whole lines tells nothing, as nearly all do."""
        return (
            chunk.endswith(EVENT_ENDS)
            and bool(self._first)
            and not (self._line or self._hid or self._open.lines or b"[]" in chunk)
            and not _tells(chunk)
        )

    def _see(self, lines: bytes) -> bytes:
        """Take whole lines in and return those that the caller is to see."""
        if not self._first:
            self._first = lines.partition(b"data:")[2].partition(b"\n")[0].strip()
        shown = lines
        if self._hiding:
            shown = b"".join([line for line in lines.splitlines(True) if self._shown(line)])
        else:
            for line in _telling(lines):
                self._shown(line)
        for data in self._open.passed(lines):
            self._first = self._first if self._body else data
            self._usage_only(data)
        return shown

    def _shown(self, line: bytes) -> bool:
        """Take a line in; return whether the caller is to see it."""
        if not line.startswith(b"data:"):
            hide = self._hid and not line.strip()  # the blank line that ends a hidden event
            self._hid = self._hid and not hide
            return not hide
        data = line[5:].strip()
        if data.startswith(b"[DONE]"):
            self.complete = True
            return True
        if not _tells(data):
            return True
        self._hid = self._usage_only(data) and self._hiding
        return not self._hid

    def _usage_only(self, data: bytes) -> bool:
        """Take an event in; return whether it carries usage and nothing else."""
        try:
            event = _decode(data)
        except msgspec.MsgspecError:
            self._open.broken = True
            return False  # or else the SDK will say what is wrong with it
        if bytes(event.type) in _LAST_EVENTS:
            self._body = event.response
            self.complete = True
        elif bytes(event.type) == b'"error"':
            self._error = data
        elif bytes(event.error) not in _ABSENT:
            self._error = event.error
        else:
            groq = _decode(event.x_groq) if bytes(event.x_groq) not in _ABSENT else _NONE
            if bytes(groq.error) not in _ABSENT:
                self._error = groq.error
            if bytes(event.usage) not in _ABSENT or bytes(groq.usage) not in _ABSENT:
                self._body = data
                return b"".join(bytes(event.choices).split()) == b"[]"
        return False
