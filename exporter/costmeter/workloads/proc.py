"""CPU and memory of a process and of all that it starts, from ``/proc/<pid>/stat``.

A tree's CPU time has to stay whole while its members come and go. Linux adds what a child used to
its parent's ``cutime`` and ``cstime`` when the parent waits for it, so that time shows twice: in
the child while it lives, in the parent afterwards. Per sample a tree has grown by

    Σ growth of a member's own time  +  Σ growth of a member's reaped time not seen before

where the reaped time "seen before" is what departed children had at their last sample. A member's
file is read after its parent's, so that a child which is reaped meanwhile is missing once rather
than there twice; the parent's growth then shows one sample later, which is why what was seen
before is remembered for one sample more.

Source: proc_pid_stat(5), wait(2).
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from costmeter.units import NANO
from costmeter.workloads.cgroup import UNLIMITED
from costmeter.workloads.kept import KeptFile
from costmeter.workloads.schema import ProcessConfig

TICK_NS: Final = NANO // os.sysconf("SC_CLK_TCK")
"""Nanoseconds in the unit of CPU time in ``/proc``, 10 ms: totals are cut to it, so that cutting
them at every sample adds up to no error."""

NAME_BYTES: Final = 15
"""Bytes that Linux keeps of a process's name (``TASK_COMM_LEN`` less the end)."""

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Stat(NamedTuple):
    """What ``/proc/<pid>/stat`` tells of a process; CPU times in ticks."""

    name: bytes
    state: bytes
    parent: int
    own: int
    """CPU time of all its threads, those that ended included."""
    reaped: int
    """CPU time of its children that ended and were waited for, and of theirs."""
    start: int
    """When it started, in ticks since the machine did. With the id it tells processes apart."""
    pages: int
    """Resident set, shared pages included."""

    @property
    def alive(self) -> bool:
        """Whether it still runs: a zombie only waits to be reaped."""
        return self.state not in (b"Z", b"X")


def parse_stat(content: bytes) -> Stat:
    """Read the content of ``/proc/<pid>/stat``.

    Raises:
        ValueError: it is not of that form.
    """
    # The name stands in parentheses and may hold anything, parentheses included.
    end = content.rindex(b")")
    fields = content[end + 2 :].split(None, 22)
    try:
        return Stat(
            content[content.index(b"(") + 1 : end],
            fields[0],
            int(fields[1]),
            int(fields[11]) + int(fields[12]),
            int(fields[13]) + int(fields[14]),
            int(fields[19]),
            int(fields[21]),
        )
    except IndexError:
        raise ValueError(f"{content[:80]!r} is not the content of /proc/<pid>/stat") from None


class ProcessTable:
    """All processes of the machine, by their parents: one pass over ``/proc`` for all trees.

    Only processes that are new since the last pass are looked into; a pass costs 0.1 ms for 100
    processes, where following ``/proc/<pid>/task/<tid>/children`` costs 1 ms for 50.
    """

    PASSES_TO_FORGET: Final = 16
    """After so many passes all are looked into again, should an id have been used again."""

    def __init__(self, proc: Path) -> None:
        self.proc = proc
        self.new: dict[int, list[int]] = {}
        """Ids of the processes that the last pass found new, by their parent's id."""
        self._known: set[str] = set()
        self._passes = 0

    def scan(self) -> None:
        """Look for new processes. Where ``/proc`` cannot be read there are none."""
        self._passes += 1
        if self._passes % self.PASSES_TO_FORGET == 0:
            self._known.clear()
        present = self._ids()
        self.new = self._by_parent(present - self._known)
        self._known = present

    def all(self) -> dict[int, list[int]]:
        """Return the ids of all processes by their parent's id; costs 0.4 ms for 100 of them."""
        return self._by_parent(self._ids())

    def oldest(self, name: str) -> int | None:
        """Return the id of the oldest running process of a name, if there is one."""
        wanted = name.encode()[:NAME_BYTES]
        stats = self._stats(self._ids())
        found = [(s.start, pid) for pid, s in stats if s.name == wanted and s.alive]
        return min(found)[1] if found else None

    def _ids(self) -> set[str]:
        with contextlib.suppress(OSError):
            names = os.listdir(self.proc)  # noqa: PTH208 takes a third of Path.iterdir's time
            return set(filter(str.isdecimal, names))
        return set()

    def _stats(self, ids: set[str]) -> Iterator[tuple[int, Stat]]:
        for pid in ids:
            with contextlib.suppress(OSError, ValueError):  # gone since, or hidden by hidepid
                yield int(pid), parse_stat((self.proc / pid / "stat").read_bytes())

    def _by_parent(self, ids: set[str]) -> dict[int, list[int]]:
        children = defaultdict(list)
        for pid, stat in self._stats(ids):
            children[stat.parent].append(pid)
        return dict(children)


