"""What another process writes to the ledger is taken over, at the latest when it can be read again."""

from __future__ import annotations

import time

import pytest

from costmeter.budgets.meter import BudgetMeter
from costmeter.errors import LedgerError
from costmeter.ledger.batch import Batch
from costmeter.ledger.store import Ledger
from costmeter.names import SPEND
from costmeter.sidecar.exporter import Exporter
from tests.sidecar.budgeting import Stack
from tests.waiting import until


def write_beside(stack: Stack, usd: int) -> None:
    """Add spend as another process would."""
    ledger = Ledger.open(stack.ledger, exclusive=False)
    labels = {"provider": "openai", "model": "gpt-4o", "component": "request"}
    series = ledger.intern(SPEND.name, labels)
    ledger.commit(Batch(sums={series: {int(time.time()) // 900: usd * 10**9}}))
    ledger.close()


def test_budgets_that_cannot_be_filled_again_are_asked_until_they_can(
    budgeting: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = budgeting.start()
    budgeting.spend(1, "search")
    until(lambda: budgeting.spent("all") == 1)

    def fail(*_: object) -> None:
        raise LedgerError("ledger.db: disk I/O error")

    collector = pipeline.collectors["budgets"]
    monkeypatch.setattr(BudgetMeter, "fill", fail)
    write_beside(budgeting, 2)
    until(lambda: not collector.success)
    problem = "budgets lack what another process wrote: ledger.db: disk I/O error"
    assert problem in Exporter(pipeline).status().problems
    budgeting.spend(4, "search")
    until(lambda: budgeting.spent("all") == 5)  # without the 2, but metering goes on

    monkeypatch.undo()
    until(lambda: budgeting.spent("all") == 7)
    assert collector.success
    assert pipeline.alive


def test_a_ledger_that_cannot_be_asked_for_changes_is_read_again(
    budgeting: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = budgeting.start()
    asked = []

    def fail(*_: object) -> bool:
        asked.append(1)
        raise LedgerError("ledger.db: disk I/O error")

    monkeypatch.setattr(pipeline.ledger, "changed", fail)
    write_beside(budgeting, 2)
    until(lambda: budgeting.spent("all") == 2)
    assert asked
    assert pipeline.alive
