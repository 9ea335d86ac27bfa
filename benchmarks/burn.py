"""How often burn alerts for a day's or a week's budget are false: the table in budget_alerts.yml.

``python -m benchmarks.burn`` prints, for each window and traffic, in how many of 300 weeks it would
have fired although each day, or the week, stayed within its budget. Noise of five minutes is 130 %,
of a day 20 % (log-normal). The seed is fixed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import Final, NamedTuple

WEEKS: Final = 300
HOUR: Final = 12
"""Steps of five minutes."""
DAY: Final = 24 * HOUR


class Burn(NamedTuple):
    """So much of a limit in so long, and still in a shorter time, in steps."""

    limit: str
    share: float
    long: int
    short: int


BURNS: Final = (
    Burn("week", 0.10, HOUR, 1),
    Burn("week", 0.25, 6 * HOUR, HOUR // 2),
    Burn("day", 0.50, HOUR, 1),
    Burn("day", 0.40, HOUR, 1),
)
TRAFFIC: Final[dict[str, Callable[[int, float], int]]] = {
    "even": lambda _, __: 1,
    "days": lambda _, hour: 8 if 9 <= hour < 18 else 1,
    "days and weekends": lambda day, hour: 8 if 9 <= hour < 18 and day < 5 else 1,
    "a peak at lunch": lambda _, hour: 20 if 12 <= hour < 13 else 4 if 9 <= hour < 18 else 1,
}


def week(chance: random.Random, level: Callable[[int, float], int]) -> Iterator[float]:
    """Yield what each five minutes of a week cost."""
    for day in range(7):
        of_day = math.exp(chance.gauss(0, 0.2))
        for step in range(DAY):
            yield level(day, step / HOUR) * of_day * math.exp(chance.gauss(0, 1))


def fires(upto: list[float], burn: Burn) -> bool:
    """Tell whether an alert fires in a week whose costs are added up, its limit just kept."""
    days = [upto[(day + 1) * DAY] - upto[day * DAY] for day in range(7)]
    allowed = burn.share * (max(days) if burn.limit == "day" else upto[-1])
    return any(
        upto[now] - upto[now - burn.long] > allowed
        and upto[now] - upto[now - burn.short] > allowed * burn.short / burn.long
        for now in range(burn.long, len(upto))
    )


def main() -> None:
    """Print the table."""
    for burn in BURNS:
        found = []
        for level in TRAFFIC.values():
            chance = random.Random(20261122)
            weeks = ([0.0, *accumulate(week(chance, level))] for _ in range(WEEKS))
            found.append(sum(fires(upto, burn) for upto in weeks))
        what = f"{burn.share:.0%} of the {burn.limit} in {burn.long // HOUR} h"
        print(
            what,
            *(f"{name}: {count}" for name, count in zip(TRAFFIC, found, strict=True)),
            sep="; ",
        )


if __name__ == "__main__":
    main()
