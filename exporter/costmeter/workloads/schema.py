"""The key ``resources`` of ``costmeter.yml``: what is watched, and what its use costs."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from costmeter.schema import Section
from costmeter.usage import MAX_ATTRIBUTES, MAX_NAME_LENGTH, MAX_VALUE_LENGTH

Price = Annotated[Decimal, Field(ge=0, le=1_000_000, allow_inf_nan=False)]
"""US dollars for one core or one GiB, for one hour."""

Size = Annotated[Decimal, Field(gt=0, le=1_000_000, allow_inf_nan=False)]
"""Cores or GiB that something has to itself."""

Name = Annotated[str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH)]
Value = Annotated[str, StringConstraints(min_length=1, max_length=MAX_VALUE_LENGTH)]


class ProcessConfig(Section):
    """A process, found by its id, by a file that holds its id, or by its name.

    Attributes:
        pid: the process's id, taken literally: once it is gone, no other takes its place.
        pid_file: a file that begins with the id; a new process is followed when it is rewritten.
        name: the name that ``ps -e`` shows, of which Linux keeps 15 bytes. Of several processes
            the oldest is watched; once it is gone, the oldest that is left.
        tree: whether the process's descendants count as well.
    """

    pid: Annotated[int, Field(gt=0)] | None = None
    pid_file: Path | None = None
    name: Name | None = None
    tree: bool = True

    @model_validator(mode="after")
    def _one_way_to_find_it(self) -> Self:
        if sum(way is not None for way in (self.pid, self.pid_file, self.name)) != 1:
            raise ValueError("needs exactly one of pid, pid_file and name")
        return self


class ResourceConfig(Section):
    """Something that uses CPU and memory, and what that costs.

    Attributes:
        name: value of the label ``resource``.
        process: a process, and by default all that it starts.
        cgroup: a path below the cgroup mount, such as ``/system.slice/api.service``.
        container: ``true`` for the container (the cgroup) that the sidecar itself runs in.
        usd_per_core_hour: price of one core for one hour, in US dollars.
        usd_per_gib_hour: price of one GiB (2**30 bytes) of memory for one hour, in US dollars.
        charge: ``usage`` charges what is used; ``allocation`` charges ``cores`` and
            ``memory_gib`` for as long as the sidecar runs, for machines paid by their size.
        cores: cores set aside for it, used or not; where left out, its cgroup's limit, if any.
        memory_gib: memory set aside for it, in GiB; likewise.
        provider: value of the label ``provider`` of the cost.
        attributes: whom the cost is for: ``team``, ``feature`` and any other name.
    """

    name: Name
    process: ProcessConfig | None = None
    cgroup: Annotated[str, StringConstraints(pattern=r"^/")] | None = None
    container: Literal[True] | None = None
    usd_per_core_hour: Price = Decimal(0)
    usd_per_gib_hour: Price = Decimal(0)
    charge: Literal["usage", "allocation"] = "usage"
    cores: Size | None = None
    memory_gib: Size | None = None
    provider: Name = "host"
    attributes: Annotated[dict[Name, Value], Field(max_length=MAX_ATTRIBUTES - 1)] = Field(
        default_factory=dict
    )

    @model_validator(mode="after")
    def _one_thing_to_watch(self) -> Self:
        if sum(thing is not None for thing in (self.process, self.cgroup, self.container)) != 1:
            raise ValueError("needs exactly one of process, cgroup and container")
        if self.cgroup is not None and ".." in self.cgroup.split("/"):
            raise ValueError(f"cgroup: {self.cgroup!r} leaves the cgroup mount with '..'")
        if "resource" in self.attributes:
            raise ValueError("attributes: 'resource' is taken by the resource's name")
        return self

    @model_validator(mode="after")
    def _a_size_where_it_is_paid(self) -> Self:
        for price, size in (("usd_per_core_hour", "cores"), ("usd_per_gib_hour", "memory_gib")):
            given = getattr(self, size) is not None
            if self.charge == "allocation" and getattr(self, price) and not given:
                raise ValueError(f"charge: allocation with {price} needs {size}")
        return self
