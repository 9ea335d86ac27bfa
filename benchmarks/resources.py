"""What a sample of 50 processes takes, beside psutil."""

from __future__ import annotations

import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psutil

from benchmarks.table import Row, show
from costmeter.workloads.resources import ResourceSampler
from costmeter.workloads.schema import ProcessConfig, ResourceConfig

PROCESSES = 50
ROUNDS = 200
TARGET_MS = 1.0


@contextmanager
def processes() -> Iterator[psutil.Process]:
    """A process with 50 children that sleep."""
    script = f"for i in $(seq {PROCESSES}); do sleep 3600 & done; echo; wait"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        parent.stdout.readline()
        top = psutil.Process(parent.pid)
        children = top.children()
        try:
            yield top
        finally:
            for process in [*children, top]:
                process.kill()


def median_ms(measures: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median of each, taken in turns so that a slow moment meets all alike."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    for _ in range(ROUNDS):
        for name, measure in measures.items():
            began = time.perf_counter()
            measure()
            taken[name].append((time.perf_counter() - began) * 1e3)
    return {name: statistics.median(times) for name, times in taken.items()}


def sampler(*watched: ProcessConfig) -> ResourceSampler:
    return ResourceSampler(
        [
            ResourceConfig(
                name=str(number), process=process, usd_per_core_hour=0.031, usd_per_gib_hour=0.0042
            )
            for number, process in enumerate(watched)
        ]
    )


def read_with_psutil(watched: list[psutil.Process]) -> None:
    for process in watched:
        with process.oneshot():
            process.cpu_times()
            process.memory_info()


def measure() -> dict[str, float]:
    with processes() as top:
        children = top.children()
        assert len(children) == PROCESSES
        each = sampler(*(ProcessConfig(pid=child.pid) for child in children))
        tree = sampler(ProcessConfig(pid=top.pid))
        taken = median_ms(
            {
                "50 processes, psutil": lambda: read_with_psutil(children),
                "50 processes, costmeter": each.sample,
                "a tree of 50, psutil": lambda: read_with_psutil(
                    [top, *top.children(recursive=True)]
                ),
                "a tree of 50, costmeter": tree.sample,
            }
        )
        each.close()
        tree.close()
        return taken


def main() -> None:
    """Measure and print."""
    taken = measure()
    lines = []
    for name, ms in taken.items():
        peer = taken[name.replace("costmeter", "psutil")]
        ours = name.endswith("costmeter")
        target, met = (f"≤ {TARGET_MS:g} ms", ms <= TARGET_MS) if ours else ("", None)
        lines.append(Row(name, f"{ms:.2f} ms", f"{ms / peer:.2f}", target, met))
    show("Watching 50 processes", lines)


if __name__ == "__main__":
    main()
