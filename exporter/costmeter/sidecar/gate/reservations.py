"""The gate's reservations: money set aside for calls under way, and when each of them ends."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from costmeter.clock import Clock
from costmeter.ledger.reservations import Reservation


class _Open(NamedTuple):
    reserved: Reservation
    made_ns: int  # of the monotonic clock: the other one may be set meanwhile


class Reservations:
    """Those that are open; for one thread at a time.

    Attributes:
        by_budget: what is reserved of each budget, in nano-dollars.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin without any."""
        self.by_budget: Counter[str] = Counter()
        self._clock = clock
        self._name = uuid.uuid4().hex[:12]
        self._made = 0
        self._open: dict[str, _Open] = {}  # oldest first
        self._orphaned_ns: dict[str, int] = {}
        self._changed: dict[str, Reservation | None] = {}

    @property
    def owners(self) -> set[int]:
        """The processes that they were made for."""
        return {each.reserved.owner for each in self._open.values() if each.reserved.owner}

    def resume(self, kept: Mapping[str, Reservation]) -> None:
        """Take over those that a ledger holds, oldest first."""
        now_ns, monotonic_ns = self._clock.now_ns(), self._clock.monotonic_ns()
        for name, reserved in kept.items():
            age_ns = max(0, now_ns - reserved.made_ns)
            self._add(name, _Open(reserved, monotonic_ns - age_ns))

    def make(self, nano_usd: int, budgets: Iterable[str], owner: int | None) -> str:
        """Set so many nano-dollars of budgets aside; return the reservation's name."""
        self._made += 1
        name = f"{self._name}-{self._made}"
        reserved = Reservation(nano_usd, tuple(budgets), owner, self._clock.now_ns())
        self._add(name, _Open(reserved, self._clock.monotonic_ns()))
        self._changed[name] = reserved
        return name

    def end(self, name: str) -> None:
        """End one; harmless where it has ended, or is none."""
        if self._let_go(name):
            self._changed[name] = None

    def settle(self, name: str) -> None:
        """End one whose event was committed: the ledger has let go of it with that."""
        self._let_go(name)

    def bury(self, owner: int) -> None:
        """Take note that a process is dead: what it reserved ends with the end of its journal."""
        now_ns = self._clock.monotonic_ns()
        for name, each in self._open.items():
            if each.reserved.owner == owner:
                self._orphaned_ns[name] = now_ns

    def lapse(self, read_ns: int, ttl_ns: int) -> None:
        """End those that no event will come of.

        Args:
            read_ns: an instant (monotonic) until which all journals are read and committed.
            ttl_ns: how long one may be open, in nanoseconds.
        """
        for name in [name for name, at in self._orphaned_ns.items() if at < read_ns]:
            self.end(name)
        while self._open:
            name, oldest = next(iter(self._open.items()))
            if oldest.made_ns > read_ns - ttl_ns:
                break
            self.end(name)

    def take_changes(self) -> dict[str, Reservation | None]:
        """Return those that were made since the last call, and None for those that ended."""
        changed, self._changed = self._changed, {}
        return changed

    def _add(self, name: str, each: _Open) -> None:
        self._open[name] = each
        for budget in each.reserved.budgets:
            self.by_budget[budget] += each.reserved.nano_usd

    def _let_go(self, name: str) -> bool:
        """Return whether the ledger may know of it."""
        ended = self._open.pop(name, None)
        self._orphaned_ns.pop(name, None)
        if ended is None:
            return False
        for budget in ended.reserved.budgets:
            self.by_budget[budget] -= ended.reserved.nano_usd
        return self._changed.pop(name, None) is None
