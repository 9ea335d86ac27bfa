"""Who changed which budget, when and how: only ever added to, which the table itself sees to."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import msgspec

from costmeter.clock import rfc3339
from costmeter.ledger.query import reading

Source = Literal["file", "api", "alert"]
"""Where a change came from: ``costmeter.yml``, the API, or an alert."""
Subject = Literal["limits", "emergency"]
"""What was changed: the budget itself (``limits``), or whether it is in emergency."""

Document = dict[str, Any]

_encode: Final = msgspec.json.Encoder(order="sorted").encode
_decode: Final = msgspec.json.Decoder(Document).decode


class Change(NamedTuple):
    """A change of a budget.

    Attributes:
        time_ns: when, in nanoseconds since 1970-01-01 UTC.
        source: where it came from.
        who: the user or token that made it; empty for the file and for strangers.
        budget: the budget's name.
        subject: what was changed.
        before: what it was, as ``costmeter.yml`` would have it; None where there was nothing.
        after: what it is; None where it is gone.
    """

    time_ns: int
    source: Source
    who: str
    budget: str
    subject: Subject
    before: Document | None
    after: Document | None

    @property
    def document(self) -> Document:
        """The change as JSON has it."""
        fields = self._asdict()
        del fields["time_ns"]
        return {"time": rfc3339(self.time_ns), **fields}


def append(connection: sqlite3.Connection, changes: Iterable[Change]) -> None:
    """Add changes, in the transaction that makes them."""
    connection.executemany(
        "INSERT INTO audit (time_ns, source, who, budget, subject, before, after) "
        "VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(*change[:5], _text(change.before), _text(change.after)) for change in changes],
    )


def of_file(connection: sqlite3.Connection) -> dict[str, Document]:
    """Return the budgets of ``costmeter.yml`` by name, as they were when it was last read."""
    rows = connection.execute(
        "SELECT budget, after FROM audit WHERE id IN (SELECT max(id) FROM audit "
        "WHERE source = 'file' AND subject = 'limits' GROUP BY budget) AND after IS NOT NULL"
    )
    return {budget: _decode(after) for budget, after in rows}


def trail(path: Path, *, limit: int, since_ns: int = 0, budget: str = "") -> list[Change]:
    """Return the latest changes, oldest first.

    Args:
        path: the ledger.
        limit: how many to return at most.
        since_ns: the first instant that counts, in nanoseconds since 1970.
        budget: whose changes; empty for those of all budgets.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    with reading(path) as connection:
        rows = connection.execute(
            "SELECT time_ns, source, who, budget, subject, before, after FROM audit "
            "WHERE time_ns >= ?1 AND (?2 = '' OR budget = ?2) ORDER BY id DESC LIMIT ?3",
            (since_ns, budget, limit),
        ).fetchall()
        return [
            Change._make((*row[:5], _document(row[5]), _document(row[6]))) for row in reversed(rows)
        ]


def _text(document: Document | None) -> str | None:
    return None if document is None else _encode(document).decode()


def _document(text: str | None) -> Document | None:
    return None if text is None else _decode(text)
