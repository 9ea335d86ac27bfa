"""What metering adds to the calls of every SDK that is metered, whose provider answers at once.

Times are CPU time of the calling thread. Bare and metered calls take turns, so that a slow moment
of the machine meets both alike. Of each turn the lower quartile counts, and of all turns again.

A share is one of what the SDK itself takes, HTTP client included, network and provider not: a
provider takes a thousand times as long to answer.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import quantiles
from typing import Final, NamedTuple

import costmeter
from benchmarks.mocked import SDKS, Sdk
from benchmarks.table import Row, show
from costmeter.journal import process

TURNS: Final = 20
CALLS: Final = 30
STREAMS: Final = 6
"""Calls in a turn; as many before them warm the caches that patching a class has emptied."""
TARGET_SHARE: Final = 0.01


class Taken(NamedTuple):
    """What calls took, in microseconds of CPU time.

    Attributes:
        bare: of the SDK alone.
        added: by what meters it.
    """

    bare: float
    added: float

    @property
    def share(self) -> float:
        return self.added / self.bare


def measure(
    sdk: Sdk, put: Callable[[], object], take: Callable[[], object] | None = None
) -> dict[str, Taken]:
    """Return what each call of an SDK takes bare, and what something adds.

    Args:
        sdk: the SDK.
        put: puts it in.
        take: takes it out again, for the next turn; where it stays, all bare turns come first.
    """
    calls = sdk.calls()
    bare: dict[str, list[float]] = {name: [] for name in calls}
    metered: dict[str, list[float]] = {name: [] for name in calls}
    if take is None:
        for name, call in calls.items():
            bare[name] = [turn(name, call) for _ in range(TURNS)]
        put()
        for name, call in calls.items():
            metered[name] = [turn(name, call) for _ in range(TURNS)]
    else:
        for name, call in calls.items():
            for _ in range(TURNS):
                bare[name].append(turn(name, call))
                put()
                metered[name].append(turn(name, call))
                take()
    best = {name: quantiles(bare[name])[0] for name in calls}
    return {name: Taken(best[name], quantiles(metered[name])[0] - best[name]) for name in calls}


def turn(name: str, call: Callable[[], object]) -> float:
    """Return the lower quartile of what calls take, in microseconds, once they are warm."""
    calls = STREAMS if name.startswith("stream") else CALLS
    for _ in range(calls):
        call()
    times = []
    for _ in range(calls):
        began = time.thread_time_ns()
        call()
        times.append((time.thread_time_ns() - began) / 1e3)
    return quantiles(times)[0]


@contextmanager
def journal() -> Iterator[None]:
    """Record into a directory that goes away again."""
    with tempfile.TemporaryDirectory() as directory:
        os.environ["COSTMETER_JOURNAL"] = directory
        process.reset()
        yield
        process.reset()


def measure_costmeter(sdk: Sdk) -> dict[str, Taken]:
    """Return what calls of an SDK take bare, and what costmeter adds."""
    with journal():
        return measure(
            sdk,
            partial(costmeter.instrument, sdk.name),
            partial(costmeter.uninstrument, sdk.name),
        )


def rows(title: str, taken: dict[str, Taken], *, target: bool = False) -> Iterator[Row]:
    """Return the lines of a table."""
    for name, call in taken.items():
        row = Row(
            f"{title}, {name}",
            f"{call.added:,.1f} of {call.bare:,.0f} µs",
            f"{call.share:.1%}",
        )
        if target:
            row = row._replace(target=f"≤ {TARGET_SHARE:.0%}", met=call.share <= TARGET_SHARE)
        yield row


def main() -> None:
    """Measure all SDKs and print a table."""
    lines: list[Row] = []
    for sdk in SDKS:
        lines += rows(f"{sdk.package} {sdk.version}", measure_costmeter(sdk), target=True)
    show(
        "What metering adds to a call, in CPU time",
        lines,
        f"{TURNS * CALLS} calls each, bare and metered in turns; {TURNS * STREAMS} streams",
    )


if __name__ == "__main__":
    main()
