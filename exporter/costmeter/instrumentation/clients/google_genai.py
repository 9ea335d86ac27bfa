"""Meters Google's Gen AI SDK: contents and embeddings of the Gemini API and of Vertex AI.

The seam is the client below all of the SDK's modules: ``request`` and ``request_streamed``, sync
and async, which every call passes exactly once, around the SDK's own retries. Chats and automatic
function calls pass it once for each request that they make, as they are billed.

The SDK's streams do nothing until they are read. So the methods that open them are followed too:
what is used counts for whom the stream was opened.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.call import Call, begin
from costmeter.instrumentation.clients.google_genai_stream import (
    opening,
    opening_async,
    status,
    take,
    watched,
    watched_async,
)
from costmeter.instrumentation.clients.google_genai_usage import Answer
from costmeter.instrumentation.clients.method import Method

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from costmeter.instrumentation.clients import Settings

OPERATIONS: Final = {
    "generateContent": "generate_content",
    "streamGenerateContent": "generate_content",
    "embedContent": "embeddings",
    "batchEmbedContents": "embeddings",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the verb of a path; others are not metered.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""


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
            call, path = self._call(method, client, path, request_dict)
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
            call, path = self._call(method, client, path, request_dict)
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
            call, path = self._call(method, client, path, request_dict)
            stream = method.original(client, http_method, path, request_dict, *args, **named)
            return stream if call is None else watched(call, stream)

        return request_streamed

    def async_request_streamed(self, method: Method) -> Callable[..., Any]:
        """Replace ``BaseApiClient.async_request_streamed``, which returns a generator."""

        @functools.wraps(method.original)
        async def async_request_streamed(
            client: Any, http_method: str, path: str, request_dict: Any, *args: Any, **named: Any
        ) -> Any:
            call, path = self._call(method, client, path, request_dict)
            try:
                stream = await method.original(
                    client, http_method, path, request_dict, *args, **named
                )
            except BaseException as error:
                _failed(call, error)
                raise
            return stream if call is None else watched_async(call, stream)

        return async_request_streamed

    def _call(
        self, method: Method, client: Any, path: str, request: Any
    ) -> tuple[Call | None, str]:
        """Return the call that a client is about to make, and the path that names its model."""
        if not method.on:
            return None, path
        models, _, name = path.rpartition("/")
        googles = models == "models" or models.endswith("publishers/google/models")
        call = begin(self._start, client, path, request, switching=googles)
        if call is not None and call.instead:
            path = f"{models}/{call.instead}:{name.partition(':')[2]}"
        return call, path

    def _start(self, client: Any, path: str, request: Any) -> Call | None:
        target, _, verb = path.partition("?")[0].rpartition(":")
        operation = OPERATIONS.get(verb)
        if verb == "predict" and _embeds(request):
            operation = "embeddings"
        if operation is None:
            return None
        options = getattr(client, "_http_options", None)
        url = getattr(options, "base_url", None) or ""
        mode = "gcp.vertex_ai" if client.vertexai else "gcp.gemini"
        return Call(
            operation=operation,
            provider=self._settings.providers.at(url, mode),
            model=target.rpartition("/")[2],
        )


def meter(module: ModuleType, settings: Settings) -> list[Method]:
    """Return the methods that meter the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    sdk = GoogleGenAI(settings)
    client = module._api_client.BaseApiClient
    sent: tuple[object, ...] = ("post", "models/gemini:generateContent", {}, None)
    return [
        Method(client, "request", *sent, replacement=sdk.request),
        Method(client, "async_request", *sent, replacement=sdk.async_request),
        Method(client, "request_streamed", *sent, replacement=sdk.request_streamed),
        Method(client, "async_request_streamed", *sent, replacement=sdk.async_request_streamed),
        Method(module.models.Models, "generate_content_stream", replacement=opening),
        Method(module.models.AsyncModels, "generate_content_stream", replacement=opening_async),
        Method(module.chats.Chat, "send_message_stream", replacement=opening),
        Method(module.chats.AsyncChat, "send_message_stream", replacement=opening_async),
    ]


def _embeds(request: Any) -> bool:
    """Return whether a prediction is one of vectors: others ask with a prompt, for pictures."""
    instances = request.get("instances")
    return bool(instances) and "content" in instances[0]


def _failed(call: Call | None, error: BaseException) -> None:
    if call is not None:
        call.fail(error, status)


def _answered(call: Call | None, response: Any) -> None:
    if call is not None:
        answer = Answer(call.model)
        boundary.attempt(take, answer, response, default=None)
        call.end("ok", answer.reading)
