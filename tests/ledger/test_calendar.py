"""Calendar windows in time zones with every kind of clock."""

from collections import Counter
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from costmeter.errors import LedgerError
from costmeter.ledger.calendar import periods, quarter_at, zone


def quarters(start: str, end: str) -> range:
    first, after = (int(datetime.fromisoformat(text).timestamp()) for text in (start, end))
    return range(first // 900, after // 900)


def lengths(start: str, end: str, window: str, name: str) -> dict[str, int]:
    """Return how many quarters each window has, by its name."""
    found: Counter[str] = Counter()
    for names, members in periods(quarters(start, end), [window], ZoneInfo(name)):
        found[names[window]] += len(members)
    return dict(found)


@pytest.mark.parametrize(
    ("name", "day", "start", "end", "length"),
    [
        # Clocks go back from 03:00 to 02:00: 25 hours, from 22:00 to 23:00 UTC.
        ("Europe/Berlin", "2026-10-25", "2026-10-24T22:00Z", "2026-10-25T23:00Z", 100),
        # They go forward from 02:00 to 03:00: 23 hours.
        ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00Z", "2026-03-29T22:00Z", 92),
        ("America/New_York", "2026-11-01", "2026-11-01T04:00Z", "2026-11-02T05:00Z", 100),
        # By half an hour: +10:30 to +11 and back.
        ("Australia/Lord_Howe", "2026-10-04", "2026-10-03T13:30Z", "2026-10-04T13:00Z", 94),
        ("Australia/Lord_Howe", "2026-04-05", "2026-04-04T13:00Z", "2026-04-05T13:30Z", 98),
        # At midnight itself: the day begins at 01:00.
        ("America/Santiago", "2026-09-06", "2026-09-06T04:00Z", "2026-09-07T03:00Z", 92),
        ("Asia/Kolkata", "2026-11-22", "2026-11-21T18:30Z", "2026-11-22T18:30Z", 96),
        ("Asia/Kathmandu", "2026-11-22", "2026-11-21T18:15Z", "2026-11-22T18:15Z", 96),
        ("Pacific/Chatham", "2026-11-22", "2026-11-21T10:15Z", "2026-11-22T10:15Z", 96),
        ("UTC", "2026-11-22", "2026-11-22T00:00Z", "2026-11-23T00:00Z", 96),
    ],
)
def test_a_day_is_the_quarters_from_one_local_midnight_to_the_next(
    name: str, day: str, start: str, end: str, length: int
) -> None:
    within = quarters(start, end)
    assert len(within) == length
    around = range(within.start - 1, within.stop + 1)
    found = [(names["day"], run) for names, run in periods(around, ["day"], ZoneInfo(name))]
    assert [run for _, run in found] == [
        range(within.start - 1, within.start), within, range(within.stop, within.stop + 1)
    ]  # fmt: skip
    assert found[1][0] == day


def test_the_hour_that_comes_twice_in_autumn_is_two_hours() -> None:
    found = lengths("2026-10-25T00:00Z", "2026-10-25T03:00Z", "hour", "Europe/Berlin")
    assert found == {
        "2026-10-25T02:00+02:00": 4,
        "2026-10-25T02:00+01:00": 4,
        "2026-10-25T03:00+01:00": 4,
    }


def test_half_an_hour_that_comes_twice_is_an_hour_of_its_own() -> None:
    # Lord Howe goes from 02:00 (+11) back to 01:30 (+10:30) at 15:00 UTC.
    found = lengths("2026-04-04T14:00Z", "2026-04-04T16:00Z", "hour", "Australia/Lord_Howe")
    assert found == {
        "2026-04-05T01:00+11:00": 4,
        "2026-04-05T01:00+10:30": 2,
        "2026-04-05T02:00+10:30": 2,
    }


def test_weeks_are_iso_weeks_and_months_the_calendars() -> None:
    turn = ("2026-12-31T23:00Z", "2027-01-01T01:00Z")
    assert lengths(*turn, "week", "UTC") == {"2026-W53": 8}
    assert lengths(*turn, "month", "UTC") == {"2026-12": 4, "2027-01": 4}
    assert lengths("2026-11-22T23:00Z", "2026-11-23T01:00Z", "week", "UTC") == {
        "2026-W47": 4,
        "2026-W48": 4,
    }


def test_several_windows_name_a_period_together() -> None:
    found = list(
        periods(
            quarters("2026-11-30T23:00Z", "2026-12-01T01:00Z"), ["month", "day"], ZoneInfo("UTC")
        )
    )
    assert [names for names, _ in found] == [
        {"month": "2026-11", "day": "2026-11-30"},
        {"month": "2026-12", "day": "2026-12-01"},
    ]


def test_without_a_window_all_is_one_period() -> None:
    assert list(periods(range(3, 9), [], ZoneInfo("UTC"))) == [({}, range(3, 9))]
    assert list(periods(range(0), ["day"], ZoneInfo("UTC"))) == []


def test_a_time_without_a_zone_is_local_time() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    # 2026-11-22T00:00 in Berlin is 23:00 UTC the day before: 1,795,302,000 s = 1,994,780 quarters.
    assert quarter_at("start", datetime(2026, 11, 22), berlin) == 1_994_780  # noqa: DTZ001
    assert quarter_at("start", datetime(2026, 11, 21, 23, tzinfo=UTC), berlin) == 1_994_780


def test_a_time_between_quarters_is_refused() -> None:
    with pytest.raises(LedgerError, match=r"end: 2026-11-22T10:05:00.* not on a quarter"):
        quarter_at("end", datetime(2026, 11, 22, 10, 5, tzinfo=UTC), ZoneInfo("UTC"))


@pytest.mark.parametrize("name", ["Mars/Olympus", "Europe", "../etc/passwd", "", "\0"])
def test_an_unknown_time_zone_is_refused_by_name(name: str) -> None:
    with pytest.raises(LedgerError, match="not an IANA time zone, such as UTC or Europe/Berlin"):
        zone(name)
