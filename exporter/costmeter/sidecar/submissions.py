"""Events that arrived over HTTP, waiting to be committed: each batch, or each named event, once."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from typing import Final, NamedTuple

import msgspec

from costmeter.clock import Clock
from costmeter.sidecar.handover import Identified, Receipt, UnavailableError
from costmeter.sidecar.taken import Taken
from costmeter.usage import UsageEvent

MOST_WAITING: Final = 1000
"""How many batches may wait; a sender is asked to come again when there are more."""

MAX_SENDERS: Final = 100_000
"""Senders whose last batch is known; of more, those that have been quiet longest are forgotten."""

_encode = msgspec.json.Encoder().encode


class _Batch(NamedTuple):
    source: str
    sequence: int
    payloads: list[bytes]
    receipt: Future[Receipt]


class _NamedEvents(NamedTuple):
    events: list[tuple[bytes | None, Identified]]
    receipt: Future[Receipt]


@dataclass(slots=True)
class Delivery:
    """What was taken from the queue, to be committed at once.

    Attributes:
        events: how many events it adds.
        positions: what the ledger has to keep with the events' sums.
        forget: positions that it may forget.
        receipts: who waits, and what they are told once it is committed.
    """

    events: int = 0
    positions: dict[str, int] = field(default_factory=dict)
    forget: list[str] = field(default_factory=list)
    receipts: list[tuple[Future[Receipt], Receipt]] = field(default_factory=list)

    def answer(self) -> None:
        """Tell those who wait that it is committed."""
        for receipt, told in self.receipts:
            receipt.set_result(told)
        self.receipts = []

    def refuse(self, problem: UnavailableError) -> None:
        """Tell those who wait that it is not going to be committed."""
        for receipt, _ in self.receipts:
            receipt.set_exception(problem)
        self.receipts = []


class Submissions:
    """The queue: the server's threads put batches in, the pipeline's takes them out."""

    def __init__(self, positions: Mapping[str, int], clock: Clock) -> None:
        """Take how far each sender's batches are in the ledger."""
        # The quietest first, as far as is known.
        self._sequences = {name: at for name, at in positions.items() if name.startswith("http:")}
        self._taken = Taken(positions)
        self._clock = clock
        self._waiting: SimpleQueue[_Batch | _NamedEvents] = SimpleQueue()

    def put(self, source: str, sequence: int, events: Sequence[UsageEvent]) -> Future[Receipt]:
        """Queue a batch that its sender's name and its number identify.

        Raises:
            UnavailableError: too many wait.
        """
        receipt: Future[Receipt] = Future()
        self._put(_Batch(source, sequence, [_encode(event) for event in events], receipt))
        return receipt

    def put_named(self, events: Sequence[Identified]) -> Future[Receipt]:
        """Queue events that have names of their own.

        Raises:
            UnavailableError: too many wait.
        """
        receipt: Future[Receipt] = Future()
        encoded = [(_encode(each.event) if each.event else None, each) for each in events]
        self._put(_NamedEvents(encoded, receipt))
        return receipt

    def take(self, add: Callable[[bytes], bool], most: int) -> Delivery:
        """Take batches out and have their events added, until there are ``most`` or more."""
        delivery = Delivery()
        while delivery.events < most:
            try:
                waiting = self._waiting.get_nowait()
            except Empty:
                break
            if isinstance(waiting, _Batch):
                told = self._take_batch(waiting, add, delivery)
            else:
                told = self._take_named(waiting.events, add, delivery)
            delivery.events += told.accepted
            delivery.receipts.append((waiting.receipt, told))
        return delivery

    def refuse(self, problem: UnavailableError) -> None:
        """Turn away all that wait."""
        while not self._waiting.empty():
            self._waiting.get_nowait().receipt.set_exception(problem)

    def _put(self, batch: _Batch | _NamedEvents) -> None:
        if self._waiting.qsize() >= MOST_WAITING:
            raise UnavailableError(f"{MOST_WAITING} batches wait to be committed; try again")
        self._waiting.put(batch)

    def _take_batch(
        self, batch: _Batch, add: Callable[[bytes], bool], delivery: Delivery
    ) -> Receipt:
        name = f"http:{batch.source}"
        if batch.sequence <= self._sequences.get(name, -1):
            return Receipt(0, duplicate=True)
        self._sequences.pop(name, None)
        self._sequences[name] = delivery.positions[name] = batch.sequence
        while len(self._sequences) > MAX_SENDERS:
            quietest = next(iter(self._sequences))
            del self._sequences[quietest]
            delivery.positions.pop(quietest, None)
            delivery.forget.append(quietest)
        return Receipt(sum(map(add, batch.payloads)))

    def _take_named(
        self,
        events: list[tuple[bytes | None, Identified]],
        add: Callable[[bytes], bool],
        delivery: Delivery,
    ) -> Receipt:
        now_ns = self._clock.now_ns()
        accepted = repeats = 0
        for payload, each in events:
            if any(name in self._taken for name in each.known_by):
                repeats += 1
            else:
                delivery.positions.update(self._taken.take(each.takes, now_ns))
                accepted += payload is not None and add(payload)
        forgotten = self._taken.forget(now_ns)
        for name in forgotten:
            delivery.positions.pop(name, None)
        delivery.forget += forgotten
        return Receipt(accepted, duplicate=repeats == len(events))
