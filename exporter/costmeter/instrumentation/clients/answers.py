"""Readers of the answers to calls of one kind, made of the functions that read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.reading import NOTHING

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmeter.instrumentation.clients.reading import Reading, Watcher

_STREAM: Final = "text/event-stream"


class Answers:
    """Reads answers that come whole, or as a stream of events; the SDK parses them only above."""

    def __init__(
        self, read_json: Callable[[bytes], Reading], stream: Callable[[], Watcher] | None = None
    ) -> None:
        """Take what reads a whole answer, and what makes a watcher of one that streams."""
        self.read_json = read_json
        self._stream = stream

    def read(self, body: object) -> Reading:  # noqa: ARG002 - it is never asked
        """Return nothing: no body is parsed yet."""
        return NOTHING

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002 - nothing to hide
        """Return a watcher of a body that is yet to be read."""
        if self._stream and media_type == _STREAM:
            return self._stream()
        return BodyWatcher(self.read_json)


class Documents:
    """Reads answers that are one JSON document, parsed or not."""

    def __init__(self, read: Callable[[object], Reading]) -> None:
        """Take what reads a parsed answer."""
        self.read = read

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""
        return self.read(msgspec.json.decode(body))

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002 - one is known
        """Return a watcher of a body that is yet to be read."""
        return BodyWatcher(self.read_json)