class Member:
    """A process of a tree, and how far its CPU time has been counted.

    Attributes:
        stat: what was read of it last.
        own_growth: ticks that its own time grew by between the last two readings.
        reaped_growth: the same of its reaped time.
    """

    __slots__ = ("_content", "_file", "_seen", "own_growth", "reaped_growth", "stat")

    def __init__(self, proc: Path, pid: int) -> None:
        """Read a process for the first time.

        Raises:
            FileNotFoundError: there is no such process.
            OSError: it cannot be read.
        """
        self._file = KeptFile(proc / str(pid) / "stat")
        self._content = self._file.read()
        self.stat = parse_stat(self._content)
        self.own_growth = self.reaped_growth = 0
        self._seen = 0  # ticks of reaped time that may still come, counted in the child already

    def read(self) -> None:
        """Read it again.

        Raises:
            FileNotFoundError: it is gone, whether or not its id is used again.
            OSError: it cannot be read.
        """
        self.own_growth = self.reaped_growth = 0
        content = self._file.read()
        if content == self._content:  # it did nothing
            return
        before, stat = self.stat, parse_stat(content)
        if stat.start != before.start:
            raise FileNotFoundError(f"{self._file.path} is another process by now")
        self.own_growth = max(0, stat.own - before.own)
        self.reaped_growth = max(0, stat.reaped - before.reaped)
        self.stat, self._content = stat, content

    def grown(self, departed: int) -> int:
        """Return the ticks of the last reading that were not counted in a child before.

        ``departed`` are the ticks that children had which are gone since the reading before.
        """
        owed = self._seen + departed
        paid = min(owed, self.reaped_growth)
        self._seen = min(departed, owed - paid)
        return self.own_growth + self.reaped_growth - paid

    @property
    def counted(self) -> int:
        """Ticks of it that are counted already, and will come again when it is reaped."""
        return self.stat.own + self.stat.reaped + self._seen

    def close(self) -> None:
        """Close its file."""
        self._file.close()


