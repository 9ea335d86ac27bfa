"""An event to put into a ledger, and what a ledger then holds, read past the code under test."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from costmeter.ledger.batch import EventRow
from costmeter.units import NANO, QUARTER_SECONDS

PRICE = "book:openai/gpt-4o"


def event(quarter: int, *, cost: int | None = 5, model: str = "gpt-4o") -> EventRow:
    """Return an event at the start of a quarter of an hour."""
    time_ns = quarter * QUARTER_SECONDS * NANO
    payload = b'[%d,"chat","openai","%b",{},{}]' % (time_ns, model.encode())
    return EventRow(time_ns, payload, cost, "" if cost is None else PRICE)


def rows(path: Path, statement: str) -> list[tuple[Any, ...]]:
    """Return what a statement reads from a ledger."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement).fetchall()
