"""What an application may tell more than once, such as the results of a batch that it reads again.

Such an event has an identity. The ledger keeps a digest of it, committed with the event's sums, for
as long as it keeps events: 16 bytes of an identity, since a month may have millions of results.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

_BYTES: Final = 16
"""Of a digest: two of a billion identities have the same one with a chance of 1 in 10^21."""


def digest_of(identity: str) -> bytes:
    """Return what is kept of an identity."""
    return blake2b(identity.encode(), digest_size=_BYTES).digest()


def is_taken(connection: sqlite3.Connection, digest: bytes) -> bool:
    """Return whether an event with that identity is in the ledger."""
    row = connection.execute("SELECT 1 FROM identity WHERE digest = ?", (digest,))
    return row.fetchone() is not None


def take(connection: sqlite3.Connection, digests: Iterable[tuple[bytes, int]]) -> None:
    """Add identities with when they were taken, in nanoseconds since 1970."""
    connection.executemany("INSERT OR IGNORE INTO identity VALUES (?, ?)", digests)


def prune(connection: sqlite3.Connection, before_ns: int) -> None:
    """Forget identities that were taken before an instant."""
    connection.execute("DELETE FROM identity WHERE time_ns < ?", (before_ns,))
