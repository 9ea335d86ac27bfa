"""Time as costmeter asks for it, so that tests can set it."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol


class Clock(Protocol):
    """A source of wall-clock and of monotonic time, both in nanoseconds."""

    def now_ns(self) -> int:
        """Return nanoseconds since 1970-01-01 UTC; may step when the machine's clock is set."""

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an arbitrary instant; never goes back."""


class SystemClock:
    """The clock of this machine."""

    def now_ns(self) -> int:
        """Return nanoseconds since 1970-01-01 UTC."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an arbitrary instant."""
        return time.monotonic_ns()


SYSTEM_CLOCK: Final = SystemClock()
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(time_ns: int) -> str:
    """Return an instant, in nanoseconds since 1970-01-01 UTC, as text to the microsecond."""
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat().replace("+00:00", "Z")
