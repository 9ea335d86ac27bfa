"""Forecasts, against sums worked out by hand."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.budgets.forecast import (
    DAY_NS,
    WEEK_NS,
    Forecast,
    History,
    Method,
    exhausted_ns,
    forecast,
    period_forecast,
)
from costmeter.budgets.period import Window, period
from costmeter.units import NANO, QUARTER_SECONDS

QUARTER_NS = QUARTER_SECONDS * NANO
UTC = ZoneInfo("UTC")
QUARTERS_A_DAY = 96


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NANO


def spending(amounts: dict[str, int]) -> dict[int, int]:
    """Return nano-dollars by quarter, of what each day cost in its first quarter of an hour."""
    return {at(f"{day}T00:00+00:00") // QUARTER_NS: nano for day, nano in amounts.items()}


def steady(since: str, now: str, nano: int) -> History:
    """Return a history of so many nano-dollars each quarter of an hour."""
    first, last = at(since) // QUARTER_NS, at(now) // QUARTER_NS
    return History(dict.fromkeys(range(first, last), nano), at(since), at(now))


def ahead(history: History, window: Window) -> Forecast | None:
    return period_forecast(history, period(window, history.now_ns, UTC))


def test_a_young_ledger_goes_on_as_since_it_was_made() -> None:
    # Made on the 10th at noon; three days of 96 quarters at 2 nano-dollars, 17.5 days to go.
    history = steady("2026-11-10T12:00+00:00", "2026-11-13T12:00+00:00", 2)
    assert ahead(history, "month") == Forecast(17 * 192 + 96, Method.ELAPSED, 0)


def test_what_came_before_the_period_is_not_its_rate() -> None:
    # 50 on the 30th of October; in November 300 in three days, so 2700 in the 27 to come.
    history = History(
        spending({"2026-10-30": 50, "2026-11-01": 100, "2026-11-03": 200}),
        at("2026-10-29T00:00+00:00"),
        at("2026-11-04T00:00+00:00"),
    )
    assert ahead(history, "month") == Forecast(2700, Method.ELAPSED, 0)


@pytest.mark.parametrize(("window", "hours"), [("day", 6), ("week", 12), ("month", 12)])
def test_too_early_nothing_is_said(window: Window, hours: int) -> None:
    start = period(window, at("2026-11-01T00:00+00:00"), UTC).start_ns
    quarters = dict.fromkeys(range(start // QUARTER_NS, start // QUARTER_NS + hours * 4), 1)
    assert ahead(History(quarters, start, start + hours * 4 * QUARTER_NS), window) is None
    assert ahead(History(quarters, start, start + hours * 4 * QUARTER_NS + 1), window) is not None


def test_from_a_week_on_a_month_goes_on_at_the_rate_of_the_last_seven_days() -> None:
    # 700 in the seven days before the 11th; 99 before these do not count. 20 days to go.
    history = History(
        spending({"2026-11-02": 99, "2026-11-04": 300, "2026-11-10": 400}),
        at("2026-11-01T00:00+00:00"),
        at("2026-11-11T00:00+00:00"),
    )
    assert ahead(history, "month") == Forecast(2000, Method.WEEK, 1)


def test_from_a_week_on_a_day_goes_on_as_the_same_hours_of_a_week_ago() -> None:
    # On Sunday the 15th: 5 until noon, 7 in the afternoon; on Sunday the 22nd, 6 until noon.
    quarters = {
        at("2026-11-15T11:00+00:00") // QUARTER_NS: 5,
        at("2026-11-15T12:00+00:00") // QUARTER_NS: 7,
        at("2026-11-16T09:00+00:00") // QUARTER_NS: 1000,
        at("2026-11-22T09:00+00:00") // QUARTER_NS: 6,
    }
    history = History(quarters, at("2026-11-14T00:00+00:00"), at("2026-11-22T12:00+00:00"))
    assert ahead(history, "day") == Forecast(7, Method.SAME_HOURS, 1)


def test_from_four_weeks_on_the_hours_of_four_count_at_the_level_of_the_last() -> None:
    # Afternoons of Sundays, back from the 15th of November: 2, 4, 6, 8 of weeks of 100, 40, 30, 30.
    # So of four weeks of 200 the afternoons were 20, a tenth, and a tenth of the last week is 10.
    now = at("2026-11-22T12:00+00:00")
    quarters = {}
    for number, (afternoon, week) in enumerate(((2, 100), (4, 40), (6, 30), (8, 30)), start=1):
        sunday = (now - number * WEEK_NS) // QUARTER_NS
        quarters |= {sunday: afternoon, sunday + QUARTERS_A_DAY: week - afternoon}
    history = History(quarters, now - 4 * WEEK_NS, now)
    assert ahead(history, "day") == Forecast(10, Method.SAME_HOURS, 4)
    assert ahead(history, "week") == Forecast(10, Method.SAME_HOURS, 4)
    # 8.5 days to the end of the month, as its rule in Prometheus has it: 100 a week goes on.
    assert ahead(history, "month") == Forecast(100 * 17 // 14, Method.WEEK, 1)


def test_four_weeks_without_spend_forecast_none() -> None:
    history = History({}, at("2026-10-01T00:00+00:00"), at("2026-11-22T12:00+00:00"))
    assert ahead(history, "month") == Forecast(0, Method.WEEK, 1)
    assert ahead(history, "week") == Forecast(0, Method.SAME_HOURS, 4)


def test_a_forecast_may_go_beyond_its_period() -> None:
    history = steady("2026-11-01T00:00+00:00", "2026-11-20T00:00+00:00", 1)
    days = forecast(history, "month", history.since_ns, history.now_ns + 30 * DAY_NS)
    assert days == Forecast(30 * 96, Method.WEEK, 1)


def test_the_daily_rate_is_that_of_the_last_day_or_so_far() -> None:
    assert steady("2026-11-01T00:00+00:00", "2026-11-20T00:00+00:00", 3).daily == 3 * 96
    assert steady("2026-11-20T00:00+00:00", "2026-11-20T06:00+00:00", 3).daily == 3 * 96
    assert History({}, 0, 0).daily == 0


def test_the_rest_lasts_as_long_as_the_rate_says() -> None:
    assert exhausted_ns(50, 100) == DAY_NS // 2
    assert exhausted_ns(0, 100) == exhausted_ns(-1, 0) == 0
    assert exhausted_ns(50, 0) is exhausted_ns(50, -1) is None


def test_a_part_of_a_quarter_counts_by_its_time_and_the_open_one_has_nothing_ahead() -> None:
    now = 2 * QUARTER_NS + QUARTER_NS // 2
    history = History({0: 100, 1: 100, 2: 50}, 0, now)
    assert history.between(0, now) == 250
    assert history.between(QUARTER_NS // 2, now) == 200
    assert history.between(QUARTER_NS // 4, QUARTER_NS // 2) == 25
    assert history.between(2 * QUARTER_NS + QUARTER_NS // 4, now) == 25
    assert history.between(now, now) == 0


@given(
    st.integers(1, 10**9),
    st.sampled_from(["day", "week", "month"]),
    st.integers(0, 60),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31)),  # noqa: DTZ001 taken as UTC
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Santiago"]),
)
def test_even_spend_is_forecast_without_error(
    nano: int, window: Window, days_known: int, moment: datetime, zone: str
) -> None:
    now_ns = int(moment.replace(tzinfo=UTC).timestamp()) // 900 * QUARTER_NS
    since_ns = now_ns - days_known * DAY_NS
    quarters = dict.fromkeys(range(since_ns // QUARTER_NS, now_ns // QUARTER_NS), nano)
    current = period(window, now_ns, ZoneInfo(zone))
    found = period_forecast(History(quarters, since_ns, now_ns), current)
    if found is not None:
        assert found.more == (current.end_ns - now_ns) // QUARTER_NS * nano
