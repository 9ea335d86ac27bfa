"""Requests of applications that are under way: what the calls within each have cost so far.

A request is one observation in the histogram of cost per request however many calls it makes, so
its cost is held here until it ends. The money is in the histogram's sum, and in all other sums, as
soon as it is spent. What is held is committed with the sums: a restart loses no observation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from costmeter.units import NANO

LAPSE_NS: Final = 3600 * NANO
"""How long after its first call a request is taken for ended: its worker died, or it has become a
background task. Calls that it makes later are an observation of their own."""
MOST_OPEN: Final = 100_000
"""Beyond as many, those that began first are taken for ended."""


class Part(NamedTuple):
    """Where the cost of a request is observed: label values of the histogram."""

    endpoint: str
    provider: str


class Ended(NamedTuple):
    """A request's cost at one provider, to be observed: in nano-dollars."""

    part: Part
    cost_nano_usd: int


class OpenRequest(NamedTuple):
    """What a request has cost so far at one provider.

    Attributes:
        request: the request's id, as the application gave it.
        part: what it is observed as.
        began_ns: when it became known, in nanoseconds since 1970.
        cost_nano_usd: what it has cost so far, in nano-dollars.
    """

    request: str
    part: Part
    began_ns: int
    cost_nano_usd: int


class _Costs(NamedTuple):
    began_ns: int
    by_part: dict[Part, int]


class OpenRequests:
    """Adds up the calls of each request until it ends."""

    def __init__(self) -> None:
        """Begin without any."""
        self._costs: dict[str, _Costs] = {}
        self._changed: set[str] = set()

    def resume(self, known: Iterable[OpenRequest]) -> None:
        """Take what a ledger holds, oldest first."""
        for request, part, began_ns, cost in known:
            costs = self._costs.setdefault(request, _Costs(began_ns, {}))
            costs.by_part[part] = cost

    def add(self, request: str, part: Part, cost_nano_usd: int, now_ns: int) -> None:
        """Add the cost of one call to its request."""
        costs = self._costs.get(request)
        if costs is None:
            costs = self._costs[request] = _Costs(now_ns, {})
        costs.by_part[part] = costs.by_part.get(part, 0) + cost_nano_usd
        self._changed.add(request)

    def end(self, request: str) -> list[Ended]:
        """Return what a request has cost, and forget it; nothing where no call was in it."""
        costs = self._costs.pop(request, None)
        if costs is None:
            return []
        self._changed.add(request)
        return [Ended(part, cost) for part, cost in costs.by_part.items()]

    def lapse(self, now_ns: int) -> Iterator[Ended]:
        """Yield what requests have cost that began too long ago, or that are too many."""
        while self._costs:
            request = next(iter(self._costs))
            is_old = self._costs[request].began_ns < now_ns - LAPSE_NS
            if not is_old and len(self._costs) <= MOST_OPEN:
                return
            yield from self.end(request)

    def take(self) -> dict[str, list[OpenRequest]]:
        """Return what changed since the last call, by request: all of its parts, none if ended."""
        changed = {request: list(self._parts(request)) for request in sorted(self._changed)}
        self._changed.clear()
        return changed

    def _parts(self, request: str) -> Iterator[OpenRequest]:
        costs = self._costs.get(request)
        if costs is not None:
            for part, cost in costs.by_part.items():
                yield OpenRequest(request, part, costs.began_ns, cost)
