"""What a ledger's file says was spent of budgets; for commands, beside a sidecar or without."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from costmeter.budgets.budget import Budget
from costmeter.budgets.meter import by_budget, covering
from costmeter.budgets.spending import Spending
from costmeter.ledger import query


class Reading(NamedTuple):
    """What was spent of a budget.

    Attributes:
        budget: the budget.
        spending: what was spent in the periods that matter.
        since_ns: since when all is known: the making of the ledger, in nanoseconds since 1970.
    """

    budget: Budget
    spending: Spending
    since_ns: int


def read(path: Path, budgets: Sequence[Budget], now_ns: int) -> list[Reading]:
    """Return what was spent of budgets, as of one instant.

    Args:
        path: the ledger.
        budgets: the budgets.
        now_ns: decides which periods matter.

    Raises:
        LedgerError: the ledger cannot be read.
    """
    spendings = [Spending(budget) for budget in budgets]
    start_ns = min(spending.earliest_ns(now_ns) for spending in spendings)
    money, since_ns = query.money_by_quarter(path, start_ns, partial(covering, budgets))
    spend, credit = by_budget(money)
    for index, spending in enumerate(spendings):
        spending.load(spend[index], credit[index], now_ns)
    return [
        Reading(budget, spending, since_ns)
        for budget, spending in zip(budgets, spendings, strict=True)
    ]
