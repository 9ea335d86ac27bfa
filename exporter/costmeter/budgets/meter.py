"""All budgets of an exporter: which spend counts for which, and how each stands."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from costmeter.budgets.budget import Budget, Limits
from costmeter.budgets.period import Window
from costmeter.budgets.spending import PeriodSpend, Spending
from costmeter.ledger.money import Money
from costmeter.ledger.store import Ledger

Amounts = defaultdict[int, defaultdict[int, int]]
"""Nano-dollars by a budget's place and quarter of an hour."""

_REMEMBERED = 10_000
"""How many sets of label values it is remembered of which budgets they count for."""


class Standing(NamedTuple):
    """How a budget stands.

    Attributes:
        budget: the budget.
        periods: spend of its open periods and of those before them.
        limits: limits of its open periods by window, with what these inherited.
    """

    budget: Budget
    periods: list[PeriodSpend]
    limits: dict[Window, Limits]


class BudgetMeter:
    """Keeps what was spent of each budget in step with the ledger.

    The pipeline's thread fills and adds; any thread may ask for the standings.
    """

    def __init__(self, budgets: Sequence[Budget], ledger: Ledger, now_ns: int) -> None:
        """Take budgets and fill them from a ledger.

        Args:
            budgets: the budgets, names unique.
            ledger: what was spent.
            now_ns: decides which periods matter.

        Raises:
            LedgerError: the ledger cannot be read.
        """
        self.budgets = tuple(budgets)
        self._ledger = ledger
        self._spendings = [Spending(budget) for budget in self.budgets]
        self._covering: dict[int, tuple[int, ...]] = {}
        self._deciding = sorted({label for budget in self.budgets for label in budget.match})
        self._by_values: dict[tuple[str, ...], tuple[int, ...]] = {}
        self._lock = threading.Lock()
        self._last_ns = now_ns
        self.fill(now_ns)

    def fill(self, now_ns: int) -> None:
        """Take what the ledger has, in place of what is there.

        Raises:
            LedgerError: the ledger cannot be read; what is there stays.
        """
        with self._lock:
            start_ns = min(spending.earliest_ns(now_ns) for spending in self._spendings)
        spend, credit = by_budget(self._ledger.money_by_quarter(start_ns, self._covers))
        with self._lock:
            for index, spending in enumerate(self._spendings):
                spending.load(spend[index], credit[index], now_ns)

    def lacks(self, now_ns: int) -> bool:
        """Tell whether it has to be filled again: the clock was ahead, and has been set back.

        Asked again and again: only where time goes back it is looked.
        """
        went_back, self._last_ns = now_ns < self._last_ns, now_ns
        with self._lock:
            return went_back and any(each.lacks(now_ns) for each in self._spendings)

    def add(self, sums: Mapping[int, Mapping[int, int]], signs: Mapping[int, int]) -> None:
        """Add what a batch committed.

        Args:
            sums: amounts to add by series and quarter of an hour.
            signs: which of these series are money: 1 for spend, -1 for credit.
        """
        added: defaultdict[tuple[int, int], defaultdict[int, int]] = defaultdict(
            lambda: defaultdict(int)
        )
        for series, quarters in sums.items():
            if sign := signs.get(series):
                for index in self._budgets_of(series):
                    _add(added[index, sign], quarters)
        with self._lock:
            for (index, sign), by_quarter in added.items():
                self._spendings[index].add(by_quarter, sign=sign)

    def standings(self, now_ns: int) -> list[Standing]:
        """Return how all budgets stand at an instant, as of the same commit."""
        with self._lock:
            return [
                Standing(budget, list(spending.periods(now_ns)), dict(spending.limits(now_ns)))
                for budget, spending in zip(self.budgets, self._spendings, strict=True)
            ]

    def limited(
        self, labels: Mapping[str, str], now_ns: int
    ) -> list[tuple[Budget, PeriodSpend, Limits]]:
        """Return the limited open periods that spend with such labels counts for, at an instant."""
        values = tuple(labels.get(label, "") for label in self._deciding)
        with self._lock:
            places = self._by_values.get(values)
            if places is None:
                if len(self._by_values) >= _REMEMBERED:
                    self._by_values.clear()
                places = self._by_values[values] = self._covers(labels)
            return [
                (self.budgets[place], self._spendings[place].current(window, now_ns), limits)
                for place in places
                for window, limits in self._spendings[place].limits(now_ns)
            ]

    def _budgets_of(self, series: int) -> tuple[int, ...]:
        found = self._covering.get(series)
        if found is None:
            found = self._covering[series] = self._covers(self._ledger.account_labels(series))
        return found

    def _covers(self, labels: Mapping[str, str]) -> tuple[int, ...]:
        return covering(self.budgets, labels)


def covering(budgets: Sequence[Budget], labels: Mapping[str, str]) -> tuple[int, ...]:
    """Return the places of the budgets that spend with such labels counts for."""
    return tuple(index for index, each in enumerate(budgets) if each.covers(labels))


def by_budget(money: Mapping[tuple[int, ...], Money]) -> tuple[Amounts, Amounts]:
    """Return spend and credit by a budget's place, of money by the budgets that it counts for."""
    spend: Amounts = defaultdict(lambda: defaultdict(int))
    credit: Amounts = defaultdict(lambda: defaultdict(int))
    for group, amounts in money.items():
        for index in group:
            _add(spend[index], amounts.spend)
            _add(credit[index], amounts.credit)
    return spend, credit


def _add(total: defaultdict[int, int], more: Mapping[int, int]) -> None:
    for number, nano in more.items():
        total[number] += nano
