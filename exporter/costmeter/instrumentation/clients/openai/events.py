"""Reads along with OpenAI's streams of pictures and of speech, whose last events tell the usage."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.openai.usage import error_status
from costmeter.instrumentation.clients.reading import NOTHING, Reading

if TYPE_CHECKING:
    from collections.abc import Callable


class _Error(msgspec.Struct):
    error: Any = None


_decode_error: Final = msgspec.json.Decoder(_Error).decode


class EventWatcher(LineWatcher):
    """Watches server-sent events for those that end a picture or a text.

    Every other event is a piece of it, in base64: it is not parsed.
    """

    def __init__(self, last: bytes, read_json: Callable[[bytes], Reading]) -> None:
        """Watch a stream from its first byte.

        Args:
            last: what stands in an event that tells usage, and in no other.
            read_json: reads such an event.
        """
        super().__init__()
        self._last = last
        self._read_json = read_json
        self._reading = NOTHING

    def line(self, line: bytes) -> None:
        """Take a line in; several pictures add up."""
        if not line.startswith(b"data:"):
            return
        data = line[5:]
        if self._last in data:
            self.complete = True
            told = self._read_json(data)
            both = Counter(self._reading.usage) + Counter(told.usage)
            self._reading = told._replace(usage=dict(both) or None)
        elif b'"error"' in data and (error := _decode_error(data).error) is not None:
            self._reading = self._reading._replace(status=error_status(error))

    def reading(self) -> Reading:
        """Return what was read so far."""
        return self._reading
