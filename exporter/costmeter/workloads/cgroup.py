"""CPU and memory of a cgroup, version 1 or 2.

Source: Linux, ``Documentation/admin-guide/cgroup-v2.rst`` (``cpu.stat``, ``memory.current``,
``memory.stat``) and ``cgroup-v1/{cpuacct,memory}.rst``.
"""

from __future__ import annotations

from pathlib import Path

from costmeter.workloads.kept import KeptFile

_NS_PER_US = 1000


class Cgroup:
    """CPU time and memory of everything that runs in a cgroup and below it.

    Attributes:
        cpu_ns: CPU time used since this object was made, in nanoseconds; only ever rises.
        memory_bytes: the working set: memory in use less the file cache that can go at once
            (``memory.current`` less ``inactive_file``), the figure by which kubelet evicts.
    """

    def __init__(self, cpu: Path, memory: Path) -> None:
        """Take the cgroup's directory for CPU and that for memory: with version 2 the same one."""
        self.cpu_ns = 0
        self.memory_bytes = 0
        self._unified = cpu == memory
        if self._unified:
            self._cpu = KeptFile(cpu / "cpu.stat")
            self._memory = KeptFile(memory / "memory.current")
        else:
            self._cpu = KeptFile(cpu / "cpuacct.usage")
            self._memory = KeptFile(memory / "memory.usage_in_bytes")
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
            raise
        before, self._counter = self._counter, counter
        if before is not None:
            # A counter below what it was belongs to a new cgroup of the same path.
            self.cpu_ns += counter - before if counter >= before else counter
        self.memory_bytes = max(0, _number(self._memory) - self._inactive_file())
        return before is not None

    def close(self) -> None:
        """Close the files."""
        for file in (self._cpu, self._memory, self._memory_stat):
            file.close()

    def _read_cpu(self) -> int:
        if self._unified:
            return _field(self._cpu, b"usage_usec") * _NS_PER_US
        return _number(self._cpu)

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
