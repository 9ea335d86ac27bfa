"""Meters Ollama's SDK: chats, completions, embeddings and System One.

The seam is ``_request`` of the sync and of the async client, which every call passes exactly once.
It is not public, but the functions of the module (``ollama.chat``) are bound to the public methods
before anyone could replace those.

What runs on a machine of one's own has no price. What Ollama runs in its cloud, asked for at
``ollama.com`` or as a model ``…-cloud``, may have one, and counts as the provider ``ollama.com``.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.method import Method
from costmeter.instrumentation.clients.ollama.usage import is_last, read
from costmeter.instrumentation.clients.outcome import status_of
from costmeter.instrumentation.context import Inside, attribution

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType

    from costmeter.instrumentation.clients import Settings

OPERATIONS: Final = {
    "/api/chat": "chat",
    "/api/generate": "text_completion",
    "/api/embed": "embeddings",
    "/api/embeddings": "embeddings",
    "/v1/systemone": "chat",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the path of a request; others are not metered.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""

LOCAL: Final = "ollama"
CLOUD: Final = "ollama.com"
"""Provider of what Ollama runs. Source: https://docs.ollama.com/cloud"""

_BROKEN_OFF: Final = frozenset({"connection_error", "error"})
"""What a stream that has begun ends with where the server breaks it off."""


class Ollama:
    """What is put in the place of the SDK's methods."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self._settings = settings

    def request(self, method: Method) -> Callable[..., Any]:
        """Replace ``Client._request``."""

        @functools.wraps(method.original)
        def request(client: Any, cls: Any, *args: Any, **named: Any) -> Any:
            if not _metered(method, args):
                return method.original(client, cls, *args, **named)
            start = functools.partial(self._begin, client, args, named)
            if named.get("stream"):
                opened = functools.partial(method.original, client, cls, *args)
                return _watched(start, Inside(attribution.get()), opened)
            call, named = start()
            try:
                answer = method.original(client, cls, *args, **named)
            except BaseException as error:
                _failed(call, error)
                raise
            _answered(call, answer)
            return answer

        return request

    def async_request(self, method: Method) -> Callable[..., Any]:
        """Replace ``AsyncClient._request``."""

        @functools.wraps(method.original)
        async def request(client: Any, cls: Any, *args: Any, **named: Any) -> Any:
            if not _metered(method, args):
                return await method.original(client, cls, *args, **named)
            start = functools.partial(self._begin, client, args, named)
            if named.get("stream"):
                opened = functools.partial(method.original, client, cls, *args)
                return _watched_async(start, Inside(attribution.get()), opened)
            call, named = start()
            try:
                answer = await method.original(client, cls, *args, **named)
            except BaseException as error:
                _failed(call, error)
                raise
            _answered(call, answer)
            return answer

        return request

    def _begin(
        self, client: Any, args: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[Call | None, dict[str, Any]]:
        """Return the call that a client is about to make, and the arguments to make it with."""
        call = begin(self._start, client, args, named, switching=True)
        if call is not None and call.instead:
            named = {**named, "json": {**named["json"], "model": call.instead}}
        return call, named

    def _start(self, client: Any, args: tuple[Any, ...], named: dict[str, Any]) -> Call:
        model = (named.get("json") or {}).get("model")
        model = model if isinstance(model, str) else ""
        url = client._client.base_url
        in_cloud = url.host == CLOUD or model.endswith((":cloud", "-cloud"))
        return Call(
            operation=OPERATIONS[args[1]],
            provider=self._settings.providers.of(url, CLOUD if in_cloud else LOCAL),
            model=model,
        )


def meter(module: ModuleType, settings: Settings) -> list[Method]:
    """Return the methods that meter the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    sdk = Ollama(settings)
    sent = (module.ChatResponse, "POST", "/api/chat")
    return [
        Method(module.Client, "_request", *sent, replacement=sdk.request),
        Method(module.AsyncClient, "_request", *sent, replacement=sdk.async_request),
    ]


def _metered(method: Method, args: tuple[Any, ...]) -> bool:
    """Return whether a request, of which the HTTP method and the path are given, is metered."""
    return method.on and len(args) > 1 and args[1] in OPERATIONS


def _failed(call: Call | None, error: BaseException) -> None:
    if call is not None:
        call.fail(error)


def _answered(call: Call | None, answer: Any) -> None:
    if call is not None:
        call.end("ok", read, answer)


def _watched(
    start: Callable[[], tuple[Call | None, dict[str, Any]]],
    inside: Inside,
    opened: Callable[..., Any],
) -> Iterator[Any]:
    """Yield the parts of a stream, which asks for nothing until it is read."""
    with inside:
        call, named = start()
    watch = _Watch(call)
    try:
        for part in opened(**named):
            watch.see(part)
            yield part
    except BaseException as error:
        watch.end(error)
        raise
    watch.end(None)


async def _watched_async(
    start: Callable[[], tuple[Call | None, dict[str, Any]]],
    inside: Inside,
    opened: Callable[..., Any],
) -> AsyncIterator[Any]:
    """Do the same for asyncio, and close the stream as soon as this one is closed."""
    with inside:
        call, named = start()
    watch = _Watch(call)
    stream = None
    try:
        stream = await opened(**named)
        async for part in stream:
            watch.see(part)
            yield part
    except BaseException as error:
        watch.end(error)
        raise
    finally:
        if (close := getattr(stream, "aclose", None)) is not None:
            await close()
    watch.end(None)


class _Watch:
    """What passes by of a stream."""

    __slots__ = ("_call", "_first", "_last")

    def __init__(self, call: Call | None) -> None:
        self._call = call
        self._first: object = None
        self._last: object = None

    def see(self, part: object) -> None:
        if self._first is None:
            self._first = part
            if self._call is not None:
                self._call.first_chunk()
        if boundary.attempt(is_last, part, default=False):
            self._last = part

    def end(self, error: BaseException | None) -> None:
        if self._call is None:
            return
        status = "incomplete"
        if self._last is not None:
            status = "ok"
        elif error is not None:
            told = boundary.attempt(_status, error, default="error")
            status = "incomplete" if self._first and told in _BROKEN_OFF else told
        seen = self._last or self._first
        if seen:
            self._call.end(status, read, seen)
        else:
            self._call.end(status)


def _status(error: BaseException) -> str:
    """Return the status of an error; one that a stream itself tells of has no HTTP status."""
    return "server_error" if getattr(error, "status_code", None) == -1 else status_of(error)
