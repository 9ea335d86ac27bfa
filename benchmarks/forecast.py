"""How far forecasts of a period's end are off: the table in docs/budgets.md.

``python -m benchmarks.forecast`` prints it: mean error, in per cent of what the period cost in the
end, of 60 periods each of synthetic traffic. Night and day, or working days and weekends, differ by
eight to one; each quarter of an hour has noise of 50 %, each day of 20 % (log-normal). The seed is
fixed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from costmeter.budgets.forecast import (
    WEEKS,
    Forecast,
    History,
    by_elapsed,
    by_same_hours,
    by_week,
)
from costmeter.budgets.period import Window
from costmeter.units import NANO, QUARTER_SECONDS

DAY: Final = 96
"""Quarters of an hour."""
PERIODS: Final = 60
POINTS: Final[dict[Window, tuple[float, ...]]] = {
    "month": (5, 10, 20),
    "week": (1.5, 3.5, 5.5),
    "day": (0.25, 0.5, 0.75),
}
"""Days into the period at which it is forecast."""
LENGTH: Final[dict[Window, int]] = {"month": 30, "week": 7, "day": 1}
_BEFORE: Final = 35
_QUARTER_NS: Final = QUARTER_SECONDS * NANO


@dataclass(frozen=True)
class Traffic:
    """A kind of traffic.

    Attributes:
        name: as the table has it.
        busy: whether a quarter of an hour of the week is a busy one.
        growth: what a day costs more than the one before, as a share.
        step: factor from the eighth day of the period on.
        sparse: one quarter of an hour a day costs as much as all of it would.
    """

    name: str
    busy: Callable[[int], bool]
    growth: float = 0
    step: float = 1
    sparse: bool = False

    def quarters(self, chance: random.Random, days: int, step_day: int) -> Iterator[int]:
        """Yield nano-dollars by quarter of an hour, the first on a Monday at midnight."""
        for day in range(days):
            level = 1e9 * _noise(chance, 0.2) * (1 + self.growth) ** day
            level *= self.step if day >= step_day else 1
            only = chance.randrange(DAY) if self.sparse else None
            for number in range(DAY):
                amount = level * _noise(chance, 0.5)
                amount *= 8 if self.busy(day % 7 * DAY + number) else 1
                if only is not None:
                    amount *= DAY if number == only else 0
                yield int(amount)


def _noise(chance: random.Random, sigma: float) -> float:
    return math.exp(chance.gauss(0, sigma) - sigma**2 / 2)


def _by_day(quarter: int) -> bool:
    return 36 <= quarter % DAY < 72  # 9 to 18 h


def _on_workdays(quarter: int) -> bool:
    return _by_day(quarter) and quarter < 5 * DAY


TRAFFIC: Final = (
    Traffic("even", lambda _: True),
    Traffic("days", _by_day),
    Traffic("days and weekends", _on_workdays),
    Traffic("the same, +50 % a month", _on_workdays, growth=1.5 ** (1 / 30) - 1),
    Traffic("the same, half as much again from day 8 on", _on_workdays, step=1.5),
    Traffic("one large sum a day", lambda _: True, sparse=True),
)
METHODS: Final[tuple[tuple[str, Callable[[History, int, int], Forecast]], ...]] = (
    ("share of time gone", by_elapsed),
    ("rate of 7 days", lambda history, _, until: by_week(history, until)),
    ("same hours, 1 week", lambda history, _, until: by_same_hours(history, until, 1)),
    ("same hours, 4 weeks", lambda history, _, until: by_same_hours(history, until, WEEKS)),
)


class Sums(dict[int, int]):
    """Quarters whose sums over any time are known at once."""

    def __init__(self, amounts: list[int]) -> None:
        """Take the amounts, from quarter 0 on."""
        super().__init__(enumerate(amounts))
        self.upto = [0, *accumulate(amounts)]


class Known(History):
    """A history that adds up in no time; all instants are on a quarter of an hour."""

    def __init__(self, sums: Sums, now_ns: int) -> None:
        """Take the sums."""
        super().__init__(sums, 0, now_ns)
        self._upto = sums.upto

    def between(self, start_ns: int, end_ns: int) -> int:
        """Return the nano-dollars of a time."""
        return self._upto[end_ns // _QUARTER_NS] - self._upto[start_ns // _QUARTER_NS]


def errors(traffic: Traffic, window: Window) -> dict[str, list[float]]:
    """Return each method's mean error at each point, as a share of what the period cost."""
    chance = random.Random(20261122)
    points = [int(day * DAY) for day in POINTS[window]]
    found = {name: [0.0] * len(points) for name, _ in METHODS}
    for number in range(PERIODS):
        first = _BEFORE + (number % 7 if window != "week" else 0)
        sums = Sums(list(traffic.quarters(chance, first + LENGTH[window], first + 7)))
        start, end = first * DAY, (first + LENGTH[window]) * DAY
        cost = sums.upto[end] - sums.upto[start]
        for index, point in enumerate(points):
            history = Known(sums, (start + point) * _QUARTER_NS)
            spent = history.between(start * _QUARTER_NS, history.now_ns)
            for name, method in METHODS:
                more = method(history, start * _QUARTER_NS, end * _QUARTER_NS).more
                found[name][index] += abs(spent + more - cost) / cost / PERIODS
    return found


def rows() -> Iterator[tuple[str, ...]]:
    """Yield the table's lines."""
    for window in POINTS:
        for traffic in TRAFFIC:
            if traffic.step != 1 and window != "month":
                continue
            cells = (
                " / ".join(f"{100 * error:.0f}" for error in found)
                for found in errors(traffic, window).values()
            )
            yield (window, traffic.name, *cells)


def main() -> None:
    """Print the table, as Markdown."""
    for row in (("window", "traffic", *(name for name, _ in METHODS)), ("---",) * 6, *rows()):
        print("|", " | ".join(row), "|")


if __name__ == "__main__":
    main()
