"""Watches a response body that is one document, read piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from costmeter.instrumentation.clients.reading import NOTHING, Reading

if TYPE_CHECKING:
    from collections.abc import Callable


class BodyWatcher:
    """Keeps a body that is one JSON document until it is whole."""

    MAX_BYTES: Final = 64 << 20

    def __init__(self, read_json: Callable[[bytes], Reading]) -> None:
        """Watch a body from its first byte; ``read_json`` reads it at its end."""
        self.complete = False
        self._read_json = read_json
        self._chunks: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take a chunk in; the caller sees all of it."""
        self._size += len(chunk)
        if self._size <= self.MAX_BYTES:
            self._chunks.append(chunk)
        else:
            self._chunks.clear()
        return chunk

    def flush(self) -> bytes:
        """Return nothing: nothing is held back."""
        self.complete = True
        return b""

    def reading(self) -> Reading:
        """Return what the whole body tells."""
        if not self.complete or self._size > self.MAX_BYTES:
            return NOTHING
        return self._read_json(b"".join(self._chunks))
