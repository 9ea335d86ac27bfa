"""CPU and memory of the configured resources: what they use now, and what that costs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from costmeter.clock import SYSTEM_CLOCK, Clock
from costmeter.units import GIB, NANO
from costmeter.usage import UsageEvent
from costmeter.workloads.cgroup import UNLIMITED, Cgroup, Limits
from costmeter.workloads.proc import ProcessTable, ProcessTree
from costmeter.workloads.schema import ResourceConfig

MAX_HOLD_NS: Final = 300 * NANO
"""The longest time between two samples for which memory, or an allocated size, is charged.

CPU time is counted by the kernel and exact over any time. What a sampler that was stopped for
longer did not see of memory is left out, since nobody knows it.
"""

MIN_RATE_NS: Final = NANO // 4
"""The shortest time over which a rate is taken: CPU time comes in steps of 10 ms."""

_HOUR_NS: Final = 3600 * NANO

_log = logging.getLogger(__name__)


class Reading(NamedTuple):
    """What a resource uses now.

    Attributes:
        resource: its name.
        up: whether it could be read; where not, ``cores`` is None and ``memory_bytes`` 0.
        cores: CPU in use since the previous sample, in cores; None where not known yet.
        memory_bytes: memory in use, in bytes; for processes the sum of their resident sets, for
            cgroups and containers the working set (in use less inactive file cache).
        limits: what is set aside for it: the configured size, else its cgroup's limits.
    """

    resource: str
    up: bool
    cores: float | None
    memory_bytes: int
    limits: Limits = UNLIMITED


class Source(Protocol):
    """Where a resource's use is read.

    Attributes:
        cpu_ns: CPU time used since the source was made, in nanoseconds; only ever rises.
        memory_bytes: memory in use at the last sample.
        limits: what it may use at most, at the last sample.
    """

    cpu_ns: int
    memory_bytes: int
    limits: Limits

    def sample(self) -> bool:
        """Read; return whether ``cpu_ns`` grew by all that was used since the last sample."""

    def close(self) -> None:
        """Close its files."""


class Meter:
    """Adds up amounts at a price, and gives out whole nano-dollars, carrying over the rest."""

    def __init__(self, nano_usd: Fraction) -> None:
        """Take the price of one unit of amount, in nano-dollars."""
        self._numerator, self._denominator = nano_usd.as_integer_ratio()
        self._owed = 0  # in nano-dollars times the denominator

    def add(self, amount: int) -> None:
        """Add an amount."""
        self._owed += amount * self._numerator

    def take(self) -> int:
        """Return the whole nano-dollars not yet given out."""
        whole, self._owed = divmod(self._owed, self._denominator)
        return whole


class _Watch:
    """A resource being watched: its source, its meters, and what was seen last."""

    def __init__(self, config: ResourceConfig, table: ProcessTable, cgroups: Path) -> None:
        self.config = config
        self.problem = ""
        self._table = table
        self._cgroups = cgroups
        self._source: Source | None = None
        self._memory_bytes = 0
        self._cores: float | None = None
        self._window_ns = 0  # time, and CPU time in it, since the rate was taken last
        self._window_cpu_ns = 0

        self._allocated = config.charge == "allocation"
        cpu = Fraction(config.usd_per_core_hour) * NANO / _HOUR_NS
        memory = Fraction(config.usd_per_gib_hour) * NANO / _HOUR_NS
        if self._allocated:  # amounts are nanoseconds
            cpu *= Fraction(config.cores or 0)
            memory *= Fraction(config.memory_gib or 0)
        else:  # amounts are nanoseconds of CPU time, and bytes x nanoseconds x 2
            memory /= 2 * GIB
        self._cpu_meter = Meter(cpu)
        self._memory_meter = Meter(memory)

    def sample(self, elapsed_ns: int) -> Reading:
        """Read the source, meter what was used in the time since the last sample."""
        memory_before, self._memory_bytes = self._memory_bytes, 0
        cpu_before = self._source.cpu_ns if self._source else 0
        up = whole = False
        problem = ""
        try:
            self._source = self._source or self._open()
            whole = self._source.sample()
            self._memory_bytes = self._source.memory_bytes
            up = True
        except (OSError, ValueError) as error:
            problem = str(error)
        self._tell(problem)
        cpu_ns = (self._source.cpu_ns if self._source else 0) - cpu_before

        self._rate(cpu_ns, elapsed_ns, known=whole)
        held_ns = min(elapsed_ns, MAX_HOLD_NS)
        if self._allocated:
            self._cpu_meter.add(held_ns)
            self._memory_meter.add(held_ns)
        else:
            self._cpu_meter.add(cpu_ns)
            self._memory_meter.add((memory_before + self._memory_bytes) * held_ns)
        limits = self._limits(self._source.limits if self._source and up else UNLIMITED)
        return Reading(self.config.name, up, self._cores, self._memory_bytes, limits)

    def charge(self, time_ns: int) -> list[UsageEvent]:
        """Return the cost metered since the last time, without parts that cost nothing."""
        costs = (("cpu", self._cpu_meter.take()), ("memory", self._memory_meter.take()))
        return [
            UsageEvent(
                time_ns=time_ns,
                operation="compute",
                provider=self.config.provider,
                model=model,
                attributes={"resource": self.config.name, **self.config.attributes},
                usage={},
                calls=0,
                requests=0,
                cost_nano_usd=cost,
            )
            for model, cost in costs
            if cost
        ]

    def close(self) -> None:
        if self._source:
            self._source.close()

    def _open(self) -> Source:
        if self.config.process is not None:
            return ProcessTree(self._table, self.config.process)
        if self.config.cgroup is not None:
            return Cgroup.at(self._cgroups, self.config.cgroup)
        return Cgroup.own(self._cgroups, self._table.proc)

    def _limits(self, found: Limits) -> Limits:
        cores, gib = self.config.cores, self.config.memory_gib
        return Limits(
            found.cores if cores is None else float(cores),
            found.memory_bytes if gib is None else int(gib * GIB),
        )

    def _rate(self, cpu_ns: int, elapsed_ns: int, *, known: bool) -> None:
        self._window_ns += elapsed_ns
        self._window_cpu_ns += cpu_ns
        if not known:
            self._cores = None
        elif self._window_ns < MIN_RATE_NS:
            return
        else:
            self._cores = self._window_cpu_ns / self._window_ns
        self._window_ns = self._window_cpu_ns = 0

    def _tell(self, problem: str) -> None:
        if problem and problem != self.problem:
            _log.warning("resource %s: %s", self.config.name, problem)
        elif self.problem and not problem:
            _log.info("resource %s: is there again", self.config.name)
        self.problem = problem


class ResourceSampler:
    """Watches the configured resources, and charges for them.

    Not safe for several threads at once. What the resources used while no sampler watched them
    is not charged.
    """

    def __init__(
        self,
        resources: Sequence[ResourceConfig],
        *,
        clock: Clock = SYSTEM_CLOCK,
        proc: Path = Path("/proc"),
        cgroup: Path = Path("/sys/fs/cgroup"),
    ) -> None:
        """Begin to watch: what is used from now on counts."""
        self._clock = clock
        self._table = ProcessTable(proc)
        self._cgroups = cgroup
        self._watches: list[_Watch] = []
        self._dropped: list[_Watch] = []
        self._scans = False
        self._sampled_ns = clock.monotonic_ns()
        self.watch(resources)

    def watch(self, resources: Sequence[ResourceConfig]) -> None:
        """Watch these resources from now on; those that did not change go on as they were."""
        self.sample()
        before = {watch.config.name: watch for watch in self._watches}
        self._watches = []
        for config in resources:
            watch = before.get(config.name)
            if watch is not None and watch.config == config:
                self._watches.append(before.pop(config.name))
            else:
                self._watches.append(_Watch(config, self._table, self._cgroups))
        for watch in before.values():
            watch.close()
            self._dropped.append(watch)  # what it has metered is still to be charged
        self._scans = any(config.process and config.process.tree for config in resources)
        self.sample()

    @property
    def problems(self) -> list[str]:
        """What could not be read at the last sample, each with its resource's name."""
        return [f"resource {w.config.name}: {w.problem}" for w in self._watches if w.problem]

    def sample(self) -> list[Reading]:
        """Return what each resource uses now; call it every few seconds. Never raises."""
        now_ns = self._clock.monotonic_ns()
        elapsed_ns, self._sampled_ns = now_ns - self._sampled_ns, now_ns
        if self._scans:
            self._table.scan()
        return [watch.sample(elapsed_ns) for watch in self._watches]

    def charge(self) -> list[UsageEvent]:
        """Return the cost of what was used from the last charge to the last sample.

        Costs are whole nano-dollars; what is left over counts in a later charge, so that they add
        up to what was used at the price, to the nano-dollar.
        """
        now_ns = self._clock.now_ns()
        watches, self._dropped = [*self._watches, *self._dropped], []
        return [event for watch in watches for event in watch.charge(now_ns)]

    def close(self) -> None:
        """Close all files. What was metered can still be charged."""
        for watch in self._watches:
            watch.close()
