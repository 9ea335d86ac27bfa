"""Recent events, kept many to a row: a row each would take five times as long to commit.

A block holds up to :data:`~costmeter.ledger.schema.EVENTS_A_BLOCK` events of one commit as two
JSON arrays in the same order: ``entries`` (time, cost, price) and ``payloads`` (the events as they
came). The functions here run within their caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from operator import itemgetter
from typing import Final, NamedTuple

import msgspec

from costmeter.errors import LedgerError
from costmeter.ledger.batch import Correction, EventRow
from costmeter.ledger.schema import EVENTS_A_BLOCK

_IDS_READ_AT_ONCE: Final = 1000


class _Named(msgspec.Struct, array_like=True, gc=False):
    """The first fields of a :class:`costmeter.usage.UsageEvent`."""

    time_ns: msgspec.Raw = msgspec.Raw()
    operation: msgspec.Raw = msgspec.Raw()
    provider: str = ""
    model: str = ""
    attributes: msgspec.Raw = msgspec.Raw()


_decode_named: Final = msgspec.json.Decoder(_Named).decode
_decode_attributes: Final = msgspec.json.Decoder(dict[str, str]).decode
_decode_entries: Final = msgspec.json.Decoder(list[tuple[int, int | None, int]]).decode
_decode_payloads: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


class StoredEvent(NamedTuple):
    """A kept event.

    Attributes:
        id: its number in the ledger, never given twice.
        time_ns: the instant it counts for, in nanoseconds since 1970-01-01 UTC.
        payload: the event as it came, one JSON array (:class:`costmeter.usage.UsageEvent`).
    """

    id: int
    time_ns: int
    payload: bytes


class PricedEvent(NamedTuple):
    """A kept event with its cost in nano-dollars and what priced it, corrections included."""

    id: int
    time_ns: int
    payload: bytes
    cost_nano_usd: int
    price: str


def number_prices(connection: sqlite3.Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the number of each price, giving new ones a number."""
    numbers = {}
    for name in sorted(names):
        connection.execute("INSERT OR IGNORE INTO price (name) VALUES (?)", (name,))
        row = connection.execute("SELECT id FROM price WHERE name = ?", (name,))
        (numbers[name],) = row.fetchone()
    return numbers


def keep(
    connection: sqlite3.Connection, events: Sequence[EventRow], prices: Mapping[str, int]
) -> None:
    """Add events; those without a cost are noted as unpriced."""
    for first in range(0, len(events), EVENTS_A_BLOCK):
        times, payloads, costs, names = zip(*events[first : first + EVENTS_A_BLOCK], strict=True)
        entries = list(zip(times, costs, map(prices.__getitem__, names), strict=True))
        cursor = connection.execute(
            "INSERT INTO event_block (first_ns, last_ns, events, max_cost, entries, payloads) "
            "VALUES (?, ?, ?, ?, ?, ?) RETURNING id",
            (
                min(times),
                max(times),
                len(times),
                max(filter(None, costs), default=0),
                msgspec.json.encode(entries).decode(),
                b"[%b]" % b",".join(payloads),
            ),
        )
        (block,) = cursor.fetchone()
        if None in costs:
            _wait_for_a_price(connection, block, costs, payloads)


def _wait_for_a_price(
    connection: sqlite3.Connection,
    block: int,
    costs: Sequence[int | None],
    payloads: Sequence[bytes],
) -> None:
    rows = []
    for index, cost in enumerate(costs):
        if cost is None:
            event = _decode_named(payloads[index])
            rows.append((block * EVENTS_A_BLOCK + index, event.provider, event.model))
    connection.executemany("INSERT INTO unpriced VALUES (?, ?, ?)", rows)


def correct(
    connection: sqlite3.Connection, corrections: Iterable[Correction], prices: Mapping[str, int]
) -> None:
    """Add corrections.

    Raises:
        LedgerError: an event has a price already, or does not exist.
    """
    for event, time_ns, cost, price, reason in corrections:
        waited = connection.execute("DELETE FROM unpriced WHERE event = ?", (event,)).rowcount
        if not waited:
            raise LedgerError(f"event {event} does not wait for a price, it may have one by now")
        connection.execute(
            "INSERT INTO correction VALUES (?, ?, ?, ?, ?)",
            (event, time_ns, cost, prices[price], reason),
        )


