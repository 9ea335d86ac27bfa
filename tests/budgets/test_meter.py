"""All budgets over a real ledger."""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from costmeter.budgets.budget import Budget, Limits
from costmeter.budgets.meter import BudgetMeter
from costmeter.ledger.batch import Batch
from costmeter.ledger.store import Ledger
from costmeter.names import ALL_SPEND, CREDIT, SPEND, TOKENS
from costmeter.units import NANO, quarter

UTC = ZoneInfo("UTC")
NOW = int(datetime.fromisoformat("2026-11-22T12:00:00+00:00").timestamp()) * NANO
TODAY = quarter(NOW)
BUDGETS = (
    Budget(ALL_SPEND, UTC),
    Budget("search", UTC, {"team": "search"}, limits={"day": Limits(soft=100)}),
    Budget("gpt", UTC, {"model": "gpt-*"}, limits={"day": Limits(soft=100)}),
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger.open(tmp_path / "ledger.db")
    yield ledger
    ledger.close()


def today(meter: BudgetMeter) -> dict[str, tuple[int, int]]:
    """Return spend and credit of today by budget."""
    return {
        standing.budget.name: (each.spend, each.credit)
        for standing in meter.standings(NOW)
        for each in standing.periods
        if each.period.key == "2026-11-22"
    }


def test_what_is_added_batch_by_batch_is_what_the_ledger_has(ledger: Ledger) -> None:
    both = ledger.intern(SPEND.name, {"team": "search", "model": "gpt-4o", "component": "input"})
    gpt = ledger.intern(SPEND.name, {"model": "gpt-4o", "component": "output"})
    neither = ledger.intern(SPEND.name, {"model": "claude", "component": "output"})
    credit = ledger.intern(CREDIT.name, {"team": "search", "model": "claude"})
    tokens = ledger.intern(TOKENS.name, {"team": "search", "type": "input"})
    signs = {both: 1, gpt: 1, neither: 1, credit: -1}
    meter = BudgetMeter(BUDGETS, ledger, NOW)
    for sums in (
        {both: {TODAY: 1}, tokens: {TODAY: 1000}},
        {both: {TODAY: 2, TODAY - 1: 4}, gpt: {TODAY: 8}, neither: {TODAY: 16}},
        {credit: {TODAY: 32}},
    ):
        ledger.commit(Batch(sums=sums))
        meter.add(sums, signs)
    expected = {"all": (31, 32), "search": (7, 32), "gpt": (15, 0)}
    assert today(meter) == expected
    assert today(BudgetMeter(BUDGETS, ledger, NOW)) == expected


def test_filling_again_takes_the_ledgers_sums_and_none_twice(ledger: Ledger) -> None:
    series = ledger.intern(SPEND.name, {"team": "search", "component": "input"})
    meter = BudgetMeter(BUDGETS, ledger, NOW)
    ledger.commit(Batch(sums={series: {TODAY: 5}}))
    meter.add({series: {TODAY: 5}}, {series: 1})
    meter.fill(NOW)
    assert today(meter) == {"all": (5, 0), "search": (5, 0), "gpt": (0, 0)}


def test_a_clock_that_was_ahead_for_a_moment_loses_nothing(ledger: Ledger) -> None:
    series = ledger.intern(SPEND.name, {"team": "search", "component": "input"})
    ledger.commit(Batch(sums={series: {TODAY: 7}}))
    meter = BudgetMeter(BUDGETS, ledger, NOW)
    year_ns = 366 * 86_400 * NANO
    assert not meter.lacks(NOW + year_ns)
    meter.standings(NOW + year_ns)  # where today is a day long gone
    assert not meter.lacks(NOW + year_ns)
    assert meter.lacks(NOW)
    meter.fill(NOW)
    assert today(meter)["search"] == (7, 0)
    assert not meter.lacks(NOW - NANO)
