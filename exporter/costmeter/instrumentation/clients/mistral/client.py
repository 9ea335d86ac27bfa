"""Meters Mistral's SDK: chats, agents, conversations, responses, embeddings, pages, sound, classes.

The seam is ``do_request`` and ``do_request_async`` of the class that all its resources derive from:
every call passes through one of them once, around the SDK's own retries. What a batch used is
recorded where its results are read.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.form import form_values, is_form
from costmeter.instrumentation.clients.http_seam import Seam
from costmeter.instrumentation.clients.mistral.answers import (
    CONVERSATION,
    RESPONSE,
    TRANSCRIPTION,
    Asked,
    decode_asked,
    foreseen_pages,
    foreseen_speech,
    pages,
    speech,
)
from costmeter.instrumentation.clients.mistral.batch import download
from costmeter.instrumentation.clients.mistral.sockets import Sockets
from costmeter.instrumentation.clients.mistral.usage import StreamWatcher, read
from costmeter.instrumentation.clients.reading import NOTHING
from costmeter.instrumentation.clients.retries import before, retried, seams, status_after

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings
    from costmeter.instrumentation.clients.reading import Reader, Reading, Watcher

OPERATIONS: Final = {
    "chat/completions": "chat",
    "agents/completions": "chat",
    "conversations": "chat",
    "responses": "chat",
    "fim/completions": "text_completion",
    "embeddings": "embeddings",
    "ocr": "ocr",
    "audio/transcriptions": "transcription",
    "audio/speech": "speech",
    "moderations": "moderation",
    "chat/moderations": "moderation",
    "classifications": "classification",
    "chat/classifications": "classification",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the path of a ``POST``; others are not metered.

OpenTelemetry has no names for pages, sound and classes.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""

_CONVERSATION: Final = re.compile(r"conversations/[^/]+(?:/restart)?")
"""The path of a conversation that goes on, or starts again at one of its entries."""

_READERS: Final[dict[str, Callable[[Asked], Reader]]] = {
    "conversations": lambda _: CONVERSATION,
    "responses": lambda _: RESPONSE,
    "ocr": pages,
    "audio/transcriptions": lambda _: TRANSCRIPTION,
    "audio/speech": speech,
}
"""What reads answers that are not like a chat's, by the path."""

_FORESEEN: Final[dict[str, Callable[[Asked], Reading]]] = {
    "ocr": foreseen_pages,
    "audio/speech": foreseen_speech,
}
"""What tells :attr:`Call.foreseen`, by the path."""

_RETRIES: Final = ".utils.retries"
"""The module below that of a client whose function tells how long to wait before a retry.

It is asked nothing else.
"""
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
        path = self.path(request.url)
        if request.method != "POST":
            return download(self.provider(str(request.url)), path)
        if _CONVERSATION.fullmatch(path):
            path = "conversations"
        if (operation := OPERATIONS.get(path)) is None:
            return None
        asked = _asked(request)
        reader, foresee = _READERS.get(path), _FORESEEN.get(path)
        return Call(
            operation=operation,
            provider=self.provider(str(request.url)),
            model=text_of(asked.model),  # none for an agent, which has its own
            reader=reader and reader(asked),
            foreseen=foresee(asked) if foresee else NOTHING,
        )

    def path(self, url: Any) -> str:
        """Return what a request asks for, by its path behind the version."""
        path: str = url.path
        return path.rpartition("/v1/")[2]

    def again(self, exception: Any, *_: Any, **__: Any) -> None:
        """Tell that an attempt is made again, which ended in an exception."""
        response = getattr(exception, "response", None)
        request = exception.request if response is None else response.request
        retried(self.start(None, {"request": request}), status_after(response, exception))

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
        """Return the provider at a URL."""
        return self._settings.providers.at(url)

    def read_json(self, body: bytes) -> Reading:
        """Return what the body of a response tells."""
        return read(body)

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002 - one is known
        """Return a watcher of a stream of events."""
        return StreamWatcher()


def _asked(request: Any) -> Asked:
    """Return the fields of a request; of a form, which is yet to be read, its model alone."""
    if is_form(request):
        return Asked(model=form_values(request).get("model"))
    return decode_asked(request.content)


def meter(module: ModuleType, settings: Settings) -> list[Patch]:
    """Return the seams that meter the SDK, and count its retries.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    dialect = Mistral(settings)
    return [*seams_of(module, "Mistral", dialect), Sockets(dialect.provider)]


def seams_of(module: ModuleType, client: str, dialect: Mistral) -> list[Patch]:
    """Return the seams that meter a client of a module, and count its retries.

    Raises:
        LookupError, AttributeError: it is not made as it was.
    """
    metered = (
        Seam(getattr(module, client), name, dialect) for name in ("do_request", "do_request_async")
    )
    return [
        *metered,
        *seams(
            "mistralai", (module.__name__ + _RETRIES,), "_get_sleep_interval", before(dialect.again)
        ),
    ]
