"""Meters Mistral's SDK: chat, agent and fill-in-the-middle completions, and embeddings.

The seam is ``do_request`` and ``do_request_async`` of the class that all its resources derive from:
every call passes through one of them once, around the SDK's own retries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import msgspec

from costmeter.instrumentation.clients import mistral_usage
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.http_seam import Seam

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from costmeter.instrumentation.clients import Settings
    from costmeter.instrumentation.clients.reading import Reading, Watcher

OPERATIONS: Final = {
    "chat/completions": "chat",
    "agents/completions": "chat",
    "fim/completions": "text_completion",
    "embeddings": "embeddings",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the path of a ``POST``; others are not metered.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""


class _Asked(msgspec.Struct):
    """The field of a request that matters here: prompts are large, and passed over."""

    model: Any = None


_decode = msgspec.json.Decoder(_Asked).decode
_decode_whole = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Mistral:
    """The dialect of Mistral's SDK."""

    parameters: tuple[str, ...] = ("request",)

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self._settings = settings

    def start(self, client: Any, given: Mapping[str, Any]) -> Call | None:  # noqa: ARG002 - not asked
        """Return the call that is about to be made; None where it is not metered."""
        request = given["request"]
        operation = OPERATIONS.get(request.url.path.rpartition("/v1/")[2])
        if operation is None or request.method != "POST":
            return None
        return Call(
            operation=operation,
            provider=self.provider(str(request.url)),
            model=text_of(_decode(request.content).model),  # none for an agent, which has its own
        )

    def to_model(self, given: Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return the same arguments, but asking another model."""
        request = given["request"]
        headers = request.headers.copy()
        del headers["content-length"]
        other = type(request)(
            request.method,
            request.url,
            headers=headers,
            content=msgspec.json.encode(_decode_whole(request.content) | {"model": model}),
            extensions=request.extensions,
        )
        return {**given, "request": other}

    def provider(self, url: str) -> str:
        """Return the provider at a URL: Mistral has hosts by region and by product."""
        host = urlsplit(url).hostname or ""
        default = "mistral_ai" if host.endswith(".mistral.ai") else ""
        return self._settings.providers.at(url, default)

    def read_json(self, body: bytes) -> Reading:
        """Return what the body of a response tells."""
        return mistral_usage.read(body)

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002 - one is known
        """Return a watcher of a stream of events."""
        return mistral_usage.StreamWatcher()


def meter(module: ModuleType, settings: Settings) -> list[Seam]:
    """Return the seams that meter the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    dialect = Mistral(settings)
    return [Seam(module.Mistral, name, dialect) for name in ("do_request", "do_request_async")]
