"""Meters Cohere's SDK: chats, embeddings, reranking, pages, classes, sound, of both its versions.

The seam is ``request`` and ``stream`` of the SDK's own HTTP clients, which every call passes.
``request`` calls itself to try again: that is one call. How long it waits before, it asks functions
that are asked nothing else.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients import retries
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.cohere.jobs import asking, beginning
from costmeter.instrumentation.clients.cohere.usage import StreamWatcher, foreseen_ranking, read
from costmeter.instrumentation.clients.fields import fields_of, text_of
from costmeter.instrumentation.clients.form import form_values, is_form
from costmeter.instrumentation.clients.http_seam import Seam
from costmeter.instrumentation.clients.reading import NOTHING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings
    from costmeter.instrumentation.clients.reading import Reading, Watcher

OPERATIONS: Final = {
    "v1/chat": "chat",
    "v2/chat": "chat",
    "v1/embed": "embeddings",
    "v2/embed": "embeddings",
    "v1/rerank": "rerank",
    "v2/rerank": "rerank",
    "v1/generate": "text_completion",
    "v1/summarize": "text_completion",
    "v1/classify": "classification",
    "v2/parse": "ocr",
    "v2/audio/transcriptions": "transcription",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the path of a ``POST``; others are not metered.

OpenTelemetry has no names for reranking, classes, pages and sound.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""


class _Asked(msgspec.Struct):
    """The field of a request that matters here: prompts are large, and passed over."""

    model: Any = None


_decode = msgspec.json.Decoder(_Asked).decode


class Cohere:
    """The dialect of Cohere's SDK."""

    parameters: tuple[str, ...] = (
        "path",
        "method",
        "base_url",
        "json",
        "data",
        "request_options",
        "retries",
    )

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self._settings = settings

    def start(self, client: Any, given: Mapping[str, Any]) -> Call | None:
        """Return the call that is about to be made; None where it is not metered."""
        if given.get("retries"):
            return None
        path = given.get("path") or ""
        provider = self.provider(client.get_base_url(given.get("base_url")))
        if given["method"] != "POST":
            return asking(provider, path)
        options = fields_of(given.get("request_options")) or {}
        extra = fields_of(options.get("additional_body_parameters")) or {}
        asked = fields_of(given.get("json")) or fields_of(given.get("data")) or {}
        model = text_of(extra.get("model", asked.get("model")))
        if (operation := OPERATIONS.get(path)) is None:
            return beginning(provider, path, model)
        foreseen = foreseen_ranking(asked) if operation == "rerank" else NOTHING
        return Call(operation=operation, provider=provider, model=model, foreseen=foreseen)

    def again(self, response: Any = None, **_: Any) -> None:
        """Tell that an attempt is made again, after a response or else the current exception."""
        error: Any = sys.exception()
        request = error.request if response is None else response.request
        path = request.url.path
        operation = next((OPERATIONS[end] for end in OPERATIONS if path.endswith(end)), None)
        if operation is not None:
            in_form = is_form(request)
            asked = form_values(request).get("model") if in_form else _decode(request.content).model
            call = Call(
                operation=operation,
                provider=self.provider(str(request.url)),
                model=text_of(asked),
            )
            retries.retried(call, retries.status_after(response, error))

    def to_model(self, given: Mapping[str, Any], model: str) -> dict[str, Any]:
        """Return the same arguments, but asking another model."""
        options = fields_of(given.get("request_options")) or {}
        extra = fields_of(options.get("additional_body_parameters")) or {}
        if "model" not in extra:
            return {**given, "json": {**given["json"], "model": model}}
        extra = {**extra, "model": model}
        return {**given, "request_options": {**options, "additional_body_parameters": extra}}

    def provider(self, url: str) -> str:
        """Return the provider at a URL."""
        return self._settings.providers.at(url)

    def read_json(self, body: bytes) -> Reading:
        """Return what the body of a response tells."""
        return read(body)

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002 - one is known
        """Return a watcher of a stream of either version."""
        return StreamWatcher()


def meter(module: ModuleType, settings: Settings) -> list[Patch]:
    """Return the seams that meter the SDK, and count its retries.

    The package itself imports nothing before it is needed, so the module to wait for is that of the
    clients; it has imported the one with the HTTP clients.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    package = module.__name__.partition(".")[0]
    name = f"{package}.core.http_client"
    http = sys.modules[name]
    dialect = Cohere(settings)
    seams: list[Patch] = [
        Seam(client, name, dialect)
        for client in (http.HttpClient, http.AsyncHttpClient)
        for name in ("request", "stream")
    ]
    for wait in ("_retry_timeout", "_retry_timeout_from_retries"):
        seams += retries.seams(package, (name,), wait, retries.before(dialect.again))
    return seams
