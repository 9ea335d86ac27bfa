"""Spend of a budget's open periods."""

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

from costmeter.budgets.budget import Budget, Limits
from costmeter.budgets.period import Window
from costmeter.budgets.spending import Spending
from costmeter.names import ALL_SPEND
from costmeter.units import NANO, quarter


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NANO


def everything(zone: str, limits: Mapping[Window, Limits] | None = None) -> Spending:
    return Spending(Budget(ALL_SPEND, ZoneInfo(zone), limits=limits or {}))


NOW = at("2026-11-22T12:00:00+01:00")


def test_each_period_is_the_sum_of_its_quarters() -> None:
    spending = everything("Europe/Berlin")
    spending.load(
        {
            quarter(at("2026-10-31T23:59:00+01:00")): 1,
            quarter(at("2026-11-01T00:00:00+01:00")): 20,
            quarter(at("2026-11-16T00:00:00+01:00")): 300,
            quarter(at("2026-11-21T23:59:59+01:00")): 4000,
        },
        {},
        NOW,
    )
    spending.add({quarter(at("2026-11-22T00:00:00+01:00")): 50_000}, sign=1)
    spending.add({quarter(NOW): 7}, sign=-1)

    found = {(p.period.window, p.period.key): (p.spend, p.credit) for p in spending.periods(NOW)}

    assert found == {
        ("day", "2026-11-21"): (4000, 0),
        ("day", "2026-11-22"): (50_000, 7),
        ("week", "2026-W46"): (0, 0),
        ("week", "2026-W47"): (54_300, 7),
        ("month", "2026-10"): (1, 0),
        ("month", "2026-11"): (54_320, 7),
    }


def test_what_is_added_after_a_sum_was_told_counts_in_each_period_it_belongs_to() -> None:
    spending = everything("UTC")
    assert [each.spend for each in spending.periods(NOW)] == [0, 0, 0, 0, 0, 0]
    spending.add({quarter(at("2026-11-21T12:00:00+00:00")): 1, quarter(NOW): 20}, sign=1)
    # The day before, today; the week before, this week; the month before, this month.
    assert [each.spend for each in spending.periods(NOW)] == [1, 20, 0, 21, 0, 21]
    spending.add({quarter(at("2026-10-31T23:59:00+00:00")): 300}, sign=1)
    assert [each.spend for each in spending.periods(NOW)] == [1, 20, 0, 21, 300, 21]


def test_a_late_event_counts_for_the_period_of_its_own_time() -> None:
    spending = everything("UTC")
    midnight = at("2026-11-23T00:00:00+00:00")
    assert spending.current("day", midnight).spend == 0
    spending.add({quarter(midnight - 1): 5}, sign=1)
    assert spending.current("day", midnight).spend == 0
    assert spending.current("day", midnight - 1).spend == 5


def test_an_empty_period_follows_at_midnight() -> None:
    spending = everything("Europe/Berlin")
    midnight = at("2026-11-23T00:00:00+01:00")
    spending.add({quarter(midnight - 1): 5}, sign=1)
    days = [(p.period.key, p.spend) for p in spending.periods(midnight - 1)]
    assert days[:2] == [("2026-11-21", 0), ("2026-11-22", 5)]
    days = [(p.period.key, p.spend) for p in spending.periods(midnight)]
    assert days[:2] == [("2026-11-22", 5), ("2026-11-23", 0)]


def test_a_year_that_passes_leaves_what_still_matters() -> None:
    limits: dict[Window, Limits] = {"month": Limits(soft=100, rollover_max=1000)}
    spending = Spending(Budget("team", ZoneInfo("UTC"), limits=limits))
    for month in range(1, 13):
        now = at(f"2026-{month:02d}-15T12:00:00+00:00")
        spending.add({quarter(now): 90}, sign=1)
        # Each month that has gone left 10.
        assert dict(spending.limits(now))["month"].soft == 100 + 10 * (month - 1)
    now = at("2027-03-01T00:00:00+00:00")
    # March to December left 10 each, January and February, without any spend, 100 each.
    assert dict(spending.limits(now))["month"].soft == 100 + 10 * 10 + 2 * 100
    months = [
        each
        for each in spending.periods(at("2027-01-01T00:00:00+00:00"))
        if each.period.window == "month"
    ]
    assert [each.spend for each in months] == [90, 0]


def test_all_windows_are_counted_limited_or_not() -> None:
    limits: dict[Window, Limits] = {"week": Limits(soft=10)}
    team = Spending(Budget("team", ZoneInfo("UTC"), limits=limits))
    assert [each.period.key for each in team.periods(NOW)] == [
        "2026-11-21", "2026-11-22", "2026-W46", "2026-W47", "2026-10", "2026-11",
    ]  # fmt: skip
    assert [window for window, _ in team.limits(NOW)] == ["week"]


def test_the_ledger_is_asked_from_the_start_of_last_month() -> None:
    spending = everything("UTC")
    assert spending.earliest_ns(NOW) == at("2026-10-01T00:00:00+00:00")
    # Early in January the week before begins in December but the month before is earlier still.
    assert spending.earliest_ns(at("2026-01-01T00:00:00+00:00")) == at("2025-12-01T00:00:00+00:00")


def test_a_budget_that_rolls_over_asks_for_twelve_periods() -> None:
    weekly = Budget("team", ZoneInfo("UTC"), limits={"week": Limits(soft=10, rollover_max=5)})
    # This week began on 16 November; 84 days before that it is 24 August.
    assert Spending(weekly).earliest_ns(NOW) == at("2026-08-24T00:00:00+00:00")
