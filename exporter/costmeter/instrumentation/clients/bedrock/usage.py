"""Reads usage out of what Amazon Bedrock answers: bodies, events of streams and HTTP headers.

Each of Bedrock's ways to ask tells usage in names of its own, and so does each family of models
behind ``InvokeModel``; a name means the same wherever it stands, so one table knows them all.
Bedrock's input tokens exclude the cached ones, whatever the model; ours include them. Only
bodies in OpenAI's wire format (gpt-oss, Mistral and others behind ``InvokeModel``) include them.

Sources: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.bedrock.guardrail import shares, usages_of
from costmeter.instrumentation.clients.fields import count_of, text_of
from costmeter.instrumentation.clients.openai import usage as openai_usage
from costmeter.instrumentation.clients.reading import Reading

_COUNTS: Final = {
    # Converse, and Nova behind InvokeModel
    "inputTokens": "uncached",
    "outputTokens": "output_tokens",
    "cacheReadInputTokens": "cache_read_tokens",
    "cacheWriteInputTokens": "cache_write_tokens",
    # Claude behind InvokeModel
    "input_tokens": "uncached",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
    # Llama behind InvokeModel
    "prompt_token_count": "uncached",
    "generation_token_count": "output_tokens",
    # Titan behind InvokeModel
    "inputTextTokenCount": "uncached",
    "totalOutputTextTokenCount": "output_tokens",
    # the end of any stream of InvokeModelWithResponseStream
    "inputTokenCount": "uncached",
    "outputTokenCount": "output_tokens",
    "cacheReadInputTokenCount": "cache_read_tokens",
    "cacheWriteInputTokenCount": "cache_write_tokens",
    # headers of InvokeModel
    "x-amzn-bedrock-input-token-count": "uncached",
    "x-amzn-bedrock-output-token-count": "output_tokens",
    "x-amzn-bedrock-cache-read-input-token-count": "cache_read_tokens",
    "x-amzn-bedrock-cache-write-input-token-count": "cache_write_tokens",
}
"""What a count is, by its name; ``uncached`` are input tokens without the cached ones."""

_BASE_TIER: Final = "default"
LATENCY_OPTIMIZED: Final = "optimized"
"""Bedrock's name for its faster, dearer inference; counts as a service tier."""

_TELLING: Final = (
    b'"usage"', b"invocationMetrics", b"_token_count", b"TokenCount", b"amazon-bedrock-trace"
)  # fmt: skip
"""What those pieces of a stream contain that tell of usage; the others are not parsed."""

_RESOURCE: Final = re.compile(
    r"arn:[^:]*:[^:]*:[^:]*:[^:]*:(?:(?:foundation-model|inference-profile)/)?"
)
"""The beginning of an ARN, up to the name of a model where it has one, or else to the resource."""


_STAND_INS: Final = ("application-inference-profile/", "default-prompt-router/", "prompt-router/")


class _Body(msgspec.Struct):
    """The fields of a body that matter here: words, vectors and pictures are passed over."""

    model: Any = None
    usage: Any = None
    prompt_token_count: Any = None
    generation_token_count: Any = None
    input_text: Any = msgspec.field(name="inputTextTokenCount", default=None)
    output_text: Any = msgspec.field(name="totalOutputTextTokenCount", default=None)
    results: msgspec.Raw = msgspec.Raw(b"")
    images: msgspec.Raw = msgspec.Raw(b"")
    message: Any = None  # holds Claude's usage at the beginning of a stream
    metadata: Any = None  # holds Nova's usage at the end of a stream
    metrics: Any = msgspec.field(name="amazon-bedrock-invocationMetrics", default=None)
    trace: Any = msgspec.field(name="amazon-bedrock-trace", default=None)  # of guardrails


class _Result(msgspec.Struct):
    """One of the answers in a body of Titan."""

    tokens: Any = msgspec.field(name="tokenCount", default=None)


_decode = msgspec.json.Decoder(_Body).decode
_decode_results = msgspec.json.Decoder(list[_Result]).decode
_decode_items = msgspec.json.Decoder(list[msgspec.Raw]).decode


def model_name(model_id: str) -> str:
    """Return the name that a model has a price by, from what ``modelId`` may be.

    A prefix such as ``eu.`` stays, for it makes a price of its own. Of an ARN stays the name of the
    model or the inference profile; of any other resource its kind and id, which tell no model.
    """
    return _RESOURCE.sub("", model_id)


def stands_for_another(name: str) -> bool:
    """Return whether a name of :func:`model_name` stands for a model that the answer may tell.

    An application inference profile and a prompt router cost what the model behind them does. Other
    resources, such as provisioned throughput, are billed otherwise, and count by their own names.
    """
    return name.startswith(_STAND_INS)


