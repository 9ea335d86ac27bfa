"""Where a budget's period will end, and how long the rest lasts, from what was spent so far.

Three methods, the best first that the history is long enough for; ``benchmarks/forecast.py``
measures them. The rules in ``prometheus/rules/budget_forecast.yml`` do the same with the same sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from costmeter.budgets.period import Period, Window
from costmeter.units import NANO, QUARTER_SECONDS

DAY_NS: Final = 86_400 * NANO
WEEK_NS: Final = 7 * DAY_NS
WEEKS: Final = 4
"""Weeks whose hours are compared: noise evens out, and a year's seasons do not yet matter."""

_QUARTER_NS: Final = QUARTER_SECONDS * NANO
_EARLIEST_NS: Final[Mapping[Window, int]] = {
    "day": DAY_NS // 4,
    "week": DAY_NS // 2,
    "month": DAY_NS // 2,
}
"""Before so much time the share that is gone says nothing."""


class Method(StrEnum):
    """How a forecast is made.

    Attributes:
        ELAPSED: it goes on as since the period began: spend by the share of time gone.
        WEEK: it goes on at the mean rate of the last 7 days.
        SAME_HOURS: the next week costs what the last did, spread over its hours as in past weeks.
    """

    ELAPSED = "elapsed"
    WEEK = "week"
    SAME_HOURS = "same_hours"


class Forecast(NamedTuple):
    """What a time will cost that has not come yet.

    Attributes:
        more: nano-dollars from now to its end.
        method: how it was worked out.
        weeks: how many weeks were looked at; 0 where the history has none.
    """

    more: int
    method: Method
    weeks: int


class History:
    """Spend less credit by quarter of an hour, up to now. Within a quarter it counts as even."""

    def __init__(self, quarters: Mapping[int, int], since_ns: int, now_ns: int) -> None:
        """Take what was spent.

        Args:
            quarters: nano-dollars by quarter of an hour since 1970; those missing are 0.
            since_ns: the first instant of which all is known.
            now_ns: the instant at which it is asked.
        """
        self._quarters = quarters
        self.since_ns = since_ns
        self.now_ns = now_ns

    def between(self, start_ns: int, end_ns: int) -> int:
        """Return the nano-dollars of a time that ends now at the latest."""
        first, last = start_ns // _QUARTER_NS, (end_ns - 1) // _QUARTER_NS
        if last < first:
            return 0
        total = sum(self._quarters.get(number, 0) for number in range(first, last + 1))
        total -= self._share(first, first * _QUARTER_NS, start_ns)
        return total - self._share(last, end_ns, (last + 1) * _QUARTER_NS)

    def _share(self, number: int, start_ns: int, end_ns: int) -> int:
        """Return what falls in a part of a quarter; of the open one nothing lies ahead."""
        ends = min((number + 1) * _QUARTER_NS, max(self.now_ns, number * _QUARTER_NS + 1))
        part = min(end_ns, ends) - start_ns
        nano = self._quarters.get(number, 0)
        return nano * max(0, part) // (ends - number * _QUARTER_NS)

    @property
    def weeks(self) -> int:
        """Whole weeks that are known."""
        return (self.now_ns - self.since_ns) // WEEK_NS

    @property
    def daily(self) -> int:
        """Nano-dollars of the last 24 hours; in the first ones, at the rate so far."""
        start = max(self.since_ns, self.now_ns - DAY_NS)
        spent = self.between(start, self.now_ns)
        return spent * DAY_NS // max(1, min(DAY_NS, self.now_ns - start))


def forecast(history: History, window: Window, start_ns: int, until_ns: int) -> Forecast | None:
    """Return what the time from now on will cost; None while nothing can be said.

    Args:
        history: what was spent.
        window: kind of the period: in a day or a week it matters which hours are left; in a month
            they even out.
        start_ns: the period's start.
        until_ns: the end of the forecast.
    """
    if history.weeks and window == "month":
        return by_week(history, until_ns)
    if history.weeks:
        return by_same_hours(history, until_ns, WEEKS if history.weeks >= WEEKS else 1)
    if history.now_ns - max(start_ns, history.since_ns) <= _EARLIEST_NS[window]:
        return None
    return by_elapsed(history, start_ns, until_ns)


def period_forecast(history: History, period: Period) -> Forecast | None:
    """Return what the rest of an open period will cost; None while nothing can be said."""
    return forecast(history, period.window, period.start_ns, period.end_ns)


def exhausted_ns(left: int, daily: int) -> int | None:
    """Return how long an amount lasts at a rate, in nanoseconds; None for ever.

    Args:
        left: nano-dollars left of the limit; 0 and below is gone already.
        daily: nano-dollars a day.
    """
    if left <= 0:
        return 0
    return left * DAY_NS // daily if daily > 0 else None


def by_elapsed(history: History, start_ns: int, until_ns: int) -> Forecast:
    """Forecast by the rate since the period began, or since all is known."""
    start = max(start_ns, history.since_ns)
    left, gone = until_ns - history.now_ns, history.now_ns - start
    return Forecast(history.between(start, history.now_ns) * left // gone, Method.ELAPSED, 0)


def by_week(history: History, until_ns: int) -> Forecast:
    """Forecast by the mean rate of the last 7 days."""
    now_ns = history.now_ns
    last_week = history.between(now_ns - WEEK_NS, now_ns)
    return Forecast(last_week * (until_ns - now_ns) // WEEK_NS, Method.WEEK, 1)


def by_same_hours(history: History, until_ns: int, weeks: int) -> Forecast:
    """Forecast by the hours of past weeks, at the level of the last.

    Each whole week ahead costs what the last one did. What is left after these is a part of a week:
    it costs that share of the last one which the same hours had of all these weeks together.
    """
    now_ns = history.now_ns
    whole, rest = divmod(until_ns - now_ns, WEEK_NS)
    starts = [now_ns - number * WEEK_NS for number in range(1, weeks + 1)]
    last_week, *others = (history.between(start, start + WEEK_NS) for start in starts)
    parts = sum(history.between(start, start + rest) for start in starts)
    total = last_week + sum(others)
    broken = last_week * parts // total if total > 0 else 0
    return Forecast(whole * last_week + broken, Method.SAME_HOURS, weeks)
