"""Meters Google's Gen AI SDK, with the Gemini API and with Vertex AI.

The seam is the client below nearly all of the SDK's modules: ``request`` and ``request_streamed``,
sync and async, which every call passes exactly once, around the SDK's own retries. Chats and
automatic function calls pass it once for each request that they make, as they are billed.
Interactions have a client of their own, and live sessions a WebSocket.

The SDK's streams do nothing until they are read. So the methods that open them are followed too:
what is used counts for whom the stream was opened.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients import retries
from costmeter.instrumentation.clients.batch_results import ResultsReader
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.google_genai.asked import (
    GEMINI,
    VERTEX,
    call_of,
    reading_of,
)
from costmeter.instrumentation.clients.google_genai.batch import (
    FILE,
    read_along,
    read_file,
    read_line,
)
from costmeter.instrumentation.clients.google_genai.interactions import WaitingSeams
from costmeter.instrumentation.clients.google_genai.live import Live
from costmeter.instrumentation.clients.google_genai.stream import (
    opening,
    opening_async,
    status,
    watched,
    watched_async,
)
from costmeter.instrumentation.clients.method import Method

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings
    from costmeter.instrumentation.clients.reading import Watcher

_API_CLIENT: Final = "google.genai._api_client"


class GoogleGenAI:
    """What is put in the place of the SDK's methods."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self._settings = settings

    def request(self, method: Method) -> Callable[..., Any]:
        """Replace ``BaseApiClient.request``."""

        @functools.wraps(method.original)
        def request(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **named: Any
        ) -> Any:
            call, path = self._call(method, client, http_method, path, request_dict)
            try:
                response = method.original(client, http_method, path, request_dict, *args, **named)
            except BaseException as error:
                _failed(call, error)
                raise
            _answered(call, response)
            return response

        return request

    def async_request(self, method: Method) -> Callable[..., Any]:
        """Replace ``BaseApiClient.async_request``."""

        @functools.wraps(method.original)
        async def async_request(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **named: Any
        ) -> Any:
            call, path = self._call(method, client, http_method, path, request_dict)
            try:
                response = await method.original(
                    client, http_method, path, request_dict, *args, **named
                )
            except BaseException as error:
                _failed(call, error)
                raise
            _answered(call, response)
            return response

        return async_request

    def request_streamed(self, method: Method) -> Callable[..., Any]:
        """Replace ``BaseApiClient.request_streamed``, a generator."""

        @functools.wraps(method.original)
        def request_streamed(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **named: Any
        ) -> Iterator[Any]:
            call, path = self._call(method, client, http_method, path, request_dict)
            stream = method.original(client, http_method, path, request_dict, *args, **named)
            return stream if call is None else watched(call, stream)

        return request_streamed

    def async_request_streamed(self, method: Method) -> Callable[..., Any]:
        """Replace ``BaseApiClient.async_request_streamed``, which returns a generator."""

        @functools.wraps(method.original)
        async def async_request_streamed(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **named: Any
        ) -> Any:
            call, path = self._call(method, client, http_method, path, request_dict)
            try:
                stream = await method.original(
                    client, http_method, path, request_dict, *args, **named
                )
            except BaseException as error:
                _failed(call, error)
                raise
            return stream if call is None else watched_async(call, stream)

        return async_request_streamed

    def download_file(self, method: Method) -> Callable[..., Any]:
        """Replace ``BaseApiClient.download_file``."""

        @functools.wraps(method.original)
        def download_file(client: Any, path: str, **named: Any) -> Any:
            watcher = self._watcher(method, client, path)
            if watcher is None:
                return method.original(client, path, **named)
            to = named.get("destination")
            content = method.original(client, path, **read_along(named, watcher))
            boundary.attempt(read_file, content, to, watcher, default=None)
            return content

        return download_file

    def async_download_file(self, method: Method) -> Callable[..., Any]:
        """Replace ``BaseApiClient.async_download_file``."""

        @functools.wraps(method.original)
        async def async_download_file(client: Any, path: str, **named: Any) -> Any:
            watcher = self._watcher(method, client, path)
            if watcher is None:
                return await method.original(client, path, **named)
            to = named.get("destination")
            content = await method.original(client, path, **read_along(named, watcher))
            boundary.attempt(read_file, content, to, watcher, default=None)
            return content

        return async_download_file

    def _watcher(self, method: Method, client: Any, path: str) -> Watcher | None:
        """Return what reads along a file that may have the results of a batch."""
        if not method.on or (found := FILE.match(path)) is None:
            return None
        provider = boundary.attempt(self._provider, client, default=GEMINI)
        return ResultsReader(provider, found[1], read_line).watcher("", hiding=False)

    def _call(
        self, method: Method, client: Any, http_method: str, path: str, request: Any
    ) -> tuple[Call | None, str]:
        """Return the call that a client is about to make, and the path that names its model."""
        if not method.on:
            return None, path
        models, _, name = path.rpartition("/")
        googles = models == "models" or models.endswith("publishers/google/models")
        call = begin(self._start, client, http_method, path, request, switching=googles)
        if call is not None and call.instead:
            path = f"{models}/{call.instead}:{name.partition(':')[2]}"
        return call, path

    def retry_args(self, method: Method) -> Callable[..., Any]:
        """Replace ``retry_args``, which says how a client tries again: it tells before it waits."""
        original = method.original

        @functools.wraps(original)
        def retry_args(*args: Any, **named: Any) -> Any:
            how = original(*args, **named)
            if (wait := how.get("before_sleep")) is None:
                return how

            def before_sleep(attempt: Any) -> None:
                if method.on:
                    boundary.attempt(self._again, attempt, default=None)
                wait(attempt)

            return {**how, "before_sleep": before_sleep}

        return retry_args

    def _again(self, attempt: Any) -> None:
        """Tell that an attempt is made again, from what tenacity knows of it."""
        sent = attempt.args[0]
        call = self._start(attempt.fn.__self__, sent.method, sent.url, sent.data or {})
        retries.retried(call, status(attempt.outcome.exception()))

    def _start(self, client: Any, http_method: str, path: str, request: Any) -> Call | None:
        return call_of(http_method.lower(), path, request, self._provider(client))

    def _provider(self, client: Any) -> str:
        options = getattr(client, "_http_options", None)
        url = getattr(options, "base_url", None) or ""
        return self._settings.providers.at(url, VERTEX if client.vertexai else GEMINI)


