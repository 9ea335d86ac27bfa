"""What a period inherits of the budget that the periods before it left unused."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from costmeter.budgets.budget import Limits

ROLLOVER_PERIODS: Final = 12
"""How many periods back the chain begins at most."""


class Step(NamedTuple):
    """A closed period of the chain, in nano-dollars.

    Attributes:
        limit: the soft limit that was in force, what the period itself inherited included.
        spent: spend less credit.
        passed_on: what the next period inherits.
    """

    limit: int
    spent: int
    passed_on: int


def chain(limits: Limits, spent: Iterable[int]) -> Iterator[Step]:
    """Yield what each closed period had, spent and passed on.

    What a period leaves unused of its soft limit, that which it inherited included, goes to the
    next one, up to ``limits.rollover_max``. A period over its limit leaves nothing, and no debt.

    Args:
        limits: limits without what was inherited; those of today count for the past as well.
        spent: spend less credit of each closed period, oldest first, in nano-dollars.
    """
    carried = 0
    for nano in spent:
        limit = limits.soft + carried
        carried = min(limits.rollover_max, max(0, limit - nano))
        yield Step(limit, nano, carried)


def inherited(limits: Limits, spent: Iterable[int]) -> int:
    """Return what the next period inherits, in nano-dollars; arguments as of :func:`chain`."""
    carried = 0
    for step in chain(limits, spent):
        carried = step.passed_on
    return carried
