"""Spend of the open periods."""

from datetime import datetime
from zoneinfo import ZoneInfo

from costmeter.budgets.spending import Spending
from costmeter.units import NANO, quarter


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NANO


NOW = at("2026-11-22T12:00:00+01:00")


def test_each_period_is_the_sum_of_its_quarters() -> None:
    spending = Spending(ZoneInfo("Europe/Berlin"))
    spending.load(
        {
            quarter(at("2026-10-31T23:59:00+01:00")): 1,
            quarter(at("2026-11-01T00:00:00+01:00")): 20,
            quarter(at("2026-11-16T00:00:00+01:00")): 300,
            quarter(at("2026-11-21T23:59:59+01:00")): 4000,
        },
        {},
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


def test_a_late_event_counts_for_the_period_of_its_own_time() -> None:
    spending = Spending(ZoneInfo("UTC"))
    midnight = at("2026-11-23T00:00:00+00:00")
    assert spending.current("day", midnight).spend == 0
    spending.add({quarter(midnight - 1): 5}, sign=1)
    assert spending.current("day", midnight).spend == 0
    assert spending.current("day", midnight - 1).spend == 5


def test_the_ledger_is_asked_from_the_start_of_last_month() -> None:
    spending = Spending(ZoneInfo("UTC"))
    assert spending.earliest_ns(NOW) == at("2026-10-01T00:00:00+00:00")
    # Early in January the week before begins in December but the month before is earlier still.
    assert spending.earliest_ns(at("2026-01-01T00:00:00+00:00")) == at("2025-12-01T00:00:00+00:00")
