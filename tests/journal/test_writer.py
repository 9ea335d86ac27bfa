"""The writer, alone in its process."""

from __future__ import annotations

import gc
import logging
import re
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from costmeter.journal import writer as writer_module
from costmeter.journal.segment import LARGEST_BYTES, SMALLEST_BYTES, OpenSegment
from costmeter.journal.writer import JournalWriter
from costmeter.usage import MAX_EVENT_BYTES


def event(number: int, size: int = 200) -> bytes:
    """A payload that tells its number and has a certain size."""
    return f'[{number},"{"x" * size}"]'.encode()


def test_what_is_written_is_read_once_and_in_order(writer, read_all):
    events = [event(number) for number in range(1000)]
    assert all(writer.write(payload) for payload in events)
    first = read_all()
    assert first.payloads == events
    assert read_all(first.positions).payloads == []


def test_a_full_segment_is_sealed_and_followed_by_one_of_twice_the_size(
    writer, directory, read_all
):
    events = [event(number, 2000) for number in range(1000)]  # about 2 MB
    for payload in events:
        writer.write(payload)
    # But for one that is just being made: its name begins with a dot until it is whole.
    sizes = [path.stat().st_size for path in sorted(directory.glob("[!.]*.segment"))]
    assert sizes[0] == SMALLEST_BYTES
    assert sizes == sorted(sizes)
    assert max(sizes) <= LARGEST_BYTES
    reading = read_all()
    assert reading.payloads == events
    assert reading.torn == 0
    # All but the current segment and the one prepared are read to their end, and gone.
    assert len(list(directory.glob("[!.]*.segment"))) <= 2


def test_segments_do_not_grow_beyond_the_largest(writer, directory, monkeypatch):
    monkeypatch.setattr(writer_module, "LARGEST_BYTES", 2 * SMALLEST_BYTES)
    for number in range(1000):
        writer.write(event(number, 2000))
    sizes = {path.stat().st_size for path in directory.glob("[!.]*.segment")}
    assert sizes == {SMALLEST_BYTES, 2 * SMALLEST_BYTES}


def test_threads_write_side_by_side_and_nothing_is_lost(writer, read_all):
    def work(thread: int) -> None:
        for number in range(5000):
            writer.write(event(thread * 5000 + number))

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    payloads = read_all().payloads
    assert sorted(payloads) == sorted(event(number) for number in range(30_000))


def test_a_signal_handler_may_write_in_the_middle_of_a_write(writer, read_all):
    handled = []

    def handle(*_: object) -> None:
        handled.append(event(1_000_000 + len(handled)))
        writer.write(handled[-1])

    before = signal.signal(signal.SIGALRM, handle)
    signal.setitimer(signal.ITIMER_REAL, 0.0002, 0.0002)
    own = 0
    try:
        while len(handled) < 500:
            writer.write(event(own))
            own += 1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    payloads = read_all().payloads
    assert sorted(payloads) == sorted([event(number) for number in range(own)] + handled)


def test_a_signal_handler_may_write_while_a_segment_is_being_made(writer, read_all, monkeypatch):
    make = OpenSegment.__init__

    def interrupted(self: OpenSegment, directory: Path, name: str, size: int) -> None:
        monkeypatch.setattr(OpenSegment, "__init__", make)
        writer.write(event(1))  # what a handler would do
        make(self, directory, name, size)

    monkeypatch.setattr(OpenSegment, "__init__", interrupted)
    writer.write(event(2))
    assert read_all().payloads == [event(2), event(1)]


def test_a_finalizer_may_write_in_the_middle_of_a_write(writer, read_all):
    class Stream:
        def __init__(self) -> None:
            self.itself = self  # so that only the garbage collector ends it

        def __del__(self) -> None:
            writer.write(event(1_000_000))

    thresholds = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        for number in range(2000):
            Stream()
            writer.write(event(number))
    finally:
        gc.set_threshold(*thresholds)
    gc.collect()
    payloads = read_all().payloads
    assert payloads.count(event(1_000_000)) == 2000
    assert len(payloads) == 4000


def test_a_missing_directory_is_told_once_and_recording_resumes(
    tmp_path, monkeypatch, caplog, read_all, directory
):
    shutil.rmtree(directory)
    monkeypatch.setattr(writer_module, "RETRY_FIRST_NS", 0)
    monkeypatch.setattr(writer_module, "RETRY_LAST_NS", 0)
    writer = JournalWriter(directory)
    assert [writer.write(event(number)) for number in range(3)] == [False] * 3
    assert writer.dropped == 3
    [told] = caplog.records
    assert told.levelno == logging.WARNING
    assert str(directory) in told.message
    assert "No such file or directory" in told.message
    assert "COSTMETER_JOURNAL" in told.message

    directory.mkdir()
    assert writer.write(event(3))
    assert caplog.records[-1].message.endswith("recording again, 3 events dropped so far")
    reading = read_all()
    assert reading.payloads == [event(3)]
    assert reading.dropped == 3
    assert read_all(reading.positions).dropped == 0
    writer.close()


def test_what_cannot_be_made_is_not_tried_again_for_every_event(tmp_path, monkeypatch):
    attempts = []

    def no_room(directory: Path) -> int:
        attempts.append(directory)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer_module, "_bytes_used", no_room)
    writer = JournalWriter(tmp_path)
    for number in range(1000):
        writer.write(event(number))
    assert writer.dropped == 1000
    assert len(attempts) == 1


