"""Reads along while the caller reads an answer of Amazon Bedrock that botocore has not read yet.

botocore hands such an answer out as an ``EventStream`` or a ``StreamingBody``, aiobotocore as one
that is read by asyncio. That very object gets a class of its own until it has ended: one that
inherits from its class, and passes on what its public methods return. So it stays what it was to
``isinstance``, and the caller alone reads it.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.bedrock.outcome import broken_off_status

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from costmeter.instrumentation.clients.bedrock.agent import AgentTally
    from costmeter.instrumentation.clients.bedrock.usage import Tally
    from costmeter.instrumentation.clients.call import Call
    from costmeter.instrumentation.clients.reading import Reading

MAX_BODY_BYTES: Final = 64 << 20
"""Bytes of a body that are kept until its end; of a larger one, the headers tell."""
_TAP: Final = "_costmeter_tap"


class Tap:
    """What an answer has told so far, and the call that ends with it."""

    __slots__ = ("_base", "_begun", "_body", "_call", "_length", "_tally")

    def __init__(
        self,
        answer: Any,
        tapped: type,
        tally: Tally | AgentTally,
        call: Call,
        length: int | None = None,
    ) -> None:
        """Put the tap on an answer that was not read yet.

        Args:
            answer: an object of botocore's.
            tapped: what :func:`tapped_stream` or :func:`tapped_body` made of its class.
            tally: what is known of the answer already.
            call: the call that it answers.
            length: of a body, in bytes, where it is known.
        """
        self._base = type(answer)
        self._begun = False
        self._body = bytearray()
        self._call = call
        self._length = length
        self._tally = tally
        setattr(answer, _TAP, self)
        answer.__class__ = tapped

    def event(self, stream: Any, event: Any) -> None:
        """Take in an event of a stream, and end the call with the last."""
        if not self._begun:
            self._begun = True
            self._call.first_chunk()
        boundary.attempt(self._tally.event, event, default=None)
        if self._tally.complete:
            self.end(stream, "ok")

    def chunk(self, body: Any, chunk: bytes, last: bool) -> None:
        """Take in a piece of a body, and end the call with the last."""
        if len(self._body) <= MAX_BODY_BYTES:
            self._body += chunk
        if last or len(self._body) == self._length:
            self.end(body, "ok")

    def ended(self, stream: Any) -> None:
        """End the call with a stream that has no more events."""
        self.end(stream, self._tally.ended())

    def end(self, answer: Any, status: str) -> None:
        """Take the tap off, and end the call."""
        if answer.__dict__.pop(_TAP, None) is self:
            answer.__class__ = self._base
            self._call.end(status, self._read)

    def _read(self) -> Reading:
        if 0 < len(self._body) <= MAX_BODY_BYTES:
            with suppress(msgspec.DecodeError):  # a picture, or only the beginning of a body
                self._tally.body(bytes(self._body))
        return self._tally.reading()


def tapped_stream(base: Any) -> type:
    """Return a kind of ``EventStream`` that can be tapped."""

    def events(stream: Any) -> Iterator[Any]:
        tap = _tap_of(stream)
        try:
            for event in base.__iter__(stream):
                if tap is not None:
                    tap.event(stream, event)
                yield event
        except GeneratorExit:
            raise  # whoever leaves a loop may enter another, which goes on where this one ended
        except BaseException as error:
            _end(stream, boundary.attempt(broken_off_status, error, default="error"))
            raise
        if (tap := _tap_of(stream)) is not None:
            tap.ended(stream)

    def close(stream: Any) -> None:
        try:
            base.close(stream)
        finally:
            _end(stream, "cancelled")

    return _kind(base, {"__iter__": events, "close": close, "__del__": _dropped})


def tapped_body(base: Any) -> type:
    """Return a kind of ``StreamingBody`` that can be tapped."""

    def tapping(name: str, seen: Callable[[Any, tuple[Any, ...]], tuple[bytes, bool]]) -> Any:
        original = getattr(base, name)

        def method(body: Any, *args: Any, **named: Any) -> Any:
            try:
                result = original(body, *args, **named)
            except BaseException as error:
                _end(body, boundary.attempt(broken_off_status, error, default="error"))
                raise
            if (tap := _tap_of(body)) is not None:
                asked = (*args, *named.values())
                boundary.attempt(lambda: tap.chunk(body, *seen(result, asked)), default=None)
            return result

        return method

    def close(body: Any) -> None:
        try:
            base.close(body)
        finally:
            _end(body, "cancelled")

    def enter(body: Any) -> Any:
        _end(body, "ok")  # what it hands out is not botocore's: the headers have to do
        return base.__enter__(body)

    return _kind(
        base,
        {
            "read": tapping("read", _of_read),
            "readinto": tapping("readinto", _of_readinto),
            "readlines": tapping("readlines", _of_readlines),
            "close": close,
            "__enter__": enter,
            "__del__": _dropped,
        },
    )


def tapped_async_stream(base: Any) -> type:
    """Return a kind of aiobotocore's ``AioEventStream`` that can be tapped."""

    async def events(stream: Any) -> AsyncIterator[Any]:
        tap = _tap_of(stream)
        try:
            async for event in base.__aiter__(stream):
                if tap is not None:
                    tap.event(stream, event)
                yield event
        except GeneratorExit:
            raise
        except BaseException as error:
            _end(stream, boundary.attempt(broken_off_status, error, default="error"))
            raise
        if (tap := _tap_of(stream)) is not None:
            tap.ended(stream)

    def close(stream: Any) -> None:
        try:
            base.close(stream)
        finally:
            _end(stream, "cancelled")

    return _kind(base, {"__aiter__": events, "close": close, "__del__": _dropped})


