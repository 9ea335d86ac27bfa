"""Calendar windows of a time zone, as runs of quarters of an hour.

A window is the quarters whose local time bears its name. So a day has 92, 96 or 100 of them as
clocks are set, and no rule about midnight is needed: all zones of today are whole quarters off UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from costmeter.errors import LedgerError
from costmeter.units import QUARTER_SECONDS


def _hour(at: datetime) -> str:
    minute = at.isoformat(timespec="minutes")
    return f"{minute[:14]}00{minute[16:]}"


def _week(at: datetime) -> str:
    year, week, _ = at.isocalendar()
    return f"{year}-W{week:02d}"


WINDOWS: Final[Mapping[str, Callable[[datetime], str]]] = {
    "hour": _hour,
    "day": lambda at: at.date().isoformat(),
    "week": _week,
    "month": lambda at: at.date().isoformat()[:7],
}
"""Names a window by a local time in it: ``2026-11-22``, ``2026-W47`` (ISO), ``2026-11``.

An hour bears its offset from UTC (``2026-10-25T02:00+01:00``): the one that autumn brings twice is
two hours.
"""


def zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        LedgerError: there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise LedgerError(
            f"timezone: {name!r} is not an IANA time zone, such as UTC or Europe/Berlin"
        ) from error


def quarter_at(what: str, at: datetime, zone: ZoneInfo) -> int:
    """Return the quarter of an hour that begins at an instant.

    Args:
        what: names the instant in the error.
        at: the instant; without a time zone it is local time of ``zone``.
        zone: the time zone.

    Raises:
        LedgerError: none begins then.
    """
    if at.tzinfo is None:
        at = at.replace(tzinfo=zone)
    quarter, rest = divmod(at.timestamp(), QUARTER_SECONDS)
    if rest:
        raise LedgerError(f"{what}: {at.isoformat()} is not on a quarter of an hour")
    return int(quarter)


def periods(
    quarters: range, windows: Sequence[str], zone: ZoneInfo
) -> Iterator[tuple[dict[str, str], range]]:
    """Split consecutive quarters into periods.

    Args:
        quarters: the quarters.
        windows: names of :data:`WINDOWS`; without any there is one period.
        zone: whose calendar counts.

    Yields:
        A period's name by window, and its quarters.
    """

    def names(quarter: int) -> list[str]:
        at = datetime.fromtimestamp(quarter * QUARTER_SECONDS, zone)
        return [WINDOWS[window](at) for window in windows]

    if not windows:
        yield {}, quarters
        return
    for period, run in groupby(quarters, names):
        members = list(run)
        yield dict(zip(windows, period, strict=True)), range(members[0], members[-1] + 1)
