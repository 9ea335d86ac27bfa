"""What was spent in the open periods, kept by quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple
from zoneinfo import ZoneInfo

from costmeter.budgets.period import WINDOWS, Period, Window, period, previous
from costmeter.units import NANO, QUARTER_SECONDS

_QUARTER_NS = QUARTER_SECONDS * NANO


class PeriodSpend(NamedTuple):
    """Spend and credit of a period so far, in nano-dollars."""

    period: Period
    spend: int
    credit: int


class Spending:
    """Spend by quarter of an hour, from the start of last month on.

    A period's spend is the sum of its quarters, so a period that has just begun starts at 0, an
    event that comes late still counts for the period of its own time, and no reset is ever needed.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        """Begin empty.

        Args:
            zone: the time zone of the calendar.
        """
        self._zone = zone
        self._spend: dict[int, int] = {}
        self._credit: dict[int, int] = {}
        self._sums: dict[Period, tuple[int, int]] = {}

    def earliest_ns(self, now_ns: int) -> int:
        """Return the first instant that matters: the start of the periods before the open ones."""
        return min(
            previous(period(window, now_ns, self._zone), self._zone).start_ns for window in WINDOWS
        )

    def load(self, spend: Mapping[int, int], credit: Mapping[int, int]) -> None:
        """Take nano-dollars by quarter as the ledger has them, in place of what is there."""
        self._spend, self._credit = dict(spend), dict(credit)
        self._sums = {}

    def add(self, quarters: Mapping[int, int], *, sign: int) -> None:
        """Add nano-dollars by quarter: spend where ``sign`` is 1, credit where it is -1."""
        kept = self._spend if sign > 0 else self._credit
        for quarter, nano in quarters.items():
            kept[quarter] = kept.get(quarter, 0) + nano
        self._sums = {}

    def current(self, window: Window, now_ns: int) -> PeriodSpend:
        """Return what was spent so far in the period of a kind that is open now."""
        return self._sum(period(window, now_ns, self._zone))

    def periods(self, now_ns: int) -> Iterator[PeriodSpend]:
        """Yield the open day, week and month and the one before each: late events change those."""
        for window in WINDOWS:
            current = period(window, now_ns, self._zone)
            yield self._sum(previous(current, self._zone))
            yield self._sum(current)

    def _sum(self, each: Period) -> PeriodSpend:
        if each not in self._sums:
            quarters = range(each.start_ns // _QUARTER_NS, each.end_ns // _QUARTER_NS)
            self._sums[each] = (
                sum(self._spend.get(quarter, 0) for quarter in quarters),
                sum(self._credit.get(quarter, 0) for quarter in quarters),
            )
        return PeriodSpend(each, *self._sums[each])
