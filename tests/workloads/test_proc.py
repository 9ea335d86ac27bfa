from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from costmeter.workloads.kept import KeptFile
from costmeter.workloads.proc import ProcessTable, ProcessTree, parse_stat
from costmeter.workloads.schema import ProcessConfig

TICK = 10_000_000
"""Nanoseconds in a tick, as the fixture ``proc`` asserts."""


class Watched:
    """A tree whose table is scanned before each sample, as the sampler does it."""

    def __init__(self, proc: Path, **config: Any) -> None:
        self.table = ProcessTable(proc)
        self.tree = ProcessTree(self.table, ProcessConfig(**config))

    def sample(self) -> bool:
        self.table.scan()
        return self.tree.sample()

    @property
    def ticks(self) -> int:
        ticks, rest = divmod(self.tree.cpu_ns, TICK)
        assert rest == 0
        return ticks


@pytest.fixture
def watched(proc: Any) -> Any:
    """The tree of process 100, which runs for long already."""
    proc.write(100, own=1000, reaped=500, old=True)
    watched = Watched(proc.path, pid=100)
    assert watched.sample() is False
    yield watched
    watched.tree.close()


def test_a_name_with_parentheses_and_spaces_shifts_no_field() -> None:
    stat = parse_stat(b"7 (a) R 9 (b c) S 3 7 7 0 -1 4 1 2 3 4 11 12 13 14 20 0 1 0 555 9 66 1\n")
    assert (stat.name, stat.state, stat.parent) == (b"a) R 9 (b c", b"S", 3)
    assert (stat.own, stat.reaped, stat.start, stat.pages) == (23, 27, 555, 66)


@pytest.mark.parametrize("content", [b"", b"7 (a) S 3\n", b"no parentheses"])
def test_content_of_another_form_is_refused(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"not|found"):
        parse_stat(content)


def test_what_a_process_used_before_it_was_watched_does_not_count(
    proc: Any, watched: Watched
) -> None:
    assert watched.ticks == 0
    proc.write(100, own=1007, reaped=503, old=True)
    assert watched.sample() is True
    assert watched.ticks == 7 + 3


def test_a_process_alone_counts_no_children(proc: Any) -> None:
    proc.write(100, own=1000, reaped=500, old=True)
    proc.write(101, parent=100, own=40, old=True)
    watched = Watched(proc.path, pid=100, tree=False)
    watched.sample()
    proc.write(100, own=1007, reaped=580, old=True)
    watched.sample()
    assert watched.ticks == 7
    assert watched.tree.memory_bytes == 10 * os.sysconf("SC_PAGE_SIZE")
    watched.tree.close()


def test_descendants_of_all_depths_count_from_their_start(proc: Any, watched: Watched) -> None:
    proc.write(103, parent=102, own=5, pages=4)
    proc.write(102, parent=101, own=30, pages=3)
    proc.write(101, parent=100, own=200, pages=2)
    proc.write(150, parent=1, own=9999)
    watched.sample()
    assert watched.ticks == 235
    assert watched.tree.memory_bytes == (10 + 2 + 3 + 4) * os.sysconf("SC_PAGE_SIZE")


def test_a_child_that_is_reaped_counts_once_with_what_it_used_last(
    proc: Any, watched: Watched
) -> None:
    proc.write(101, parent=100, own=30)
    watched.sample()
    proc.end(101)
    proc.write(100, own=1000, reaped=534, old=True)
    watched.sample()
    assert watched.ticks == 34


def test_a_child_that_is_reaped_between_two_readings_counts_once(
    proc: Any, watched: Watched
) -> None:
    proc.write(101, parent=100, own=30)
    watched.sample()
    proc.end(101)  # its parent was read just before, and shows it at the next sample only
    watched.sample()
    assert watched.ticks == 30
    proc.write(100, own=1000, reaped=534, old=True)
    watched.sample()
    assert watched.ticks == 34


def test_a_child_that_was_never_seen_counts_when_it_is_reaped(proc: Any, watched: Watched) -> None:
    proc.write(100, own=1000, reaped=577, old=True)
    watched.sample()
    assert watched.ticks == 77


def test_a_child_whose_parent_does_not_wait_keeps_what_was_seen(
    proc: Any, watched: Watched
) -> None:
    proc.write(101, parent=100, own=30)
    watched.sample()
    proc.end(101)
    watched.sample()
    watched.sample()
    assert watched.ticks == 30
    # It hides nothing of what is reaped long after.
    proc.write(100, own=1000, reaped=520, old=True)
    watched.sample()
    assert watched.ticks == 50


def test_a_child_and_its_child_that_end_together_count_once(proc: Any, watched: Watched) -> None:
    proc.write(101, parent=100, own=30)
    proc.write(102, parent=101, own=7)
    watched.sample()
    proc.end(101)
    proc.end(102)
    proc.write(100, own=1000, reaped=500 + 31 + 9, old=True)
    watched.sample()
    assert watched.ticks == 40


