"""What is unused goes to the next period."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.budgets.budget import Budget, Limits
from costmeter.budgets.rollover import inherited
from costmeter.budgets.spending import Spending
from costmeter.units import NANO, quarter

LIMITS = Limits(soft=100, hard=150, rollover_max=50)


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        ([], 0),
        ([100], 0),
        ([70], 30),
        ([20], 50),  # 80 are unused, 50 may be inherited
        ([70, 100], 30),  # the second had 130 and leaves 30
        ([70, 130], 0),
        ([70, 120, 90], 20),  # 30 left; 130 - 120 = 10 left; 110 - 90 = 20 left
        ([180], 0),  # no debt
        ([180, 95], 5),
        ([-10], 50),  # more was taken back than spent
    ],
)
def test_the_unused_is_chained_and_capped(spent: list[int], expected: int) -> None:
    assert inherited(LIMITS, spent) == expected


@given(st.lists(st.integers(0, 300), max_size=30), st.integers(0, 200))
def test_nothing_is_inherited_that_was_not_left_unused(spent: list[int], most: int) -> None:
    carried = inherited(Limits(soft=100, rollover_max=most), spent)
    assert 0 <= carried <= most
    assert carried <= sum(max(0, 100 - nano) for nano in spent)


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NANO


def monthly(quarters: dict[str, int], now: str, credit: dict[str, int] | None = None) -> Limits:
    """Return this month's limits after what was spent and taken back at some times."""
    spending = Spending(Budget("team", ZoneInfo("Europe/Berlin"), limits={"month": LIMITS}))
    spending.load(
        {quarter(at(time)): nano for time, nano in quarters.items()},
        {quarter(at(time)): nano for time, nano in (credit or {}).items()},
        at(now),
    )
    ((_, limits),) = spending.limits(at(now))
    return limits


def test_both_limits_rise_by_what_was_inherited() -> None:
    limits = monthly({"2026-10-31T23:59:00+01:00": 70}, "2026-11-22T12:00:00+01:00")
    assert (limits.soft, limits.hard) == (130, 180)


def test_months_before_the_first_spend_leave_nothing() -> None:
    assert monthly({}, "2026-11-22T12:00:00+01:00").soft == 100
    # First spend in September; October without any leaves all, as much as may be inherited.
    limits = monthly({"2026-09-10T12:00:00+02:00": 100}, "2026-11-22T12:00:00+01:00")
    assert limits.soft == 150


def test_what_is_spent_in_the_open_month_changes_the_next_ones_limit_only() -> None:
    spent = {"2026-10-10T12:00:00+02:00": 90, "2026-11-10T12:00:00+01:00": 60}
    assert monthly(spent, "2026-11-22T12:00:00+01:00").soft == 110
    # November had 110 and leaves 50.
    assert monthly(spent, "2026-12-01T00:00:00+01:00").soft == 150


def test_what_was_taken_back_was_not_used() -> None:
    spent = {"2026-10-10T12:00:00+02:00": 100}
    credit = {"2026-10-11T12:00:00+02:00": 25}
    assert monthly(spent, "2026-11-22T12:00:00+01:00", credit).soft == 125


def test_the_chain_begins_twelve_months_back_at_most() -> None:
    # November 2025 is the twelfth month back: what it left is capped at 50, and each month after
    # it uses its own 100 to the last cent.
    spent = {f"2026-{month:02d}-10T12:00:00+01:00": 100 for month in range(1, 11)}
    spent |= {"2025-12-10T12:00:00+01:00": 100, "2025-11-10T12:00:00+01:00": 40}
    assert monthly(spent, "2026-11-22T12:00:00+01:00").soft == 150
    # A month later November 2025 is the thirteenth and no longer counts.
    spent |= {"2026-11-10T12:00:00+01:00": 100}
    assert monthly(spent, "2026-12-22T12:00:00+01:00").soft == 100


def test_a_late_event_lowers_what_was_inherited() -> None:
    spending = Spending(Budget("team", ZoneInfo("UTC"), limits={"day": LIMITS}))
    now = at("2026-11-22T12:00:00+00:00")
    spending.add({quarter(at("2026-11-21T12:00:00+00:00")): 70}, sign=1)
    assert dict(spending.limits(now))["day"].soft == 130
    spending.add({quarter(at("2026-11-21T13:00:00+00:00")): 20}, sign=1)
    assert dict(spending.limits(now))["day"].soft == 110
