"""A model's prices at one instant, in exact US dollars, whatever source they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Final, NamedTuple

_MILLION: Final = 1_000_000
_PARENTS: Final = {
    "cache_read": "input",
    "cache_write": "input",
    "cache_write_1h": "cache_write",
    "input_audio": "input",
    "input_image": "input",
    "reasoning": "output",
    "output_audio": "output",
    "output_image": "output",
}
"""Which kind's price holds for a kind of tokens without a price of its own."""

TokenPrices = Mapping[str, Decimal | None]
"""US dollars per million tokens by kind (:data:`costmeter.pricing.tokens.KINDS`).

A kind that is not in it costs what its parent costs; a kind that is None has no price at all: it is
billed by something else, such as audio by the hour.
"""


class Piece(NamedTuple):
    """How usage that is no tokens is charged.

    Attributes:
        component: what its cost is for.
        price: the name of its price, which ``costmeter.yml`` has as ``usd_per_<name>``.
        share: what of that one of them costs.
        fixed: whether it costs the same in every service tier.
    """

    component: str
    price: str
    share: Fraction = Fraction(1)
    fixed: bool = False


PIECES: Final = {
    "images": Piece("image", "image"),
    "web_searches": Piece("tool", "web_search", fixed=True),
    "input_audio_seconds": Piece("audio", "audio_hour", Fraction(1, 3600)),
    "input_characters": Piece("input", "million_characters", Fraction(1, _MILLION)),
    "search_units": Piece("request", "search_unit", fixed=True),
    "output_video_seconds": Piece("image", "video_second"),
    "file_searches": Piece("tool", "file_search", fixed=True),
    "container_sessions": Piece("tool", "container_session"),
    "training_tokens": Piece("compute", "million_training_tokens", Fraction(1, _MILLION)),
    "input_pages": Piece("input", "page"),
    "annotated_pages": Piece("input", "annotated_page"),
    "classifications": Piece("input", "classification"),
    "cached_token_seconds": Piece(
        "storage", "million_cached_token_hours", Fraction(1, 3600 * _MILLION)
    ),
    "text_units": Piece("tool", "text_unit"),
}
"""How usage that is no tokens is charged, by its key."""


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of one model.

    Attributes:
        tokens: US dollars per million tokens, for requests of any length not in ``above``.
        above: pairs, rising, of a number of input tokens (cached ones included) and the prices of
            **all** tokens of a request with more input than that.
        pieces: US dollars by the names of :data:`PIECES`' prices, for what is no tokens. What is
            not in it has no price; of images only those are unpriced then that are not billed by
            their tokens.
        request: US dollars per request, whatever its length.
    """

    tokens: TokenPrices = field(default_factory=dict)
    above: tuple[tuple[int, TokenPrices], ...] = ()
    pieces: Mapping[str, Decimal] = field(default_factory=dict)
    request: Decimal = Decimal(0)


def token_price(tokens: TokenPrices, kind: str) -> Decimal | None:
    """Return what a million tokens of a kind cost in US dollars, by its own or its parent's price.

    Cached audio costs what other cached tokens cost, where they have a price, else what audio
    costs.
    """
    if kind == "cache_audio_read" and kind not in tokens:
        if tokens.get("input_audio", Decimal(0)) is None:
            return None
        kind = "cache_read" if "cache_read" in tokens else "input_audio"
    while kind not in tokens:
        if kind not in _PARENTS:
            return None
        kind = _PARENTS[kind]
    return tokens[kind]