def unpriced(connection: sqlite3.Connection) -> Iterator[StoredEvent]:
    """Yield the events that wait for a price; others may be corrected or added meanwhile."""
    last = -1
    while True:
        rows = connection.execute(
            "SELECT event FROM unpriced WHERE event > ? ORDER BY event LIMIT ?",
            (last, _IDS_READ_AT_ONCE),
        ).fetchall()
        if not rows:
            return
        for block, ids in groupby((event for (event,) in rows), lambda id_: id_ // EVENTS_A_BLOCK):
            entries, payloads = _block(connection, block)
            for last in ids:
                index = last % EVENTS_A_BLOCK
                yield StoredEvent(last, entries[index][0], bytes(payloads[index]))


def has_labels(event: StoredEvent, where: Mapping[str, str]) -> bool:
    """Return whether an event has all of these values: a provider, a model, attributes."""
    if not where:
        return True
    named = _decode_named(event.payload)
    labels = _decode_attributes(named.attributes)
    labels |= {"provider": named.provider, "model": named.model}
    return all(labels.get(name, "") == value for name, value in where.items())


def prune(connection: sqlite3.Connection, before_ns: int, blocks: int) -> int:
    """Delete up to so many blocks whose events are all priced and older than an instant.

    Returns:
        How many events went.
    """
    rows = connection.execute(
        "SELECT id, events FROM event_block WHERE last_ns < ?1 AND NOT EXISTS ("
        "SELECT 1 FROM unpriced WHERE event >= id * ?2 AND event < (id + 1) * ?2"
        ") ORDER BY last_ns LIMIT ?3",
        (before_ns, EVENTS_A_BLOCK, blocks),
    ).fetchall()
    ids = [(block,) for block, _ in rows]
    connection.executemany("DELETE FROM event_block WHERE id = ?", ids)
    connection.executemany(
        "DELETE FROM correction WHERE event >= ?1 * ?2 AND event < (?1 + 1) * ?2",
        [(block, EVENTS_A_BLOCK) for (block,) in ids],
    )
    return sum(events for _, events in rows)


def dearest(
    connection: sqlite3.Connection, limit: int, start_ns: int, end_ns: int
) -> list[PricedEvent]:
    """Return the most expensive events of a time, dearest first.

    Blocks are opened in the order of their dearest event, only as many as it takes.
    """
    found = _corrected(connection, limit, start_ns, end_ns)
    blocks = connection.execute(
        "SELECT id, max_cost FROM event_block WHERE last_ns >= ? AND first_ns < ? "
        "ORDER BY max_cost DESC",
        (start_ns, end_ns),
    ).fetchall()
    for block, max_cost in blocks:
        if len(found) >= limit and max_cost <= found[-1][0]:
            break
        entries, _ = _block(connection, block)
        found += [
            (cost, block * EVENTS_A_BLOCK + index, price)
            for index, (time_ns, cost, price) in enumerate(entries)
            if cost is not None and start_ns <= time_ns < end_ns
        ]
        found = sorted(found, key=itemgetter(0), reverse=True)[:limit]
    return [_priced(connection, *each) for each in found]


def _corrected(
    connection: sqlite3.Connection, limit: int, start_ns: int, end_ns: int
) -> list[tuple[int, int, int]]:
    """Return cost, event and price of the dearest events that were priced later."""
    found: list[tuple[int, int, int]] = []
    for row in connection.execute("SELECT cost, event, price FROM correction ORDER BY cost DESC"):
        if len(found) == limit:
            break
        entries, _ = _block(connection, row[1] // EVENTS_A_BLOCK)
        if start_ns <= entries[row[1] % EVENTS_A_BLOCK][0] < end_ns:
            found.append(row)
    return found


def _priced(connection: sqlite3.Connection, cost: int, event: int, price: int) -> PricedEvent:
    entries, payloads = _block(connection, event // EVENTS_A_BLOCK)
    index = event % EVENTS_A_BLOCK
    (name,) = connection.execute("SELECT name FROM price WHERE id = ?", (price,)).fetchone()
    return PricedEvent(event, entries[index][0], bytes(payloads[index]), cost, name)


def _block(
    connection: sqlite3.Connection, block: int
) -> tuple[list[tuple[int, int | None, int]], list[msgspec.Raw]]:
    row = connection.execute("SELECT entries, payloads FROM event_block WHERE id = ?", (block,))
    entries, payloads = row.fetchone()
    return _decode_entries(entries), _decode_payloads(payloads)
