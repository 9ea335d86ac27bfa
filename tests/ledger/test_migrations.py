"""From the tables of any release to those of today."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from costmeter.errors import LedgerError
from costmeter.ledger import query
from costmeter.ledger.events import StoredEvent
from costmeter.ledger.file import connect_readonly
from costmeter.ledger.migrations import SCHEMA_VERSION, STEPS, migrate
from costmeter.ledger.query import SpendRow
from costmeter.ledger.store import Ledger, Series
from tests.ledger.sample import rows

VERSION_1 = (Path(__file__).parent / "version-1.sql").read_text("utf-8")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as opened:
        yield opened


def tables(connection: sqlite3.Connection) -> dict[str, str]:
    found = connection.execute("SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%'")
    return dict(found.fetchall())


def version(connection: sqlite3.Connection) -> int:
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number)


def test_a_ledger_of_the_first_release_is_read_in_full(path: Path) -> None:
    with closing(sqlite3.connect(path)) as made:
        made.executescript(VERSION_1)
    ledger = Ledger.open(path)
    assert ledger.id == "0b0a5f6e-6a3c-4c57-9f0e-6f1d3b0b7c11"
    assert sorted(ledger.series()) == [
        Series(
            11,
            "cost_spend_usd_total",
            {"component": "input", "model": "gpt-4o", "provider": "openai"},
            3000,
            shown=True,
        ),
        Series(
            12,
            "cost_provider_api_calls_total",
            {"model": "gpt-4o", "provider": "openai", "status": "ok"},
            2,
            shown=False,
        ),
    ]
    assert ledger.positions() == {"0001.journal": 4096}
    assert list(ledger.unpriced()) == [
        StoredEvent(257, 1795302000000000001, b'[2,"chat","openai","new"]')
    ]
    ledger.close()
    assert query.spend(path, by=["day"], timezone="Europe/Berlin") == [
        SpendRow(("2026-11-22",), 950, 2, 400),
        SpendRow(("2026-11-23",), 2000, 0, 0),
    ]
    assert [each.cost_nano_usd for each in query.dearest(path, 9, 0, 2 * 10**18)] == [3000, 700]


def test_the_first_step_still_makes_the_tables_of_the_first_release(
    connection: sqlite3.Connection,
) -> None:
    migrate(connection, STEPS[:1])
    with closing(sqlite3.connect(":memory:")) as made:
        made.executescript(VERSION_1)
        assert tables(made) == tables(connection)


def test_steps_are_taken_once_each_in_order(connection: sqlite3.Connection) -> None:
    steps = [["CREATE TABLE a (x)"], ["ALTER TABLE a ADD y", "UPDATE a SET y = 2 * x"]]
    migrate(connection, steps[:1])
    connection.execute("INSERT INTO a VALUES (21)")
    assert version(connection) == 1
    for _ in range(2):
        migrate(connection, steps)
        assert connection.execute("SELECT * FROM a").fetchall() == [(21, 42)]
        assert version(connection) == 2


def test_a_step_that_fails_leaves_nothing_behind(connection: sqlite3.Connection) -> None:
    steps = [["CREATE TABLE a (x)"], ["ALTER TABLE a ADD y", "CREATE TABLE a (z)"]]
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection, steps)
    assert tables(connection) == {"a": "CREATE TABLE a (x)"}
    assert version(connection) == 1
    migrate(connection, [steps[0], ["ALTER TABLE a ADD y"]])
    assert version(connection) == 2


def test_only_the_sidecar_brings_an_older_ledger_to_today(
    monkeypatch: pytest.MonkeyPatch, path: Path
) -> None:
    Ledger.open(path).close()
    newer = [*STEPS, ["CREATE TABLE later (x)"], ["CREATE TABLE latest (x)"]]
    monkeypatch.setattr("costmeter.ledger.file.SCHEMA_VERSION", len(newer))
    monkeypatch.setattr(
        "costmeter.ledger.file.migrate", lambda connection: migrate(connection, newer)
    )
    for opened in (lambda: Ledger.open(path, exclusive=False), lambda: connect_readonly(path)):
        with pytest.raises(LedgerError, match=f"of version {SCHEMA_VERSION}, this costmeter reads"):
            opened()
    Ledger.open(path).close()
    assert rows(path, "PRAGMA user_version") == [(SCHEMA_VERSION + 2,)]
    Ledger.open(path, exclusive=False).close()
