"""The wire formats of providers, by the path that a request is sent to.

For libraries that speak to many providers by themselves, over HTTP: whichever it is, the path tells
what is asked for and how the answer is to be read. A path that is not known here is not metered.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from costmeter.instrumentation import boundary
from costmeter.instrumentation.clients.anthropic import usage as anthropic_usage
from costmeter.instrumentation.clients.anthropic.frames import Frames
from costmeter.instrumentation.clients.anthropic.stream import StreamWatcher as AnthropicStream
from costmeter.instrumentation.clients.bedrock.outcome import code_status
from costmeter.instrumentation.clients.bedrock.usage import Tally, model_name
from costmeter.instrumentation.clients.begun import Asking, Beginning
from costmeter.instrumentation.clients.call import Call
from costmeter.instrumentation.clients.cohere import usage as cohere_usage
from costmeter.instrumentation.clients.fields import text_of
from costmeter.instrumentation.clients.google_genai.usage import Answer
from costmeter.instrumentation.clients.groq import usage as groq_usage
from costmeter.instrumentation.clients.lines import LineWatcher
from costmeter.instrumentation.clients.mistral import usage as mistral_usage
from costmeter.instrumentation.clients.ollama import usage as ollama_usage
from costmeter.instrumentation.clients.ollama.client import CLOUD, LOCAL
from costmeter.instrumentation.clients.openai import background
from costmeter.instrumentation.clients.openai import usage as openai_usage
from costmeter.instrumentation.clients.openai.background import BackgroundReader
from costmeter.instrumentation.clients.openai.stream import StreamWatcher as OpenAIStream
from costmeter.instrumentation.clients.reading import NOTHING, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from costmeter.instrumentation.clients.providers import Providers
    from costmeter.instrumentation.clients.reading import Watcher


class Head(NamedTuple):
    """What is known of an answer before its body.

    Attributes:
        model: the model asked for.
        headers: of the HTTP response, by their names in small letters.
        hiding: whether a stream was asked for usage without the caller's knowledge.
    """

    model: str
    headers: Mapping[str, str]
    hiding: bool = False


@dataclass(frozen=True, slots=True)
class Format:
    """How answers are to be read.

    Attributes:
        read: returns what a whole body tells.
        watch: returns a watcher of a body that streams.
        asked: whether a stream tells its usage only if ``stream_options`` ask for it.
        exact: whether the model asked for makes the price, rather than the one that answers.
    """

    read: Callable[[bytes, Head], Reading]
    watch: Callable[[Head], Watcher]
    asked: bool = False
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Request:
    """A request that is metered.

    Attributes:
        operation: OpenTelemetry's ``gen_ai.operation.name``.
        provider: OpenTelemetry's ``gen_ai.provider.name``.
        model: the model asked for, or empty.
        format: how its answer is to be read.
        kind: what it is: a call, or one that begins or asks for what goes on in the background.
    """

    operation: str
    provider: str
    model: str
    format: Format
    kind: type[Call] = Call


class _Asked(msgspec.Struct):
    """The fields of a request that matter here: prompts are large, and passed over."""

    model: Any = None
    background: Any = None


_decode_asked: Final = msgspec.json.Decoder(_Asked).decode
_AWS_MODEL: Final = re.compile(r"/model/([^/]+)/(?:converse|invoke)")
_GOOGLE_MODEL: Final = re.compile(r"/models/([^/:]+):")
_RESPONSE: Final = re.compile(r"/responses/[^/]+(?:/cancel)?$")
_COUNTING: Final = "count-tokens"
"""What Vertex AI has in the place of a model where tokens are only counted, for nothing."""
_FOUNDRY: Final = ".services.ai.azure.com/anthropic/"


def recognise(
    url: str, body: object, providers: Providers, *, method: str = "post"
) -> Request | None:
    """Return what a request asks for; None where it is not metered.

    Args:
        url: where it is sent.
        body: JSON, encoded or not.
        providers: finds the provider behind an address.
        method: of HTTP, ``post`` or ``get``.
    """
    path = urlsplit(url).path
    known = next((known for ending, known in _ENDINGS if path.endswith(ending)), None)
    if known is None or method == "get":
        begun = _RESPONSE.search(path)
        if begun is None or not background.asks(method, begun[0]):
            return None
        return Request("chat", providers.at(url), "", _ASKED_FOR, Asking)
    operation, form = known
    kind: type[Call] = Call
    if found := _AWS_MODEL.search(path):
        model = model_name(unquote(found[1]))
        operation = "embeddings" if "embed" in model else operation
    elif found := _GOOGLE_MODEL.search(path):
        model = unquote(found[1])
    else:
        asked = _asked(body)
        model = text_of(asked.model)
        if form is _RESPONSES and asked.background:
            form, kind = _IN_BACKGROUND, Beginning
    if model == _COUNTING:
        return None
    if path.endswith("awPredict") and "/publishers/anthropic/" not in path:
        form = _OPENAI_UNASKED
    provider = providers.at(url, _default(form, url, model))
    if form is _OPENAI:
        form = _BY_PROVIDER.get(provider, form)
    return Request(operation, provider, model, form, kind)


def _asked(body: object) -> _Asked:
    if isinstance(body, dict):
        return _Asked(body.get("model"), body.get("background"))
    if not isinstance(body, str | bytes | bytearray):
        return _Asked()
    try:
        return _decode_asked(body)
    except msgspec.DecodeError:
        return _Asked()


def _default(form: Format, url: str, model: str) -> str:
    """Return the provider that a format or an address tells by itself; empty where none."""
    if form is _OLLAMA:
        in_cloud = urlsplit(url).hostname == CLOUD or model.endswith((":cloud", "-cloud"))
        return CLOUD if in_cloud else LOCAL
    return "azure.ai.inference" if form is _ANTHROPIC and _FOUNDRY in url else ""


class _GeminiStream(LineWatcher):
    """Watches server-sent events of the Gemini API."""

    def __init__(self, head: Head) -> None:
        super().__init__()
        self._answer = Answer(head.model)
        self._headers = head.headers

    def line(self, line: bytes) -> None:
        if line.startswith(b"data:"):
            self._answer.take(line[5:], self._headers)
            self.complete = self._answer.complete

    def reading(self) -> Reading:
        return self._answer.reading()


class _OllamaStream(LineWatcher):
    """Watches a JSON document a line."""

    def __init__(self) -> None:
        super().__init__()
        self._told = NOTHING

    def line(self, line: bytes) -> None:
        text = b'"done":false' in line or b'"done": false' in line
        if text and self._told is not NOTHING:
            return  # a piece of text
        part = msgspec.json.decode(line)
        self._told = ollama_usage.read(part)
        self.complete = ollama_usage.is_last(part)

    def reading(self) -> Reading:
        return self._told


class _Chunk(msgspec.Struct):
    """The payload of a frame of ``InvokeModelWithResponseStream``: a piece in base64."""

    bytes: str


_decode_chunk: Final = msgspec.json.Decoder(_Chunk).decode


class _BedrockStream:
    """Watches AWS's binary frames."""

    def __init__(self, head: Head) -> None:
        self.complete = False
        self._frames = Frames()
        self._tally = _tally(head)
        self._status = "ok"

    def feed(self, chunk: bytes) -> bytes:
        boundary.attempt(self._take, chunk, default=None)
        return chunk

    def flush(self) -> bytes:
        return b""

    def reading(self) -> Reading:
        return self._tally.reading()._replace(status=self._status)

    def _take(self, chunk: bytes) -> None:
        for frame in self._frames.feed(chunk):
            kind = frame.headers.get(":event-type")
            if error := frame.headers.get(":exception-type") or frame.headers.get(":error-code"):
                self._status = code_status(error)
            elif kind == "chunk":
                piece = base64.b64decode(_decode_chunk(frame.payload).bytes)
                self._tally.event({"chunk": {"bytes": piece}})
            elif kind == "metadata":
                self._tally.event({"metadata": msgspec.json.decode(frame.payload)})
            self.complete = self._tally.complete


