"""What is unused goes to the next period."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.budgets.budget import Budget, Limits
from costmeter.budgets.period import Window, period, previous
from costmeter.budgets.rollover import ROLLOVER_PERIODS, chain, inherited
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


@given(st.lists(st.integers(0, 300), max_size=30), st.integers(0, 200))
def test_the_chain_accounts_for_every_cent(spent: list[int], most: int) -> None:
    inherited_before = 0
    steps = list(chain(Limits(soft=100, rollover_max=most), spent))
    assert [step.spent for step in steps] == spent
    for step in steps:
        assert step.limit == 100 + inherited_before
        # What was left is passed on, but for what is over the maximum; a period over its limit
        # passes nothing on.
        assert step.passed_on == min(most, max(0, step.limit - step.spent))
        inherited_before = step.passed_on
    assert inherited(Limits(soft=100, rollover_max=most), spent) == inherited_before


@given(st.lists(st.tuples(st.integers(0, 150), st.integers(0, 150)), max_size=12))
def test_a_ledger_that_knows_a_part_of_the_spend_takes_no_less_for_inherited(
    spent: list[tuple[int, int]],
) -> None:
    together = inherited(LIMITS, (one + other for one, other in spent))
    assert together <= inherited(LIMITS, (one for one, _ in spent))


@given(
    st.dictionaries(st.integers(-400 * 96, 96), st.integers(1, 300), max_size=40),
    st.sampled_from(["day", "week", "month"]),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Santiago"]),
    st.datetimes(datetime(2023, 12, 1), datetime(2026, 12, 1)),  # noqa: DTZ001 taken as UTC; 2024 is a leap year
)
def test_what_spending_inherits_is_the_chain_of_its_calendar_s_periods(
    quarters: dict[int, int], window: Window, zone: str, moment: datetime
) -> None:
    now = int(moment.replace(tzinfo=ZoneInfo("UTC")).timestamp()) * NANO
    spent = {quarter(now) + number: nano for number, nano in quarters.items()}
    local = ZoneInfo(zone)
    spending = Spending(Budget("team", local, limits={window: LIMITS}))
    spending.load(spent, {}, now)
    closed = [previous(period(window, now, local), local)]
    while len(closed) < ROLLOVER_PERIODS:
        closed.insert(0, previous(closed[0], local))
    sums = [
        sum(
            nano
            for number, nano in spent.items()
            if each.start_ns <= number * 900 * NANO < each.end_ns
        )
        for each in closed
    ]
    first = next((index for index, nano in enumerate(sums) if nano), len(sums))
    assert [each.key for each, _ in spending.inheritance(window, now)] == [
        each.key for each in closed[first:]
    ]
    ((_, limits),) = spending.limits(now)
    assert limits.soft - LIMITS.soft == inherited(LIMITS, sums[first:])


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
