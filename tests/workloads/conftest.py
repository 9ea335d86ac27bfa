"""A clock that is set by hand, and a /proc made of files."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest


@dataclass
class FakeClock:
    wall: int = 1_800_000_000 * 10**9
    monotonic: int = 5 * 10**9

    def now_ns(self) -> int:
        return self.wall

    def monotonic_ns(self) -> int:
        return self.monotonic

    def pass_seconds(self, seconds: float) -> None:
        self.wall += int(seconds * 10**9)
        self.monotonic += int(seconds * 10**9)


@dataclass
class FakeProc:
    """``/proc`` with the files that are read: ``<pid>/stat`` and ``self/cgroup``."""

    path: Path
    now: int = field(
        default_factory=lambda: time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 10_000_000
    )

    def write(
        self,
        pid: int,
        *,
        parent: int = 1,
        own: int = 0,
        reaped: int = 0,
        pages: int = 10,
        state: str = "S",
        old: bool = False,
        command: str = "work (er) 1 2",
    ) -> None:
        """Write a process; ``own`` and ``reaped`` are ticks, ``old`` started with the machine."""
        directory = self.path / str(pid)
        directory.mkdir(exist_ok=True)
        start = 7 if old else self.now + 1_000_000 + pid
        system, waited = own // 4, reaped // 4
        (directory / "stat").write_text(
            f"{pid} ({command}) {state} {parent} {pid} {pid} 0 -1 4194560 100 0 0 0 "
            f"{own - system} {system} {reaped - waited} {waited} 20 0 1 0 {start} 1000000 {pages} "
            "18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
        )

    def end(self, pid: int) -> None:
        """Let a process go: an open file of it tells nothing any more, as the kernel's does."""
        stat = self.path / str(pid) / "stat"
        stat.write_bytes(b"")
        stat.unlink()
        stat.parent.rmdir()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def proc(tmp_path: Path) -> FakeProc:
    assert os.sysconf("SC_CLK_TCK") == 100
    path = tmp_path / "proc"
    (path / "self").mkdir(parents=True)
    (path / "meminfo").write_text("not a process\n")
    return FakeProc(path)