def _tally(head: Head) -> Tally:
    tally = Tally()
    tally.response(
        {
            "ResponseMetadata": {"HTTPHeaders": head.headers},
            "serviceTier": head.headers.get("x-amzn-bedrock-service-tier", ""),
            "performanceConfigLatency": head.headers.get(
                "x-amzn-bedrock-performanceconfig-latency"
            ),
        }
    )
    return tally


def _read_converse(body: bytes, head: Head) -> Reading:
    tally = _tally(head)
    tally.response(msgspec.json.decode(body))
    return tally.reading()


def _read_invoke(body: bytes, head: Head) -> Reading:
    tally = _tally(head)
    tally.body(body)
    return tally.reading()


def _read_gemini(body: bytes, head: Head) -> Reading:
    return Answer(head.model).take(body, head.headers).reading()


def _openai(read_json: Callable[[bytes], Reading], *, asked: bool = False, **of: Any) -> Format:
    return Format(
        lambda body, _: read_json(body),
        lambda head: OpenAIStream(hiding=head.hiding, **of),
        asked=asked,
    )


def _background(reader: BackgroundReader) -> Format:
    return Format(
        lambda body, _: reader.read_json(body),
        lambda _: reader.watcher("text/event-stream", hiding=False),
    )


_OPENAI: Final = _openai(openai_usage.read_json, asked=True)
_OPENAI_UNASKED: Final = _openai(openai_usage.read_json)
_RESPONSES: Final = _openai(openai_usage.read_json)
_IN_BACKGROUND: Final = _background(BackgroundReader(begins=True))
_ASKED_FOR: Final = _background(BackgroundReader(begins=False))
_BY_PROVIDER: Final = {
    "groq": _openai(groq_usage.read_json, read=groq_usage.read),
    "mistral_ai": Format(
        lambda body, _: mistral_usage.read(body), lambda _: mistral_usage.StreamWatcher()
    ),
}
"""Formats like OpenAI's, by the providers whose differences matter."""

