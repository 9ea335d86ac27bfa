"""Meters OpenAI's SDK: chat completions, responses, completions and embeddings.

Also where it speaks to Azure, Bedrock, or any other server with OpenAI's wire format.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from costmeter.instrumentation.clients import openai_usage
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.openai_stream import BodyWatcher, StreamWatcher
from costmeter.instrumentation.clients.stainless import Seam

if TYPE_CHECKING:
    from types import ModuleType

    from costmeter.instrumentation.clients import Settings
    from costmeter.instrumentation.clients.providers import Providers
    from costmeter.instrumentation.clients.reading import Reading, Watcher

OPERATIONS: Final = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/responses/compact": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the path of a ``POST``; other paths are not metered.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""

_USAGE_ON_REQUEST: Final = frozenset({"/chat/completions", "/completions"})
"""Where a stream ends with usage only if ``stream_options`` asks for it."""


class OpenAI:
    """The dialect of OpenAI's SDK."""

    def __init__(self, module: ModuleType, settings: Settings) -> None:
        """Take the imported SDK."""
        self._azure = (module.AzureOpenAI, module.AsyncAzureOpenAI)
        self._settings = settings
        self._known: WeakKeyDictionary[Any, tuple[Any, Providers, str]] = WeakKeyDictionary()
        self._unasked: set[str] = set()  # addresses of servers that know no stream_options

    def start(self, client: Any, options: Any) -> Call | None:
        """Return the call that a client is about to make; None where it is not metered."""
        operation = OPERATIONS.get(options.url)
        if operation is None or options.method.lower() != "post":
            return None
        model = _given(options, "model")
        return Call(
            operation=operation,
            provider=self._provider(client),
            model=model if isinstance(model, str) else "",
        )

    def asking(self, client: Any, options: Any) -> Any | None:
        """Return options that ask for a stream's usage too; None where they stay as they are."""
        if (
            not self._settings.stream_usage
            or options.url not in _USAGE_ON_REQUEST
            or (self._unasked and str(client.base_url) in self._unasked)
        ):
            return None
        chosen = _given(options, "stream_options")
        if chosen is not None and (not isinstance(chosen, Mapping) or "include_usage" in chosen):
            return None  # the caller has decided
        wanted = {"stream_options": {**(chosen or {}), "include_usage": True}}
        asking = copy.copy(options)
        if isinstance(options.extra_json, Mapping):
            asking.extra_json = {**options.extra_json, **wanted}
        elif isinstance(options.json_data, Mapping):
            asking.json_data = {**options.json_data, **wanted}
        else:
            return None
        return asking

    def refused(self, client: Any, error: BaseException) -> bool:
        """Return whether a server refused the question for usage, and do not ask it again."""
        if getattr(error, "status_code", None) not in (400, 422):
            return False
        if "stream_options" not in f"{error} {getattr(error, 'body', '')}":
            return False
        self._unasked.add(str(client.base_url))
        return True

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells."""
        return openai_usage.read(body)

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""
        return openai_usage.read_json(body)

    def watcher(self, *, events: bool, hiding: bool) -> Watcher:
        """Return a watcher of a body that is yet to be read."""
        return StreamWatcher(hiding=hiding) if events else BodyWatcher()

    def _provider(self, client: Any) -> str:
        """Return the provider that a client speaks to, from memory where nothing has changed."""
        url, providers = client.base_url, self._settings.providers
        known = self._known.get(client)
        if known is not None and known[0] is url and known[1] is providers:
            return known[2]
        default = "azure.ai.openai" if isinstance(client, self._azure) else ""
        provider = providers.at(str(url), default)
        self._known[client] = (url, providers, provider)
        return provider


def meter(module: ModuleType, settings: Settings) -> list[Seam]:
    """Return the seams that meter the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    dialect = OpenAI(module, settings)
    return [
        Seam(module.OpenAI, dialect, is_async=False),
        Seam(module.AsyncOpenAI, dialect, is_async=True),
    ]


def _given(options: Any, name: str) -> Any:
    """Return a field of the request; ``extra_body`` wins over the SDK's own parameters."""
    extra = options.extra_json
    if isinstance(extra, Mapping) and name in extra:
        return extra[name]
    body = options.json_data
    return body.get(name) if isinstance(body, Mapping) else None
