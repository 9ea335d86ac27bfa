"""Meters OpenAI's SDK: chats, responses, completions, embeddings, decisions, images, audio.

Also what batches used, where their results are downloaded; and where the SDK speaks to Azure,
Bedrock, or any other server with OpenAI's wire format.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation import tokens
from costmeter.instrumentation.clients.batch_results import ResultsReader
from costmeter.instrumentation.clients.begun import Asking, Beginning
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.openai import audio, background, batch, images, jobs
from costmeter.instrumentation.clients.openai.audio import SpeechReader, TranscriptionReader
from costmeter.instrumentation.clients.openai.background import BackgroundReader
from costmeter.instrumentation.clients.openai.estimate import EstimatingReader
from costmeter.instrumentation.clients.openai.images import ImageReader
from costmeter.instrumentation.clients.openai.jobs import JobReader
from costmeter.instrumentation.clients.openai.sockets import Sockets
from costmeter.instrumentation.clients.openai.stream import StreamWatcher
from costmeter.instrumentation.clients.openai.usage import read, read_json
from costmeter.instrumentation.clients.reading import NOTHING
from costmeter.instrumentation.clients.stainless import Addresses, given, seams

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings
    from costmeter.instrumentation.clients.reading import Reader, Reading, Watcher

OPERATIONS: Final = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/responses/compact": "chat",
    "/completions": "text_completion",
    "/embeddings": "embeddings",
    "/decisions": "decision",
    "/moderations": "moderation",
    "/images/generations": "image_generation",
    "/images/edits": "image_generation",
    "/images/variations": "image_generation",
    "/audio/transcriptions": "transcription",
    "/audio/translations": "transcription",
    "/audio/speech": "speech",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the path of a ``POST``; other paths are not metered.

OpenTelemetry has no names for decisions, moderations, images and audio.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""

_READERS: Final[dict[str, Callable[[Callable[[str], Any]], Reader]]] = {
    "image_generation": ImageReader.of,
    "transcription": TranscriptionReader.of,
    "speech": SpeechReader.of,
}
"""What reads the answers to operations whose answers are not like a chat's: made for each call from
a function that returns a field of the request by its name."""

_FORESEEN: Final[dict[str, Callable[[Callable[[str], Any]], Reading]]] = {
    "image_generation": images.foreseen,
    "speech": audio.foreseen,
}
"""What tells :attr:`Call.foreseen`, by the operation, from such a function."""

_BACKGROUND: Final = frozenset({"/responses", "/responses?beta=true"})
"""Where an answer may be made in the background."""
_USAGE_ON_REQUEST: Final = frozenset({"/chat/completions", "/completions"})
"""Where a stream ends with usage only if ``stream_options`` asks for it."""


class OpenAI:
    """The dialect of OpenAI's SDK."""

    def __init__(self, module: ModuleType, settings: Settings) -> None:
        """Take the imported SDK."""
        azure = dict.fromkeys((module.AzureOpenAI, module.AsyncAzureOpenAI), "azure.ai.openai")
        self.addresses = Addresses(settings, azure)
        self._settings = settings
        self._counts = tokens.available()
        self._unasked: set[str] = set()  # addresses of servers that know no stream_options

    def start(self, client: Any, options: Any) -> Call | None:
        """Return the call that a client is about to make; None where it is not metered."""
        operation = OPERATIONS.get(options.url.partition("?")[0])  # the beta's have a query
        if operation is None or options.method.lower() != "post":
            return self._beyond_one_request(client, options)
        model = given(options, "model")
        reader = _READERS.get(operation)
        if self._counts and options.url in _USAGE_ON_REQUEST and given(options, "stream"):
            reader = EstimatingReader
        foresee = _FORESEEN.get(operation)
        kind = Call
        if options.url in _BACKGROUND and given(options, "background"):
            kind, reader = Beginning, BackgroundReader.of
        return kind(
            operation=operation,
            provider=self.addresses.provider(client),
            model=model if isinstance(model, str) else "",
            reader=reader and reader(functools.partial(given, options)),
            foreseen=foresee(functools.partial(given, options)) if foresee else NOTHING,
        )

    def _beyond_one_request(self, client: Any, options: Any) -> Call | None:
        """Return what begins, or tells of, work that outlasts a request; None for anything else."""
        method, path = options.method.lower(), options.url.partition("?")[0]
        provider = self.addresses.provider(client)
        if (kind := jobs.beginning(method, path)) is not None:
            return Beginning(
                operation=kind.operation,
                provider=provider,
                model=text_of(given(options, "model")),
                reader=JobReader(kind),
                foreseen=jobs.foreseen(kind, functools.partial(given, options)),
            )
        if (kind := jobs.asked(method, path)) is not None:
            return Asking(kind.operation, provider, "", reader=JobReader(kind))
        if background.asks(method, path):
            return Asking("chat", provider, "", reader=BackgroundReader(begins=False))
        content = batch.CONTENT.fullmatch(path)
        if content is None or method != "get":
            return None
        return ResultsReader.download(provider, content[1], batch.read_line)

    def asking(self, client: Any, options: Any) -> Any | None:
        """Return options that ask for a stream's usage too; None where they stay as they are."""
        if (
            not self._settings.stream_usage
            or options.url not in _USAGE_ON_REQUEST
            or (self._unasked and str(client.base_url) in self._unasked)
        ):
            return None
        chosen = given(options, "stream_options")
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
        return read(body)

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""
        return read_json(body)

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002 - one is known
        """Return a watcher of a stream of events."""
        return StreamWatcher(hiding=hiding)


def meter(module: ModuleType, settings: Settings) -> list[Patch]:
    """Return the seams that meter the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    dialect = OpenAI(module, settings)
    sockets = Sockets(dialect.addresses)
    return [*seams(module.OpenAI, module.AsyncOpenAI, dialect), sockets]
