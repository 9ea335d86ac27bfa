"""Meters SDKs that Stainless generates on httpx: OpenAI's, and those of most other providers.

The seam is the one public method that every call of such a client passes exactly once, whatever
resource, ``.parse``, ``.stream`` or raw response it was made through, and around the SDK's own
retries: ``request`` of the sync and of the async client. It has changed less in three major
versions than the dozens of ``create`` methods above it, whose signatures and types stay untouched.
"""

from __future__ import annotations

import copy
import functools
import inspect
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients import retries
from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.reading import Reader
from costmeter.instrumentation.clients.tap import Tap

if TYPE_CHECKING:
    from collections.abc import Callable

    from costmeter.instrumentation.clients import Patch, Settings
    from costmeter.instrumentation.clients.reading import Watcher

_ARGUMENTS: Final = dict.fromkeys(("cast_to", "options", "stream", "stream_cls"))
"""What ``request`` takes, by name."""
_AGAIN: Final = ("_sleep_for_retry", "_retry_request")
"""What is called between two attempts; the second in OpenAI's SDK until 1.57."""


class Dialect(Reader, Protocol):
    """What differs between the SDKs: routes, providers, and what their bodies look like.

    It reads the answers to all calls that bring no reader of their own.
    """

    def start(self, client: Any, options: Any) -> Call | None:
        """Return the call that a client is about to make; None where it is not metered."""

    def asking(self, client: Any, options: Any) -> Any | None:
        """Return options that ask for a stream's usage too; None where they stay as they are."""

    def refused(self, client: Any, error: BaseException) -> bool:
        """Return whether a server refused the question for usage, and do not ask it again."""


class Addresses:
    """Which provider each client speaks to; some client classes are those of one provider."""

    def __init__(self, settings: Settings, classes: Mapping[type, str]) -> None:
        """Take the settings, and the providers that client classes stand for by themselves."""
        self._settings = settings
        self._classes = classes
        self._by_class: dict[type, str] = {}

    def provider(self, client: Any) -> str:
        """Return the provider that a client speaks to."""
        kind = type(client)
        if (default := self._by_class.get(kind)) is None:
            kinds = (name for known, name in self._classes.items() if issubclass(kind, known))
            default = self._by_class[kind] = next(kinds, "")
        # Behind the name without a property: OpenAI's imports a module each time it is asked.
        url = getattr(client, "_base_url", None) or client.base_url
        return self._settings.providers.of(url, default)


def given(options: Any, name: str) -> Any:
    """Return a field of the request; ``extra_body`` wins over the SDK's own parameters."""
    extra = options.extra_json
    if extra and isinstance(extra, Mapping) and name in extra:
        return extra[name]
    body = options.json_data
    return body.get(name) if isinstance(body, (dict, Mapping)) else None  # a dict is known faster


def _to_model(options: Any, model: str) -> Any:
    """Return options that ask another model."""
    options = copy.copy(options)
    extra = options.extra_json
    if isinstance(extra, Mapping) and "model" in extra:
        options.extra_json = {**extra, "model": model}
    else:
        options.json_data = {**options.json_data, "model": model}
    return options


