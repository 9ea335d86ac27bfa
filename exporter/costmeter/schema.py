"""What the sections of ``costmeter.yml`` have in common."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

_UNITS: Final = {
    "ms": 0.001,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": 86_400,
    "w": 604_800,
    "y": 31_536_000,
}
_LONGEST_YEARS: Final = 100
"""So that in nanoseconds, before or after now, it fits into 64 bits."""
_DURATION: Final = re.compile(r"(?:\d+(?:ms|[smhdwy]))+")
_PART: Final = re.compile(r"(\d+)(ms|[smhdwy])")


class Section(BaseModel):
    """A section of the configuration: immutable, and an unknown key is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _parse_duration(value: object) -> object:
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not _DURATION.fullmatch(value):
        raise ValueError("a duration is written as in Prometheus: 30s, 15m, 1h30m, 90d")
    seconds = sum(int(n) * _UNITS[unit] for n, unit in _PART.findall(value))
    if seconds > _LONGEST_YEARS * _UNITS["y"]:
        raise ValueError(f"a duration is {_LONGEST_YEARS}y at most")
    return timedelta(seconds=seconds)


def _parse_zone(value: object) -> object:
    if isinstance(value, ZoneInfo):
        return value
    if not isinstance(value, str) or value not in available_timezones():
        raise ValueError(
            "a time zone has a name of the IANA database, such as Europe/Berlin or UTC"
        )
    return ZoneInfo(value)


Duration = Annotated[timedelta, BeforeValidator(_parse_duration)]
"""A length of time, written as in Prometheus: ``30s``, ``1h30m``, ``90d``."""

Lasting = Annotated[Duration, Field(ge=timedelta(milliseconds=100))]
"""One that is not nothing: for what is done again and again, or kept for a while."""

Zone = Annotated[ZoneInfo, BeforeValidator(_parse_zone)]
"""A time zone of the IANA database, by name."""
