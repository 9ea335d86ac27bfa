"""What a period inherits of the budget that the periods before it left unused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from costmeter.budgets.budget import Limits

ROLLOVER_PERIODS: Final = 12
"""How many periods back the chain begins at most."""


def inherited(limits: Limits, spent: Iterable[int]) -> int:
    """Return what the next period inherits, in nano-dollars.

    What a period leaves unused of its soft limit, that which it inherited included, goes to the
    next one, up to ``limits.rollover_max``. A period over its limit leaves nothing, and no debt.

    Args:
        limits: limits without what was inherited; those of today count for the past as well.
        spent: spend less credit of each closed period, oldest first, in nano-dollars.
    """
    carried = 0
    for nano in spent:
        unused = limits.soft + carried - nano
        carried = min(limits.rollover_max, max(0, unused))
    return carried
