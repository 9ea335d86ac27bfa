"""The reader, and what it makes of segments that are whole, torn, alive, dead or foreign."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

import pytest

from costmeter.journal import reader as reader_module
from costmeter.journal.reader import JournalReader
from costmeter.journal.segment import (
    MAX_SEGMENT_BYTES,
    RECORD_HEAD,
    RECORDS_AT,
    SMALLEST_BYTES,
    OpenSegment,
    checksum,
)
from costmeter.journal.tail import BLOCK_BYTES, SegmentTail
from costmeter.journal.writer import JournalWriter

ONE, TWO, THREE = b'[1,"one"]', b'[22,"two"]', b'[333,"three"]'


def record(payload: bytes) -> bytes:
    return RECORD_HEAD.pack(len(payload), checksum(payload)) + payload


def open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def segment_name(number: int) -> str:
    return f"{number:032x}-000001.segment"


@pytest.fixture
def segment(directory: Path) -> OpenSegment:
    """A segment whose writer lives, until it is closed."""
    segment = OpenSegment(directory, segment_name(1), SMALLEST_BYTES)
    yield segment
    segment.close()


@pytest.fixture
def three(directory: Path) -> bytes:
    """The content of a segment with three records."""
    segment = OpenSegment(directory, segment_name(1), SMALLEST_BYTES)
    for payload in (ONE, TWO, THREE):
        segment.append(record(payload))
    segment.close()
    content = segment.path.read_bytes()
    segment.path.unlink()
    return content


# Offsets in that segment: a head has 8 bytes, the payloads 9, 10 and 13.
TWO_AT = RECORDS_AT + 8 + 9
THREE_AT = TWO_AT + 8 + 10
END = THREE_AT + 8 + 13


# -- Torn and damaged records --------------------------------------------------------------------


@pytest.mark.parametrize("cut", range(THREE_AT, END))
def test_a_record_torn_at_any_byte_is_given_up_and_counted(cut, three, directory, read_all):
    """As a kill in the middle of the store leaves it: zeros from some byte on."""
    (directory / segment_name(1)).write_bytes(three[:cut].ljust(SMALLEST_BYTES, b"\0"))
    reading = read_all()
    assert reading.payloads == [ONE, TWO]
    assert reading.torn == (0 if cut == THREE_AT else 1)
    assert list(directory.iterdir()) == []


@pytest.mark.parametrize("hole", range(THREE_AT + 1, END))
def test_a_record_of_which_only_the_end_was_stored_is_given_up(hole, three, directory, read_all):
    torn = three[:THREE_AT] + bytes(hole - THREE_AT) + three[hole:]
    (directory / segment_name(1)).write_bytes(torn)
    reading = read_all()
    assert reading.payloads == [ONE, TWO]
    assert reading.torn == 1


@pytest.mark.parametrize("cut", range(TWO_AT, END))
def test_a_file_cut_short_at_any_byte_gives_what_is_whole(cut, three, directory, read_all):
    (directory / segment_name(1)).write_bytes(three[:cut])
    reading = read_all()
    assert reading.payloads == ([ONE] if cut < THREE_AT else [ONE, TWO])
    assert reading.torn == (0 if cut in (TWO_AT, THREE_AT) else 1)


@pytest.mark.parametrize("at", range(TWO_AT, THREE_AT))
@pytest.mark.parametrize("flip", [0x01, 0x80, 0xFF])
def test_a_record_changed_at_any_byte_is_given_up_and_the_next_is_found(
    at, flip, three, directory, read_all
):
    changed = bytearray(three)
    changed[at] ^= flip
    (directory / segment_name(1)).write_bytes(changed)
    reading = read_all()
    assert reading.payloads == [ONE, THREE]
    assert reading.torn == 1


def test_pages_lost_in_a_crash_of_the_machine_cost_only_their_own_records(directory, read_all):
    events = [f'[{number},"{"x" * 300}"]'.encode() for number in range(2000)]
    writer = JournalWriter(directory)
    for payload in events[:700]:
        writer.write(payload)
    path = directory / f"{writer._id}-000001.segment"
    content = bytearray(path.read_bytes())
    writer.close()
    content[8192 : 8192 + 40960] = bytes(40960)  # ten pages never reached the disk
    for left in directory.iterdir():
        left.unlink()
    (directory / segment_name(1)).write_bytes(content)
    reading = read_all()
    lost = set(events[:700]) - set(reading.payloads)
    assert reading.torn == 1
    # A record has 8 + 300 + len('[…,""]') bytes, from 314 on; the hole and the two at its edges.
    assert 40960 // 320 <= len(lost) <= 40960 // 314 + 2
    assert len(reading.payloads) == 700 - len(lost)


def test_damage_in_a_live_segment_waits_until_the_writer_is_gone(directory, segment, read_all):
    segment.append(record(ONE))
    segment.append(b"\xff" * 30)  # a length that cannot be
    segment.append(record(TWO))
    first = read_all()
    assert (first.payloads, first.torn) == ([ONE], 0)
    segment.close()
    second = read_all(first.positions)
    assert (second.payloads, second.torn) == ([TWO], 1)


def test_what_was_given_up_is_not_given_up_again_after_a_restart(directory, three, read_all):
    path = directory / segment_name(1)
    path.write_bytes(three[: END - 2].ljust(SMALLEST_BYTES, b"\0"))
    reader = JournalReader(directory, {})
    positions: dict[str, int] = {}
    torn = 0
    for _ in range(3):
        chunk = reader.read(100)
        positions.update(chunk.positions)
        torn += chunk.torn
    reader.close()  # before release, as when the sidecar dies after the commit
    assert torn == 1
    assert read_all(positions).torn == 0


# -- Strangers -------------------------------------------------------------------------------------


def test_what_is_no_segment_is_left_alone_and_told_once(directory, three, caplog):
    (directory / "notes.txt").write_text("mine")
    (directory / segment_name(2)).write_bytes(os.urandom(5000))
    (directory / segment_name(3)).write_bytes(b"")
    (directory / segment_name(4)).write_bytes(b"costmtr\n\x63" + bytes(5000))  # version 99
    (directory / segment_name(5)).symlink_to("/etc/passwd")
    os.mkfifo(directory / segment_name(6))
    (directory / segment_name(7)).mkdir()
    with (directory / segment_name(8)).open("wb") as large:
        large.write(three[:RECORDS_AT])
        large.truncate(MAX_SEGMENT_BYTES + 1)
    (directory / segment_name(1)).write_bytes(three)
    before = {path.name for path in directory.iterdir()}

    reader = JournalReader(directory, {})
    payloads = [payload for _ in range(5) for payload in reader.read(100).payloads]
    reader.lag()
    reader.release()
    reader.close()

    assert payloads == [ONE, TWO, THREE]
    assert {path.name for path in directory.iterdir()} == before - {segment_name(1)}
    assert len(caplog.records) == 7


@pytest.mark.parametrize("seed", range(20))
def test_random_bytes_behind_a_good_header_do_no_harm(seed, directory, three, read_all):
    import random

    noise = random.Random(seed).randbytes(20_000)
    (directory / segment_name(1)).write_bytes(three[:RECORDS_AT] + noise + record(ONE))
    reading = read_all()
    assert reading.payloads == [ONE]
    assert reading.torn == 1


def test_a_file_cut_short_while_it_is_read_ends_its_reading(directory, segment, read_all):
    segment.append(record(ONE))
    reader = JournalReader(directory, {})
    assert reader.read(10).payloads == [ONE]
    os.truncate(segment.path, 10)
    assert reader.read(10).payloads == []
    assert reader.lag().bytes == 0
    reader.close()


def test_a_segment_that_someone_deleted_is_read_to_its_end(directory, segment):
    segment.append(record(ONE))
    reader = JournalReader(directory, {})
    assert reader.read(10).payloads == [ONE]
    segment.path.unlink()
    segment.append(record(TWO))
    assert reader.read(10).payloads == [TWO]
    segment.seal()
    reader.read(10)
    assert set(reader.release()) == {segment.path.name}
    reader.close()


def test_a_directory_that_is_missing_is_empty_and_told_once(directory, caplog):
    reader = JournalReader(directory / "later", {})
    assert reader.read(10).payloads == []
    assert reader.lag() == (0, None, 0)
    [told] = caplog.records
    assert "No such file or directory" in told.message
    (directory / "later").mkdir()
    writer = JournalWriter(directory / "later")
    writer.write(ONE)
    assert reader.read(10).payloads == [ONE]
    reader.close()
    writer.close()


# -- Positions -------------------------------------------------------------------------------------


def test_a_new_reader_goes_on_where_the_committed_positions_are(directory, segment):
    for payload in (ONE, TWO, THREE):
        segment.append(record(payload))
    reader = JournalReader(directory, {})
    first = reader.read(2)
    assert first.payloads == [ONE, TWO]
    assert first.positions == {segment.path.name: THREE_AT}
    reader.read(2)  # never committed
    reader.close()
    again = JournalReader(directory, first.positions)
    assert again.read(10).payloads == [THREE]
    assert again.read(10) == ([], {}, 0, 0, 0)
    again.close()


def test_drops_and_errors_count_once_whatever_restarts(directory, segment, read_all):
    from costmeter.journal.segment import DROPPED_AT, ERRORS_AT

    segment.add(DROPPED_AT, 3)
    segment.add(ERRORS_AT, 2)
    first = read_all()
    assert (first.dropped, first.errors) == (3, 2)
    name = segment.path.name
    assert first.positions == {f"{name}#dropped": 3, f"{name}#errors": 2}
    segment.add(DROPPED_AT, 1)
    segment.seal()
    second = read_all(first.positions)
    assert (second.dropped, second.errors) == (1, 0)
    assert set(second.forgotten) == {name, f"{name}#dropped", f"{name}#errors"}


def test_only_a_segment_that_is_final_and_read_is_released(directory, segment):
    segment.append(record(ONE))
    segment.append(record(TWO))
    reader = JournalReader(directory, {})
    reader.read(1)
    assert reader.release() == []
    segment.seal()
    reader.read(1)
    assert reader.release() == []
    reader.read(1)  # finds that there is no more
    assert reader.release() == [segment.path.name]
    assert not segment.path.exists()
    reader.close()


def test_a_position_without_its_file_is_kept_for_a_while(directory, three, monkeypatch):
    name = segment_name(1)
    positions = {name: TWO_AT, f"{name}#dropped": 4, segment_name(2): END}
    reader = JournalReader(directory, positions)
    reader.read(10)
    assert reader.release() == []
    (directory / name).write_bytes(three)  # a directory that is mounted late
    assert reader.read(10).payloads == [TWO, THREE]
    monkeypatch.setattr(reader_module, "FORGET_SECONDS", 0)
    reader.read(10)
    assert set(reader.release()) == {name, f"{name}#dropped", segment_name(2)}
    reader.close()


def test_a_segment_that_cannot_be_deleted_is_not_read_again(
    directory, segment, caplog, monkeypatch
):
    segment.append(record(ONE))
    segment.seal()
    reader = JournalReader(directory, {})

    def refuse(path: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    payloads = []
    for _ in range(3):
        payloads += reader.read(10).payloads
        assert reader.release() == []
    assert payloads == [ONE]
    [told] = caplog.records
    assert "cannot be deleted: Permission denied" in told.message
    monkeypatch.undo()
    assert reader.release() == [segment.path.name]
    reader.close()


# -- Many of everything ----------------------------------------------------------------------------


def test_a_backlog_of_one_writer_does_not_hold_up_another(directory):
    busy, idle = JournalWriter(directory), JournalWriter(directory)
    for number in range(20_000):
        busy.write(b"[%d]" % number)
    for number in range(5):
        idle.write(b"[-%d]" % number)
    reader = JournalReader(directory, {})
    payloads = reader.read(100).payloads
    assert len(payloads) == 100
    assert [payload for payload in payloads if b"-" in payload] == [b"[-%d]" % n for n in range(5)]
    reader.close()
    busy.close()
    idle.close()


def test_more_segments_than_may_be_kept_open_are_all_read(directory, monkeypatch, read_all):
    monkeypatch.setattr(reader_module, "MAX_OPEN", 4)
    segments = [OpenSegment(directory, segment_name(n), SMALLEST_BYTES) for n in range(30)]
    for number, segment in enumerate(segments):
        segment.append(record(b"[%d]" % number))
    files = open_files()
    reader = JournalReader(directory, {})
    assert sorted(reader.read(1000).payloads) == sorted(b"[%d]" % n for n in range(30))
    assert reader.lag().writers == 30
    assert open_files() <= files + 4
    for segment in segments:
        segment.append(record(b"[0]"))
    assert len(reader.read(1000).payloads) == 30
    for segment in segments:
        segment.close()
    reader.close()


def test_a_record_may_lie_across_the_blocks_in_which_it_is_read(directory, read_all):
    writer = JournalWriter(directory)
    events = [b"[%d]" % number + b" " * 16_000 for number in range(100)]
    assert sum(map(len, events)) > 5 * BLOCK_BYTES
    for payload in events:
        assert writer.write(payload)
    assert read_all(at_a_time=7).payloads == events
    writer.close()


def test_a_million_events_behind_need_no_more_memory_than_a_few(directory, run_python):
    written = run_python(
        """
