"""Calendar periods in time zones with and without daylight saving time."""

from calendar import monthrange
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from costmeter.budgets.period import WINDOWS, Window, period, previous
from costmeter.units import NANO, QUARTER_SECONDS

ZONES = [
    "UTC", "Europe/Berlin", "America/New_York", "America/Santiago", "Asia/Kolkata",
    "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham", "Africa/Casablanca",
]  # fmt: skip


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * NANO


def hours(window: str, instant: str, zone: str) -> float:
    found = period(window, at(instant), ZoneInfo(zone))
    return (found.end_ns - found.start_ns) / NANO / 3600


@pytest.mark.parametrize(
    ("window", "instant", "zone", "key", "start", "end"),
    [
        ("day", "2026-11-22T23:30:00+00:00", "UTC", "2026-11-22", "2026-11-22T00:00:00+00:00", "2026-11-23T00:00:00+00:00"),
        ("day", "2026-11-22T23:30:00+00:00", "Europe/Berlin", "2026-11-23", "2026-11-22T23:00:00+00:00", "2026-11-23T23:00:00+00:00"),
        ("day", "2026-11-22T18:14:59+00:00", "Asia/Kathmandu", "2026-11-22", "2026-11-21T18:15:00+00:00", "2026-11-22T18:15:00+00:00"),
        ("week", "2026-11-22T12:00:00+00:00", "UTC", "2026-W47", "2026-11-16T00:00:00+00:00", "2026-11-23T00:00:00+00:00"),
        ("week", "2027-01-02T12:00:00+00:00", "UTC", "2026-W53", "2026-12-28T00:00:00+00:00", "2027-01-04T00:00:00+00:00"),
        ("month", "2024-02-29T12:00:00+00:00", "UTC", "2024-02", "2024-02-01T00:00:00+00:00", "2024-03-01T00:00:00+00:00"),
        ("month", "2026-12-31T23:59:59+00:00", "UTC", "2026-12", "2026-12-01T00:00:00+00:00", "2027-01-01T00:00:00+00:00"),
    ],
)  # fmt: skip
def test_a_period_has_the_calendars_bounds(
    window: str, instant: str, zone: str, key: str, start: str, end: str
) -> None:
    found = period(window, at(instant), ZoneInfo(zone))
    assert (found.key, found.start_ns, found.end_ns) == (key, at(start), at(end))


def test_a_day_is_longer_or_shorter_where_clocks_change() -> None:
    assert hours("day", "2026-03-29T12:00:00+00:00", "Europe/Berlin") == 23
    assert hours("day", "2026-10-25T12:00:00+00:00", "Europe/Berlin") == 25
    assert hours("day", "2026-10-04T12:00:00+00:00", "Australia/Lord_Howe") == 23.5


def test_a_day_whose_midnight_is_skipped_starts_at_the_change() -> None:
    # Santiago goes from 23:59:59 (-04) on 5 September 2026 to 01:00 (-03) on the 6th.
    found = period("day", at("2026-09-06T12:00:00+00:00"), ZoneInfo("America/Santiago"))
    assert found.start_ns == at("2026-09-06T04:00:00+00:00")
    assert previous(found, ZoneInfo("America/Santiago")).end_ns == found.start_ns


@given(
    moment=st.datetimes(
        datetime(2000, 1, 1), datetime(2050, 1, 1), timezones=st.just(UTC)  # noqa: DTZ001 hypothesis adds the zone
    ),
    zone=st.sampled_from(ZONES),
    window=st.sampled_from(WINDOWS),
)  # fmt: skip
def test_periods_contain_their_instant_adjoin_and_consist_of_quarters(
    moment: datetime, zone: str, window: str
) -> None:
    instant = int(moment.timestamp()) * NANO
    found = period(window, instant, ZoneInfo(zone))
    before = previous(found, ZoneInfo(zone))
    assert found.start_ns <= instant < found.end_ns
    assert before.end_ns == found.start_ns
    assert found.start_ns % (QUARTER_SECONDS * NANO) == 0


LOCAL_DAYS = st.dates(date(2000, 1, 1), date(2049, 12, 31))


@given(LOCAL_DAYS, st.sampled_from(ZONES))
def test_a_day_is_all_that_the_calendar_of_its_zone_calls_by_its_name(day: date, zone: str) -> None:
    local = ZoneInfo(zone)
    noon = int(datetime.combine(day, time(12), local).timestamp()) * NANO
    found = period("day", noon, local)
    first, last = (
        datetime.fromtimestamp(at_ns / NANO, local)
        for at_ns in (found.start_ns, found.end_ns - NANO)
    )
    assert found.key == day.isoformat() == first.date().isoformat() == last.date().isoformat()
    before = datetime.fromtimestamp((found.start_ns - NANO) / NANO, local)
    assert before.date() < day
    assert 22 * 3600 <= (found.end_ns - found.start_ns) / NANO <= 26 * 3600


@given(LOCAL_DAYS, st.sampled_from(ZONES), st.sampled_from(["week", "month"]))
def test_a_week_or_a_month_is_the_days_that_the_calendar_gives_it(
    day: date, zone: str, window: Window
) -> None:
    local = ZoneInfo(zone)
    noon = int(datetime.combine(day, time(12), local).timestamp()) * NANO
    found = period(window, noon, local)
    days = []
    each = period("day", found.start_ns, local)
    assert each.start_ns == found.start_ns
    while each.start_ns < found.end_ns:
        days.append(date.fromisoformat(each.key))
        each = period("day", each.end_ns, local)
    assert each.start_ns == found.end_ns
    if window == "week":
        assert [day.isoweekday() for day in days] == [1, 2, 3, 4, 5, 6, 7]
        year, week, _ = day.isocalendar()
        assert found.key == f"{year}-W{week:02d}"
    else:
        assert [day.day for day in days] == list(range(1, monthrange(day.year, day.month)[1] + 1))
        assert {(day.year, day.month) for day in days} == {(day.year, day.month)}
