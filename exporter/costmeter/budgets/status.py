"""How budgets stand in their open periods: what is used, how fast, and where it will end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from costmeter.budgets.budget import Budget, Limits
from costmeter.budgets.forecast import Forecast, History, exhausted_ns, period_forecast
from costmeter.budgets.period import WINDOWS, Period, Window
from costmeter.budgets.reading import Reading
from costmeter.budgets.rollover import Step


class State(StrEnum):
    """What a budget's period has reached; a limit that is just reached counts as exceeded."""

    WITHIN = "within"
    THRESHOLD = "threshold"
    SOFT_LIMIT = "soft_limit"
    HARD_LIMIT = "hard_limit"


@dataclass(frozen=True, slots=True)
class Status:
    """How a budget stands in one of its open periods; money in nano-dollars.

    Attributes:
        budget: the budget.
        period: the period.
        spent: spend less credit so far.
        limits: limits in force, what was inherited included; None where there are none.
        inheritance: which closed periods passed on what, oldest first.
        daily: what the last 24 hours cost.
        forecast: what the rest of the period will cost; None while nothing can be said.
        pace: share of the soft limit used for each share of the period gone: 1 is on budget.
    """

    budget: Budget
    period: Period
    spent: int
    limits: Limits | None
    inheritance: list[tuple[Period, Step]]
    daily: int
    forecast: Forecast | None
    pace: float | None

    @property
    def soft(self) -> int | None:
        """The soft limit."""
        return None if self.limits is None else self.limits.soft

    @property
    def hard(self) -> int | None:
        """The hard limit."""
        return None if self.limits is None else self.limits.hard

    @property
    def inherited(self) -> int:
        """What the period inherited, which is part of the limits."""
        return self.inheritance[-1][1].passed_on if self.inheritance else 0

    @property
    def used(self) -> float | None:
        """Share of the soft limit."""
        return None if self.limits is None else self.spent / self.limits.soft

    @property
    def end(self) -> int | None:
        """What the period will have cost."""
        return None if self.forecast is None else self.spent + self.forecast.more

    @property
    def lasts_ns(self) -> int | None:
        """How long the rest of the soft limit lasts at the daily rate; None for ever."""
        if self.limits is None:
            return None
        return exhausted_ns(self.limits.soft - self.spent, self.daily)

    @property
    def state(self) -> State:
        """What has been reached."""
        return self.with_more(0)

    def with_more(self, more: int) -> State:
        """Return what would be reached with ``more`` nano-dollars spent."""
        if self.limits is None:
            return State.WITHIN
        return reached(self.spent + more, self.limits, self.budget.thresholds)


def reached(spent: int, limits: Limits, thresholds: Iterable[float]) -> State:
    """Return what has been reached with so many nano-dollars spent of limits."""
    if limits.hard is not None and spent >= limits.hard:
        return State.HARD_LIMIT
    if spent >= limits.soft:
        return State.SOFT_LIMIT
    if any(spent >= share * limits.soft for share in thresholds):
        return State.THRESHOLD
    return State.WITHIN


def statuses(reading: Reading, now_ns: int) -> Iterator[Status]:
    """Yield how a budget stands in each period that it limits; in all, where it limits none."""
    budget, spending, _ = reading
    past = history(reading, now_ns)
    limits: dict[Window, Limits] = dict(spending.limits(now_ns))
    for window in limits or WINDOWS:
        current = spending.current(window, now_ns)
        spent = current.spend - current.credit
        limit = limits.get(window)
        yield Status(
            budget,
            current.period,
            spent,
            limit,
            spending.inheritance(window, now_ns),
            past.daily,
            period_forecast(past, current.period),
            None if limit is None else _pace(spent / limit.soft, current.period, now_ns),
        )


def history(reading: Reading, now_ns: int) -> History:
    """Return what a forecast is made of."""
    return History(reading.spending.net(), reading.since_ns, now_ns)


def _pace(used: float, period: Period, now_ns: int) -> float | None:
    gone = now_ns - period.start_ns
    return used * (period.end_ns - period.start_ns) / gone if gone > 0 else None
