"""Reads what pictures and films of Amazon Bedrock cost: no answer tells a usage.

A picture is paid for by the piece, a film by the second. What makes their price stands in the
request: the quality and the size of pictures, the length and the resolution of films. Those that
are not the usual ones count as the service tier.

Sources: https://docs.aws.amazon.com/nova/latest/userguide/image-gen-req-resp-structure.html,
https://docs.aws.amazon.com/nova/latest/userguide/video-gen-access.html,
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-luma.html and
https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-image.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.bedrock.usage import model_name
from costmeter.instrumentation.clients.begun import Told, is_long_past, work_of
from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAKING_PICTURES: Final = ("amazon.nova-canvas", "amazon.titan-image-generator")
"""Models whose pictures cost more in better quality or larger size."""
_SMALL: Final = 512 * 512
_USUAL: Final = 1024 * 1024
"""Pixels of a picture, up to which it is small, or of the usual size."""
_SHOT_SECONDS: Final = 6
"""The length of one shot of Nova Reel, and of a film where the request names none."""
_REEL_TASKS: Final = frozenset({"TEXT_VIDEO", "MULTI_SHOT_AUTOMATED", "MULTI_SHOT_MANUAL"})
"""What Nova Reel is asked to do; other models of the family have tasks too."""
_USUAL_RESOLUTION: Final = "720p"
_ENDS: Final = {"Completed": "ok", "Failed": "error"}
"""How work has ended, by its status; in any other it goes on."""


class _Pictures(msgspec.Struct, rename="camel"):
    image_generation_config: Any = None


_decode_pictures: Final = msgspec.json.Decoder(_Pictures).decode


def foreseen_of_pictures(model: str, body: object) -> Reading:
    """Return what a request for pictures tells of their cost: one, where it names no number."""
    pictures = count_of("numberOfImages", _config(body).get("numberOfImages"), []) or 1
    return Reading(usage={"images": pictures}, service_tier=tier_of_pictures(model, body))


def tier_of_pictures(model: str, body: object) -> str:
    """Return what a request for pictures names that has another price; empty where nothing."""
    if not any(name in model for name in _MAKING_PICTURES):
        return ""
    config = _config(body)
    odd: list[str] = []
    width = count_of("width", config.get("width"), odd) or 1024
    height = count_of("height", config.get("height"), odd) or 1024
    quality = text_of(config.get("quality"))
    size = "512" if width * height <= _SMALL else "2048" if width * height > _USUAL else ""
    return " ".join(filter(None, ["" if quality == "standard" else quality, size]))


def _config(body: object) -> Mapping[str, Any]:
    asked = _decode_pictures(body) if isinstance(body, str | bytes | bytearray) else _Pictures()
    return fields_of(asked.image_generation_config) or {}


def foreseen_of_film(asked: Mapping[str, Any]) -> Reading:
    """Return what a request for a film tells of its cost, from :func:`asked_of_film`."""
    seconds = asked["seconds"]
    usage = {"output_video_seconds": seconds} if seconds else None
    return Reading(usage=usage, service_tier=asked["tier"])


def asked_of_film(asked: object) -> dict[str, Any]:
    """Return what a request tells of a film: its ``seconds``, 0 where unknown, and its ``tier``."""
    given = fields_of(asked) or {}
    if "videoGenerationConfig" in given or given.get("taskType") in _REEL_TASKS:
        return {"seconds": _seconds_of_reel(given), "tier": ""}
    resolution = text_of(given.get("resolution"))
    length = text_of(given.get("duration")).removesuffix("s")  # Luma's
    return {
        "seconds": int(length) if length.isdecimal() else 0,
        "tier": "" if resolution == _USUAL_RESOLUTION else resolution,
    }


def _seconds_of_reel(given: Mapping[str, Any]) -> int:
    """Return the length of a film of Nova Reel; each shot that is told by itself is as long."""
    shots = (fields_of(given.get("multiShotManualParams")) or {}).get("shots")
    if isinstance(shots, list):
        return _SHOT_SECONDS * len(shots)
    config = fields_of(given.get("videoGenerationConfig")) or {}
    return count_of("durationSeconds", config.get("durationSeconds"), []) or _SHOT_SECONDS


class AsyncInvokeReader:
    """Reads work that goes on: a film, from its beginning to its end."""

    def __init__(self, provider: str) -> None:
        """Take the provider, by whose names the work is known."""
        self._provider = provider

    def read(self, response: Mapping[str, Any]) -> Reading:
        """Return what an answer of the SDK tells; nothing but a film that was made is paid for.

        What another process has asked for has no usage: how long the film is, is not known.
        """
        status = text_of(response.get("status"))
        told = Told(
            name=model_name(text_of(response.get("invocationArn"))),
            model=model_name(text_of(response.get("modelArn"))),
            status=_ENDS.get(status, "ok"),
            over=status in _ENDS and not is_long_past(response.get("endTime")),
        )
        work = work_of(self._provider, told.name)
        if told.status != "ok" or not told.over or work is None or not work.asked["seconds"]:
            return told
        usage = {"output_video_seconds": work.asked["seconds"]}
        return told._replace(usage=usage, service_tier=work.asked["tier"])
