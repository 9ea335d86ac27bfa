"""How the ledger's tables hold what is counted.

A *series* is a family of ``names.LEDGER_FAMILIES`` with label values; it has a running total, the
number on ``/metrics``. Beside it, money, tokens and calls are kept by quarter of an hour: one row
of ``quarter_sum`` per *account* (the labels that say whom it was for) holds an amount per column,
so that the families' own labels (``component``, ``type``, ``status``) cost columns, not rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Final, NamedTuple

import msgspec

from costmeter.errors import LedgerError
from costmeter.names import (
    API_CALLS,
    COMPONENTS,
    CREDIT,
    ESTIMATED_EVENTS,
    SPEND,
    TOKEN_TYPES,
    TOKENS,
    UNPRICED_EVENTS,
)

APPLICATION_ID: Final = int.from_bytes(b"cmtr", "big")
"""Marks a SQLite file as a ledger. Source: https://sqlite.org/fileformat2.html#application_id"""

EVENTS_A_BLOCK: Final = 256
"""Events in a row of ``event_block`` at most.

Event ``i`` of block ``b`` has the id ``256 b + i``.
"""

MOST: Final = 2**63 - 1
"""The largest sum that the ledger holds."""

COST_COLUMNS: Final = {component: f"cost_{component}" for component in COMPONENTS}
TOKEN_COLUMNS: Final = {kind: f"tokens_{kind}" for kind in TOKEN_TYPES}
AMOUNT_COLUMNS: Final = (
    "credit",
    "calls_ok",
    "calls_failed",
    "unpriced",
    "estimated",
    *COST_COLUMNS.values(),
    *TOKEN_COLUMNS.values(),
)
"""Columns of ``quarter_sum`` that are added to: nano-dollars, calls, events, tokens."""

_COLUMN: Final = {name: index for index, name in enumerate(AMOUNT_COLUMNS)}
_OWN_LABEL: Final = {
    SPEND.name: "component",
    TOKENS.name: "type",
    API_CALLS.name: "status",
    UNPRICED_EVENTS.name: "reason",
}
"""The label that an account lacks, by family."""


class Cell(NamedTuple):
    """Where a series is added up by quarter: an account and a column of :data:`AMOUNT_COLUMNS`."""

    account: int
    labels: str
    column: int


def accumulated(total: int, amount: int) -> int:
    """Return a running total with an amount added: one that would not fit begins again at 0.

    As counters do: 2^63 nanoseconds are the calls of 1,000 at a time in four months.
    """
    return amount if total + amount > MOST else total + amount


def canonical(labels: Mapping[str, str]) -> str:
    """Return labels as the ledger writes them: a JSON object, sorted, without empty values."""
    kept = {name: labels[name] for name in sorted(labels) if labels[name]}
    return msgspec.json.encode(kept).decode()


def identity(text: str) -> int:
    """Return 63 bits of a text's BLAKE2b digest: an id that any process gives to the same text.

    Two of a million ids are equal with a probability of 1 to 18 million.
    """
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def cell_of(family: str, labels: Mapping[str, str]) -> Cell | None:
    """Return where a series is added up by quarter; None for families that have totals only.

    Raises:
        LedgerError: there is no column for the series' component or token type.
    """
    match family:
        case SPEND.name:
            column = _column(family, "component", labels, COST_COLUMNS)
        case TOKENS.name:
            column = _column(family, "type", labels, TOKEN_COLUMNS)
        case API_CALLS.name:
            column = "calls_ok" if labels.get("status") == "ok" else "calls_failed"
        case CREDIT.name:
            column = "credit"
        case UNPRICED_EVENTS.name:
            column = "unpriced"
        case ESTIMATED_EVENTS.name:
            column = "estimated"
        case _:
            return None
    own = _OWN_LABEL.get(family)
    account = canonical({name: value for name, value in labels.items() if name != own})
    return Cell(identity(account), account, _COLUMN[column])


def _column(family: str, label: str, labels: Mapping[str, str], columns: Mapping[str, str]) -> str:
    value = labels.get(label, "")
    try:
        return columns[value]
    except KeyError:
        allowed = ", ".join(columns)
        raise LedgerError(f"{family}: {label} {value!r} is none of {allowed}") from None
