"""Meters Anthropic's SDK: messages, also those of its beta and of its clients for other clouds.

Streams tell their usage unasked. What a message batch used is recorded where its results are read,
and what a managed agent used where its events are. Counting tokens costs nothing, and is not
metered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from costmeter.instrumentation.clients.anthropic import usage as anthropic_usage
from costmeter.instrumentation.clients.anthropic.batch import RESULTS, read_line
from costmeter.instrumentation.clients.anthropic.sessions import call_of
from costmeter.instrumentation.clients.anthropic.stream import FrameWatcher, StreamWatcher
from costmeter.instrumentation.clients.batch_results import ResultsReader
from costmeter.instrumentation.clients.bedrock.usage import model_name, stands_for_another
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.stainless import Addresses, given, seams

if TYPE_CHECKING:
    from types import ModuleType

    from costmeter.instrumentation.clients import Patch, Settings
    from costmeter.instrumentation.clients.reading import Reading, Watcher

_MESSAGES: Final = "/v1/messages"
_FRAMES: Final = "application/vnd.amazon.eventstream"
_BEDROCK: Final = "aws.bedrock"

PROVIDERS: Final = {
    "AnthropicAWS": "anthropic",
    "AnthropicBedrock": _BEDROCK,
    "AnthropicBedrockMantle": _BEDROCK,
    "AnthropicFoundry": "azure.ai.inference",
    "AnthropicGoogleCloud": "anthropic",
    "AnthropicVertex": "gcp.vertex_ai",
}
"""OpenTelemetry's ``gen_ai.provider.name`` by the client class, where the class tells it.

Claude on AWS and on Google Cloud are Anthropic's own service, sold there: Bedrock, Foundry and
Vertex AI are not, and have prices of their own.
"""


class Anthropic:
    """The dialect of Anthropic's SDK."""

    def __init__(self, module: ModuleType, settings: Settings) -> None:
        """Take the imported SDK; a client class that this version does not have is passed over."""
        classes = {
            getattr(module, prefix + name, None): provider
            for name, provider in PROVIDERS.items()
            for prefix in ("", "Async")
        }
        self._addresses = Addresses(settings, {k: name for k, name in classes.items() if k})

    def start(self, client: Any, options: Any) -> Call | None:
        """Return the call that a client is about to make; None where it is not metered."""
        if options.url.partition("?")[0] != _MESSAGES or options.method.lower() != "post":
            return self._other(client, options)
        provider = self._addresses.provider(client)
        model = text_of(given(options, "model"))
        if provider != _BEDROCK:
            return Call(operation="chat", provider=provider, model=model)
        # Bedrock is asked for a profile with a price (``global.anthropic.claude-…``), and answers
        # with the model behind it.
        name = model_name(model)
        exact = not stands_for_another(name)
        return Call(operation="chat", provider=provider, model=name, exact=exact)

    def _other(self, client: Any, options: Any) -> Call | None:
        """Return the download of a batch's results, or what has to do with a managed agent."""
        provider, method = self._addresses.provider(client), options.method.lower()
        results = RESULTS.fullmatch(options.url)
        if results is None:
            path = options.url.partition("?")[0]
            return call_of(provider, method, path)
        if method != "get":
            return None
        return ResultsReader.download(provider, results[1], read_line)

    def asking(self, client: Any, options: Any) -> None:
        """Return None: usage comes unasked."""

    def refused(self, client: Any, error: BaseException) -> bool:  # noqa: ARG002 - the same
        """Return False: nothing was asked."""
        return False

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells."""
        return anthropic_usage.read(body)

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body tells."""
        return anthropic_usage.read_json(body)

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002 - nothing to hide
        """Return a watcher of a stream of events."""
        return FrameWatcher() if media_type == _FRAMES else StreamWatcher()


def meter(module: ModuleType, settings: Settings) -> list[Patch]:
    """Return the seams that meter the SDK.

    Raises:
        LookupError, AttributeError: the SDK is not made as it was.
    """
    dialect = Anthropic(module, settings)
    return seams(module.Anthropic, module.AsyncAnthropic, dialect)
