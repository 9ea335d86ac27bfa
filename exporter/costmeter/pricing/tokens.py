"""Usage as counts that never overlap.

Usage (:data:`costmeter.usage.USAGE_KEYS`) counts a cached audio token three times: as input, as
cached and as audio. Here each token is counted once, under the kind that it is priced as.

Reports can contradict themselves: cached and audio tokens overlap in ways that no key tells, some
providers leave cached tokens out of their input count, some libraries count wrongly. No kind ever
becomes negative. Parts that sum to more than their whole are read so:

1. What was read from a cache may have been images or audio, so what is too much is taken from the
   images, then from the audio, up to what was read: a cached image is billed as cached.
2. What is then still too much is no overlap: the whole is the sum of its parts.
3. More written for an hour than written at all counts as written; more cached audio than cached
   tokens or audio tokens counts as much as both allow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KINDS: Final = (
    "input",
    "cache_read",
    "cache_audio_read",
    "cache_write",
    "cache_write_1h",
    "output",
    "reasoning",
    "input_audio",
    "output_audio",
    "input_image",
    "output_image",
)
"""Kinds of tokens that can have a price of their own. They never overlap.

``cache_write`` are tokens written to a cache for the default lifetime (Anthropic's five minutes),
``cache_write_1h`` for an hour; ``cache_audio_read`` is audio that was read from a cache.
"""

_SHOWN_AS: Final = {"cache_audio_read": "cache_read", "cache_write_1h": "cache_write"}
TYPE_OF: Final = {kind: _SHOWN_AS.get(kind, kind) for kind in KINDS}
"""The type (:data:`costmeter.names.TOKEN_TYPES`) of each kind: those that differ in price only are
one on ``/metrics``."""


def count(usage: Mapping[str, int]) -> tuple[int, ...]:
    """Return how many tokens of each of :data:`KINDS` were used, in that order."""
    get = usage.get
    whole = get("input_tokens", 0)
    reads = get("cache_read_tokens", 0)
    writes = get("cache_write_tokens", 0)
    hour = get("cache_write_1h_tokens", 0)
    audio = get("input_audio_tokens", 0)
    image = get("input_image_tokens", 0)
    cached_audio = get("cache_audio_read_tokens", 0)
    made = get("output_tokens", 0)
    reasoning = get("reasoning_tokens", 0)
    spoken = get("output_audio_tokens", 0)
    drawn = get("output_image_tokens", 0)

    if cached_audio:
        cached_audio = min(cached_audio, reads, audio)
        reads -= cached_audio
        audio -= cached_audio
    if hour > writes:
        writes = 0
    else:
        writes -= hour
    text = whole - reads - cached_audio - writes - hour - audio - image
    if text < 0:
        overlap = min(-text, reads, image + audio)
        audio -= max(overlap - image, 0)
        image = max(image - overlap, 0)
        text = 0
    written = max(made - reasoning - spoken - drawn, 0)
    return (
        text, reads, cached_audio, writes, hour, written, reasoning, audio, spoken, image, drawn
    )  # fmt: skip