class Seam:
    """The patched ``request`` of one client class; off again it is the very method it was."""

    def __init__(self, client: type, dialect: Dialect, *, is_async: bool) -> None:
        """Find the class that defines ``request``.

        Raises:
            LookupError: there is none, or it takes other parameters than those known here.
        """
        owner = next((kind for kind in client.__mro__ if "request" in vars(kind)), None)
        if owner is None or not callable(original := vars(owner)["request"]):
            raise LookupError(f"{client.__name__}.request is no method")
        try:
            inspect.signature(original).bind(None, **_ARGUMENTS)
        except TypeError as error:
            raise LookupError(f"{client.__name__}.request: {error}") from error
        self._owner: Any = owner
        self._original = original
        self._dialect: Dialect | None = dialect
        self._metered = self._async(original) if is_async else self._sync(original)

    def put(self) -> None:
        """Start metering."""
        self._owner.request = self._metered

    def take(self) -> None:
        """Stop metering; where another library has wrapped us since, pass calls on unmetered."""
        self._dialect = None
        if vars(self._owner).get("request") is self._metered:
            self._owner.request = self._original

    def _sync(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def request(client: Any, cast_to: Any, options: Any, *args: Any, **named: Any) -> Any:
            attempt = self._begin(client, options, named)
            if attempt is None:
                return original(client, cast_to, options, *args, **named)
            while True:
                try:
                    result = original(client, cast_to, attempt.options, *args, **named)
                except BaseException as error:
                    if not attempt.failed(error):
                        raise
                else:
                    attempt.returned(result)
                    return result

        return request

    def _async(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        async def request(client: Any, cast_to: Any, options: Any, *args: Any, **named: Any) -> Any:
            attempt = self._begin(client, options, named)
            if attempt is None:
                return await original(client, cast_to, options, *args, **named)
            while True:
                try:
                    result = await original(client, cast_to, attempt.options, *args, **named)
                except BaseException as error:
                    if not attempt.failed(error):
                        raise
                else:
                    attempt.returned(result)
                    return result

        return request

    def _begin(self, client: Any, options: Any, named: Mapping[str, Any]) -> _Attempt | None:
        dialect = self._dialect
        if dialect is None:
            return None
        call = begin(dialect.start, client, options, switching=True)
        if call is None:
            return None
        if call.instead:
            options = boundary.attempt(_to_model, options, call.instead, default=options)
        streams = bool(named.get("stream"))
        attempt = _Attempt(call, dialect, call.reader or dialect, client, options, options, streams)
        if streams or callable(getattr(options, "post_parser", None)):
            boundary.attempt(attempt.prepare, default=None)
        return attempt


def seams(client: type, async_client: type, dialect: Dialect) -> list[Patch]:
    """Return the seams that meter an SDK, and count its retries.

    Raises:
        LookupError: a client is not made as it was.
    """

    def again(client: Any, options: Any, *_: Any, response: Any = None, **__: Any) -> None:
        status = retries.status_after(response, sys.exception())
        retries.retried(dialect.start(client, options), status)

    between = next((name for name in _AGAIN if hasattr(client, name)), _AGAIN[0])
    return [
        Seam(client, dialect, is_async=False),
        Seam(async_client, dialect, is_async=True),
        *retries.seams(client.__name__, (client, async_client), between, retries.before(again)),
    ]


class _Attempt(msgspec.Struct):
    """One metered pass through ``request``: what is sent, and what came of it."""

    _call: Call
    _dialect: Dialect
    _reader: Reader
    _client: Any
    _given: Any
    options: Any
    _streams: bool
    _asks: bool = False
    _parsed: object = None

    def prepare(self) -> None:
        """Ask for what the caller did not, and watch what the SDK makes of the answer."""
        asking = self._dialect.asking(self._client, self._given) if self._streams else None
        if asking is not None:
            self.options, self._asks = asking, True
        if callable(post_parser := self._given.post_parser):
            # What the provider answered is paid for, even where the SDK cannot make sense of it.
            self.options = copy.copy(self.options)
            self.options.post_parser = functools.partial(self._parse, post_parser)

    def failed(self, error: BaseException) -> bool:
        """End the call, unless it may still pass without our question: then return True."""
        if self._asks and boundary.attempt(self._refused, error, default=False):
            return True
        if self._parsed is None:
            self._call.fail(error)
        else:
            self._call.end("ok", self._reader.read, self._parsed)
        return False

    def returned(self, result: object) -> None:
        """End the call, or let it end with the body that is still to be read."""
        response = _response_of(result)
        if response is None:
            self._call.end("ok", self._reader.read, result)
        elif not boundary.attempt(self._follow, result, response, default=False):
            self._call.end("ok")

    def _refused(self, error: BaseException) -> bool:
        refused = self._dialect.refused(self._client, error)
        if refused:
            self.options, self._asks = self._given, False
        return refused

    def _follow(self, result: object, response: Any) -> bool:
        if response.is_closed and not self._streams:
            self._call.end("ok", self._reader.read_json, response.content)
        else:
            watcher = self._watcher(response.headers.get("content-type", ""))
            Tap(response, watcher, self._call, later=not self._asks, streams=self._streams)
            _open_again(result, response)
        return True

    def _watcher(self, content_type: str) -> Watcher:
        media_type = content_type.partition(";")[0].strip().lower()
        if self._call.reader or (self._streams and not media_type.endswith("json")):
            return self._reader.watcher(media_type, hiding=self._asks)
        return BodyWatcher(self._reader.read_json)

    def _parse(self, post_parser: Callable[[object], object], parsed: object) -> object:
        self._parsed = parsed
        return post_parser(parsed)


def _open_again(result: object, response: Any) -> None:
    """Have a decoder of lines, which opened the body before the tap was on it, open it again."""
    decoder: Any = result
    if opened := getattr(result, "__dict__", {}).get("_raw_iterator"):
        is_async = hasattr(opened, "__anext__")
        decoder._raw_iterator = response.aiter_bytes() if is_async else response.iter_bytes()


def _response_of(result: object) -> Any | None:
    """Return the HTTP response inside a stream or a raw response; None for a parsed body."""
    fields = getattr(result, "__dict__", {})
    for name in ("http_response", "response"):
        if name in fields:
            return fields[name]
    return result if "is_closed" in fields else None
