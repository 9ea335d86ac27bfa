"""What was spent of a budget in its open periods, kept by quarter of an hour."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import dropwhile
from typing import NamedTuple
from zoneinfo import ZoneInfo

from costmeter.budgets.budget import Budget, Limits
from costmeter.budgets.period import WINDOWS, Period, Window, period, previous
from costmeter.budgets.rollover import ROLLOVER_PERIODS, Step, chain
from costmeter.units import NANO, QUARTER_SECONDS, quarter

_QUARTER_NS = QUARTER_SECONDS * NANO


class PeriodSpend(NamedTuple):
    """Spend and credit of a period so far, in nano-dollars."""

    period: Period
    spend: int
    credit: int


class Spending:
    """Spend of one budget by quarter of an hour, from the first period that still matters on.

    A period's spend is the sum of its quarters, so a period that has just begun starts at 0, an
    event that comes late still counts for the period of its own time, and no reset is ever needed.
    """

    def __init__(self, budget: Budget) -> None:
        """Begin empty.

        Args:
            budget: whose zone and limits count. What it covers is for the caller to know.
        """
        self._budget = budget
        self._zone = budget.zone
        self._spend: dict[int, int] = {}
        self._credit: dict[int, int] = {}
        self._sums: dict[Period, list[int]] = {}
        self._open: dict[Window, Period] = {}
        self._first = 0

    def earliest_ns(self, now_ns: int) -> int:
        """Return the first instant that matters.

        The start of the periods before the open ones, or of where the rollover's chain begins.
        """
        return min(
            self._before(window, now_ns, self._periods_back(window))[0].start_ns
            for window in WINDOWS
        )

    def lacks(self, now_ns: int) -> bool:
        """Tell whether what matters was let go of: the clock was ahead, and has been set back."""
        return quarter(self.earliest_ns(now_ns)) < self._first

    def load(self, spend: Mapping[int, int], credit: Mapping[int, int], now_ns: int) -> None:
        """Take nano-dollars by quarter as the ledger has them, in place of what is there.

        Args:
            spend: money spent.
            credit: money taken back.
            now_ns: what ended too long before this instant is left out.
        """
        self._first = 0
        self._keep(spend, credit, now_ns)
        self._sums.clear()

    def add(self, quarters: Mapping[int, int], *, sign: int) -> None:
        """Add nano-dollars by quarter: spend where ``sign`` is 1, credit where it is -1."""
        kept, column = (self._spend, 0) if sign > 0 else (self._credit, 1)
        for number, nano in quarters.items():
            kept[number] = kept.get(number, 0) + nano
            for each, sums in self._sums.items():
                if each.start_ns <= number * _QUARTER_NS < each.end_ns:
                    sums[column] += nano

    def current(self, window: Window, now_ns: int) -> PeriodSpend:
        """Return what was spent so far in the period of a kind that is open now."""
        return self._sum(self._current(window, now_ns))

    def periods(self, now_ns: int) -> Iterator[PeriodSpend]:
        """Yield each window's open period and the one before it: late events change those."""
        for window in WINDOWS:
            (closed,) = self._before(window, now_ns, 1)
            yield self._sum(closed)
            yield self.current(window, now_ns)

    def limits(self, now_ns: int) -> Iterator[tuple[Window, Limits]]:
        """Yield the limits of the open periods, with what these inherited."""
        for window, limits in self._budget.limits.items():
            steps = self.inheritance(window, now_ns)
            yield window, limits.raised(steps[-1][1].passed_on if steps else 0)

    def inheritance(self, window: Window, now_ns: int) -> list[tuple[Period, Step]]:
        """Return which periods passed on what, oldest first; the last, to the open period.

        Empty where nothing rolls over, or nothing was spent before.
        """
        limits = self._budget.limits.get(window)
        if not limits or not limits.rollover_max:
            return []
        closed = self._before(window, now_ns, ROLLOVER_PERIODS)
        sums = list(dropwhile(lambda each: not each.spend, map(self._sum, closed)))
        steps = chain(limits, (each.spend - each.credit for each in sums))
        return [(each.period, step) for each, step in zip(sums, steps, strict=True)]

    def net(self) -> dict[int, int]:
        """Return spend less credit by quarter of an hour, in nano-dollars.

        Goes back to the start of last month at least, so for four weeks always.
        """
        quarters = self._spend.keys() | self._credit.keys()
        return {
            number: self._spend.get(number, 0) - self._credit.get(number, 0) for number in quarters
        }

    def _periods_back(self, window: Window) -> int:
        limits = self._budget.limits.get(window)
        return ROLLOVER_PERIODS if limits and limits.rollover_max else 1

    def _current(self, window: Window, now_ns: int) -> Period:
        """Return the open period of a kind; with a new one, what nobody asks for any more goes."""
        known = self._open.get(window)
        if known is None or not known.start_ns <= now_ns < known.end_ns:
            known = self._open[window] = period(window, now_ns, self._zone)
            self._sums = {each: sums for each, sums in self._sums.items() if each.window != window}
            if window == WINDOWS[-1]:
                self._keep(self._spend, self._credit, now_ns)
        return known

    def _keep(self, spend: Mapping[int, int], credit: Mapping[int, int], now_ns: int) -> None:
        """Keep those of given quarters that matter."""
        first = quarter(self.earliest_ns(now_ns))
        self._first = max(self._first, first)
        self._spend = {number: nano for number, nano in spend.items() if number >= first}
        self._credit = {number: nano for number, nano in credit.items() if number >= first}

    def _before(self, window: Window, now_ns: int, count: int) -> tuple[Period, ...]:
        """Return as many periods before the open one, oldest first."""
        return _before(self._current(window, now_ns), self._zone, count)

    def _sum(self, each: Period) -> PeriodSpend:
        sums = self._sums.get(each)
        if sums is None:
            quarters = range(each.start_ns // _QUARTER_NS, each.end_ns // _QUARTER_NS)
            sums = self._sums[each] = [
                sum(kept.get(number, 0) for number in quarters)
                for kept in (self._spend, self._credit)
            ]
        return PeriodSpend(each, *sums)


@lru_cache(maxsize=1024)
def _before(current: Period, zone: ZoneInfo, count: int) -> tuple[Period, ...]:
    found = [current]
    for _ in range(count):
        found.append(previous(found[-1], zone))
    return tuple(found[:0:-1])