_ANTHROPIC: Final = Format(
    lambda body, _: anthropic_usage.read_json(body), lambda _: AnthropicStream()
)
_CONVERSE: Final = Format(_read_converse, _BedrockStream, exact=True)
_INVOKE: Final = Format(_read_invoke, _BedrockStream, exact=True)
_COHERE: Final = Format(
    lambda body, _: cohere_usage.read(body), lambda _: cohere_usage.StreamWatcher()
)
_GEMINI: Final = Format(_read_gemini, _GeminiStream)
_OLLAMA: Final = Format(
    lambda body, _: ollama_usage.read(msgspec.json.decode(body)), lambda _: _OllamaStream()
)

_ENDINGS: Final = (
    ("/chat/completions", ("chat", _OPENAI)),
    ("/completions", ("text_completion", _OPENAI)),
    ("/responses", ("chat", _RESPONSES)),
    ("/responses/compact", ("chat", _OPENAI_UNASKED)),
    ("/embeddings", ("embeddings", _OPENAI_UNASKED)),
    ("/v1/messages", ("chat", _ANTHROPIC)),
    (":rawPredict", ("chat", _ANTHROPIC)),
    (":streamRawPredict", ("chat", _ANTHROPIC)),
    (":generateContent", ("generate_content", _GEMINI)),
    (":streamGenerateContent", ("generate_content", _GEMINI)),
    (":embedContent", ("embeddings", _GEMINI)),
    (":batchEmbedContents", ("embeddings", _GEMINI)),
    ("/converse", ("chat", _CONVERSE)),
    ("/converse-stream", ("chat", _CONVERSE)),
    ("/invoke", ("chat", _INVOKE)),
    ("/invoke-with-response-stream", ("chat", _INVOKE)),
    ("/v1/chat", ("chat", _COHERE)),
    ("/v2/chat", ("chat", _COHERE)),
    ("/v1/embed", ("embeddings", _COHERE)),
    ("/v2/embed", ("embeddings", _COHERE)),
    ("/v1/rerank", ("rerank", _COHERE)),
    ("/v2/rerank", ("rerank", _COHERE)),
    ("/api/chat", ("chat", _OLLAMA)),
    ("/api/generate", ("text_completion", _OLLAMA)),
    ("/api/embed", ("embeddings", _OLLAMA)),
)
"""What a path asks for, by its ending: the operation, and the format of the answer.

Source: https://opentelemetry.io/docs/specs/semconv/registry/attributes/gen-ai/
"""
