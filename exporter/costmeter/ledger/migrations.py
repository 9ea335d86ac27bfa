"""The ledger's tables, as numbered steps from nothing to the version of today.

A step that was released never changes; a new version is a new step at the end. Each step is one
transaction together with the version it leads to, so a ledger is at one version or the next, never
between. ``quarter_sum`` names every component and token type: a new one takes a step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

_VERSION_1: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    # -- What was counted: running totals, and sums by quarter of an hour since 1970 UTC.
    """CREATE TABLE series (
        id INTEGER PRIMARY KEY,
        family TEXT NOT NULL,
        labels TEXT NOT NULL,
        shown INTEGER NOT NULL DEFAULT 0
    ) STRICT""",
    "CREATE TABLE total (series INTEGER PRIMARY KEY, amount INTEGER NOT NULL) STRICT",
    "CREATE TABLE account (id INTEGER PRIMARY KEY, labels TEXT NOT NULL) STRICT",
    # By time first: a commit touches the few pages of its own quarter, and a period is one range.
    # Spend, tokens and calls stand first in the row, where they are read fastest.
    """CREATE TABLE quarter_sum (
        quarter INTEGER NOT NULL,
        account INTEGER NOT NULL,
        spend INTEGER NOT NULL AS (cost_input + cost_cache_read + cost_cache_write + cost_output
            + cost_reasoning + cost_audio + cost_image + cost_tool + cost_request + cost_compute
            + cost_storage + cost_network) STORED,
        credit INTEGER NOT NULL,
        tokens INTEGER NOT NULL AS (tokens_input + tokens_cache_read + tokens_cache_write
            + tokens_input_audio + tokens_input_image + tokens_output + tokens_reasoning
            + tokens_output_audio + tokens_output_image) STORED,
        calls_ok INTEGER NOT NULL,
        calls_failed INTEGER NOT NULL,
        unpriced INTEGER NOT NULL,
        cost_input INTEGER NOT NULL,
        cost_cache_read INTEGER NOT NULL,
        cost_cache_write INTEGER NOT NULL,
        cost_output INTEGER NOT NULL,
        cost_reasoning INTEGER NOT NULL,
        cost_audio INTEGER NOT NULL,
        cost_image INTEGER NOT NULL,
        cost_tool INTEGER NOT NULL,
        cost_request INTEGER NOT NULL,
        cost_compute INTEGER NOT NULL,
        cost_storage INTEGER NOT NULL,
        cost_network INTEGER NOT NULL,
        tokens_input INTEGER NOT NULL,
        tokens_cache_read INTEGER NOT NULL,
        tokens_cache_write INTEGER NOT NULL,
        tokens_input_audio INTEGER NOT NULL,
        tokens_input_image INTEGER NOT NULL,
        tokens_output INTEGER NOT NULL,
        tokens_reasoning INTEGER NOT NULL,
        tokens_output_audio INTEGER NOT NULL,
        tokens_output_image INTEGER NOT NULL,
        PRIMARY KEY (quarter, account)
    ) STRICT, WITHOUT ROWID""",
    # -- How far each source has been read.
    "CREATE TABLE position (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT, WITHOUT ROWID",
    # -- Recent events, many to a row: a row each would take five times as long to commit.
    # entries: [[time_ns, cost in nano-dollars or null, price], ...]; payloads: the events as they
    # came, a JSON array in UTF-8 in the same order.
    """CREATE TABLE event_block (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        first_ns INTEGER NOT NULL,
        last_ns INTEGER NOT NULL,
        events INTEGER NOT NULL,
        max_cost INTEGER NOT NULL,
        entries TEXT NOT NULL,
        payloads BLOB NOT NULL
    ) STRICT""",
    "CREATE INDEX event_block_last_ns ON event_block (last_ns)",
    "CREATE TABLE price (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT",
    # -- Events that wait for a price, and the entries that gave one to those that did.
    """CREATE TABLE unpriced (
        event INTEGER PRIMARY KEY,
        provider TEXT NOT NULL,
        model TEXT NOT NULL
    ) STRICT""",
    """CREATE TABLE correction (
        event INTEGER PRIMARY KEY,
        time_ns INTEGER NOT NULL,
        cost INTEGER NOT NULL,
        price INTEGER NOT NULL REFERENCES price (id),
        reason TEXT NOT NULL
    ) STRICT""",
)

_VERSION_2: Final = (
    # -- Requests of applications that are under way, with what they have cost by provider.
    """CREATE TABLE open_request (
        request TEXT NOT NULL,
        endpoint TEXT NOT NULL,
        provider TEXT NOT NULL,
        began_ns INTEGER NOT NULL,
        cost INTEGER NOT NULL,
        PRIMARY KEY (request, endpoint, provider)
    ) STRICT, WITHOUT ROWID""",
)

_VERSION_3: Final = (
    # -- Budgets that were made over the API, and what is in emergency for which reason.
    "CREATE TABLE budget (name TEXT PRIMARY KEY, config TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """CREATE TABLE emergency (
        budget TEXT NOT NULL,
        reason TEXT NOT NULL,
        until_ns INTEGER,
        PRIMARY KEY (budget, reason)
    ) STRICT, WITHOUT ROWID""",
    # -- Who changed which budget: nothing in it is ever changed or deleted.
    """CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        time_ns INTEGER NOT NULL,
        source TEXT NOT NULL,
        who TEXT NOT NULL,
        budget TEXT NOT NULL,
        subject TEXT NOT NULL,
        before TEXT,
        after TEXT
    ) STRICT""",
    "CREATE TRIGGER audit_update BEFORE UPDATE ON audit "
    "BEGIN SELECT raise(ABORT, 'the audit trail is only ever added to'); END",
    "CREATE TRIGGER audit_replace BEFORE INSERT ON audit "
    "WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id) "
    "BEGIN SELECT raise(ABORT, 'the audit trail is only ever added to'); END",
    "CREATE TRIGGER audit_delete BEFORE DELETE ON audit "
    "BEGIN SELECT raise(ABORT, 'the audit trail is only ever added to'); END",
    # -- Alerts that Alertmanager told of; ends_ns is null while one fires.
    """CREATE TABLE alert (
        fingerprint TEXT NOT NULL,
        starts_ns INTEGER NOT NULL,
        ends_ns INTEGER,
        received_ns INTEGER NOT NULL,
        labels TEXT NOT NULL,
        annotations TEXT NOT NULL,
        PRIMARY KEY (fingerprint, starts_ns)
    ) STRICT, WITHOUT ROWID""",
    "CREATE INDEX alert_received_ns ON alert (received_ns)",
)

_VERSION_4: Final = (
    # -- Events that may come again: a digest of the identity of each, and when it was taken.
    """CREATE TABLE identity (
        digest BLOB PRIMARY KEY,
        time_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
)

