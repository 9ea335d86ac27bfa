"""Calendar periods: the day from midnight, the ISO week from Monday, the month from the 1st."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Final, Literal
from zoneinfo import ZoneInfo

from costmeter.units import NANO

Window = Literal["day", "week", "month"]

WINDOWS: Final[tuple[Window, ...]] = ("day", "week", "month")


@dataclass(frozen=True, slots=True)
class Period:
    """One day, week or month of a time zone.

    Attributes:
        window: which of the three it is.
        key: its name: ``2026-11-22``, ``2026-W47``, ``2026-11``.
        start_ns: its first instant, in nanoseconds since 1970.
        end_ns: the first instant after it.
    """

    window: Window
    key: str
    start_ns: int
    end_ns: int


def period(window: Window, at_ns: int, zone: ZoneInfo) -> Period:
    """Return the period of a kind that an instant falls in."""
    day = datetime.fromtimestamp(at_ns // NANO, zone).date()
    match window:
        case "day":
            first, after, key = day, day + timedelta(days=1), day.isoformat()
        case "week":
            first = day - timedelta(days=day.weekday())
            year, week, _ = day.isocalendar()
            after, key = first + timedelta(days=7), f"{year}-W{week:02d}"
        case "month":
            first = day.replace(day=1)
            after, key = (first + timedelta(days=31)).replace(day=1), f"{day:%Y-%m}"
    return Period(window, key, _midnight_ns(first, zone), _midnight_ns(after, zone))


def previous(current: Period, zone: ZoneInfo) -> Period:
    """Return the period before one."""
    return period(current.window, current.start_ns - 1, zone)


def _midnight_ns(day: date, zone: ZoneInfo) -> int:
    """Return the first instant of a day.

    Where clocks skip midnight (America/Santiago in spring), ``fold=0`` reads the missing time with
    the offset before the change, which is the very instant of the change; where midnight comes
    twice, it is the first of the two.
    """
    return int(datetime.combine(day, time(), zone).timestamp()) * NANO