import sys
from costmeter.journal.writer import JournalWriter
writer = JournalWriter(sys.argv[1])
print(sum(writer.write(b'[%d,"chat"]' % number) for number in range(1_000_000)))
""",
        directory,
    )
    assert written.stdout == "1000000\n"
    read = run_python(
        """
import resource, sys
from pathlib import Path
from costmeter.journal.reader import JournalReader
reader = JournalReader(Path(sys.argv[1]), {})
expected = 0
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
while payloads := reader.read(10_000).payloads:
    assert len(payloads) <= 10_000
    for payload in payloads:
        assert payload == b'[%d,"chat"]' % expected
        expected += 1
    reader.release()
reader.release()
print(expected, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
""",
        directory,
    )
    count, grown_kib = map(int, read.stdout.split())
    assert count == 1_000_000
    assert grown_kib < 16 * 1024  # the journal has more than 25 MiB
    assert list(directory.iterdir()) == []


# -- Lag -------------------------------------------------------------------------------------------


def test_lag_is_what_is_unread_to_the_byte_and_to_the_oldest_event(directory, segment):
    other = OpenSegment(directory, segment_name(2), SMALLEST_BYTES)
    segment.append(record(THREE))
    segment.append(record(TWO))
    other.append(record(TWO))
    reader = JournalReader(directory, {})
    assert reader.lag() == (8 + 13 + 8 + 10 + 8 + 10, 22, 2)
    while reader.read(1).payloads:
        pass
    assert reader.lag() == (0, None, 2)
    other.append(record(ONE))
    assert reader.lag() == (8 + 9, 1, 2)
    other.close()
    reader.read(10)
    reader.read(10)
    assert reader.lag() == (0, None, 1)
    reader.close()


def test_lag_of_a_long_backlog_is_exact(directory, segment):
    total = 0
    for number in range(3000):
        total += segment.append(record(b"[%d]" % number + b" " * (number % 70)))
    reader = JournalReader(directory, {})
    assert reader.lag().bytes == total
    reader.close()


def test_a_segment_that_cannot_be_read_hides_the_lag_of_no_other(directory, segment, monkeypatch):
    other = OpenSegment(directory, segment_name(2), SMALLEST_BYTES)
    for each in (segment, other):
        each.append(record(TWO))
    unread = SegmentTail.unread

    def fail(tail):
        if tail.path == other.path:
            raise OSError(errno.EIO, "Input/output error")
        return unread(tail)

    monkeypatch.setattr(SegmentTail, "unread", fail)
    reader = JournalReader(directory, {})
    assert reader.lag() == (8 + 10, 22, 2)
    reader.close()


# -- What died half made ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("age_seconds", "locked", "stays"),
    [(30, False, True), (90, False, False), (90, True, True)],
)
def test_an_unfinished_segment_is_removed_once_its_writer_is_surely_gone(
    directory, age_seconds, locked, stays
):
    unfinished = directory / f".{segment_name(1)}"
    unfinished.write_bytes(bytes(100))
    changed = unfinished.stat().st_mtime - age_seconds
    os.utime(unfinished, (changed, changed))
    with unfinished.open("rb") as maker:
        if locked:
            fcntl.flock(maker, fcntl.LOCK_EX)
        reader = JournalReader(directory, {})
        reader.read(10)
        reader.close()
    assert unfinished.exists() == stays


def test_the_end_of_a_killed_writers_segment_is_a_position_of_its_own(directory, segment):
    """Else a pipeline that commits only what changed would keep the file for ever."""
    segment.append(record(ONE))
    reader = JournalReader(directory, {})
    reader.read(10)
    segment.close()
    reader.read(10)
    assert reader.read(10).positions == {segment.path.name: SMALLEST_BYTES}
    assert reader.release() == [segment.path.name]
    reader.close()
