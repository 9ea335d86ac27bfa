"""Reads usage out of the answers of Google's Gemini API and of Vertex AI.

Sources: https://ai.google.dev/api/generate-content#UsageMetadata,
https://ai.google.dev/api/embeddings and
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/text-embeddings-api
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.reading import Reading
from costmeter.status import status_of_code

if TYPE_CHECKING:
    from collections.abc import Mapping

TIER_HEADER: Final = "x-gemini-service-tier"
"""The header of the Gemini API that tells which tier served: priority may become standard.

Source: https://ai.google.dev/gemini-api/docs/priority-inference
"""

_NOTHING: Final[Mapping[str, Any]] = {}
_BASE_TIERS: Final = frozenset({"", "standard", "unspecified", "traffic_type_unspecified"})

INPUT_PARTS: Final = {
    "AUDIO": "input_audio_tokens",
    "IMAGE": "input_image_tokens",
    "DOCUMENT": "input_image_tokens",  # pages are tokenised as images are
    "VIDEO": "input_image_tokens",  # and films are priced so
}
CACHED_PARTS: Final = {"AUDIO": "cache_audio_read_tokens"}
OUTPUT_PARTS: Final = {"AUDIO": "output_audio_tokens", "IMAGE": "output_image_tokens"}
"""Keys of the parts that tokens are told apart by, by their modality."""
_DETAILS: Final = {
    "promptTokensDetails": ("input_tokens", INPUT_PARTS),
    "promptTokenDetails": ("input_tokens", INPUT_PARTS),  # of embeddings
    "toolUsePromptTokensDetails": ("input_tokens", INPUT_PARTS),
    "cacheTokensDetails": ("cache_read_tokens", CACHED_PARTS),
    "candidatesTokensDetails": ("output_tokens", OUTPUT_PARTS),
    "responseTokensDetails": ("output_tokens", OUTPUT_PARTS),  # of live sessions
}
"""Which whole the tokens by modality are parts of, and the keys of the parts."""

_PER_PROMPT: Final = re.compile(r"gemini-(?:[a-z]+-)*[12](?:\.\d+)?(?:-|$)")
"""Models whose searches are billed once for a prompt, however many there were.

Source: https://ai.google.dev/gemini-api/docs/google-search#pricing
"""

_FILM_APART: Final = re.compile(r"gemini-embedding-2(?:-|$)")
"""Models that read films at a price of their own, far above that of images.

Source: https://ai.google.dev/gemini-api/docs/pricing
"""
_FILM: Final = "video"
"""What counts as the service tier then: no price knows it, so nobody takes it for a cheap one."""

_CODES: Final = {3: 400, 4: 504, 5: 404, 6: 409, 7: 403, 8: 429, 14: 503, 16: 401}
"""Codes of HTTP by those of gRPC, which work that goes on for long fails with; else it is 500.

