"""The ledger's file: made whole, recognised before it is touched, held by one writer."""

from __future__ import annotations

import os
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from costmeter import lock
from costmeter.clock import Clock
from costmeter.errors import LedgerError
from costmeter.ledger.migrations import SCHEMA_VERSION, migrate
from costmeter.ledger.schema import APPLICATION_ID

_PAGE_BYTES: Final = 8192
"""Blocks of events take half the time that they take with SQLite's usual 4096, as measured."""

BUSY_SECONDS: Final = 5.0
"""How long a transaction waits for one of another process."""

_WAL_KEPT_BYTES: Final = 64 << 20
"""What a write-ahead log that a long reader made grow is cut down to when it starts anew."""

_SQLITE_NEEDED: Final = (3, 37)
"""The first with STRICT tables, which refuse a sum that has outgrown its integer."""

_MODE: Final = 0o600
"""A new ledger's permissions: who may read the file may read what was spent."""

# Source: https://sqlite.org/fileformat2.html#the_database_header
_HEADER_BYTES: Final = 100
_MAGIC: Final = b"SQLite format 3\0"
_USER_VERSION: Final = slice(60, 64)
_APPLICATION_ID: Final = slice(68, 72)


def wal(path: Path) -> Path:
    """Return the path of a ledger's write-ahead log."""
    return path.with_name(f"{path.name}-wal")


def recognise(path: Path) -> None:
    """Check that a file is a ledger of a version that is known, without changing a byte of it.

    Raises:
        LedgerError: it is not, or it cannot be read.
    """
    try:
        header = _header(path)
    except OSError as error:
        raise LedgerError(f"{path}: {error.strerror}") from error
    if len(header) < _HEADER_BYTES or not header.startswith(_MAGIC):
        raise LedgerError(f"{path}: not a ledger (no SQLite database); it is left as it is")
    application = int.from_bytes(header[_APPLICATION_ID], "big")
    if application != APPLICATION_ID:
        raise LedgerError(
            f"{path}: a SQLite database of another application (application_id {application:#x}, "
            f"a ledger has {APPLICATION_ID:#x}); it is left as it is"
        )
    _check_version(path, int.from_bytes(header[_USER_VERSION], "big"), oldest=1)


_descriptors: dict[tuple[int, int], int] = {}
"""Descriptors that headers are read by, by device and inode."""


def _header(path: Path) -> bytes:
    """Return a file's first bytes, by a descriptor that stays open for good: one for each ledger.

    A process that closes any descriptor of a file gives up all locks that it has on it, SQLite's
    among them. Another process would then take the sidecar's write-ahead log for nobody's and
    delete it, with all that the sidecar commits from then on.

    Source: https://sqlite.org/howtocorrupt.html, 2.2.
    """
    if not os.access(path, os.R_OK):
        return path.read_bytes()  # which tells why not
    stat = path.stat()
    descriptor = _descriptors.get((stat.st_dev, stat.st_ino))
    if descriptor is None:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        stat = os.fstat(descriptor)
        _descriptors[stat.st_dev, stat.st_ino] = descriptor
    return os.pread(descriptor, _HEADER_BYTES, 0)


def connect(path: Path, *, may_migrate: bool) -> sqlite3.Connection:
    """Open a ledger to write to it.

    Args:
        path: the ledger.
        may_migrate: whether to bring an older one to today's version. Only the sidecar may: an
            older one that runs beside a newer command would not understand its ledger any more.

    Raises:
        LedgerError: it is no ledger, is corrupt, not writable, or of a version not wanted.
    """
    recognise(path)
    for needed in (path, path.parent):
        if not os.access(needed, os.W_OK):
            raise LedgerError(f"{needed}: not writable, a ledger and its directory have to be")
    connection = _open(path, f"{path.as_uri()}?mode=rw")
    with _closed_on_error(path, connection):
        version = _version(connection)
        _check_version(path, version, oldest=1 if may_migrate else SCHEMA_VERSION)
        migrate(connection)
        (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        if mode != "wal":
            raise LedgerError(f"{path}: this file system cannot hold a write-ahead log")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_KEPT_BYTES}")
    return connection


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Open a ledger to read it, beside the sidecar that writes it or without one.

    Raises:
        LedgerError: it is no ledger, cannot be read, or is of another version.
    """
    path = path.resolve()
    recognise(path)
    uri = f"{path.as_uri()}?mode=ro"
    if not os.access(path.parent, os.W_OK) and not wal(path).exists():
        # SQLite cannot lay the log's index beside the file, nor need it: nobody writes.
        uri += "&immutable=1"
    connection = _open(path, uri)
    with _closed_on_error(path, connection):
        _check_version(path, _version(connection), oldest=SCHEMA_VERSION)
    return connection


def create(path: Path, clock: Clock) -> None:
    """Make a new ledger where there is no file, or an empty one.

    It is made under another name and put in place whole, so that a ledger that exists is complete
    however its maker ended.

    Raises:
        LedgerError: it cannot be made.
    """
    new = path.with_name(f"{path.name}.new")
    try:
        mode = path.stat().st_mode & 0o777 if path.exists() else _MODE
        new.unlink(missing_ok=True)
        os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, mode))
        with closing(_open(new, f"{new.as_uri()}?mode=rw")) as connection:
            connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            migrate(connection)
            connection.executemany(
                "INSERT INTO meta VALUES (?, ?)",
                [("ledger", str(uuid.uuid4())), ("created_ns", str(clock.now_ns()))],
            )
        # The log of a ledger that was deleted would be taken for this one's.
        wal(path).unlink(missing_ok=True)
        path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
        new.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise LedgerError(f"{path}: cannot be made: {error.strerror}") from error
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: cannot be made: {error}") from error


def hold(path: Path) -> int:
    """Take the lock of a ledger's one sidecar; closing the returned descriptor gives it back.

    Raises:
        LedgerError: another process holds it, or it cannot be made.
    """
    held = path.with_name(f"{path.name}.lock")
    try:
        return lock.hold(held)
    except BlockingIOError as error:
        raise LedgerError(f"{path}: {error.strerror}; a ledger has one sidecar") from error
    except OSError as error:
        raise LedgerError(f"{held}: {error.strerror}") from error


def _open(path: Path, uri: str) -> sqlite3.Connection:
    if sqlite3.sqlite_version_info < _SQLITE_NEEDED:
        needed = ".".join(map(str, _SQLITE_NEEDED))
        raise LedgerError(
            f"{path}: this Python has SQLite {sqlite3.sqlite_version}, a ledger needs {needed}"
        )
    try:
        return sqlite3.connect(
            uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
    except sqlite3.Error as error:
        raise LedgerError(f"{path}: {error}") from error


@contextmanager
def _closed_on_error(path: Path, connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        connection.close()
        raise LedgerError(f"{path}: {error}") from error
    except LedgerError:
        connection.close()
        raise


def _version(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _check_version(path: Path, version: int, *, oldest: int) -> None:
    if version > SCHEMA_VERSION:
        raise LedgerError(
            f"{path}: of version {version}, made by a newer costmeter; "
            f"this one reads up to version {SCHEMA_VERSION}"
        )
    if version < oldest:
        raise LedgerError(
            f"{path}: of version {version}, this costmeter reads version {SCHEMA_VERSION}; "
            "its sidecar brings the ledger there when it starts"
        )


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
