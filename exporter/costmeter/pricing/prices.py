"""A model's prices at one instant, in exact US dollars, whatever source they come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

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


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of one model.

    Attributes:
        tokens: US dollars per million tokens, for requests of any length not in ``above``.
        above: pairs, rising, of a number of input tokens (cached ones included) and the prices of
            **all** tokens of a request with more input than that.
        image: US dollars per generated image; None where images are billed by their tokens.
        web_search: US dollars per web search; None where there is no price.
        audio_hour: US dollars per hour of audio that was read; None where it is billed otherwise.
        million_characters: US dollars per million characters that were read; None likewise.
        search_unit: US dollars per search unit; None where there is no price.
        video_second: US dollars per second of film; None where there is no price.
        file_search: US dollars per search of files; None likewise.
        container_session: US dollars per container that is started; None likewise.
        million_training_tokens: US dollars per million tokens of training; None likewise.
        page: US dollars per page whose text is read; None likewise.
        annotated_page: US dollars per page that is annotated too; None likewise.
        classification: US dollars per text that is put into a class; None likewise.
        million_cached_token_hours: US dollars for keeping a million tokens for an hour; None
            likewise.
        text_unit: US dollars per text unit of a guardrail; None likewise.
        request: US dollars per request, whatever its length.
    """

    tokens: TokenPrices = field(default_factory=dict)
    above: tuple[tuple[int, TokenPrices], ...] = ()
    image: Decimal | None = None
    web_search: Decimal | None = None
    audio_hour: Decimal | None = None
    million_characters: Decimal | None = None
    search_unit: Decimal | None = None
    video_second: Decimal | None = None
    file_search: Decimal | None = None
    container_session: Decimal | None = None
    million_training_tokens: Decimal | None = None
    page: Decimal | None = None
    annotated_page: Decimal | None = None
    classification: Decimal | None = None
    million_cached_token_hours: Decimal | None = None
    text_unit: Decimal | None = None
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
