"""The audit trail of budgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from costmeter.errors import LedgerError
from costmeter.ledger import audit
from costmeter.ledger.audit import Change
from costmeter.ledger.store import Ledger

SOFT = {"name": "search", "month": {"soft_usd": "100"}}
HARD = {"name": "search", "month": {"soft_usd": "100", "hard_usd": "150"}}


def append(ledger: Ledger, *changes: Change) -> None:
    with ledger.transaction() as connection:
        audit.append(connection, changes)


def test_changes_are_read_as_they_were_written_oldest_first(ledger: Ledger, path: Path) -> None:
    made = Change(1000, "api", "finance", "search", "limits", None, SOFT)
    changed = Change(2000, "api", "finance", "search", "limits", SOFT, HARD)
    other = Change(2500, "alert", "", "chat", "emergency", None, {"alert": "CostSpendSpike"})
    gone = Change(3000, "api", "finance", "search", "limits", HARD, None)
    append(ledger, made, changed)
    append(ledger, other, gone)
    assert audit.trail(path, limit=10) == [made, changed, other, gone]
    assert audit.trail(path, limit=2) == [other, gone]
    assert audit.trail(path, limit=10, since_ns=2000, budget="search") == [changed, gone]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET who = 'nobody'",
        "DELETE FROM audit",
        "INSERT OR REPLACE INTO audit VALUES (1, 1, 'api', 'nobody', 'search', 'limits', '', '')",
    ],
)
def test_what_is_in_the_trail_stays_as_it_is(ledger: Ledger, path: Path, statement: str) -> None:
    made = Change(1000, "api", "finance", "search", "limits", None, SOFT)
    append(ledger, made)

    def change() -> None:
        with ledger.transaction() as connection:
            connection.execute(statement)

    with pytest.raises(LedgerError, match="the audit trail is only ever added to"):
        change()
    assert audit.trail(path, limit=10) == [made]


def test_what_the_file_said_last_can_be_told(ledger: Ledger) -> None:
    chat = {"name": "chat", "day": {"soft_usd": "1"}}
    append(
        ledger,
        Change(1000, "file", "", "search", "limits", None, SOFT),
        Change(1000, "file", "", "chat", "limits", None, chat),
        Change(2000, "file", "", "search", "limits", SOFT, HARD),
        Change(2500, "alert", "", "search", "emergency", None, {"alert": "CostSpendSpike"}),
        Change(3000, "file", "", "chat", "limits", chat, None),
        Change(4000, "api", "finance", "chat", "limits", None, chat),
    )
    with ledger.transaction() as connection:
        assert audit.of_file(connection) == {"search": HARD}
