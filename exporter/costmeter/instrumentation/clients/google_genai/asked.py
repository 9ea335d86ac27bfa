"""What a request of Google's Gen AI SDK asks for, and what reads the answer to it.

Sources: https://ai.google.dev/api and
https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

from costmeter.instrumentation.clients.begun import Asking, Beginning
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.google_genai.batch import BATCH, results_of
from costmeter.instrumentation.clients.google_genai.cache import CacheReader
from costmeter.instrumentation.clients.google_genai.media import (
    FilmReader,
    ImageReader,
    asked_of_film,
    foreseen_of_films,
    foreseen_of_pictures,
)
from costmeter.instrumentation.clients.google_genai.tuning import JOB, JobReader
from costmeter.instrumentation.clients.google_genai.usage import Answer
from costmeter.instrumentation.clients.reading import NOTHING, Reading
from costmeter.instrumentation.clients.results import record_result
from costmeter.instrumentation.context import attribution

if TYPE_CHECKING:
    from collections.abc import Mapping

VERTEX: Final = "gcp.vertex_ai"
GEMINI: Final = "gcp.gemini"
BATCH_TIER: Final = "batch"

_TOLD: Final = {
    "generateContent": "generate_content",
    "streamGenerateContent": "generate_content",
    "embedContent": "embeddings",
    "batchEmbedContents": "embeddings",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the verb of a path, where the answer tells usage."""
_BEGINS_FILM: Final = "predictLongRunning"
_ASKS_FOR_FILM: Final = "fetchPredictOperation"
_PREDICTIONS: Final = frozenset({"predict", _BEGINS_FILM, _ASKS_FOR_FILM})


class BodyReader(Protocol):
    """Reads the body of an answer, which tells no usage by itself."""

    def read(self, body: str | bytes) -> Reading:
        """Return what a body tells."""


class Made(Call):
    """A call whose answer is read by a reader of its own."""

    body: BodyReader | None = None


class Begins(Beginning):
    """A call that begins a piece of work."""

    body: BodyReader | None = None


class Asks(Asking):
    """A request for what became of a piece of work."""

    body: BodyReader | None = None


class BatchReader:
    """Reads a batch, and records each result in it as a call of its own, at whatever time."""

    def __init__(self, provider: str) -> None:
        """Take the provider."""
        self._provider = provider

    def read(self, body: str | bytes) -> Reading:
        """Record what the results tell; the batch itself is no call."""
        name, results = results_of(body)
        for result in results:
            record_result(
                result.operation,
                self._provider,
                result.reading._replace(service_tier=BATCH_TIER),
                f"{self._provider}/{name}/{result.name}",
                attribution.get(),
            )
        return NOTHING


def call_of(method: str, path: str, request: Any, provider: str) -> Call | None:
    """Return the call that a request makes; None where it makes none.

    Args:
        method: of HTTP, in small letters.
        path: what is asked for, below the version of the API.
        request: the body.
        provider: OpenTelemetry's ``gen_ai.provider.name``.
    """
    path = path.partition("?")[0]
    if method == "get":
        return _asked_again(path, provider)
    target, _, verb = path.rpartition(":")
    model = target.rpartition("/")[2]
    if operation := _TOLD.get(verb):
        return Call(operation, provider, model)
    if verb in _PREDICTIONS:
        return _predicted(verb, model, request, provider)
    if path == "tuningJobs":
        return Begins("fine_tuning", provider, _named(request, "baseModel"), body=JobReader())
    if path == "cachedContents" or (method == "patch" and "cachedContents/" in path):
        reader = CacheReader(provider, made=method == "post")
        return Made("cache", provider, _named(request), body=reader)
    return None


def _predicted(verb: str, model: str, request: Mapping[str, Any], provider: str) -> Call:
    """Return a call of a model that does not tell what it has used; vectors are an exception."""
    if verb == _BEGINS_FILM:
        return Begins(
            "video_generation",
            provider,
            model,
            foreseen=foreseen_of_films(request),
            asked=asked_of_film(request),
            body=FilmReader(provider),
        )
    if verb == _ASKS_FOR_FILM:
        return Asks("video_generation", provider, model, body=FilmReader(provider), reservation="")
    instances = request.get("instances") or [{}]
    if "content" in instances[0]:  # others ask with a prompt or a picture
        return Call("embeddings", provider, model)
    foreseen, reader = foreseen_of_pictures(request), ImageReader(request)
    return Made("image_generation", provider, model, foreseen=foreseen, body=reader)


def reading_of(call: Call, response: Any) -> Reading:
    """Return what an answer of the SDK's inner client tells of a call."""
    body = response.body or "{}"
    if (reader := getattr(call, "body", None)) is not None:
        told: Reading = reader.read(body)
        return told
    return Answer(call.model).take(body, response.headers).reading()


def _asked_again(path: str, provider: str) -> Call | None:
    """Return the request for what another one began; None for any other."""
    reader: BodyReader
    if "/operations/" in path and path.startswith("models/"):
        operation, reader = "video_generation", FilmReader(provider)
    elif BATCH.fullmatch(path):
        operation, reader = "", BatchReader(provider)
    elif JOB.fullmatch(path):
        operation, reader = "fine_tuning", JobReader()
    else:
        return None
    return Asks(operation, provider, "", body=reader, reservation="")


def _named(request: Mapping[str, Any], field: str = "model") -> str:
    """Return the model that a request names in its body."""
    return text_of(request.get(field)).rpartition("/")[2]