Source: https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto
"""


class _Body(msgspec.Struct, rename="camel"):
    """The fields of an answer that matter here; its words, pictures and vectors are passed over."""

    model_version: Any = None
    usage_metadata: Any = None
    token_count: Any = None  # of an embedding that a batch has made
    prompt_feedback: Any = None
    candidates: msgspec.Raw = msgspec.Raw(b"null")
    predictions: msgspec.Raw = msgspec.Raw(b"null")


class _Candidate(msgspec.Struct, rename="camel"):
    finish_reason: Any = None
    grounding_metadata: Any = None


class _Vector(msgspec.Struct):
    statistics: Any = None


class _Prediction(msgspec.Struct):
    embeddings: _Vector | None = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_candidates = msgspec.json.Decoder(list[_Candidate] | None).decode
_decode_predictions = msgspec.json.Decoder(list[_Prediction] | None).decode


class Answer:
    """What the chunks of an answer tell, one after the other; an answer at once is one chunk.

    Usage counts up from chunk to chunk, so the last one that tells any holds.
    Source: https://github.com/googleapis/python-genai/issues/1204

    Attributes:
        complete: whether a candidate told that it has come to its end, or the prompt was blocked.
    """

    def __init__(self, model: str) -> None:
        """Begin with nothing; ``model`` is the one asked for."""
        self.complete = False
        self._asked = model
        self._model = ""
        self._tier = ""
        self._reported: Mapping[str, Any] | None = None
        self._embedded: list[object] = []
        self._queries: set[str] = set()
        self._odd: list[str] = []

    def take(self, body: str | bytes, headers: Mapping[str, str] | None) -> Answer:
        """Take a chunk in, and return this answer; never raises for what a body holds."""
        try:
            chunk = _decode(body)
        except msgspec.DecodeError:
            self._odd.append("a body that is no JSON object")
            return self
        self._model = text_of(chunk.model_version) or self._model
        self._tier = text_of((headers or {}).get(TIER_HEADER)) or self._tier
        self._see_usage(chunk.usage_metadata)
        if chunk.token_count is not None:
            self._embedded.append(integer_of(chunk.token_count))
        if text_of((fields_of(chunk.prompt_feedback) or {}).get("blockReason")):
            self.complete = True
        self._see_candidates(chunk.candidates)
        self._see_predictions(chunk.predictions)
        return self

    def reading(self) -> Reading:
        """Return what was told so far."""
        odd = list(self._odd)
        told = self._reported or {}
        tier = served_tier(self._tier, told)
        if _FILM_APART.match(self._model or self._asked) and _reads_film(told):
            tier = f"{tier} {_FILM}".lstrip()
        return Reading(usage=self._usage(odd), model=self._model, service_tier=tier, odd=tuple(odd))

    def _see_usage(self, reported: object) -> None:
        if reported is None:
            return
        if (fields := fields_of(reported)) is None:
            self._odd.append(f"usageMetadata of type {type(reported).__name__}")
        elif self._reported is None or fields.get("totalTokenCount") != 0:
            self._reported = fields

    def _see_candidates(self, candidates: msgspec.Raw) -> None:
        try:
            seen = _decode_candidates(candidates) or []
        except msgspec.DecodeError:
            self._odd.append("candidates that are no list of objects")
            return
        for candidate in seen:
            self.complete |= bool(text_of(candidate.finish_reason))
            queries = (fields_of(candidate.grounding_metadata) or {}).get("webSearchQueries")
            self._queries.update(filter(None, map(text_of, list_of(queries))))

    def _see_predictions(self, predictions: msgspec.Raw) -> None:
        try:
            seen = _decode_predictions(predictions) or []
        except msgspec.DecodeError:
            return  # of a model that does not embed
        for prediction in seen:
            if prediction.embeddings is not None:
                told = fields_of(prediction.embeddings.statistics) or {}
                self._embedded.append(told.get("token_count", told.get("tokenCount")))

    def _usage(self, odd: list[str]) -> dict[str, int] | None:
        if self._reported is not None:
            usage = read_usage(self._reported, odd)
        elif any(tokens is not None for tokens in self._embedded):
            tokens = sum(count_of("token_count", tokens, odd) for tokens in self._embedded)
            usage = {"input_tokens": tokens} if tokens else {}
        else:
            return None
        if searches := billed_searches(self._model or self._asked, len(self._queries)):
            usage["web_searches"] = searches
        return usage


def billed_searches(model: str, made: int) -> int:
    """Return the billed web searches: those that differ, or one where a prompt is billed."""
    return min(made, 1) if _PER_PROMPT.match(model) else made


def read_usage(reported: Mapping[str, Any], odd: list[str]) -> dict[str, int]:
    """Return the usage in ``usageMetadata``."""

    def told(name: str) -> int:
        return count_of(name, reported.get(name), odd)

    thoughts = told("thoughtsTokenCount")  # beside the candidates; the prompt includes the cached
    answered = told("candidatesTokenCount") + told("responseTokenCount")  # of live sessions
    counts = {
        "input_tokens": told("promptTokenCount") + told("toolUsePromptTokenCount"),
        "cache_read_tokens": told("cachedContentTokenCount"),
        "output_tokens": answered + thoughts,
        "reasoning_tokens": thoughts,
    }
    if counts["cache_read_tokens"] > counts["input_tokens"]:
        odd.append(f"{counts['cache_read_tokens']} cached tokens, more than the prompt has")
        counts["cache_read_tokens"] = counts["input_tokens"]
    counts |= parts_of(reported, _DETAILS, "tokenCount", counts, odd)
    return {key: count for key, count in counts.items() if count}


def parts_of(
    reported: Mapping[str, Any],
    details: Mapping[str, tuple[str, Mapping[str, str]]],
    count_name: str,
    counts: Mapping[str, int],
    odd: list[str],
) -> dict[str, int]:
    """Return the tokens by modality that have a key of their own, no more than their whole has.

    Args:
        reported: fields of the usage.
        details: which whole the lists by modality are parts of, and the keys of the parts.
        count_name: where an item of such a list has its tokens.
        counts: the wholes, by their keys.
        odd: takes what is odd, in words.
    """
    parts: dict[str, int] = {}
    for name, (whole, keys) in details.items():
        for item in map(fields_of, list_of(reported.get(name))):
            fields = item or {}
            if key := keys.get(text_of(fields.get("modality")).upper()):
                tokens = parts.get(key, 0) + count_of(name, fields.get(count_name), odd)
                parts[key] = min(tokens, counts[whole])
    return parts


def _reads_film(reported: Mapping[str, Any]) -> bool:
    """Return whether some of the prompt is film."""
    items = [
        fields_of(item) or {}
        for name, (whole, _) in _DETAILS.items()
        if whole == "input_tokens"
        for item in list_of(reported.get(name))
    ]
    return any(item.get("modality") == "VIDEO" for item in items)


def served_tier(served: str, reported: Mapping[str, Any] = _NOTHING) -> str:
    """Return the tier: Gemini's from a header or the usage, Vertex AI's from the traffic's type."""
    tier = (served or text_of(reported.get("serviceTier"))).lower().removeprefix("service_tier_")
    if not tier:
        traffic = text_of(reported.get("trafficType")).lower()
        tier = traffic.removeprefix("on_demand").removeprefix("_")
    return "" if tier in _BASE_TIERS else tier


def status_of_error(error: Mapping[str, Any]) -> str:
    """Return the status of work that ended with an error."""
    code = error.get("code")
    return status_of_code(_CODES.get(code, 500) if isinstance(code, int) else 500)


def integer_of(value: object) -> object:
    """Return a count that Google's JSON has as text, since it may take more than 32 bits."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


def list_of(value: object) -> list[Any]:
    """Return a list; an empty one for anything else."""
    return value if isinstance(value, list) else []
