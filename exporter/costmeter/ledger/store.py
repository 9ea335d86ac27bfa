"""The ledger: every cent once, in one transaction with how far its source has been read."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.errors import LedgerError, OverfullError
from costmeter.ledger import events, identities, money, reservations
from costmeter.ledger.batch import Batch
from costmeter.ledger.events import StoredEvent
from costmeter.ledger.file import BUSY_SECONDS, connect, create, hold, wal
from costmeter.ledger.migrations import SCHEMA_VERSION
from costmeter.ledger.money import Group, Money
from costmeter.ledger.requests import OpenRequest, Part
from costmeter.ledger.reservations import Reservation
from costmeter.ledger.schema import AMOUNT_COLUMNS, MOST, Cell, canonical, cell_of, identity

_ADD_TOTAL: Final = (  # as ``accumulated`` does
    "INSERT INTO total VALUES (?, ?) ON CONFLICT DO UPDATE SET amount = excluded.amount + "
    "CASE WHEN excluded.amount > 9223372036854775807 - amount THEN 0 ELSE amount END"
)
_ADD_QUARTER: Final = (
    f"INSERT INTO quarter_sum (quarter, account, {', '.join(AMOUNT_COLUMNS)}) "  # noqa: S608 our own
    f"VALUES (?, ?, {', '.join('?' * len(AMOUNT_COLUMNS))}) ON CONFLICT DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in AMOUNT_COLUMNS)
)
_NO_AMOUNTS: Final = (0,) * len(AMOUNT_COLUMNS)

_WAL_LIMIT_BYTES: Final = 128 << 20
"""How far the write-ahead log may grow before a commit stops to empty it."""
_WAL_WAIT_MS: Final = 100
"""How long it then waits for readers to finish."""
_BLOCKS_PRUNED_AT_ONCE: Final = 200

_CONSTRAINT_DATATYPE: Final = 3091
"""Source: https://sqlite.org/rescode.html#constraint_datatype"""
_TOO_LARGE: Final = f"a sum would pass {MOST:,}, the most that a ledger can hold"

_decode_labels: Final = msgspec.json.Decoder(dict[str, str]).decode


class Series(NamedTuple):
    """A family with label values.

    Attributes:
        id: the same for the same family and labels, whoever asks; 63 bits.
        family: name of one of ``names.LEDGER_FAMILIES``, with ``_bucket``, ``_sum`` or ``_count``
            where that is a histogram.
        labels: value by label name, without empty ones.
        total: all that was ever added, in the family's integer unit.
        shown: whether its value may be exposed, rather than 0.
    """

    id: int
    family: str
    labels: dict[str, str]
    total: int
    shown: bool


