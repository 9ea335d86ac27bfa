"""What an application has recorded, as its events."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from costmeter.usage import UsageEvent


def usage_in(payloads: Iterable[bytes]) -> list[UsageEvent]:
    """Return the usage in a journal's records; what says that a request has ended is none."""
    events = (msgspec.json.decode(payload, type=UsageEvent) for payload in payloads)
    return [event for event in events if event.provider]
