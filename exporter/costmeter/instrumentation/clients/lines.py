"""Watches a body of lines: server-sent events, or one JSON document a line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from costmeter.instrumentation import boundary

if TYPE_CHECKING:
    from costmeter.instrumentation.clients.reading import Reading


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


class LineWatcher(ABC):
    """Puts the chunks of a body together again to lines, and reads them as they come."""

    def __init__(self) -> None:
        """Watch a body from its first byte."""
        self.complete = False
        self._pieces: list[bytes] = []  # of a line that has not ended yet

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
            self._pieces = []
        self._pieces.append(chunk[end:])
        return chunk

    def flush(self) -> bytes:
        """Take in a last line that nothing ended; nothing was held back."""
        boundary.attempt(self._take, b"".join(self._pieces), default=None)
        self._pieces = []
        return b""

    def _take(self, lines: bytes) -> None:
        for line in lines.splitlines():
            if stripped := line.strip():
                self.line(stripped)
