"""A usage event: what was used, when and for whom. It carries no prompt, no answer and no key.

The journal and ``POST /v1/events`` hold events as one JSON array with the fields below in this
order. New fields are only ever appended, with a default, so that an old application and a new
sidecar (and the reverse) understand each other.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

USAGE_KEYS: Final = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "input_audio_tokens",
    "cache_audio_read_tokens",
    "input_image_tokens",
    "output_tokens",
    "reasoning_tokens",
    "output_audio_tokens",
    "output_image_tokens",
    "images",
    "web_searches",
    "input_audio_seconds",
    "input_characters",
    "search_units",
    "output_video_seconds",
    "file_searches",
    "container_sessions",
    "training_tokens",
    "input_pages",
    "annotated_pages",
    "classifications",
    "cached_token_seconds",
    "text_units",
)
"""Keys of :attr:`UsageEvent.usage`, each a whole number of tokens, pieces or whole units.

``input_tokens`` includes all other input tokens (cache reads and writes, audio, images) and
``output_tokens`` all other output tokens (reasoning, audio, images), as in OpenTelemetry's GenAI
conventions. ``cache_write_tokens`` are all tokens written to a cache, ``cache_write_1h_tokens``
those of them that were written for an hour; ``cache_audio_read_tokens`` are in both
``cache_read_tokens`` and ``input_audio_tokens``. ``input_audio_seconds`` are audio that is billed
by time, ``input_characters`` text to be spoken, ``search_units`` Cohere's: one query with up to a
hundred documents. ``output_video_seconds`` are film that was made, ``file_searches`` and
``container_sessions`` what a provider's own tools did beside the model, ``training_tokens`` what a
model was trained with, each token as often as it was; they are no input tokens. ``input_pages`` are
pages whose text was read, ``annotated_pages`` others that were described in a given form too,
``classifications`` texts that were put into classes. ``cached_token_seconds`` are the tokens in a
cache times the seconds that they are kept, where storage is billed, ``text_units`` pieces of text
of up to a thousand characters that a guardrail has looked through.
"""

MAX_EVENT_BYTES: Final = 16_384
"""Bytes of an encoded event."""
MAX_ATTRIBUTES: Final = 32
MAX_NAME_LENGTH: Final = 128
"""Characters of an attribute's name, a provider, an operation, a status or a service tier."""
MAX_VALUE_LENGTH: Final = 256
"""Characters of an attribute's value or of a model's name."""
MAX_QUANTITY: Final = 10**12
"""The largest count of tokens, pieces, calls or requests in one event."""
MAX_COST_NANO_USD: Final = 10**15
"""The largest cost of one event, in nano-dollars: a million US dollars."""
MAX_DURATION_NS: Final = 30 * 86_400 * 10**9
"""The longest duration of one event, in nanoseconds: thirty days."""

Instant = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Quantity = Annotated[int, msgspec.Meta(ge=0, le=MAX_QUANTITY)]
Length = Annotated[int, msgspec.Meta(ge=0, le=MAX_DURATION_NS)]
Cost = Annotated[int, msgspec.Meta(ge=-MAX_COST_NANO_USD, le=MAX_COST_NANO_USD)]


class UsageEvent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one call, request or sample used.

    Attributes:
        time_ns: when it ended, in nanoseconds since 1970-01-01 UTC.
        operation: OpenTelemetry's ``gen_ai.operation.name`` (``chat``, ``embeddings``, …), or
            ``request``, ``api_call``, ``tokens``, ``compute``.
        provider: OpenTelemetry's ``gen_ai.provider.name``.
        model: the model that answered, as the provider names it; empty where none is known.
        attributes: whom it was for: ``endpoint``, ``feature``, ``team`` and any other name. Those
            that are configured as labels become labels, the others stay in the ledger.
        usage: whole numbers by :data:`USAGE_KEYS`.
        calls: calls of the provider's API that this event counts for.
        requests: observations in the histogram of cost per request that it counts for.
        duration_ns: how long it took, in nanoseconds; 0 where not known.
        status: ``ok`` or the kind of error (``rate_limited``, ``timeout``, …).
        service_tier: the provider's service tier (``batch``, ``flex``, ``priority``), or empty.
        cost_nano_usd: what it cost in nano-dollars where the application knows (negative: money
            taken back); None asks the sidecar to price it.
        estimated: whether the usage was counted locally rather than reported by the provider.
        request: the request of the application that it is part of, by an id of its own; empty
            where none is known. All parts are one observation in the histogram of cost per request,
            made when an event comes with the id that has no call, no usage and no cost.
        reservation: what the gate had set aside for it, which ends once the event is in the ledger;
            empty where nothing was.
        identity: what it is known by where it can come more than once, such as the result of a
            batch that is read again; one whose identity the ledger has is dropped. Empty otherwise.
        first_chunk_ns: time from its start to the first chunk of an answer that streamed, in
            nanoseconds; 0 where it did not, or where that is not known.
        retries: attempts that failed and were made again: before this call, or with its status
            where it stands for no call.
    """

    time_ns: Instant
    operation: str
    provider: str
    model: str
    attributes: dict[str, str]
    usage: dict[str, Quantity]
    calls: Quantity = 1
    requests: Quantity = 1
    duration_ns: Length = 0
    status: str = "ok"
    service_tier: str = ""
    cost_nano_usd: Cost | None = None
    estimated: bool = False
    request: str = ""
    reservation: str = ""
    identity: str = ""
    first_chunk_ns: Length = 0
    retries: Quantity = 0


class RecordedUsage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A :class:`UsageEvent` as the pipeline reads it: ``attributes`` stay undecoded.

    The same few sets of attributes come again and again, so the pipeline decodes and checks each
    set once and finds it again by its bytes.
    """

    time_ns: Instant
    operation: str
    provider: str
    model: str
    attributes: msgspec.Raw
    usage: dict[str, Quantity]
    calls: Quantity = 1
    requests: Quantity = 1
    duration_ns: Length = 0
    status: str = "ok"
    service_tier: str = ""
    cost_nano_usd: Cost | None = None
    estimated: bool = False
    request: str = ""
    reservation: str = ""
    identity: str = ""
    first_chunk_ns: Length = 0
    retries: Quantity = 0
