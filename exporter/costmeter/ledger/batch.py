"""What is committed to the ledger at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from costmeter.ledger.requests import OpenRequest
from costmeter.ledger.reservations import Reservation


class EventRow(NamedTuple):
    """An event that is kept.

    Attributes:
        time_ns: the instant it counts for, in nanoseconds since 1970-01-01 UTC.
        payload: the event as it came, one JSON array (:class:`costmeter.usage.UsageEvent`).
        cost_nano_usd: its cost in nano-dollars; None where there is no price yet.
        price: what priced it, such as ``genai-prices 0.2.3:openai/gpt-4o-mini``.
    """

    time_ns: int
    payload: bytes
    cost_nano_usd: int | None
    price: str


class Correction(NamedTuple):
    """The cost of a kept event that had none: an entry of its own, the event stays as it was.

    Attributes:
        event_id: :attr:`costmeter.ledger.store.StoredEvent.id`.
        time_ns: when it was corrected, in nanoseconds since 1970-01-01 UTC.
        cost_nano_usd: what the event costs, in nano-dollars.
        price: what priced it.
        reason: why, in a word or a sentence.
    """

    event_id: int
    time_ns: int
    cost_nano_usd: int
    price: str
    reason: str


@dataclass(slots=True)
class Batch:
    """Everything that one transaction adds.

    Attributes:
        sums: by series, what to add by quarter of an hour (:func:`costmeter.units.quarter`).
            Families without sums by quarter (histograms) may use any number for it.
        positions: by name, how far a source has been read: the new values.
        forget: names of positions that are of no use any more.
        events: events to keep.
        shown: series whose value may be exposed from now on.
        corrections: costs of events that had none; the money itself is in ``sums``.
        requests: by id, what requests under way have cost; nothing for those that have ended.
        reserved: reservations of the gate by name; None for those that have ended.
        settled: reservations that its events put an end to.
        identities: digests of its events' identities, and when each was taken.
    """

    sums: dict[int, dict[int, int]] = field(default_factory=dict)
    positions: dict[str, int] = field(default_factory=dict)
    forget: list[str] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    shown: list[int] = field(default_factory=list)
    corrections: list[Correction] = field(default_factory=list)
    requests: dict[str, list[OpenRequest]] = field(default_factory=dict)
    reserved: dict[str, Reservation | None] = field(default_factory=dict)
    settled: list[str] = field(default_factory=list)
    identities: dict[bytes, int] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to commit."""
        return self == _EMPTY


_EMPTY: Final = Batch()
