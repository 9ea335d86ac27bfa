"""How often something may be done."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.units import NANO

MAX_KEYS: Final = 10_000
"""Keys whose rate is remembered; of more, those that have been quiet for longest are forgotten."""


class TokenBuckets:
    """Limits how often each key may do something: ``rate`` times a second, ``burst`` at once."""

    def __init__(self, rate: float, burst: int, *, clock: Clock = SYSTEM_CLOCK) -> None:
        """Begin with full buckets."""
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._buckets: OrderedDict[str, tuple[float, int]] = OrderedDict()  # tokens, as of when

    def take(self, key: str) -> float:
        """Take a token; return 0, or in how many seconds there will be one."""
        now = self._clock.monotonic_ns()
        tokens = self._tokens(key, now)
        wait = 0.0 if tokens >= 1 else (1 - tokens) / self._rate
        self._buckets.pop(key, None)
        self._buckets[key] = (tokens if wait else tokens - 1, now)
        if len(self._buckets) > MAX_KEYS:
            self._buckets.popitem(last=False)
        return wait

    def wait(self, key: str) -> float:
        """Return what :meth:`take` would, and take nothing."""
        tokens = self._tokens(key, self._clock.monotonic_ns())
        return 0.0 if tokens >= 1 else (1 - tokens) / self._rate

    def _tokens(self, key: str, now: int) -> float:
        tokens, since = self._buckets.get(key, (float(self._burst), now))
        return min(self._burst, tokens + (now - since) / NANO * self._rate)
