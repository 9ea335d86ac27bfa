"""Reads what a context cache costs: its storage, and at Vertex AI what was written to it.

Storage is billed by tokens and time, for as long as was asked for, also where the cache is deleted
before; a longer time given to it later is billed too. So that counts when it is asked for, under a
name of its own, for no model's price tells of storage.

Sources: https://ai.google.dev/gemini-api/docs/caching,
https://cloud.google.com/vertex-ai/generative-ai/docs/context-cache/context-cache-overview and
https://discuss.ai.google.dev/t/clarification-on-context-cache-storage-billing-ttl-vs-actual-time/81267
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import msgspec

from costmeter.instrumentation.clients.fields import count_of, fields_of, text_of
from costmeter.instrumentation.clients.reading import NO_JSON, Reading, Share
from costmeter.usage import MAX_QUANTITY

STORAGE: Final = "-cache-storage"
"""What follows a model's name where its storage is meant."""
_MOST: Final = 10_000
_MOST_PARTS: Final = 1000
_WRITES_COST: Final = "gcp.vertex_ai"

_expiring: Final[dict[str, datetime]] = {}
"""Until when caches are paid for that this process has seen, by name; the oldest are forgotten."""


class _Cache(msgspec.Struct, rename="camel"):
    name: str
    model: Any = None
    create_time: datetime | None = None
    expire_time: datetime | None = None
    usage_metadata: Any = None


_decode: Final = msgspec.json.Decoder(_Cache).decode


class CacheReader:
    """Reads a cache that was made, or given another time to live."""

    def __init__(self, provider: str, *, made: bool) -> None:
        """Take the provider, and whether the cache is new."""
        self._writes = made and provider == _WRITES_COST
        self._made = made

    def read(self, body: str | bytes) -> Reading:
        """Return what a cache costs by what was just asked for.

        A longer time for one that another process has made has no usage: how much longer is not
        known. A shorter one takes nothing back.
        """
        try:
            cache = _decode(body)
        except msgspec.DecodeError:
            return NO_JSON
        odd: list[str] = []
        told = (fields_of(cache.usage_metadata) or {}).get("totalTokenCount")
        tokens = count_of("totalTokenCount", told, odd)
        model = text_of(cache.model).rpartition("/")[2]
        since = cache.create_time if self._made else _expiring.get(cache.name)
        if not (model and tokens and since and cache.expire_time):
            return Reading(model=model, odd=tuple(odd))
        _remember(cache.name, max(since, cache.expire_time))
        seconds = max(round((cache.expire_time - since).total_seconds()), 0)
        storage = _storage(model + STORAGE, tokens * seconds, odd)
        if self._writes:
            written = {"input_tokens": tokens, "cache_write_tokens": tokens}
            return Reading(usage=written, model=model, others=storage, odd=tuple(odd))
        first, *others = storage or [Share(model + STORAGE, {})]
        return Reading(usage=first.usage, model=first.model, others=tuple(others), odd=tuple(odd))


def _storage(name: str, token_seconds: int, odd: list[str]) -> tuple[Share, ...]:
    """Return storage, in as many parts as it takes for each to fit into an event.

    A million tokens for twelve days are one of these already.
    """
    full, rest = divmod(token_seconds, MAX_QUANTITY)
    if full >= _MOST_PARTS:
        odd.append("a cache that is kept for ever, whose storage is not counted")
        return ()
    parts = [MAX_QUANTITY] * full + [rest] * (rest > 0 or not full)
    return tuple(Share(name, {"cached_token_seconds": part}) for part in parts)


def _remember(name: str, until: datetime) -> None:
    if len(_expiring) >= _MOST:
        _expiring.pop(next(iter(_expiring)), None)
    _expiring[name] = until