class Tally:
    """Adds up what the parts of one answer tell; a later count of the same thing replaces.

    Attributes:
        complete: whether the last word on usage has been said.
    """

    def __init__(self, tier: str = "", used: dict[str, int] | None = None) -> None:
        """Know only what the request tells.

        Args:
            tier: what has another price: the quality or the size of pictures.
            used: what it uses, where the answer does not tell.
        """
        self.complete = False
        self._asked_tier = tier
        self._used = used
        self._guarded: list[Mapping[str, Any]] = []
        self._counts: dict[str, int] = {}
        self._inclusive: dict[str, int] = {}  # what came in OpenAI's wire format
        self._model = ""
        self._tier = ""
        self._odd: list[str] = []

    def response(self, fields: Mapping[str, Any]) -> None:
        """Take in a response of the SDK, or the ``metadata`` at the end of ``ConverseStream``."""
        self._add_usage(fields.get("usage"))
        headers = _fields(_fields(fields.get("ResponseMetadata")).get("HTTPHeaders"))
        self._add({name: int(text) for name, text in headers.items() if _is_count(name, text)})
        tier = fields.get("serviceTier", self._tier)
        self._tier = text_of(_fields(tier).get("type") if isinstance(tier, dict) else tier)
        latency = _fields(fields.get("performanceConfig")).get("latency")
        if LATENCY_OPTIMIZED in (latency, fields.get("performanceConfigLatency")):
            self._tier = LATENCY_OPTIMIZED
        self._guarded += usages_of(fields.get("trace"))
        router = _fields(_fields(fields.get("trace")).get("promptRouter"))
        self._model = model_name(text_of(router.get("invokedModelId")))

    def event(self, event: Mapping[str, Any]) -> None:
        """Take in an event of a stream, as the SDK yields it."""
        if "chunk" in event:
            piece = event["chunk"].get("bytes", b"")
            if any(word in piece for word in _TELLING):
                self.body(piece)
        elif "metadata" in event:
            self.response(event["metadata"])
            self.complete = True

    def body(self, document: bytes) -> None:
        """Take in JSON of ``InvokeModel``: a whole body, or a piece of a stream.

        Raises:
            msgspec.DecodeError: it is something else, such as a picture.
        """
        body = _decode(document)
        self._add(
            {
                "prompt_token_count": body.prompt_token_count,
                "generation_token_count": body.generation_token_count,
                "inputTextTokenCount": body.input_text,
                "totalOutputTextTokenCount": body.output_text,
            }
        )
        message = _fields(body.message)
        self._model = self._model or text_of(body.model) or text_of(message.get("model"))
        for usage in (
            body.usage,
            message.get("usage"),
            _fields(body.metadata).get("usage"),
        ):
            self._add_usage(usage)
        self._add_lists(body)
        self._guarded += usages_of(body.trace)
        if metrics := _fields(body.metrics):
            self._add(metrics)
            self.complete = True

    def reading(self) -> Reading:
        """Return what is known so far."""
        usage = self._counts.copy()
        uncached = usage.pop("uncached", 0)
        written = usage.get("cache_write_tokens", 0)
        usage["input_tokens"] = uncached + usage.get("cache_read_tokens", 0) + written
        if "cache_write_1h_tokens" in usage:
            usage["cache_write_1h_tokens"] = min(usage["cache_write_1h_tokens"], written)
        known = {key: count for key, count in usage.items() if count}
        tier = "" if self._tier == _BASE_TIER else self._tier
        odd = list(self._odd)
        return Reading(
            usage=self._inclusive or (known if self._counts else self._used),
            model=self._model,
            service_tier=tier or self._asked_tier,
            others=shares(self._guarded, odd),
            odd=tuple(odd),
        )

    def ended(self) -> str:
        """Return the status of a stream without more events: the last of them tells the usage."""
        return "ok" if self.complete else "incomplete"

    def _add_usage(self, given: object) -> None:
        usage = _fields(given)
        if "prompt_tokens" in usage:
            reading = openai_usage.read({"usage": usage})
            self._inclusive = reading.usage or {}
            self._odd += reading.odd
            return
        self._add(usage)
        written = _fields(usage.get("cache_creation")).get("ephemeral_1h_input_tokens")
        self._put("cache_write_1h_tokens", "ephemeral_1h_input_tokens", written)
        details = usage.get("cacheDetails")
        for detail in map(_fields, details if isinstance(details, list) else ()):
            if detail.get("ttl") == "1h":
                self._put("cache_write_1h_tokens", "cacheDetails", detail.get("inputTokens"))

    def _add_lists(self, body: _Body) -> None:
        """Add what bodies of Titan tell item by item, and count pictures."""
        with suppress(msgspec.DecodeError):  # there is no such list
            tokens = [result.tokens for result in _decode_results(body.results)]
            if tokens and all(type(count) is int for count in tokens):
                self._put("output_tokens", "tokenCount", sum(tokens))
        with suppress(msgspec.DecodeError):
            self._put("images", "images", len(_decode_items(body.images)))

    def _add(self, counts: Mapping[str, Any]) -> None:
        for name, value in counts.items():
            if key := _COUNTS.get(name):
                self._put(key, name, value)

    def _put(self, key: str, name: str, value: object) -> None:
        odd: list[str] = []
        count = count_of(name, value, odd)
        if value is not None and not odd:
            self._counts[key] = count
        self._odd += odd


def _is_count(header: str, text: object) -> bool:
    return header in _COUNTS and isinstance(text, str) and text.isdecimal()


def _fields(thing: object) -> Mapping[str, Any]:
    return thing if isinstance(thing, dict) else {}
