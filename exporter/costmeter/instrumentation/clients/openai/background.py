"""Reads responses that are made in the background: begun by one request, told by any later one.

A response says of itself whether it was made in the background. One that was not is told whole by
the request for it, and costs nothing more where it is fetched later.

Source: https://platform.openai.com/docs/guides/background
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.begun import Told, is_past
from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.fields import fields_of, text_of
from costmeter.instrumentation.clients.openai.stream import StreamWatcher
from costmeter.instrumentation.clients.openai.usage import read
from costmeter.instrumentation.clients.reading import NO_JSON, Reading

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmeter.instrumentation.clients.reading import Watcher

_PATH: Final = re.compile(r"/responses/[^/]+")
_CANCELLING: Final = "/cancel"

_UNDER_WAY: Final = frozenset({"queued", "in_progress"})


def asks(method: str, path: str) -> bool:
    """Return whether a request asks for a response, or ends it."""
    if method.lower() == "post" and path.endswith(_CANCELLING):
        return _PATH.fullmatch(path.removesuffix(_CANCELLING)) is not None
    return method.lower() == "get" and _PATH.fullmatch(path) is not None


class BackgroundReader:
    """Reads what a request for a response in the background is answered with."""

    def __init__(self, *, begins: bool) -> None:
        """Take whether the request begins the response, rather than fetches it."""
        self._begins = begins

    @classmethod
    def of(cls, given: Callable[[str], Any]) -> BackgroundReader:  # noqa: ARG003, all the same
        """Return the reader for a request that begins a response."""
        return cls(begins=True)

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells."""
        return self.told(fields_of(body) or {}, read(body))

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""
        try:
            return self.read(msgspec.json.decode(body))
        except msgspec.DecodeError:
            return NO_JSON

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002, nothing to hide
        """Return a watcher of a stream of events, or of a document."""
        if media_type == "text/event-stream":
            return _BackgroundWatcher(self)
        return BodyWatcher(self.read_json)

    def told(self, fields: Mapping[str, Any], reading: Reading) -> Told:
        """Return what the fields of a response tell, with what was read out of them."""
        name = ""
        if self._begins or fields.get("background"):
            name = text_of(fields.get("id"))
        over = bool(name) and fields.get("status") not in _UNDER_WAY and not is_past(fields)
        return Told(**msgspec.structs.asdict(reading), name=name, over=over)


class _BackgroundWatcher(StreamWatcher):
    """Watches a response that streams; where it breaks off, the response goes on."""

    def __init__(self, reader: BackgroundReader) -> None:
        super().__init__(hiding=False)
        self._reader = reader

    def reading(self) -> Reading:
        fields = self._source()
        return self._reader.told(fields if isinstance(fields, Mapping) else {}, super().reading())