def tapped_async_body(base: Any) -> type:
    """Return a kind of aiobotocore's bodies that can be tapped; all is read by two methods."""

    def tapping(name: str, seen: Callable[[Any, tuple[Any, ...]], tuple[bytes, bool]]) -> Any:
        original = getattr(base, name)

        async def method(body: Any, *args: Any, **named: Any) -> Any:
            try:
                result = await original(body, *args, **named)
            except BaseException as error:
                _end(body, boundary.attempt(broken_off_status, error, default="error"))
                raise
            if (tap := _tap_of(body)) is not None:
                asked = (*args, *named.values())
                boundary.attempt(lambda: tap.chunk(body, *seen(result, asked)), default=None)
            return result

        return method

    def closing(name: str) -> Any:
        original = getattr(base, name)

        def close(body: Any) -> Any:
            try:
                return original(body)
            finally:
                _end(body, "cancelled")

        return close

    return _kind(
        base,
        {
            "read": tapping("read", _of_read),
            "readinto": tapping("readinto", _of_readinto),
            "close": closing("close"),
            "aclose": closing("aclose"),
            "__del__": _dropped,
        },
    )


def _kind(base: type, methods: dict[str, Any]) -> type:
    """Return a class that inherits from another and looks the same."""
    names = {"__module__": base.__module__, "__qualname__": base.__qualname__}
    return type(base.__name__, (base,), {**names, "__doc__": base.__doc__, **methods})


def _of_read(chunk: bytes, asked: tuple[Any, ...]) -> tuple[bytes, bool]:
    """Return what a ``read`` has read, and whether there is no more."""
    amount = asked[0] if asked else None
    return chunk, amount is None or (not chunk and amount > 0)


def _of_readinto(count: int, asked: tuple[Any, ...]) -> tuple[bytes, bool]:
    buffer = memoryview(asked[0]).cast("B")
    return bytes(buffer[:count]), not count and len(buffer) > 0


def _of_readlines(lines: list[bytes], _asked: tuple[Any, ...]) -> tuple[bytes, bool]:
    return b"".join(lines), True


def _tap_of(answer: Any) -> Tap | None:
    tap: Tap | None = answer.__dict__.get(_TAP)
    return tap


def _end(answer: Any, status: str) -> None:
    if (tap := _tap_of(answer)) is not None:
        tap.end(answer, status)


def _dropped(answer: Any) -> None:
    """Count an answer that was dropped before its end."""
    _end(answer, "cancelled")
