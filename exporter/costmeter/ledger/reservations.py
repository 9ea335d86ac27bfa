"""What the gate has set aside for calls under way: kept so that a restart does not forget it.

Each is written with the next commit after it was made, and deleted in the very transaction that
adds the sums of the event that puts an end to it. Those that end before are never written.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import msgspec

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(tuple[str, ...]).decode


class Reservation(NamedTuple):
    """Money set aside.

    Attributes:
        nano_usd: how much, in nano-dollars.
        budgets: names of the budgets that it counts for.
        owner: the process that it was made for; None where its end will not be told.
        made_ns: when, in nanoseconds since 1970.
    """

    nano_usd: int
    budgets: tuple[str, ...]
    owner: int | None
    made_ns: int


def keep(connection: sqlite3.Connection, changed: Mapping[str, Reservation | None]) -> None:
    """Write reservations by name; None deletes one."""
    connection.executemany(
        "REPLACE INTO reservation VALUES (?, ?, ?, ?, ?)",
        [
            (name, each.nano_usd, _encode(each.budgets).decode(), each.owner, each.made_ns)
            for name, each in changed.items()
            if each is not None
        ],
    )
    settle(connection, (name for name, each in changed.items() if each is None))


def settle(connection: sqlite3.Connection, names: Iterable[str]) -> None:
    """Delete reservations; others' names are harmless."""
    connection.executemany("DELETE FROM reservation WHERE name = ?", [(name,) for name in names])


def kept(connection: sqlite3.Connection) -> dict[str, Reservation]:
    """Return the reservations by name, oldest first."""
    rows = connection.execute("SELECT * FROM reservation ORDER BY made_ns, name")
    return {
        name: Reservation(nano_usd, _decode(budgets), owner, made_ns)
        for name, nano_usd, budgets, owner, made_ns in rows
    }
