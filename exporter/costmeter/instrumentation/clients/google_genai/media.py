"""Reads what pictures and films of Google's models cost: none of their answers tells a usage.

A picture is paid for by the piece, a film by the second, and what a filter has held back is free.
How long a film is stands in the request for it alone, as does what makes its price: resolution and
whether it has sound. Those count as its service tier.

Sources: https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/veo-video-generation and
https://ai.google.dev/gemini-api/docs/video
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.begun import Told, work_of
from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.google_genai.usage import status_of_error
from costmeter.instrumentation.clients.reading import NO_JSON, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

USUAL_SECONDS: Final = 8
"""The length of a film where the request names none."""
_USUAL_PICTURES: Final = 4
"""How many pictures are made where the request names no number."""
_USUAL_RESOLUTION: Final = "720p"
_REFUSED: Final = "bad_request"
"""The status where a filter held everything back."""


class _Prediction(msgspec.Struct):
    """A picture, or why there is none; the picture itself is passed over."""

    inline: msgspec.Raw = msgspec.field(name="bytesBase64Encoded", default=msgspec.Raw(b""))
    stored: msgspec.Raw = msgspec.field(name="gcsUri", default=msgspec.Raw(b""))


class _Predictions(msgspec.Struct):
    predictions: list[_Prediction] = []


class _Films(msgspec.Struct, rename="camel"):
    """What was made, by Vertex AI's and by the Gemini API's name for it."""

    videos: list[msgspec.Raw] = []
    generated_samples: list[msgspec.Raw] = []


class _Made(_Films, rename="camel"):
    generate_video_response: _Films | None = None


class _Operation(msgspec.Struct):
    name: str = ""
    done: bool = False
    error: Any = None
    response: _Made | None = None


_decode_predictions: Final = msgspec.json.Decoder(_Predictions).decode
_decode_operation: Final = msgspec.json.Decoder(_Operation).decode


class ImageReader:
    """Reads the answer to a request for pictures."""

    def __init__(self, asked: Mapping[str, Any]) -> None:
        """Take the request."""
        self._tier = _tier(asked)

    def read(self, body: str | bytes) -> Reading:
        """Return how many pictures an answer brings."""
        try:
            told = _decode_predictions(body or "{}")
        except msgspec.DecodeError:
            return NO_JSON
        images = sum(bool(bytes(one.inline) or bytes(one.stored)) for one in told.predictions)
        if not images:
            return Reading(status=_REFUSED)
        return Reading(usage={"images": images}, service_tier=self._tier)


def foreseen_of_pictures(request: Mapping[str, Any]) -> Reading:
    """Return what a request for pictures tells of their cost."""
    return Reading(
        usage={"images": _number(request) or _USUAL_PICTURES}, service_tier=_tier(request)
    )


def foreseen_of_films(request: Mapping[str, Any]) -> Reading:
    """Return what a request for films tells of their cost."""
    asked = asked_of_film(request)
    seconds = (_number(request) or 1) * asked["seconds"]
    return Reading(usage={"output_video_seconds": seconds}, service_tier=asked["tier"])


def _number(request: Mapping[str, Any]) -> int:
    """Return how many pieces a request asks for; 0 where it does not tell."""
    parameters = fields_of(request.get("parameters")) or {}
    return count_of("sampleCount", parameters.get("sampleCount"), [])


def _tier(request: Mapping[str, Any]) -> str:
    """Return the tier of pictures: larger ones of those that are given have one of their own."""
    parameters = fields_of(request.get("parameters")) or {}
    return "upscale" if parameters.get("mode") == "upscale" else ""


def asked_of_film(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a request for films tells of their price: ``seconds`` of each, and ``tier``."""
    parameters = fields_of(request.get("parameters")) or {}
    odd: list[str] = []
    seconds = count_of("durationSeconds", parameters.get("durationSeconds"), odd)
    resolution = text_of(parameters.get("resolution")).lower()
    tier = [resolution] if resolution != _USUAL_RESOLUTION else []
    if parameters.get("generateAudio") is False:
        tier.append("silent")
    return {"seconds": seconds or USUAL_SECONDS, "tier": " ".join(filter(None, tier))}


class FilmReader:
    """Reads an operation that makes films, from its beginning to its end."""

    def __init__(self, provider: str) -> None:
        """Take the provider, by whose operations others may begin."""
        self._provider = provider

    def read(self, body: str | bytes) -> Reading:
        """Return what an operation tells; nothing but films is paid for.

        The length of one that another process has asked for is not known: it has no usage.
        """
        try:
            told = _decode_operation(body or "{}")
        except msgspec.DecodeError:
            return NO_JSON
        model = told.name.partition("models/")[2].partition("/")[0]
        named = Told(name=told.name, model=model, over=told.done)
        if not told.done:
            return named
        if (error := fields_of(told.error)) is not None:
            return named._replace(status=status_of_error(error))
        made = told.response or _Made()
        films = made.generate_video_response or made
        number = len(films.videos) + len(films.generated_samples)
        if not number:
            return named._replace(status=_REFUSED)
        if (work := work_of(self._provider, told.name)) is None:
            return named
        seconds = number * work.asked["seconds"]
        return named._replace(
            usage={"output_video_seconds": seconds}, service_tier=work.asked["tier"]
        )