class ProcessTree:
    """A process with all its descendants, or the process alone.

    A descendant stays a member when its parent ends and another process adopts it. One that was
    started and orphaned between two samples is not found: a cgroup knows no such gap.

    Attributes:
        cpu_ns: CPU time used since this object was made, in nanoseconds; only ever rises. It
            includes what members used that ended since and were waited for by their parents.
        memory_bytes: the sum of the members' resident sets. Pages that members share count in
            each of them.
        limits: none are known of processes.
    """

    limits = UNLIMITED

    def __init__(self, table: ProcessTable, config: ProcessConfig) -> None:
        """Take the table of processes, which is scanned before each sample, and what to find."""
        self.cpu_ns = 0
        self.memory_bytes = 0
        self._table = table
        self._tree = config.tree
        self._root_id = _RootId(config, table)
        self._root: int | None = None
        self._members: dict[int, Member] = {}  # a parent before its children
        self._since = time.clock_gettime_ns(time.CLOCK_BOOTTIME) // TICK_NS

    def sample(self) -> bool:
        """Read all members; return whether ``cpu_ns`` grew by all that was used.

        It did not where the process was running before it was first seen here.

        Raises:
            OSError: the process is gone (FileNotFoundError), or it or its file cannot be read.
            ValueError: the file with its id holds no id.
        """
        failure = self._grow()
        if self._tree and self._table.new:
            self._adopt(self._table.new)
        known = self._follow_root()
        if failure:
            raise failure
        pages = sum(member.stat.pages for member in self._members.values())
        self.memory_bytes = pages * PAGE_BYTES
        return known

    def close(self) -> None:
        """Close the members' files."""
        for member in self._members.values():
            member.close()

    def _grow(self) -> OSError | None:
        """Read the members again, let go those that are gone, and count what they used since.

        Returns what kept a member from being read: it counts when it can be read again.
        """
        failure = None
        gone = []
        for pid, member in self._members.items():
            try:
                member.read()
            except FileNotFoundError:
                gone.append(pid)
            except OSError as error:
                failure = error
        departed = self._let_go(gone) if gone else {}
        if self._tree:
            ticks = sum(m.grown(departed.get(pid, 0)) for pid, m in self._members.items())
        else:
            ticks = sum(member.own_growth for member in self._members.values())
        self.cpu_ns += ticks * TICK_NS
        return failure

    def _let_go(self, gone: list[int]) -> dict[int, int]:
        """Take members out; return the ticks they had, by the id of the parent."""
        departed: dict[int, int] = {}
        # Children stand after their parents: going backwards, what a departed child had moves up
        # to the next ancestor that is still there, through parents that departed as well.
        for pid in reversed(gone):
            member = self._members.pop(pid)
            member.close()
            ticks = member.counted + departed.pop(pid, 0)
            parent = member.stat.parent
            departed[parent] = departed.get(parent, 0) + ticks
        if self._root in gone:
            self._root = None
        return departed

    def _adopt(self, children: dict[int, list[int]]) -> None:
        """Take in the processes among ``children`` that descend from members."""
        parents = [pid for pid in self._members if pid in children]
        while parents:
            found = children[parents.pop()]
            taken = [pid for pid in found if pid not in self._members and self._take_in(pid)]
            parents.extend(pid for pid in taken if pid in children)

    def _take_in(self, pid: int) -> bool:
        """Make a process a member; return whether it is still there.

        One that started after this object was made counts from its start. Its file is read after
        its parent's: had the parent reaped it before, it would not be there.
        """
        try:
            member = Member(self._table.proc, pid)
        except FileNotFoundError:
            return False
        self._members[pid] = member
        if member.stat.start > self._since:
            ticks = member.stat.own + (member.stat.reaped if self._tree else 0)
            self.cpu_ns += ticks * TICK_NS
        return True

    def _follow_root(self) -> bool:
        """Turn to the process that is to be watched; return whether it counts from its start."""
        known = True
        root = self._members.get(self._root or 0)
        running = root is not None and root.stat.alive
        if (pid := self._root_id.new(running=running)) is not None:
            there = pid in self._members or self._take_in(pid)
            self._root_id.settle()
            self._root = pid if there else None
            if there:
                known = self._members[pid].stat.start > self._since
                if self._tree:
                    self._adopt(self._table.all())
        if self._root is None or not self._members[self._root].stat.alive:
            raise FileNotFoundError(f"no process is there that {self._root_id} names")
        return known


class _RootId:
    """The id of the process to watch: a number, or told by a file, or found by a name.

    A number and a file are believed once. When the process is gone, or was never there, one that
    has the same id later is another process, unless the file was written anew to tell of it.
    """

    def __init__(self, config: ProcessConfig, table: ProcessTable) -> None:
        self._config = config
        self._table = table
        self._settled: object = None
        self._seen: object = None

    def __str__(self) -> str:
        config = self._config
        if config.name is not None:
            return f"name {config.name!r}"
        return str(config.pid_file) if config.pid is None else f"pid {config.pid}"

    def new(self, *, running: bool) -> int | None:
        """Return the id of the process to turn to, or None where there is no other.

        ``running`` tells whether the process watched so far is there: its file may go then.

        Raises:
            OSError: the file is not there or cannot be read.
            ValueError: it does not begin with an id.
        """
        config = self._config
        if config.name is not None:
            return None if running else self._table.oldest(config.name)
        if config.pid_file is None:
            self._seen = config.pid
            return None if self._settled else config.pid
        try:
            status = config.pid_file.stat()
        except FileNotFoundError:
            if running:
                return None
            raise FileNotFoundError(f"{config.pid_file} is not there") from None
        self._seen = (status.st_ino, status.st_mtime_ns, status.st_size)
        return None if self._seen == self._settled else _read_id(config.pid_file)

    def settle(self) -> None:
        """Take the id that was returned last as dealt with."""
        self._settled = self._seen


def _read_id(path: Path) -> int:
    with path.open("rb") as file:
        text = file.read(64)
    first = text.split(None, 1)[:1]
    if not first or not first[0].isdigit() or int(first[0]) == 0:
        raise ValueError(f"{path}: {text!r} does not begin with a process id")
    return int(first[0])
