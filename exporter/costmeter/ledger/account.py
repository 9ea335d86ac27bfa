"""Amounts of one set of label values, on their way into a batch."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping
from typing import Final

from costmeter.names import (
    API_CALLS,
    COMPONENTS,
    CREDIT,
    FAILED_SPEND,
    SPEND,
    TOKEN_TYPES,
    TOKENS,
    Family,
)
from costmeter.pricing.tokens import KINDS, TYPE_OF

CALLS: Final = 0
"""The slot of calls of a provider's API."""
CREDITED: Final = 1
"""The slot of money taken back."""
SPENT: Final = {name: 2 + index for index, name in enumerate(COMPONENTS)}
"""The slot of spend on each component."""

USED: Final = tuple(2 + len(COMPONENTS) + TOKEN_TYPES.index(TYPE_OF[kind]) for kind in KINDS)
"""The slot of each kind of token: that of its type."""

SLOTS: Final = (
    (API_CALLS.name, "", ""),
    (CREDIT.name, "", ""),
    *((SPEND.name, "component", component) for component in COMPONENTS),
    *((TOKENS.name, "type", kind) for kind in TOKEN_TYPES),
    (FAILED_SPEND.name, "", ""),
)
"""Family, own label and its value for each amount that an account adds up."""

FAILED: Final = len(SLOTS) - 1
"""The slot of spend on calls that did not end well, once more."""

Intern = Callable[[str, Mapping[str, str]], int]
"""Gives the id of a series by family and labels: :meth:`costmeter.ledger.store.Ledger.intern`."""


class Histogram:
    """A histogram of one label set: ``values`` are what was observed since the last flush.

    ``ahead`` is what its sum gets beyond the values: the parts of what will be observed as a whole
    later, less the parts of what is observed now.
    """

    __slots__ = ("ahead", "family", "labels", "series", "values")

    def __init__(self, family: Family, labels: dict[str, str]) -> None:
        self.family = family
        self.labels = labels
        self.values: list[int] = []
        self.ahead = 0
        self.series: list[int] = []

    def flush(self, sums: dict[int, dict[int, int]], intern: Intern) -> None:
        """Add what was observed to the sums, cumulative by bucket, and begin anew."""
        values, bounds = self.values, self.family.buckets
        if not (values or self.ahead):
            return
        self.series = self.series or self._intern(intern)
        values.sort()
        upto = [bisect_right(values, round(bound * self.family.scale)) for bound in bounds]
        amounts = [*upto, len(values), sum(values) + self.ahead, len(values)]
        for series, amount in zip(self.series, amounts, strict=True):
            if amount:
                add(sums, series, 0, amount)
        values.clear()
        self.ahead = 0

    def _intern(self, intern: Intern) -> list[int]:
        """Return the ids of all buckets, those at 0 too, of the sum and of the count."""
        name, labels = self.family.name, self.labels
        bounds = [*(repr(float(bound)) for bound in self.family.buckets), "+Inf"]
        return [
            *(intern(f"{name}_bucket", labels | {"le": bound}) for bound in bounds),
            intern(f"{name}_sum", labels),
            intern(f"{name}_count", labels),
        ]


class Account:
    """The amounts of one set of label values within one quarter of an hour, not yet flushed.

    ``amounts`` are indexed by slot; ``costs`` and ``durations`` are the values of the histograms
    that it observes in, nano-dollars of requests and nanoseconds of calls; ``requests`` is the
    former of the two.
    """

    __slots__ = ("amounts", "costs", "durations", "labels", "overflows", "quarter", "requests",
                 "series", "status", "touched")  # fmt: skip

    def __init__(
        self,
        labels: dict[str, str],
        status: str,
        overflows: tuple[str, ...],
        requests: Histogram,
        durations: Histogram,
    ) -> None:
        self.labels = labels
        self.status = status
        self.overflows = overflows
        self.requests = requests
        self.costs = requests.values
        self.durations = durations.values
        self.quarter = -1
        self.touched = False
        self.amounts = [0] * len(SLOTS)
        self.series: list[int | None] = [None] * len(SLOTS)

    def flush(self, sums: dict[int, dict[int, int]], intern: Intern) -> None:
        """Add the amounts to the sums of their quarter, and begin anew."""
        if self.status != "ok":
            self.amounts[FAILED] = sum(self.amounts[slot] for slot in SPENT.values())
        for slot, amount in enumerate(self.amounts):
            if amount:
                series = self.series[slot]
                if series is None:
                    series = self.series[slot] = self._intern(slot, intern)
                add(sums, series, self.quarter, amount)
        self.amounts = [0] * len(SLOTS)

    def _intern(self, slot: int, intern: Intern) -> int:
        family, label, value = SLOTS[slot]
        if family == API_CALLS.name:
            label, value = "status", self.status
        return intern(family, self.labels | {label: value} if label else self.labels)


def add(sums: dict[int, dict[int, int]], series: int, quarter: int, amount: int) -> None:
    """Add an amount to a series' sum of a quarter of an hour."""
    quarters = sums.get(series)
    if quarters is None:
        sums[series] = {quarter: amount}
    else:
        quarters[quarter] = quarters.get(quarter, 0) + amount
