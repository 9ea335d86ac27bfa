"""Watches the body of an HTTP response on its way to the caller, and tells when it has ended.

A response that is read piece by piece can end in five ways: read to its end, broken off by the
server, by a timeout, by the caller, or forgotten. Each of them passes through the response object,
whether the caller iterates an SDK's stream, one of its helpers or the raw bytes. So the tap sits
there: on the few public methods of this one response, never on httpx's class. It works for httpx
and httpx2 alike, and takes itself off at the end.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation.clients.outcome import status_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from costmeter.instrumentation.clients.call import Call
    from costmeter.instrumentation.clients.reading import Watcher

_AT_ONCE: Final = 64
"""How many chunks a watcher is fed together that may read them after the caller."""
_TAPPED: Final = ("iter_bytes", "aiter_bytes", "close", "aclose")


class Tap:
    """Feeds a watcher with a response's decoded bytes, and ends the call when they end."""

    def __init__(
        self,
        response: Any,
        watcher: Watcher,
        call: Call,
        *,
        later: bool = False,
        streams: bool = True,
    ) -> None:
        """Put the tap on a response, sync or async, that was not read yet.

        Args:
            response: the response.
            watcher: what reads along.
            call: the call to end.
            later: whether the watcher, which lets all pass, may read some chunks together, after
                the caller has seen them: that costs a stream much less.
            streams: whether the body is sent as the answer is made: else its first chunk tells
                nothing that its last does not.
        """
        self._response = response
        self._watcher = watcher
        self._call = call
        self._chunks: Any = None
        self._streams = streams
        self._unread: list[bytes] = []
        self._later = later
        for name in _TAPPED:
            setattr(response, name, getattr(self, name))

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        """Stand in for ``Response.iter_bytes``."""
        self._chunks = type(self._response).iter_bytes(self._response, chunk_size)
        waits, later, unread, feed = self._streams, self._later, self._unread, self._watcher.feed
        try:
            for chunk in self._chunks:
                if waits:
                    waits = False
                    self._call.first_chunk()
                if later:
                    unread.append(chunk)
                    if len(unread) >= _AT_ONCE:
                        self._read()
                    yield chunk
                elif seen := feed(chunk):
                    yield seen
            self._read()
            if rest := self._watcher.flush():
                yield rest
        except BaseException as error:
            self._end(_broken_off(error))
            raise
        self._end("incomplete")

    async def aiter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        """Stand in for ``Response.aiter_bytes``."""
        self._chunks = type(self._response).aiter_bytes(self._response, chunk_size)
        waits, later, unread, feed = self._streams, self._later, self._unread, self._watcher.feed
        try:
            async for chunk in self._chunks:
                if waits:
                    waits = False
                    self._call.first_chunk()
                if later:
                    unread.append(chunk)
                    if len(unread) >= _AT_ONCE:
                        self._read()
                    yield chunk
                elif seen := feed(chunk):
                    yield seen
            self._read()
            if rest := self._watcher.flush():
                yield rest
        except BaseException as error:
            self._end(_broken_off(error))
            raise
        self._end("incomplete")

    def close(self) -> None:
        """Stand in for ``Response.close``."""
        try:
            type(self._response).close(self._response)
        finally:
            self._closed()

    async def aclose(self) -> None:
        """Stand in for ``Response.aclose``."""
        try:
            await type(self._response).aclose(self._response)
        finally:
            self._closed()

    def __del__(self) -> None:
        """Count a response that was dropped, neither read nor closed."""
        self._end("cancelled")

    def _closed(self) -> None:
        # A close that comes while the transport reads is its own.
        running = ("gi_running", "ag_running")
        if not any(getattr(self._chunks, name, False) for name in running):
            self._end("cancelled")

    def _read(self) -> None:
        """Feed the watcher with what has passed."""
        if self._unread:
            self._watcher.feed(b"".join(self._unread))
            self._unread.clear()

    def _end(self, status: str) -> None:
        """End the call, as ``ok`` where the body told that it was complete."""
        for name in _TAPPED:
            self._response.__dict__.pop(name, None)
        self._read()
        self._call.end("ok" if self._watcher.complete else status, self._watcher.reading)


def _broken_off(error: BaseException) -> str:
    """Return the status of a body that an error ended: a server that hangs up is no news."""
    status = status_of(error)
    return status if status in ("cancelled", "timeout") else "incomplete"
