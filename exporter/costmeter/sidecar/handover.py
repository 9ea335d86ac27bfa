"""What is handed over to the pipeline, what comes of it, and when nothing is taken."""

from __future__ import annotations

from typing import Literal, NamedTuple

from costmeter.errors import CostmeterError
from costmeter.usage import UsageEvent

State = Literal["starting", "ready", "draining"]
"""``starting`` until the ledger is open and the first chunk is read; ``draining`` after a stop was
asked for: nothing more is taken, but ``/metrics`` is still answered."""


class UnavailableError(CostmeterError):
    """The pipeline takes no events now: it is starting, draining or its queue is full."""


class Receipt(NamedTuple):
    """What became of a batch of events, told once the ledger has committed it.

    Attributes:
        accepted: events of the batch that the ledger holds; 0 for a duplicate.
        duplicate: a batch of the same source and sequence, or a later one, or all of its events
            were taken before.
    """

    accepted: int
    duplicate: bool = False


class Identified(NamedTuple):
    """An event of a sender that says no source and sequence, with what it is known by.

    Attributes:
        event: the event; None where it was counted elsewhere, and only its names are to be taken.
        known_by: names; where one of them is taken, the event is a repeat.
        takes: names that are taken once the event is counted.
    """

    event: UsageEvent | None
    known_by: tuple[str, ...]
    takes: tuple[str, ...]
