"""Meters Groq's SDK: chat completions, embeddings, transcriptions, translations and speech.

Its wire format is OpenAI's, and its streams tell their usage unasked. What a batch used is recorded
where its results are downloaded.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation.clients.batch_results import ResultsReader
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.groq import usage as groq_usage
from costmeter.instrumentation.clients.groq.audio import TranscriptionReader
from costmeter.instrumentation.clients.groq.batch import CONTENT, read_line
from costmeter.instrumentation.clients.openai.audio import SpeechReader, foreseen
from costmeter.instrumentation.clients.openai.stream import StreamWatcher
from costmeter.instrumentation.clients.reading import NOTHING
from costmeter.instrumentation.clients.stainless import Addresses, given, seams

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings
    from costmeter.instrumentation.clients.reading import Reader, Reading, Watcher

OPERATIONS: Final = {
    "/openai/v1/chat/completions": "chat",
    "/openai/v1/embeddings": "embeddings",
    "/openai/v1/audio/transcriptions": "transcription",
    "/openai/v1/audio/translations": "transcription",
    "/openai/v1/audio/speech": "speech",
}
"""OpenTelemetry's ``gen_ai.operation.name`` by the path of a ``POST``; others are not metered."""

_READERS: Final[dict[str, Callable[[Callable[[str], Any]], Reader]]] = {
    "transcription": TranscriptionReader.of,
    "speech": SpeechReader.of,
}
"""What reads the answers to operations whose answers are not like a chat's: made for each call from
a function that returns a field of the request by its name."""


class Groq:
    """The dialect of Groq's SDK."""

    def __init__(self, settings: Settings) -> None:
        """Take the settings."""
        self._addresses = Addresses(settings, {})

    def start(self, client: Any, options: Any) -> Call | None:
        """Return the call that a client is about to make; None where it is not metered."""
        operation = OPERATIONS.get(options.url)
        if operation is None or options.method.lower() != "post":
            return self._download(client, options)
        reader = _READERS.get(operation)
        return Call(
            operation=operation,
            provider=self._addresses.provider(client),
            model=text_of(given(options, "model")),
            reader=reader and reader(functools.partial(given, options)),
            foreseen=foreseen(functools.partial(given, options))
            if operation == "speech"
            else NOTHING,
        )

    def _download(self, client: Any, options: Any) -> Call | None:
        """Return the download of a file that may hold the results of a batch."""
        content = CONTENT.fullmatch(options.url)
        if content is None or options.method.lower() != "get":
            return None
        provider = self._addresses.provider(client)
        return ResultsReader.download(provider, content[1], read_line)

    def asking(self, client: Any, options: Any) -> None:
        """Return None: usage comes unasked."""

    def refused(self, client: Any, error: BaseException) -> bool:  # noqa: ARG002 - none was asked
        """Return False: nothing was asked."""
        return False

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells."""
        return groq_usage.read(body)

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""
        return groq_usage.read_json(body)

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002 - one is known
        """Return a watcher of a stream of events."""
        return StreamWatcher(hiding=hiding, read=groq_usage.read)


def meter(module: ModuleType, settings: Settings) -> list[Patch]:
    """Return the seams that meter the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    dialect = Groq(settings)
    return seams(module.Groq, module.AsyncGroq, dialect)
