"""Watches a body of lines: server-sent events, or one JSON document a line."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from costmeter.instrumentation import boundary

if TYPE_CHECKING:
    from costmeter.instrumentation.clients.reading import Reading


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
