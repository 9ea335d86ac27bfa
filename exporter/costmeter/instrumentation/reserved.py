"""What the gate has set aside for the next call of this thread or task."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final


class Reserved:
    """A reservation until the call that it was made for takes it.

    Attributes:
        reservation: its name; empty once it is taken.
        kept: whether it is a block's own, which no later check replaces.
    """

    __slots__ = ("kept", "reservation")

    def __init__(self, reservation: str, *, kept: bool = False) -> None:
        """Hold a reservation."""
        self.reservation = reservation
        self.kept = kept


reserved: Final[ContextVar[Reserved | None]] = ContextVar("costmeter_reserved", default=None)


def take() -> str:
    """Return the reservation that waits for a call, which has it from now on; empty for none."""
    held = reserved.get()
    if held is None:
        return ""
    reservation, held.reservation = held.reservation, ""
    return reservation
