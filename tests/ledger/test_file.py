"""Opening a ledger: made whole, recognised before it is touched, held by one sidecar."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from costmeter.errors import LedgerError
from costmeter.ledger.batch import Batch
from costmeter.ledger.file import connect_readonly
from costmeter.ledger.migrations import SCHEMA_VERSION
from costmeter.ledger.schema import APPLICATION_ID
from costmeter.ledger.store import Ledger
from costmeter.names import SPEND
from tests.ledger.sample import event, rows


class StoppedClock:
    def now_ns(self) -> int:
        return 1_795_302_000_000_000_000

    def monotonic_ns(self) -> int:
        return 0


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refused(path: Path, message: str) -> None:
    """Check that every way to open a file is refused, and the file left as it is."""
    before = digest(path)
    for exclusive in (True, False):
        with pytest.raises(LedgerError, match=message) as caught:
            Ledger.open(path, exclusive=exclusive)
        assert str(path) in str(caught.value)
    with pytest.raises(LedgerError, match=message):
        connect_readonly(path)
    assert digest(path) == before
    assert not path.with_name(f"{path.name}-wal").exists()


def test_a_new_ledger_is_for_its_owner_only_and_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "er" / "ledger.db"
    ledger = Ledger.open(path, clock=StoppedClock())
    UUID(ledger.id)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert rows(path, "PRAGMA application_id") == [(APPLICATION_ID,)]
    assert rows(path, "PRAGMA user_version") == [(SCHEMA_VERSION,)]
    assert rows(path, "PRAGMA journal_mode") == [("wal",)]
    assert dict(rows(path, "SELECT * FROM meta")) == {
        "ledger": ledger.id,
        "created_ns": "1795302000000000000",
    }
    ledger.close()
    assert sorted(each.name for each in path.parent.iterdir()) == ["ledger.db", "ledger.db.lock"]


def test_commits_are_durable(ledger: Ledger) -> None:
    assert ledger._connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL


def test_an_empty_file_becomes_a_ledger_and_keeps_its_permissions(path: Path) -> None:
    path.touch()
    path.chmod(0o640)
    Ledger.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_wiped_ledger_is_another_one_even_where_its_log_was_left(path: Path) -> None:
    ledger = Ledger.open(path)
    first = ledger.id
    ledger.commit(Batch(positions={"a": 1}))
    log = path.with_name("ledger.db-wal")
    kept = path.with_name("kept")
    shutil.copy(log, kept)
    ledger.close()
    path.unlink()
    kept.rename(log)
    again = Ledger.open(path)
    assert again.id != first
    assert again.positions() == {}
    again.close()


def test_a_copy_is_the_same_ledger(ledger: Ledger, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    ledger.commit(Batch(positions={"a": 1}))
    ledger._connection.execute("VACUUM INTO ?", (str(copy),))
    moved = Ledger.open(copy)
    assert (moved.id, moved.positions()) == (ledger.id, {"a": 1})
    moved.close()


def test_what_a_killed_maker_left_is_no_hindrance(path: Path) -> None:
    path.with_name("ledger.db.new").write_bytes(b"half a ledger")
    Ledger.open(path).close()
    assert not path.with_name("ledger.db.new").exists()


def test_a_link_leads_to_the_ledger_and_its_lock(path: Path, tmp_path: Path) -> None:
    ledger = Ledger.open(path)
    link = tmp_path / "link.db"
    link.symlink_to(path)
    with pytest.raises(LedgerError, match="in use"):
        Ledger.open(link)
    ledger.close()


# -- One sidecar --------------------------------------------------------------------------------


def test_a_second_sidecar_is_refused_until_the_first_is_gone(path: Path) -> None:
    ledger = Ledger.open(path)
    with pytest.raises(LedgerError, match=f"{path}: in use by process {os.getpid()}; a ledger has"):
        Ledger.open(path)
    Ledger.open(path, exclusive=False).close()
    ledger.close()
    Ledger.open(path).close()


def test_a_ledger_that_could_not_be_opened_is_not_held(path: Path) -> None:
    path.write_bytes(b"not a ledger, but longer than the hundred bytes of a header" * 2)
    for _ in range(2):
        with pytest.raises(LedgerError, match="not a ledger"):
            Ledger.open(path)


# -- What is no ledger --------------------------------------------------------------------------


def test_a_text_file_is_refused(path: Path) -> None:
    path.write_text("budget: 100\n" * 100)
    refused(path, "not a ledger")


def test_a_file_shorter_than_a_header_is_refused(path: Path) -> None:
    path.write_bytes(b"SQLite format 3\0")
    refused(path, "not a ledger")


@pytest.mark.parametrize("application", [0, 0x0F055112])
def test_another_applications_database_is_refused(path: Path, application: int) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {application}")
        connection.execute("CREATE TABLE meta (name, value)")
    refused(path, f"another application .application_id {application:#x}")


def test_a_ledger_of_a_newer_version_is_refused(path: Path) -> None:
    Ledger.open(path).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    refused(
        path, f"of version {SCHEMA_VERSION + 1}, made by a newer costmeter; this one reads up to"
    )


def test_a_ledger_cut_short_is_refused(path: Path) -> None:
    Ledger.open(path).close()
    path.write_bytes(path.read_bytes()[: 3 * 8192])
    refused_by_writers(path, "malformed")


def test_a_ledger_overwritten_with_noise_is_refused(path: Path) -> None:
    Ledger.open(path).close()
    content = bytearray(path.read_bytes())
    content[100:8192] = bytes(range(256)) * 31 + bytes(156)
    path.write_bytes(content)
    refused_by_writers(path, "malformed|damaged|corrupt")


def test_a_ledger_without_an_id_is_refused(path: Path) -> None:
    Ledger.open(path).close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM meta")
    refused_by_writers(path, "has no id, it is damaged")


def refused_by_writers(path: Path, message: str) -> None:
    before = digest(path)
    for exclusive in (True, False):
        with pytest.raises(LedgerError, match=message):
            Ledger.open(path, exclusive=exclusive)
    assert digest(path) == before


def test_an_old_sqlite_is_told_of(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(LedgerError, match=r"this Python has SQLite .*, a ledger needs 3\.37"):
        Ledger.open(path)


def test_a_directory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="a directory, a ledger is a file"):
        Ledger.open(tmp_path)


def test_a_ledger_that_does_not_exist_is_made_by_the_sidecar_alone(path: Path) -> None:
    with pytest.raises(LedgerError, match=f"{path}: No such file or directory"):
        Ledger.open(path, exclusive=False)
    with pytest.raises(LedgerError, match=f"{path}: No such file or directory"):
        connect_readonly(path)
    assert not path.exists()


def test_a_place_where_no_directory_can_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerError, match="file/sub: cannot be made: Not a directory"):
        Ledger.open(tmp_path / "file" / "sub" / "ledger.db")


# -- Permissions: root may do anything, so these run as somebody else ------------------------------

_NOBODY = 65534


def as_somebody(act: Callable[[], object]) -> str:
    """Do something as a user who is not root; return what went wrong."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setresgid(_NOBODY, _NOBODY, _NOBODY)
                os.setresuid(_NOBODY, _NOBODY, _NOBODY)
            act()
        except BaseException as error:  # noqa: BLE001 the parent tells
            os.write(writer, str(error).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        told = pipe.read()
    os.waitpid(child, 0)
    return told


@pytest.fixture
def anybodys() -> Iterator[Path]:
    """A directory that every user can reach."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory)
        path.chmod(0o777)
        yield path
        path.chmod(0o777)


def test_a_ledger_may_not_be_made_where_one_may_not_write(anybodys: Path) -> None:
    anybodys.chmod(0o555)
    told = as_somebody(lambda: Ledger.open(anybodys / "ledger.db"))
    assert told == f"{anybodys}/ledger.db.lock: Permission denied"
    told = as_somebody(lambda: Ledger.open(anybodys / "deep" / "ledger.db"))
    assert told == f"{anybodys}/deep: cannot be made: Permission denied"


def test_a_ledger_that_may_only_be_read_is_refused_to_writers(anybodys: Path) -> None:
    path = anybodys / "ledger.db"
    Ledger.open(path).close()
    path.chmod(0o444)
    told = as_somebody(lambda: Ledger.open(path, exclusive=False))
    assert told == f"{path}: not writable, a ledger and its directory have to be"


def test_a_ledger_of_somebody_else_is_not_read(anybodys: Path) -> None:
    path = anybodys / "ledger.db"
    Ledger.open(path).close()
    path.chmod(0o000)
    assert as_somebody(lambda: connect_readonly(path)) == f"{path}: Permission denied"


def count_events(path: Path) -> None:
    with closing(connect_readonly(path)) as connection:
        (found,) = connection.execute("SELECT sum(events) FROM event_block").fetchone()
    raise LookupError(f"{found} event")


def test_who_may_read_the_file_may_read_a_ledger_in_use(anybodys: Path) -> None:
    path = anybodys / "ledger.db"
    path.touch()
    path.chmod(0o644)
    anybodys.chmod(0o755)
    ledger = Ledger.open(path)
    ledger.commit(Batch(events=[event(7)]))
    assert as_somebody(lambda: count_events(path)) == "1 event"
    ledger.commit(Batch(events=[event(8)]))
    assert as_somebody(lambda: count_events(path)) == "2 event"
    ledger.close()


def test_a_ledger_at_rest_can_be_read_from_a_directory_that_cannot_be_written(
    anybodys: Path,
) -> None:
    path = anybodys / "ledger.db"
    ledger = Ledger.open(path)
    ledger.commit(Batch(events=[event(7)]))
    ledger.close()
    path.chmod(0o444)
    anybodys.chmod(0o555)
    assert as_somebody(lambda: count_events(path)) == "1 event"


def test_who_reads_beside_the_sidecar_in_its_own_process_takes_no_lock_from_it(path: Path) -> None:
    def another_writer() -> None:
        code = (
            "import sys; from pathlib import Path; from costmeter.ledger.store import Ledger; "
            "Ledger.open(Path(sys.argv[1]), exclusive=False).close()"
        )
        subprocess.run([sys.executable, "-c", code, str(path)], check=True)

    with closing(Ledger.open(path)) as ledger:
        spend = ledger.intern(SPEND.name, {"component": "input"})
        ledger.commit(Batch(sums={spend: {0: 5}}))
        with closing(connect_readonly(path)):
            pass
        another_writer()  # the last to leave deletes the log, unless somebody is seen to use it
        ledger.commit(Batch(sums={spend: {0: 7}}))
        code = (
            "import sys; from pathlib import Path; from costmeter.ledger import query; "
            "print(query.spend(Path(sys.argv[1]), by=[])[0].cost_nano_usd)"
        )
        seen = subprocess.run(
            [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True
        )
    assert seen.stdout == "12\n"
