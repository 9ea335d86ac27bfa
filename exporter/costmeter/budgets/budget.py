"""A budget in force: what it counts, in which calendar, and what may go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final, Literal
from zoneinfo import ZoneInfo

from costmeter.budgets.period import Window

Policy = Literal["warn", "soft", "hard"]
Severity = Literal["info", "warning", "critical"]

THRESHOLDS: Final = (0.5, 0.8, 0.9, 1.0)
"""Shares of the soft limit at which someone is told, where the configuration names none."""

EMERGENCY_RATIO: Final = 0.95
"""Share of the soft limit from which a budget is in emergency mode, by default."""

_WARNING_FROM: Final = 0.8
_CRITICAL_FROM: Final = 1.0
_GLOB: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Limits:
    """What may go in a period, in nano-dollars.

    Attributes:
        soft: the limit that thresholds are shares of.
        hard: the limit at which to stop; None where there is none.
        rollover_max: the most that a period inherits of what the one before left unused.
    """

    soft: int
    hard: int | None = None
    rollover_max: int = 0

    def raised(self, inherited: int) -> Limits:
        """Return the limits of a period that inherits an amount, in nano-dollars."""
        hard = None if self.hard is None else self.hard + inherited
        return Limits(self.soft + inherited, hard, self.rollover_max)


@dataclass(frozen=True, slots=True)
class Degrade:
    """Cheaper models, for when much of a budget is used.

    Attributes:
        from_ratio: share of the soft limit from which a cheaper model is used.
        models: that model, by the name or glob of the one that is asked for.
        emergency: what may be used in emergency mode, whatever is asked for; where it is empty, the
            last of the ever cheaper ones in ``models``.
        automatic: whether instrumented calls are switched, rather than only told.
    """

    from_ratio: float
    models: Mapping[str, str]
    emergency: tuple[str, ...] = ()
    automatic: bool = True


@dataclass(frozen=True, slots=True)
class Budget:
    """What may go in a period on something.

    Attributes:
        name: value of the label ``budget``.
        zone: the time zone of its calendar.
        match: a value or glob for each label that decides; spend without a label has an empty one.
        owner: who is told; empty where nobody in particular is.
        policy: what to do at a limit.
        thresholds: shares of the soft limit at which someone is told.
        limits: limits by window.
        emergency_ratio: share of the soft limit from which it is in emergency mode.
        degrade: cheaper models; None where there are none.
    """

    name: str
    zone: ZoneInfo
    match: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    policy: Policy = "warn"
    thresholds: tuple[float, ...] = THRESHOLDS
    limits: Mapping[Window, Limits] = field(default_factory=dict)
    emergency_ratio: float = EMERGENCY_RATIO
    degrade: Degrade | None = None

    @property
    def named(self) -> dict[str, str]:
        """The label values that are named in full, not by a glob."""
        return {
            label: value for label, value in self.match.items() if value and not _GLOB & {*value}
        }

    def covers(self, labels: Mapping[str, str]) -> bool:
        """Tell whether spend with such labels counts; upper and lower case differ."""
        return all(
            fnmatchcase(labels.get(label, ""), pattern) for label, pattern in self.match.items()
        )


def severity(threshold: float) -> Severity:
    """Return how serious it is to reach a share of the soft limit."""
    if threshold < _WARNING_FROM:
        return "info"
    return "warning" if threshold < _CRITICAL_FROM else "critical"
