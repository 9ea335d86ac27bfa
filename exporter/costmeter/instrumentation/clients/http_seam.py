"""Meters SDKs whose every call passes through one method that returns an HTTP response.

Those of Mistral and Cohere are generated so: above that method stand the dozens that an application
calls, below it the HTTP client and the SDK's own retries. The response comes back when it was read,
or when a body that streams is yet to be read; an error comes back as a response, too, which the SDK
raises only above.
"""

from __future__ import annotations

import functools
import inspect
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.tap import Tap
from costmeter.status import status_of_code

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator, Mapping

    from costmeter.instrumentation.clients.reading import Reading, Watcher

_FIRST_REFUSAL: Final = 300
"""The HTTP status codes from here on are not what was asked for."""
_DOCUMENT: Final = "application/json"
"""The media type of what is one document, even where it is read piece by piece."""


class Dialect(Protocol):
    """What differs between the SDKs: routes, providers, and what their bodies look like.

    It reads the answers to all calls that bring no reader of their own.
    """

    parameters: tuple[str, ...]
    """What is to be known of a call, by the names of the method's parameters."""

    def start(self, client: Any, given: Mapping[str, Any]) -> Call | None:
        """Return the call that is about to be made; None where it is not metered."""

    def to_model(self, given: Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return the same arguments, but asking another model."""

    def provider(self, url: str) -> str:
        """Return the provider that answers at a URL."""

    def read_json(self, body: bytes) -> Reading:
        """Return what the body of a response tells."""

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:
        """Return a watcher of a body that is yet to be read; nothing is hidden from the caller."""


class Seam:
    """One patched method of one class; off again it is the very method it was.

    The method is a function, a coroutine function, or either kind of context manager.
    """

    def __init__(self, client: type, name: str, dialect: Dialect) -> None:
        """Find the class that defines the method.

        Raises:
            LookupError: there is none, or it takes other parameters than those known here.
        """
        owner = next((kind for kind in client.__mro__ if name in vars(kind)), None)
        if owner is None or not callable(original := vars(owner)[name]):
            raise LookupError(f"{client.__name__}.{name} is no method")
        self._names = tuple(inspect.signature(original).parameters)[1:]
        if unknown := set(dialect.parameters) - set(self._names):
            raise LookupError(f"{client.__name__}.{name} takes no {', '.join(sorted(unknown))}")
        self._owner: Any = owner
        self._name = name
        self._dialect = dialect
        self._on = False
        self._original = original
        self._metered = self._wrapped(original)

    def put(self) -> None:
        """Start metering."""
        self._on = True
        setattr(self._owner, self._name, self._metered)

    def take(self) -> None:
        """Stop metering; where another library has wrapped us since, pass calls on unmetered."""
        self._on = False
        if vars(self._owner).get(self._name) is self._metered:
            setattr(self._owner, self._name, self._original)

    def _wrapped(self, original: Callable[..., Any]) -> Callable[..., Any]:
        innermost = inspect.unwrap(original)
        if inspect.iscoroutinefunction(innermost):
            return self._async(original)
        if inspect.isasyncgenfunction(innermost):
            return self._async_context(original)
        if inspect.isgeneratorfunction(innermost):
            return self._context(original)
        return self._sync(original)

    def _sync(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def method(client: Any, *args: Any, **named: Any) -> Any:
            call, args, named = self._begin(client, args, named)
            if call is None:
                return original(client, *args, **named)
            try:
                response = original(client, *args, **named)
            except BaseException as error:
                call.fail(error)
                raise
            self._answered(call, named, response)
            return response

        return method

    def _async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def method(client: Any, *args: Any, **named: Any) -> Any:
            call, args, named = self._begin(client, args, named)
            if call is None:
                return await original(client, *args, **named)
            try:
                response = await original(client, *args, **named)
            except BaseException as error:
                call.fail(error)
                raise
            self._answered(call, named, response)
            return response

        return method

    def _context(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        @contextmanager
        def method(client: Any, *args: Any, **named: Any) -> Iterator[Any]:
            call, args, named = self._begin(client, args, named)
            if call is None:
                with original(client, *args, **named) as response:
                    yield response
                return
            try:
                with original(client, *args, **named) as response:
                    self._answered(call, named, response)
                    yield response
            except BaseException as error:
                call.fail(error)
                raise

        return method

    def _async_context(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        @asynccontextmanager
        async def method(client: Any, *args: Any, **named: Any) -> AsyncIterator[Any]:
            call, args, named = self._begin(client, args, named)
            if call is None:
                async with original(client, *args, **named) as response:
                    yield response
                return
            try:
                async with original(client, *args, **named) as response:
                    self._answered(call, named, response)
                    yield response
            except BaseException as error:
                call.fail(error)
                raise

        return method

    def _begin(
        self, client: Any, args: tuple[Any, ...], named: dict[str, Any]
    ) -> tuple[Call | None, tuple[Any, ...], dict[str, Any]]:
        """Return the call that is about to be made, and the arguments to make it with."""
        if not self._on:
            return None, args, named
        given = dict(zip(self._names, args, strict=False)) | named if args else named
        call = begin(self._dialect.start, client, given, switching=True)
        if call is not None and call.instead:
            to_model = self._dialect.to_model
            return call, (), boundary.attempt(to_model, given, call.instead, default=given)
        return call, args, named

    def _answered(self, call: Call, named: Mapping[str, Any], response: Any) -> None:
        """End the call, or let it end with the body that is still to be read."""
        if not boundary.attempt(self._follow, call, named, response, default=False):
            call.end("ok")

    def _follow(self, call: Call, named: Mapping[str, Any], response: Any) -> bool:
        # Clients for other platforms send the request elsewhere than the SDK was told.
        if response.request is not named.get("request"):
            call.provider = self._dialect.provider(str(response.url))
        reader = call.reader or self._dialect
        if response.status_code >= _FIRST_REFUSAL:
            call.end(status_of_code(response.status_code))
        elif response.is_closed:
            call.end("ok", reader.read_json, response.content)
        else:
            media_type = response.headers.get("content-type", "").partition(";")[0].strip().lower()
            watcher = reader.watcher(media_type, hiding=False)
            Tap(response, watcher, call, later=True, streams=media_type != _DOCUMENT)
        return True
