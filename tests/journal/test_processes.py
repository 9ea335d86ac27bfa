"""Writers in processes of their own: forked, spawned, killed, and on disks that are full."""

from __future__ import annotations

import contextlib
import mmap
import os
import random
import resource
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from costmeter.journal import reader as reader_module
from costmeter.journal import writer as writer_module
from costmeter.journal.reader import JournalReader
from costmeter.journal.writer import JournalWriter


@contextlib.contextmanager
def forked(work: Callable[[], None]) -> Iterator[int]:
    """Run something in a forked child, and see to its end."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            work()
            status = 0
        except BaseException:  # noqa: BLE001 - the parent sees the status, the log the reason
            traceback.print_exc()
        finally:
            os._exit(status)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(child, 0)


def succeeds(work: Callable[[], None]) -> None:
    """Run something in a forked child, and wait for its success."""
    with forked(work) as child:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


class Counts:
    """Numbers that several processes see, and that outlive them."""

    def __init__(self, size: int) -> None:
        self._shared = mmap.mmap(-1, 8 * size)

    def __getitem__(self, at: int) -> int:
        return int.from_bytes(self._shared[8 * at : 8 * at + 8], "little")

    def __setitem__(self, at: int, value: int) -> None:
        # In one copy: struct.pack_into would zero it first, and a kill may come in between.
        self._shared[8 * at : 8 * at + 8] = value.to_bytes(8, "little")


def test_a_forked_child_goes_on_with_segments_of_its_own(writer, directory, read_all):
    writer.write(b'["parent",0]')

    def child() -> None:
        for number in range(3000):
            writer.write(b'["child",%d]' % number)
        assert writer.dropped == 0

    with forked(child) as pid:
        for number in range(1, 3000):
            writer.write(b'["parent",%d]' % number)
        os.waitpid(pid, 0)
    assert len({path.name.partition("-")[0] for path in directory.glob("[!.]*.segment")}) == 2
    payloads = read_all().payloads
    expected = [b'["%s",%d]' % (who, n) for who in (b"parent", b"child") for n in range(3000)]
    assert sorted(payloads) == sorted(expected)


def test_a_child_does_not_keep_its_parents_segment_alive(writer, directory):
    """Else a reader would wait for a segment whose writer is long gone."""
    release, wait = os.pipe()

    def parent() -> None:
        writer.write(b"[1]")
        if os.fork() == 0:
            os.read(release, 1)  # outlives its parent
            os._exit(0)

    succeeds(parent)
    reader = JournalReader(directory, {})
    assert reader.read(10).payloads == [b"[1]"]
    reader.read(10)
    assert len(reader.release()) == 1
    reader.close()
    os.write(wait, b"x")
    os.close(wait)
    os.close(release)


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_fork_while_other_threads_write_harms_neither(writer, read_all):
    stop = threading.Event()
    counts = [0, 0]

    def work(thread: int) -> None:
        while not stop.is_set():
            writer.write(b"[%d,%d]" % (thread, counts[thread]) + b" " * 1000)
            counts[thread] += 1

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20):
            succeeds(lambda number=number: writer.write(b"[9,%d]" % number) or os._exit(1))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    payloads = read_all().payloads
    by_thread = Counter(payload[1:2] for payload in payloads)
    assert by_thread == {b"0": counts[0], b"1": counts[1], b"9": 20}
    assert len(set(payloads)) == len(payloads)


def test_what_killed_writers_had_written_is_all_there(directory, monkeypatch):
    """Kill -9 at random moments, with a reader that reads, dies and resumes meanwhile."""
    chance = random.Random(20261122)
    kills = 40
    counts = Counts(kills)
    read: Counter[bytes] = Counter()
    positions: dict[str, int] = {}
    reader = JournalReader(directory, positions)

    def read_some() -> int:
        chunk = reader.read(1000)
        read.update(payload.split(b",")[0] for payload in chunk.payloads)
        positions.update(chunk.positions)
        for name in reader.release():
            del positions[name]
        return len(chunk.payloads)

    for kill in range(kills):

        def write_for_ever(kill: int = kill) -> None:
            writer = JournalWriter(directory)
            number = 0
            while writer.write(b"[%d,%d]" % (kill, number) + b" " * (number % 500)):
                number += 1
                counts[kill] = number

        with forked(write_for_ever) as child:
            enough = chance.randrange(1, 4000)
            while counts[kill] < enough:
                read_some()
            os.kill(child, signal.SIGKILL)
        if chance.random() < 0.3:  # the sidecar is killed, too: only what it committed remains
            reader.close()
            reader = JournalReader(directory, positions)
    monkeypatch.setattr(reader_module, "ORPHAN_SECONDS", 0.0)
    idle = 0
    while idle < 3:
        idle = 0 if read_some() else idle + 1
    reader.close()
    for kill in range(kills):
        # One that was in flight may be there beyond those that were known to be written.
        assert read[b"[%d" % kill] - counts[kill] in (0, 1)
    assert list(directory.iterdir()) == []


def test_what_a_killed_process_wrote_with_many_threads_is_all_there(directory, read_all):
    threads = 4
    counts = Counts(threads)

    def write_for_ever() -> None:
        writer = JournalWriter(directory)

        def work(thread: int) -> None:
            number = 0
            while writer.write(b"[%d,%d]" % (thread, number) + b" " * 300):
                number += 1
                counts[thread] = number

        for thread in range(1, threads):
            threading.Thread(target=work, args=(thread,), daemon=True).start()
        work(0)

    with forked(write_for_ever) as child:
        while sum(counts[thread] for thread in range(threads)) < 20_000:
            os.sched_yield()
        os.kill(child, signal.SIGKILL)
    read = Counter(payload.split(b",")[0] for payload in read_all().payloads)
    for thread in range(threads):
        assert read[b"[%d" % thread] - counts[thread] in (0, 1)


SCRIPT = """
import os, sys
os.environ["COSTMETER_JOURNAL"] = sys.argv[1]
import costmeter
for number in range(100):
    costmeter.record_llm("openai", "m", input_tokens=number)
