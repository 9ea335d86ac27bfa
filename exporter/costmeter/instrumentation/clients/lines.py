"""Watches a body of lines: server-sent events, or one JSON document a line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Final

from costmeter.instrumentation import boundary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from costmeter.instrumentation.clients.reading import Reading

EVENT_ENDS: Final = (b"\n\n", b"\n\r\n")
"""What whole lines end with that are all of whole events."""
_DATA: Final = b"data:"
_BRACE: Final = ord("}")


def telling(lines: bytes, words: tuple[bytes, ...]) -> list[bytes]:
    """Return those of whole lines that hold one of some words, with no look at each of the others.

    They come in their order, without the line feed.
    """
    found = set()
    for word in words:
        at = lines.find(word)
        while at >= 0:
            end = lines.find(b"\n", at)
            end = len(lines) if end < 0 else end
            found.add((lines.rfind(b"\n", 0, at) + 1, end))
            at = lines.find(word, end)
    return [lines[start:end] for start, end in sorted(found)]


class OpenEvent:
    """The event that has not ended yet, in the lines of it that have passed.

    The data of an event may be broken over several lines, which stand for the lines of one text.
    Hardly any server does that, so it is put together only once a line could not be read.

    Source: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
    """

    MOST: Final = 1000
    """How many times lines are kept that end no event: some servers end none."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self.broken = False
        self.lines: list[bytes] = []

    def passed(self, lines: bytes) -> Iterator[bytes]:
        """Take whole lines in; yield the data of events in several lines that have ended."""
        if not (self.lines or self.broken) and lines.endswith(EVENT_ENDS):
            return  # as nearly always
        after_break = b"\n" + lines
        found = [(after_break.rfind(ending), len(ending) - 1) for ending in EVENT_ENDS]
        end = max(at + length if at >= 0 else 0 for at, length in found)
        if not end:
            self.lines.append(lines)
            del self.lines[: -self.MOST]
            return
        events = b"".join((*self.lines, lines[:end]))
        self.lines = [lines[end:]] if end < len(lines) else []
        if self.broken:
            yield from _of_several_lines(events)


def _of_several_lines(events: bytes) -> Iterator[bytes]:
    data: list[bytes] = []
    for line in events.splitlines():
        if line.startswith(_DATA):
            data.append(line[len(_DATA) :].removeprefix(b" "))
        elif not line:
            if len(data) > 1:
                yield b"\n".join(data)
            data = []


class LineWatcher(ABC):
    """Puts the chunks of a body together again to lines, and reads them as they come.

    The data of an event that is broken over several lines is read as one line, once it has ended.
    That it is, its first line tells: it opens an object, and does not end with a brace.
    """

    MAX_BYTES: Final = 64 << 20
    """Bytes of a line that are kept until it ends: any file may be downloaded as a batch's."""

    def __init__(self) -> None:
        """Watch a body from its first byte."""
        self.complete = False
        self._pieces: list[bytes] = []  # of a line that has not ended yet
        self._size = 0  # of these
        self._broken: list[bytes] = []  # the lines so far of data in several lines

    @abstractmethod
    def line(self, line: bytes) -> None:
        """Take in a whole line that is not blank, without the white space around it."""

    @abstractmethod
    def reading(self) -> Reading:
        """Return what was read so far."""

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk in; the caller sees all of it."""
        end = chunk.rfind(b"\n") + 1
        if end:
            boundary.attempt(self._take, b"".join((*self._pieces, chunk[:end])), default=None)
            self._pieces, self._size = [], 0
        self._pieces.append(chunk[end:])
        self._size += len(chunk) - end
        if self._size > self.MAX_BYTES:
            self._pieces, self._size = [], 0
        return chunk

    def flush(self) -> bytes:
        """Take in a last line that nothing ended; nothing was held back."""
        boundary.attempt(self._take, b"".join((*self._pieces, b"\n\n")), default=None)
        self._pieces = []
        return b""

    def _take(self, lines: bytes) -> None:
        broken = self._broken
        for line in lines.splitlines():
            stripped = line.strip()
            if broken or (stripped and stripped[-1] != _BRACE):
                self._take_part(stripped)
            elif stripped:
                self.line(stripped)

    def _take_part(self, line: bytes) -> None:
        """Take a line in that may be one of several of the same data, or that ends these."""
        data = line[len(_DATA) :].lstrip() if line.startswith(_DATA) else b""
        if self._broken:
            if data:
                self._broken.append(data)
            elif not line:
                whole = b"\n".join(self._broken)
                self._broken.clear()
                self.line(_DATA + whole)
        elif data.startswith(b"{"):
            self._broken.append(data)
        else:
            self.line(line)