_VERSION_5: Final = (
    # -- What the gate has set aside for calls under way; budgets is a JSON array of names.
    """CREATE TABLE reservation (
        name TEXT PRIMARY KEY,
        nano_usd INTEGER NOT NULL,
        budgets TEXT NOT NULL,
        owner INTEGER,
        made_ns INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID""",
)

_VERSION_6: Final = (
    # -- Events whose tokens the application counted.
    "ALTER TABLE quarter_sum ADD COLUMN estimated INTEGER NOT NULL DEFAULT 0",
)

STEPS: Final[Sequence[Sequence[str]]] = (
    _VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5, _VERSION_6,
)  # fmt: skip
"""What leads from each version to the next: ``STEPS[n]`` from version ``n`` to ``n + 1``."""

SCHEMA_VERSION: Final = len(STEPS)
"""The version that this release reads and writes (SQLite's ``user_version``)."""


def migrate(connection: sqlite3.Connection, steps: Sequence[Sequence[str]] = STEPS) -> None:
    """Bring a ledger to the newest version, one transaction a step.

    Args:
        connection: in autocommit mode.
        steps: statements by version.

    Raises:
        sqlite3.Error: a step failed; it has left nothing behind, those before it stand.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    for number, statements in enumerate(steps[version:], version + 1):
        connection.execute("BEGIN IMMEDIATE")
        try:
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