def meter(module: ModuleType, settings: Settings) -> list[Patch]:
    """Return the methods that meter the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    sdk = GoogleGenAI(settings)
    client = module._api_client.BaseApiClient
    sent: tuple[object, ...] = ("post", "models/gemini:generateContent", {}, None)
    return [
        WaitingSeams(settings),
        Method(module.live.AsyncLive, "connect", replacement=Live(settings).connect),
        Method(client, "download_file", "files/1:download", replacement=sdk.download_file),
        Method(
            client, "async_download_file", "files/1:download", replacement=sdk.async_download_file
        ),
        Method(client, "request", *sent, replacement=sdk.request),
        Method(client, "async_request", *sent, replacement=sdk.async_request),
        Method(client, "request_streamed", *sent, replacement=sdk.request_streamed),
        Method(client, "async_request_streamed", *sent, replacement=sdk.async_request_streamed),
        Method(module.models.Models, "generate_content_stream", replacement=opening),
        Method(module.models.AsyncModels, "generate_content_stream", replacement=opening_async),
        Method(module.chats.Chat, "send_message_stream", replacement=opening),
        Method(module.chats.AsyncChat, "send_message_stream", replacement=opening_async),
        *retries.seams("google.genai", (_API_CLIENT,), "retry_args", sdk.retry_args),
    ]


def _failed(call: Call | None, error: BaseException) -> None:
    if call is not None:
        call.fail(error, status)


def _answered(call: Call | None, response: Any) -> None:
    if call is not None:
        call.end("ok", reading_of, call, response)