def test_the_wait_between_attempts_doubles_up_to_its_limit(tmp_path, monkeypatch):
    clock = iter(range(10**9, 41 * 10**9, 10**8))  # every tenth of a second
    now = next(clock)
    attempts = []

    def no_room(directory: Path) -> int:
        attempts.append(now)
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writer_module, "_bytes_used", no_room)
    monkeypatch.setattr(writer_module.time, "monotonic_ns", lambda: now)
    writer = JournalWriter(tmp_path)
    while now:
        writer.write(b"[]")
        now = next(clock, 0)
    assert [at / 10**9 for at in attempts] == [1, 1.5, 2.5, 4.5, 8.5, 16.5, 26.5, 36.5]


def test_a_journal_at_its_limit_drops_until_the_reader_has_made_room(
    directory, monkeypatch, caplog, read_all
):
    monkeypatch.setattr(writer_module, "RETRY_FIRST_NS", 0)
    monkeypatch.setattr(writer_module, "RETRY_LAST_NS", 0)
    writer = JournalWriter(directory, limit_bytes=3 * SMALLEST_BYTES)
    written = [event(number, 1000) for number in range(2000) if writer.write(event(number, 1000))]
    assert 0 < len(written) < 2000
    assert writer.dropped == 2000 - len(written)
    assert sum(path.stat().st_size for path in directory.iterdir()) <= 3 * SMALLEST_BYTES
    [told] = caplog.records
    assert "786432 allowed (COSTMETER_JOURNAL_LIMIT)" in told.message

    first = read_all()
    assert first.payloads == written
    assert first.dropped == writer.dropped
    assert writer.write(event(5000))
    again = read_all(first.positions)
    assert again.payloads == [event(5000)]
    assert again.dropped == 0
    writer.close()


def test_an_event_over_the_limit_is_dropped_and_told_once(writer, caplog, read_all):
    largest = b"[" + b"1" * (MAX_EVENT_BYTES - 2) + b"]"
    assert writer.write(largest)
    assert not writer.write(largest + b" ")
    assert not writer.write(largest + b" ")
    [told] = caplog.records
    assert "16385 bytes" in told.message
    reading = read_all()
    assert reading.payloads == [largest]
    assert reading.dropped == 2


def test_errors_are_counted_even_where_nothing_was_written(writer, read_all):
    writer.count_error()
    writer.count_error()
    reading = read_all()
    assert reading.errors == 2
    assert read_all(reading.positions).errors == 0


def test_a_closed_journal_is_read_and_deleted_at_once(writer, directory, read_all):
    writer.write(event(1))
    writer.close()
    reading = read_all()
    assert reading.payloads == [event(1)]
    assert list(directory.iterdir()) == []
    assert reading.positions == {}


def test_a_write_after_close_opens_anew(writer, read_all):
    writer.write(event(1))
    writer.close()
    writer.write(event(2))
    assert sorted(read_all().payloads) == [event(1), event(2)]


def test_a_sealed_segment_takes_no_more_from_anyone(directory):
    segment = OpenSegment(directory, "0" * 32 + "-000001.segment", SMALLEST_BYTES)
    append = segment.append  # as a thread has it that was on its way while another one sealed
    append(b"x" * 10)
    segment.seal()
    with pytest.raises(ValueError, match="out of range"):
        append(b"x")
    segment.close()
    with pytest.raises(ValueError, match="closed"):
        append(b"x")


def test_a_log_handler_that_records_usage_itself_does_no_harm(tmp_path):
    writer = JournalWriter(tmp_path / "missing")

    class Recording(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            writer.write(event(1))

    handler = Recording()
    logging.getLogger("costmeter").addHandler(handler)
    try:
        assert not writer.write(event(2))
    finally:
        logging.getLogger("costmeter").removeHandler(handler)
    assert writer.dropped == 2


def test_without_a_gil_a_lock_makes_a_store_one_step(directory, monkeypatch, read_all):
    monkeypatch.setattr(writer_module, "_HAS_GIL", False)
    writer = JournalWriter(directory)
    events = [event(number, 2000) for number in range(500)]
    for payload in events:
        assert writer.write(payload)
    assert read_all().payloads == events
    writer.close()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_recording_makes_no_system_call(directory, tmp_path, run_python):
    code = """
import os, sys, time
import costmeter
os.environ["COSTMETER_JOURNAL"] = sys.argv[1]
def record():
    costmeter.record_llm("openai", "gpt-4o-mini", input_tokens=1200, duration_seconds=0.8)
with costmeter.attribute(feature="summarise"):
    for _ in range(100):
        record()
    while len(os.listdir("/proc/self/task")) > 1:  # the next segment is being made
        time.sleep(0.01)
    os.write(1, b"begin\\n")
    for _ in range(500):
        record()
    os.write(1, b"end\\n")
"""
    trace = tmp_path / "trace"
    try:
        run_python(code, directory, prefix=("strace", "-f", "-qq", "-o", str(trace)))
    except subprocess.CalledProcessError as error:
        if "ptrace" in error.stderr:
            pytest.skip("this container does not let strace trace")
        raise
    lines = trace.read_text().splitlines()
    begin = next(at for at, line in enumerate(lines) if 'write(1, "begin' in line)
    end = next(at for at, line in enumerate(lines) if 'write(1, "end' in line)
    caller = lines[begin].split()[0]
    # Reading the clock is a system call on machines whose clock the vDSO cannot read; it keeps the
    # GIL all the same.
    calls = [
        line
        for line in lines[begin + 1 : end]
        if line.startswith(f"{caller} ") and not re.search("clock_gettime|SIG", line)
    ]
    assert calls == []
