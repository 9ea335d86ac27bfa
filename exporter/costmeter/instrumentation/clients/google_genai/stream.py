"""Follows the streams of Google's Gen AI SDK, from whom they were opened for to their end.

The SDK's streams are generators that ask for nothing until they are read.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.google_genai.usage import Answer
from costmeter.instrumentation.clients.outcome import status_of
from costmeter.instrumentation.context import Inside, attribution
from costmeter.status import status_of_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from costmeter.instrumentation.clients.call import Call
    from costmeter.instrumentation.clients.method import Method

_BROKEN_OFF: Final = frozenset({"connection_error", "error"})
"""What a stream that has begun ends with where the server breaks it off."""


def status(error: BaseException) -> str:
    """Return the status of an error; the SDK's own have the HTTP status as their ``code``."""
    code = getattr(error, "code", None)
    return status_of_code(code) if isinstance(code, int) else status_of(error)


def take(answer: Answer, response: Any) -> None:
    """Read a response of the SDK's inner client, the only one or one of many."""
    answer.take(response.body or "{}", response.headers)


def watched(call: Call, stream: Iterator[Any]) -> Iterator[Any]:
    """Yield a stream's responses, and end the call with it."""
    answer, begun = Answer(call.model), False
    try:
        for response in stream:
            if not begun:
                begun = True
                call.first_chunk()
            boundary.attempt(take, answer, response, default=None)
            yield response
    except BaseException as error:
        _end(call, answer, error, begun=begun)
        raise
    _end(call, answer, None, begun=begun)


async def watched_async(call: Call, stream: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Yield a stream's responses, and end the call with it."""
    answer, begun = Answer(call.model), False
    try:
        async for response in stream:
            if not begun:
                begun = True
                call.first_chunk()
            boundary.attempt(take, answer, response, default=None)
            yield response
    except BaseException as error:
        _end(call, answer, error, begun=begun)
        raise
    _end(call, answer, None, begun=begun)


def _end(call: Call, answer: Answer, error: BaseException | None, *, begun: bool) -> None:
    ended = "incomplete"
    if answer.complete:
        ended = "ok"
    elif error is not None:
        told = boundary.attempt(status, error, default="error")
        ended = "incomplete" if begun and told in _BROKEN_OFF else told
    call.end(ended, answer.reading)


def opening(method: Method) -> Callable[..., Any]:
    """Replace a method that opens a stream, so that its use counts for whom it was opened."""

    @functools.wraps(method.original)
    def open_stream(*args: Any, **named: Any) -> Any:
        stream = method.original(*args, **named)
        return _inside(Inside(attribution.get()), stream) if method.on else stream

    return open_stream


def opening_async(method: Method) -> Callable[..., Any]:
    """Do the same for asyncio."""

    @functools.wraps(method.original)
    async def open_stream(*args: Any, **named: Any) -> Any:
        inside = Inside(attribution.get())
        stream = await method.original(*args, **named)
        return _inside_async(inside, stream) if method.on else stream

    return open_stream


def _inside(inside: Inside, stream: Any) -> Iterator[Any]:
    """Yield from a stream, each step of it attributed as when it was opened."""
    steps = iter(stream)
    while True:
        try:
            with inside:
                step = next(steps)
        except StopIteration:
            return
        yield step


async def _inside_async(inside: Inside, stream: Any) -> AsyncIterator[Any]:
    """Do the same for asyncio, and close the stream as soon as this one is closed."""
    steps = aiter(stream)
    try:
        while True:
            try:
                with inside:
                    step = await anext(steps)
            except StopAsyncIteration:
                return
            yield step
    finally:
        if (close := getattr(steps, "aclose", None)) is not None:
            await close()
