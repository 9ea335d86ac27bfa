"""A clock that a test sets."""

from dataclasses import dataclass


@dataclass
class Ticking:
    """Tells the time that it was set to, in nanoseconds."""

    now: int

    def now_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.now