def test_a_zombie_counts_once(proc: Any, watched: Watched) -> None:
    proc.write(101, parent=100, own=30)
    watched.sample()
    proc.write(101, parent=100, own=32, state="Z", pages=0)
    watched.sample()
    assert watched.ticks == 32
    proc.end(101)
    proc.write(100, own=1000, reaped=532, old=True)
    watched.sample()
    assert watched.ticks == 32


def test_an_orphan_stays_a_member(proc: Any, watched: Watched) -> None:
    proc.write(101, parent=100, own=30)
    proc.write(102, parent=101, own=7)
    watched.sample()
    proc.end(101)
    proc.write(100, own=1000, reaped=530, old=True)
    proc.write(102, parent=1, own=17)
    watched.sample()
    proc.write(102, parent=1, own=27)
    watched.sample()
    assert watched.ticks == 57
    proc.end(102)  # reaped by process 1: what it used last is not known
    watched.sample()
    assert watched.ticks == 57


def test_a_child_whose_id_is_used_again_by_a_stranger_is_gone(proc: Any, watched: Watched) -> None:
    proc.write(101, parent=100, own=30)
    watched.sample()
    proc.end(101)
    proc.now += 50
    proc.write(101, parent=1, own=90_000)
    watched.sample()
    watched.sample()
    assert watched.ticks == 30


def test_counters_that_go_back_take_nothing_away(proc: Any, watched: Watched) -> None:
    proc.write(100, own=990, reaped=490, old=True)
    watched.sample()
    assert watched.ticks == 0


def test_a_child_that_took_a_known_id_is_found_in_the_end(proc: Any, watched: Watched) -> None:
    proc.write(101, parent=1, own=5)
    watched.sample()
    proc.end(101)
    proc.write(101, parent=100, own=8)
    for _ in range(ProcessTable.PASSES_TO_FORGET):
        watched.sample()
    assert watched.ticks == 8


