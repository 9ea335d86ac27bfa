"""A tree's CPU time against a model of the kernel, in which anything may happen between two reads.

The model forks, uses CPU, ends and waits as Linux does; every parent waits for its children before it
ends. Each read of a process, and each pass over ``/proc``, lets some of that happen first.
"""

from __future__ import annotations

import contextlib
import random
from pathlib import Path
from typing import Any

import pytest

from costmeter.workloads import proc
from costmeter.workloads.proc import ProcessTable, ProcessTree
from costmeter.workloads.schema import ProcessConfig

ROOT = 100
TICK = 10_000_000


class Kernel:
    """Processes as the kernel keeps them, and what they do by chance."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.used = 0  # ticks, by all processes since the beginning
        self.processes: dict[int, dict[str, int]] = {}
        self.next_id = ROOT
        self.fork(1)

    def fork(self, parent: int) -> None:
        self.processes[self.next_id] = {"parent": parent, "own": 0, "reaped": 0, "zombie": 0}
        self.next_id += 1

    def children(self, pid: int) -> list[int]:
        return [child for child, process in self.processes.items() if process["parent"] == pid]

    def step(self) -> None:
        running = [pid for pid, process in self.processes.items() if not process["zombie"]]
        pid = self.dice.choice(running)
        action = self.dice.choice(("use", "fork", "end", "wait"))
        if action == "use":
            ticks = self.dice.randint(1, 50)
            self.processes[pid]["own"] += ticks
            self.used += ticks
        elif action == "fork" and len(self.processes) < 8:
            self.fork(pid)
        elif action == "end" and pid != ROOT and not self.children(pid):
            self.processes[pid]["zombie"] = 1
        elif action == "wait":
            self.wait(pid)

    def wait(self, pid: int) -> None:
        for child in self.children(pid):
            if self.processes[child]["zombie"]:
                ended = self.processes.pop(child)
                self.processes[pid]["reaped"] += ended["own"] + ended["reaped"]

    def steps(self, most: int) -> None:
        for _ in range(self.dice.randint(0, most)):
            self.step()

    def end_all(self) -> None:
        for pid in sorted(self.processes, reverse=True):
            self.wait(pid)
            self.processes[pid]["zombie"] = int(pid != ROOT)
        self.wait(ROOT)

    def stat(self, pid: int) -> bytes:
        process = self.processes[pid]
        state = "Z" if process["zombie"] else "S"
        return (
            f"{pid} (x) {state} {process['parent']} 1 1 0 -1 0 0 0 0 0 {process['own']} 0 "
            f"{process['reaped']} 0 20 0 1 0 {10**15 + pid} 0 0 0"
        ).encode()


@pytest.mark.parametrize("seeds", [range(first, first + 500) for first in range(0, 3000, 500)])
def test_each_tick_counts_exactly_once(seeds: range) -> None:
    for seed in seeds:
        counted, used = run(Kernel(seed))
        assert counted == used, f"seed {seed}"


def run(kernel: Kernel) -> tuple[int, int]:
    """Sample a tree while it lives; return the ticks that were counted, and those used."""

    class File:
        def __init__(self, path: Path) -> None:
            self.pid = int(path.parent.name)

        def read(self) -> bytes:
            kernel.steps(2)
            if self.pid not in kernel.processes:
                raise FileNotFoundError
            return kernel.stat(self.pid)

        def close(self) -> None:
            pass

    def ids(_table: ProcessTable) -> set[str]:
        kernel.steps(2)
        return {str(pid) for pid in kernel.processes}

    def stats(_table: ProcessTable, found: set[str]) -> Any:
        for name in sorted(found):
            kernel.steps(1)
            with contextlib.suppress(KeyError):
                yield int(name), proc.parse_stat(kernel.stat(int(name)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(proc, "KeptFile", File)
        patch.setattr(ProcessTable, "_ids", ids)
        patch.setattr(ProcessTable, "_stats", stats)
        table = ProcessTable(Path("/proc"))
        tree = ProcessTree(table, ProcessConfig(pid=ROOT))
        for _ in range(kernel.dice.randint(1, 6)):
            kernel.steps(8)
            table.scan()
            tree.sample()
            assert tree.cpu_ns <= kernel.used * TICK, "nothing counts twice, not for a moment"
        kernel.end_all()
        patch.setattr(Kernel, "steps", lambda _kernel, _most: None)
        for _ in range(2):
            table.scan()
            tree.sample()
    return tree.cpu_ns // TICK, kernel.used