class Ledger:
    """A ledger to write to, from one thread at a time (``size_bytes`` from any).

    Attributes:
        path: the database file, links resolved.
        id: a UUID that was made with the file: the label ``ledger``.
        created_ns: when the file was made, in nanoseconds since 1970.
        schema: version of the tables.
    """

    schema: Final = SCHEMA_VERSION

    def __init__(self, path: Path, connection: sqlite3.Connection, lock: int | None = None) -> None:
        """Take an open ledger; :meth:`open` is the way to one."""
        self.path = path
        self._connection = connection
        self._lock = lock
        self._cells: dict[int, Cell | None] = {}
        self._new: dict[int, tuple[str, str]] = {}
        self._prices: dict[str, int] = {}
        self._seen_version = 0
        self._next_wal_bytes = _WAL_LIMIT_BYTES
        with self._errors():
            meta = dict(connection.execute("SELECT name, value FROM meta"))
        if "ledger" not in meta:
            raise LedgerError(f"{path}: has no id, it is damaged")
        self.id: str = meta["ledger"]
        self.created_ns = int(meta.get("created_ns", 0))
        self.changed()

    @classmethod
    def open(cls, path: Path, *, clock: Clock = SYSTEM_CLOCK, exclusive: bool = True) -> Ledger:
        """Open a ledger; the sidecar makes it, and its directory, where there is none.

        Args:
            path: the database file.
            clock: dates a new ledger.
            exclusive: whether this is the ledger's sidecar, of which there is one at a time.
                Others that write (``costmeter reprice``) may do so beside it.

        Raises:
            LedgerError: the file is no ledger, is damaged, of another version or not writable (it
                is left as it is then), or has a sidecar already.
        """
        path = path.resolve()
        if path.is_dir():
            raise LedgerError(f"{path}: a directory, a ledger is a file")
        if not exclusive:
            return cls._take(path, None)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(f"{path.parent}: cannot be made: {error.strerror}") from error
        lock = hold(path)
        try:
            if not path.exists() or not path.stat().st_size:
                create(path, clock)
            return cls._take(path, lock)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def _take(cls, path: Path, lock: int | None) -> Ledger:
        connection = connect(path, may_migrate=lock is not None)
        try:
            return cls(path, connection, lock)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Close the ledger; what was interned but not committed is forgotten."""
        self._connection.close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def abandon(self) -> None:
        """Leave the ledger to the parent process: for a forked child, which must not use it.

        The child's share of the lock is closed, or it would outlive the parent. The connection is
        left open: a process that closes a connection it did not open may remove what its parent
        relies on. Source: https://sqlite.org/howtocorrupt.html, 2.6.
        """
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def intern(self, family: str, labels: Mapping[str, str]) -> int:
        """Return the id of a series; the next commit writes a new one.

        Args:
            family: its family's name.
            labels: value by label name; empty values are left out.

        Raises:
            LedgerError: the ledger has no place for its component or token type.
        """
        text = canonical(labels)
        series = identity(family + text)
        if series not in self._cells:
            self._cells[series] = cell_of(family, labels)
            self._new[series] = (family, text)
        return series

    def commit(self, batch: Batch) -> None:
        """Write a batch in one durable transaction.

        Raises:
            OverfullError: nothing of it was written, and never can be: a sum of a quarter of an
                hour would pass 2^63 - 1. (Running totals begin again there.)
            LedgerError: nothing of it was written, and it can be committed again: the disk is
                full, another process holds the ledger, an event of its corrections has a price by
                now.
        """
        with self.transaction() as connection:
            self._add_new_series()
            self._add_sums(batch.sums)
            connection.executemany(
                "UPDATE series SET shown = 1 WHERE id = ?", [(series,) for series in batch.shown]
            )
            connection.executemany(
                "DELETE FROM position WHERE name = ?", [(name,) for name in batch.forget]
            )
            connection.executemany("REPLACE INTO position VALUES (?, ?)", batch.positions.items())
            used = {event.price for event in batch.events}
            used.update(correction.price for correction in batch.corrections)
            new_prices = events.number_prices(connection, used - self._prices.keys())
            prices = self._prices | new_prices
            events.keep(connection, batch.events, prices)
            events.correct(connection, batch.corrections, prices)
            self._hold_requests(batch.requests)
            identities.take(connection, batch.identities.items())
            reservations.keep(connection, batch.reserved)
            reservations.settle(connection, batch.settled)
        self._new.clear()
        self._prices = prices
        self._bound_wal()

    def series(self) -> Iterator[Series]:
        """Yield all series as they are now."""
        with self._errors():
            rows = self._connection.execute(
                "SELECT id, family, labels, coalesce(amount, 0), shown "
                "FROM series LEFT JOIN total ON series = id"
            ).fetchall()
        for series, family, labels, total, shown in rows:
            yield Series(series, family, _decode_labels(labels), total, bool(shown))

    def positions(self) -> dict[str, int]:
        """Return how far each source has been read."""
        with self._errors():
            return dict(self._connection.execute("SELECT name, value FROM position"))

    def is_taken(self, digest: bytes) -> bool:
        """Return whether an event with that digest of its identity was committed.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        with self._errors():
            return identities.is_taken(self._connection, digest)

    def open_requests(self) -> list[OpenRequest]:
        """Return the requests under way with what they have cost, oldest first."""
        with self._errors():
            rows = self._connection.execute(
                "SELECT request, endpoint, provider, began_ns, cost FROM open_request "
                "ORDER BY began_ns"
            ).fetchall()
        return [
            OpenRequest(request, Part(endpoint, provider), began_ns, cost)
            for request, endpoint, provider, began_ns, cost in rows
        ]

    def reservations(self) -> dict[str, Reservation]:
        """Return what the gate had set aside, by name, oldest first."""
        with self._errors():
            return reservations.kept(self._connection)

    def account_labels(self, series: int) -> dict[str, str]:
        """Return the labels that say whom a series of money, tokens or calls is for.

        Its family's own (``component``, ``type``, ``status``) is not among them. A series that has
        totals only is for nobody.

        Raises:
            LedgerError: there is no such series.
        """
        with self._errors():
            cell = self._cell(series)
            return _decode_labels(cell.labels) if cell else {}

    def money_by_quarter(
        self, start_ns: int, group: Callable[[Mapping[str, str]], Group]
    ) -> dict[Group, Money]:
        """Return what was spent and taken back from an instant on, by group of accounts.

        One pass over the sums whatever the number of groups: 0.3 s for a million of them.

        Args:
            start_ns: the first instant that matters, in nanoseconds since 1970.
            group: says by its labels which group an account belongs to.
        """
        with self._errors():
            return money.by_quarter(self._connection, start_ns, group)

    def changed(self) -> bool:
        """Tell whether another process has committed since this was asked last."""
        seen = self._seen_version
        with self._errors():
            (self._seen_version,) = self._connection.execute("PRAGMA data_version").fetchone()
        return self._seen_version != seen

    def unpriced(self) -> Iterator[StoredEvent]:
        """Yield the events that still wait for a price; batches may be committed meanwhile."""
        with self._errors():
            yield from events.unpriced(self._connection)

    def prune(self, before_ns: int) -> int:
        """Delete events older than an instant that have a price; their sums stay.

        Events leave by block, when the last of a block is old enough, and identities with their
        events' time. The space is used again.

        Args:
            before_ns: the instant, in nanoseconds since 1970.

        Returns:
            How many events went.
        """
        pruned = 0
        while True:
            with self.transaction() as connection:
                went = events.prune(connection, before_ns, _BLOCKS_PRUNED_AT_ONCE)
                identities.prune(connection, before_ns)
            if not went:
                return pruned
            pruned += went
            self._bound_wal()

    def size_bytes(self) -> int:
        """Return the size of the ledger and its write-ahead log, in bytes."""
        return _size(self.path) + _size(wal(self.path))

    def read(self, statement: str, *values: object) -> list[Any]:
        """Return the rows of a query of tables that are beside the sums: budgets, alerts.

        Raises:
            LedgerError: they cannot be read.
        """
        with self._errors():
            return self._connection.execute(statement, values).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all that is executed within, or nothing of it; inside another one, with that.

        Raises:
            LedgerError: nothing of it was written.
        """
        connection = self._connection
        with self._errors():
            inside_another = connection.in_transaction
            if inside_another:
                yield connection
                return
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # SQLite has rolled back itself after some errors
                    connection.execute("ROLLBACK")
                raise

    # -- in a transaction ------------------------------------------------------------------------

    def _add_new_series(self) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO series (id, family, labels) VALUES (?, ?, ?)",
            [(series, family, text) for series, (family, text) in self._new.items()],
        )
        cells = [self._cells[series] for series in self._new]
        self._connection.executemany(
            "INSERT OR IGNORE INTO account VALUES (?, ?)",
            {cell.account: cell.labels for cell in cells if cell}.items(),
        )

    def _add_sums(self, sums: Mapping[int, Mapping[int, int]]) -> None:
        totals: list[tuple[int, int]] = []
        rows: dict[tuple[int, int], list[int]] = {}
        for series, quarters in sums.items():
            totals.append((series, sum(quarters.values())))
            cell = self._cell(series)
            if cell is None:
                continue
            for number, amount in quarters.items():
                row = rows.get((number, cell.account))
                if row is None:
                    row = rows[number, cell.account] = [number, cell.account, *_NO_AMOUNTS]
                row[2 + cell.column] += amount
        self._connection.executemany(_ADD_TOTAL, totals)
        self._connection.executemany(_ADD_QUARTER, rows.values())

    def _hold_requests(self, requests: Mapping[str, list[OpenRequest]]) -> None:
        self._connection.executemany(
            "DELETE FROM open_request WHERE request = ?", [(request,) for request in requests]
        )
        self._connection.executemany(
            "INSERT INTO open_request VALUES (?, ?, ?, ?, ?)",
            [
                (request, *part, began_ns, cost)
                for parts in requests.values()
                for request, part, began_ns, cost in parts
            ],
        )

    def _cell(self, series: int) -> Cell | None:
        try:
            return self._cells[series]
        except KeyError:
            row = self._connection.execute(
                "SELECT family, labels FROM series WHERE id = ?", (series,)
            ).fetchone()
        if row is None:
            raise LedgerError(f"{self.path}: no series has the id {series}")
        cell = self._cells[series] = cell_of(row[0], _decode_labels(row[1]))
        return cell

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OverflowError as error:
            raise OverfullError(f"{self.path}: {_TOO_LARGE}") from error
        except sqlite3.Error as error:
            # A sum of integers beyond 64 bits is a REAL, which a STRICT table does not take.
            if getattr(error, "sqlite_errorcode", None) == _CONSTRAINT_DATATYPE:
                raise OverfullError(f"{self.path}: {_TOO_LARGE}") from error
            raise LedgerError(f"{self.path}: {error}") from error
        except msgspec.DecodeError as error:
            raise LedgerError(f"{self.path}: damaged: {error}") from error

    def _bound_wal(self) -> None:
        """Empty the write-ahead log where readers have kept SQLite from doing so for long."""
        if _size(wal(self.path)) < self._next_wal_bytes:
            return
        with suppress(sqlite3.Error):  # the transaction stands, and the next one will tell
            self._connection.execute(f"PRAGMA busy_timeout = {_WAL_WAIT_MS}")
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self._connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
        self._next_wal_bytes = _size(wal(self.path)) + _WAL_LIMIT_BYTES


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