def test_a_member_that_cannot_be_read_for_once_counts_when_it_can_be(
    proc: Any, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    proc.write(101, parent=100, own=30)
    watched.sample()
    proc.write(100, own=1004, reaped=500, old=True)
    proc.write(101, parent=100, own=36)
    read = KeptFile.read

    def refuse(file: KeptFile) -> bytes:
        if file.path.parent.name == "101":
            raise OSError(errno.EMFILE, "Too many open files", str(file.path))
        return read(file)

    with monkeypatch.context() as patch:
        patch.setattr(KeptFile, "read", refuse)
        with pytest.raises(OSError, match=r"Too many open files: .*101/stat"):
            watched.sample()
    assert watched.ticks == 34
    watched.sample()
    assert watched.ticks == 40


def test_a_process_that_is_gone_is_not_watched_again_under_its_number(
    proc: Any, watched: Watched
) -> None:
    proc.end(100)
    with pytest.raises(FileNotFoundError, match="no process is there that pid 100 names"):
        watched.sample()
    proc.write(100, own=90_000)
    with pytest.raises(FileNotFoundError):
        watched.sample()
    assert watched.ticks == 0


def test_a_process_that_waits_to_be_reaped_is_gone(proc: Any, watched: Watched) -> None:
    proc.write(100, own=1003, reaped=500, old=True, state="Z")
    with pytest.raises(FileNotFoundError):
        watched.sample()
    assert watched.ticks == 3


def test_children_that_outlive_the_process_go_on_counting(proc: Any, watched: Watched) -> None:
    proc.write(101, parent=100, own=30)
    watched.sample()
    proc.end(100)
    proc.write(101, parent=1, own=45)
    with pytest.raises(FileNotFoundError):
        watched.sample()
    assert watched.ticks == 45


def test_a_rewritten_pid_file_is_followed_and_the_new_process_counts_whole(
    proc: Any, tmp_path: Path
) -> None:
    file = tmp_path / "api.pid"
    watched = Watched(proc.path, pid_file=file)
    with pytest.raises(FileNotFoundError, match=r"api.pid is not there"):
        watched.sample()
    proc.write(100, own=11)
    proc.write(101, parent=100, own=4)
    with pytest.raises(FileNotFoundError):
        watched.sample()  # the table knows both processes before the file names one of them
    file.write_text("100\n")
    assert watched.sample() is True
    assert watched.ticks == 15

    proc.end(100)
    proc.end(101)
    with pytest.raises(FileNotFoundError, match=r"no process is there that .*api.pid names"):
        watched.sample()
    proc.write(200, own=6)
    file.write_text("200 started by a supervisor\n")
    assert watched.sample() is True
    assert watched.ticks == 21
    watched.tree.close()


def test_a_process_that_ran_before_the_sidecar_counts_from_now_on(
    proc: Any, tmp_path: Path
) -> None:
    file = tmp_path / "api.pid"
    watched = Watched(proc.path, pid_file=file)
    proc.write(100, own=90_000, old=True)
    proc.write(101, parent=100, own=80_000, old=True)
    file.write_text("100\n")
    assert watched.sample() is False
    assert watched.ticks == 0
    watched.tree.close()


def test_a_pid_file_may_go_while_its_process_runs(proc: Any, tmp_path: Path) -> None:
    file = tmp_path / "api.pid"
    file.write_text("100")
    proc.write(100, own=5)
    watched = Watched(proc.path, pid_file=file)
    watched.sample()
    file.unlink()
    proc.write(100, own=8)
    assert watched.sample() is True
    assert watched.ticks == 8
    watched.tree.close()


def test_a_stale_pid_file_is_not_believed_when_its_number_is_used_again(
    proc: Any, tmp_path: Path
) -> None:
    file = tmp_path / "api.pid"
    file.write_text("100")
    watched = Watched(proc.path, pid_file=file)
    with pytest.raises(FileNotFoundError):
        watched.sample()
    proc.write(100, own=90_000)
    with pytest.raises(FileNotFoundError):
        watched.sample()
    assert watched.ticks == 0


def test_the_oldest_process_of_a_name_is_watched_and_then_its_successor(proc: Any) -> None:
    proc.write(300, own=1, command="a-name-of-16-byt", old=True)  # Linux would have cut it
    proc.write(101, own=5, command="a-name-of-16-by")
    proc.write(100, own=90, state="Z", command="a-name-of-16-by")
    proc.write(102, own=7, command="a-name-of-16-by")
    watched = Watched(proc.path, name="a-name-of-16-bytes")
    watched.sample()
    assert watched.ticks == 5
    proc.end(101)
    assert watched.sample() is True
    assert watched.ticks == 5 + 7
    proc.end(102)
    with pytest.raises(FileNotFoundError, match="no process is there that name 'a-name"):
        watched.sample()
    watched.tree.close()


@pytest.mark.parametrize("text", ["", "api", "0", "-5", "\n"])
def test_a_pid_file_without_an_id_is_told_and_read_again(
    proc: Any, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "api.pid"
    file.write_text(text)
    proc.write(100, own=5)
    watched = Watched(proc.path, pid_file=file)
    with pytest.raises(ValueError, match=r"api.pid: .* does not begin with a process id"):
        watched.sample()
    file.write_text("100")
    assert watched.sample() is True
    watched.tree.close()


# -- the real /proc -----------------------------------------------------------------------------

BURN = "import time\nwhile time.process_time() < {seconds}: pass\n"

SLACK_SECONDS = 0.02
"""User and system time are each cut to a tick of 10 ms, of a process and of what it reaped."""


def cpu_seconds() -> float:
    """CPU time of this process and of the children it waited for."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def test_real_children_that_come_and_go_cost_what_getrusage_tells() -> None:
    watched = Watched(Path("/proc"), pid=os.getpid())
    watched.sample()
    before = cpu_seconds()
    children = 0
    for _ in range(3):
        running = [
            subprocess.Popen([sys.executable, "-S", "-c", BURN.format(seconds=0.1)])
            for _ in range(2)
        ]
        children += len(running)
        while any(child.poll() is None for child in running):
            watched.sample()
            time.sleep(0.01)
    watched.sample()
    used = cpu_seconds() - before
    assert used > children * 0.1
    assert watched.tree.cpu_ns / 1e9 == pytest.approx(used, abs=SLACK_SECONDS * (children + 2))
    watched.tree.close()


def test_real_grandchildren_that_were_never_seen_cost_what_getrusage_tells() -> None:
    watched = Watched(Path("/proc"), pid=os.getpid())
    outer = cpu_seconds()
    watched.sample()
    inner = cpu_seconds()
    script = f"import subprocess, sys\nsubprocess.run([sys.executable, '-S', '-c', {BURN!r}])\n"
    subprocess.run(
        [sys.executable, "-S", "-c", script.format(seconds=0.1)], check=True, close_fds=False
    )
    least = cpu_seconds() - inner
    watched.sample()
    most = cpu_seconds() - outer  # with what other threads of this process do beside
    assert least > 0.1
    seen = watched.tree.cpu_ns / 1e9
    assert least - 2 * SLACK_SECONDS <= seen <= most + 2 * SLACK_SECONDS
    watched.tree.close()


def test_a_real_process_holds_the_memory_it_allocated() -> None:
    script = "b = bytearray(64 << 20)\nfor i in range(0, len(b), 4096): b[i] = 1\nprint(1)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-S", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdout is not None
        watched = Watched(Path("/proc"), pid=child.pid)
        child.stdout.readline()
        watched.sample()
        assert 64 << 20 <= watched.tree.memory_bytes < 128 << 20
        child.communicate(b"\n")
    with pytest.raises(FileNotFoundError):
        watched.sample()
