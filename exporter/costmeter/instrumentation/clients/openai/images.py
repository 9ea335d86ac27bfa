"""Reads what pictures cost: GPT Image tells tokens; DALL·E is billed by the piece.

By the piece, quality and size make the price, which only the request tells. They count as the
service tier, ``hd 1024x1792``; none is that of a square picture in standard quality.

Sources: https://platform.openai.com/docs/api-reference/images/object and
https://platform.openai.com/docs/api-reference/images-streaming
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from costmeter.instrumentation.clients.body import BodyWatcher
from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.openai.events import EventWatcher
from costmeter.instrumentation.clients.openai.usage import read
from costmeter.instrumentation.clients.reading import NO_JSON, Reading, Share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from costmeter.instrumentation.clients.reading import Watcher

_STANDARD: Final = "standard"
_SQUARE: Final = "1024x1024"
_UNSAID: Final = frozenset({"", "auto"})
_BY_TOKENS: Final = "gpt-image"
"""What stands in the names of the models whose pictures are billed by tokens."""
_TOKENS: Final = {"low": 408, "medium": 1756}
_MOST_TOKENS: Final = 7024
"""The most tokens of a picture of up to 1024x1536, by quality, and in the best or an unknown one.

Sources: https://developers.openai.com/api/docs/guides/image-generation and
https://community.openai.com/t/gpt-image-2-output-pricing-calculator-online-and-in-your-code/1382699
"""


class _Body(msgspec.Struct):
    """The fields of a body or an event that matter here: pictures are large, and passed over."""

    usage: Any = None
    svg_usage: Any = None
    data: msgspec.Raw = msgspec.Raw(b"null")


_decode: Final = msgspec.json.Decoder(_Body).decode
_decode_items: Final = msgspec.json.Decoder(list[msgspec.Raw] | None).decode


class ImageReader:
    """Reads the answer to one request for pictures."""

    def __init__(self, tier: str) -> None:
        """Take the tier that counts where pictures are billed by the piece."""
        self._tier = tier

    @classmethod
    def of(cls, given: Callable[[str], Any]) -> ImageReader:
        """Return the reader for a request, given by a function from a field's name to its value."""
        return cls(_tier(given))

    def read(self, body: object) -> Reading:
        """Return what a parsed body tells."""
        fields = fields_of(body) or {}
        data = fields.get("data")
        return self._read(fields, len(data) if isinstance(data, list) else 0)

    def read_json(self, body: bytes) -> Reading:
        """Return what an unparsed body, or the event that ends a picture, tells."""
        try:
            told = _decode(body)
            pictures = len(_decode_items(told.data) or ())
        except msgspec.DecodeError:
            return NO_JSON
        return self._read(msgspec.structs.asdict(told), pictures)

    def watcher(self, media_type: str, *, hiding: bool) -> Watcher:  # noqa: ARG002, nothing to hide
        """Return a watcher of a stream of events, or of a document."""
        if media_type == "text/event-stream":
            return EventWatcher(b'.completed"', self.read_json)
        return BodyWatcher(self.read_json)

    def _read(self, fields: Mapping[str, Any], pictures: int) -> Reading:
        reading = read({"usage": fields.get("usage")})
        usage = reading.usage
        if usage is None:
            return reading._replace(
                usage={"images": pictures} if pictures else None, service_tier=self._tier
            )
        told = fields_of((fields_of(fields.get("usage")) or {}).get("output_tokens_details"))
        if told is None and "output_tokens" in usage:
            usage["output_image_tokens"] = usage["output_tokens"]  # all of them, where none is told
        return reading._replace(others=_authors(fields.get("svg_usage")))


def foreseen(given: Callable[[str], Any]) -> Reading:
    """Return what a request tells of the cost of its pictures."""
    pictures = count_of("n", given("n"), []) or 1
    if _BY_TOKENS not in text_of(given("model")):
        return Reading(usage={"images": pictures}, service_tier=_tier(given))
    tokens = pictures * _TOKENS.get(text_of(given("quality")), _MOST_TOKENS)
    return Reading(usage={"output_tokens": tokens, "output_image_tokens": tokens})


def _tier(given: Callable[[str], Any]) -> str:
    """Return the tier that pictures count as where they are billed by the piece."""
    quality, size = text_of(given("quality")), text_of(given("size"))
    quality = _STANDARD if quality in _UNSAID else quality
    size = _SQUARE if size in _UNSAID else size
    return "" if (quality, size) == (_STANDARD, _SQUARE) else f"{quality} {size}"


def _authors(svg_usage: object) -> tuple[Share, ...]:
    """Return what another model used that wrote the picture down as SVG."""
    fields = fields_of(svg_usage)
    if fields is None:
        return ()
    reasoning = {"reasoning_tokens": fields.get("reasoning_tokens")}
    used = read({"usage": {**fields, "output_tokens_details": reasoning}}).usage
    return (Share(model=text_of(fields.get("model")), usage=used or {}),)