if sys.argv[2] == "abruptly":
    os._exit(0)
"""


@pytest.mark.parametrize("ending", ["cleanly", "abruptly"])
def test_a_short_job_leaves_all_it_recorded_and_nothing_else(
    ending, directory, run_python, read_all
):
    run_python(SCRIPT, directory, ending)
    reading = read_all()
    assert len(reading.payloads) == 100
    assert list(directory.iterdir()) == []


def test_a_job_that_ended_cleanly_is_done_with_in_two_reads(directory, run_python, monkeypatch):
    """Its segment is sealed: nobody has to ask whether the writer lives."""
    run_python(SCRIPT, directory, "cleanly")
    assert len(list(directory.iterdir())) == 1  # the segment prepared and never used is gone
    reader = JournalReader(directory, {})
    assert len(reader.read(1000).payloads) == 100
    assert len(reader.release()) == 1
    reader.close()


def test_several_processes_share_a_directory(directory, read_all):
    jobs = [
        subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(directory), "cleanly"],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
        )
        for _ in range(4)
    ]
    assert [job.wait(timeout=60) for job in jobs] == [0] * 4
    assert len(read_all().payloads) == 400


# -- Directories and disks that refuse -------------------------------------------------------------


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_a_directory_that_may_not_be_written_is_told_once(directory, tmp_path):
    log = tmp_path / "log"

    def as_nobody() -> None:
        import logging

        logging.basicConfig(filename=log, force=True)
        os.setgid(65534)
        os.setuid(65534)
        writer = JournalWriter(directory)
        assert [writer.write(b"[]") for _ in range(3)] == [False] * 3
        writer.close()

    succeeds(as_nobody)
    [line] = log.read_text().splitlines()
    assert f"journal {directory}: Permission denied" in line


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if os.getuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root and CAP_SYS_ADMIN")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def test_a_full_disk_drops_and_counts_and_recording_resumes(small_disk, monkeypatch, caplog):
    monkeypatch.setattr(writer_module, "RETRY_FIRST_NS", 0)
    monkeypatch.setattr(writer_module, "RETRY_LAST_NS", 0)
    writer = JournalWriter(small_disk)
    written = [n for n in range(2000) if writer.write(b"[%d]" % n + b" " * 1000)]
    assert 500 < len(written) < 1100
    assert writer.dropped == 2000 - len(written)
    [told] = caplog.records
    assert f"journal {small_disk}: No space left on device" in told.message

    reader = JournalReader(small_disk, {})
    numbers, dropped = [], 0
    while chunk := reader.read(100):
        numbers += [int(payload[1:].partition(b"]")[0]) for payload in chunk.payloads]
        dropped += chunk.dropped
        reader.release()
        if not chunk.payloads:
            break
    assert numbers == written
    assert dropped == writer.dropped
    assert writer.write(b"[-1]")
    assert reader.read(10).payloads == [b"[-1]"]
    reader.close()
    writer.close()


def test_a_disk_that_fills_up_under_a_mapped_segment_kills_nobody(small_disk):
    """Its room was taken before it was mapped."""
    counts = Counts(1)

    def fill_and_write() -> None:
        writer = JournalWriter(small_disk)
        writer.write(b"[]")
        while writer._preparing or not writer._spare:
            time.sleep(0.001)
        with contextlib.suppress(OSError), (small_disk / "fill").open("wb") as fill:
            while True:
                fill.write(bytes(4096))
        while writer.write(b"[]" + b" " * 1000):
            counts[0] += 1

    succeeds(fill_and_write)
    assert counts[0] * 1010 > 2 * 256 * 1024 - 3000  # both segments to their ends


def test_a_limit_on_file_sizes_is_a_full_disk(directory):
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        writer = JournalWriter(directory)
        assert not writer.write(b"[]")
        assert writer.dropped == 1

    succeeds(limited)
    assert list(directory.iterdir()) == []


def test_too_many_open_files_is_a_full_disk(directory):
    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
        writer = JournalWriter(directory)
        assert not writer.write(b"[]")
        assert writer.dropped == 1

    succeeds(limited)
    assert list(directory.iterdir()) == []
