"""CPU and memory of a cgroup, version 1 or 2.

Source: Linux, ``Documentation/admin-guide/cgroup-v2.rst`` (``cpu.stat``, ``cpu.max``,
``memory.current``, ``memory.max``, ``memory.stat``), ``cgroup-v1/{cpuacct,memory}.rst`` and
``Documentation/scheduler/sched-bwc.rst`` (``cpu.cfs_quota_us``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final, NamedTuple

from costmeter.workloads.kept import KeptFile

_NS_PER_US = 1000

_V1_UNLIMITED: Final = 1 << 62
"""Bytes from which on version 1's limit is none: it shows 2**63 less one page."""


class Limits(NamedTuple):
    """What may be used at most; None where there is no limit.

    Attributes:
        cores: CPU, in cores.
        memory_bytes: memory, in bytes.
    """

    cores: float | None = None
    memory_bytes: int | None = None


UNLIMITED: Final = Limits()


class Cgroup:
    """CPU time and memory of everything that runs in a cgroup and below it.

    Attributes:
        cpu_ns: CPU time used since this object was made, in nanoseconds; only ever rises.
        memory_bytes: the working set: memory in use less the file cache that can go at once
            (``memory.current`` less ``inactive_file``), the figure by which kubelet evicts.
        limits: the cgroup's own limits; not those of the cgroups above it.
    """

    def __init__(self, cpu: Path, memory: Path) -> None:
        """Take the cgroup's directory for CPU and that for memory: with version 2 the same one."""
        self.cpu_ns = 0
        self.memory_bytes = 0
        self.limits = UNLIMITED
        self._unified = cpu == memory
        if self._unified:
            self._cpu = KeptFile(cpu / "cpu.stat")
            self._memory = KeptFile(memory / "memory.current")
            self._cpu_limit = KeptFile(cpu / "cpu.max")
            self._memory_limit = KeptFile(memory / "memory.max")
        else:
            self._cpu = KeptFile(cpu / "cpuacct.usage")
            self._memory = KeptFile(memory / "memory.usage_in_bytes")
            self._cpu_limit = KeptFile(cpu / "cpu.cfs_quota_us")
            self._cpu_period = KeptFile(cpu / "cpu.cfs_period_us")
            self._memory_limit = KeptFile(memory / "memory.limit_in_bytes")
        self._memory_stat = KeptFile(memory / "memory.stat")
        self._counter: int | None = None

    @classmethod
    def at(cls, mount: Path, path: str) -> Cgroup:
        """Return the cgroup of a path such as ``/system.slice/api.service``."""
        return cls(*(hierarchy / path.removeprefix("/") for hierarchy in _hierarchies(mount)))

    @classmethod
    def own(cls, mount: Path, proc: Path) -> Cgroup:
        """Return the cgroup that this process runs in.

        Raises:
            OSError: ``/proc/self/cgroup`` cannot be read.
        """
        paths = _paths((proc / "self" / "cgroup").read_text())
        cpu, memory = _hierarchies(mount)
        if cpu == memory:
            directory = _visible(mount, paths.get("", "/"))
            return cls(directory, directory)
        return cls(
            _visible(cpu, paths.get("cpuacct", "/")), _visible(memory, paths.get("memory", "/"))
        )

    def sample(self) -> bool:
        """Read CPU time and memory; return whether ``cpu_ns`` grew by all that was used.

        It did not where the cgroup was running before it was first seen here. A cgroup that was
        gone and is there again counts from its beginning.

        Raises:
            OSError: the cgroup is not there (FileNotFoundError) or cannot be read.
            ValueError: a file is not of the expected form.
        """
        try:
            counter = self._read_cpu()
        except FileNotFoundError:
            self._counter = 0
            self.memory_bytes = 0
            self.limits = UNLIMITED
            raise
        before, self._counter = self._counter, counter
        if before is not None:
            # A counter below what it was belongs to a new cgroup of the same path.
            self.cpu_ns += counter - before if counter >= before else counter
        self.memory_bytes = max(0, _number(self._memory) - self._inactive_file())
        self.limits = Limits(self._read_cpu_limit(), self._read_memory_limit())
        return before is not None

    def close(self) -> None:
        """Close the files."""
        files = [self._cpu, self._memory, self._memory_stat, self._cpu_limit, self._memory_limit]
        for file in files if self._unified else [*files, self._cpu_period]:
            file.close()

    def _read_cpu(self) -> int:
        if self._unified:
            return _field(self._cpu, b"usage_usec") * _NS_PER_US
        return _number(self._cpu)

    def _read_cpu_limit(self) -> float | None:
        """Return the CPU time a period over the period's length, in cores."""
        try:
            text = self._cpu_limit.read()
        except FileNotFoundError:  # the root has none, nor has a cgroup without the controller
            return None
        if self._unified:
            quota, _, period = text.strip().partition(b" ")
            if quota == b"max":
                return None
            return _integer(self._cpu_limit, quota) / _integer(self._cpu_limit, period)
        microseconds = _integer(self._cpu_limit, text)
        return microseconds / _number(self._cpu_period) if microseconds > 0 else None

    def _read_memory_limit(self) -> int | None:
        try:
            text = self._memory_limit.read()
        except FileNotFoundError:
            return None
        if self._unified and text.strip() == b"max":
            return None
        limit = _integer(self._memory_limit, text)
        return limit if self._unified or limit < _V1_UNLIMITED else None

    def _inactive_file(self) -> int:
        return _field(
            self._memory_stat, b"inactive_file" if self._unified else b"total_inactive_file"
        )


def _hierarchies(mount: Path) -> tuple[Path, Path]:
    """Return where the controllers of CPU and of memory are: with version 2 in one place."""
    if (mount / "cgroup.controllers").exists():
        return mount, mount
    return mount / "cpuacct", mount / "memory"


def _paths(text: str) -> dict[str, str]:
    """Return a process's cgroup path by controller; version 2's stands under the empty name.

    Source: cgroups(7), ``/proc/[pid]/cgroup``: ``hierarchy-ID:controller-list:cgroup-path``.
    """
    paths = {}
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path
    return paths


def _visible(hierarchy: Path, path: str) -> Path:
    """Return a process's own cgroup, or the hierarchy's root where that is all one can see.

    Inside a container the mount may show the container's cgroup as its root, while
    ``/proc/self/cgroup`` tells the path on the host.
    """
    directory = hierarchy / path.removeprefix("/")
    return directory if directory.is_dir() else hierarchy


def _number(file: KeptFile) -> int:
    return _integer(file, file.read())


def _field(file: KeptFile, key: bytes) -> int:
    """Return the number beside a key, in a file with a key and a number on each line."""
    _, found, rest = (b"\n" + file.read()).partition(b"\n" + key + b" ")
    if not found:
        raise ValueError(f"{file.path} has no line {key.decode()!r}")
    return _integer(file, rest.split(b"\n", 1)[0])


def _integer(file: KeptFile, text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"{file.path}: {text[:40]!r} is not a whole number") from None
