"""Selectors of what the chosen sidecars tell about themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from costmeter import names
from dashboards.src import queries

if TYPE_CHECKING:
    from costmeter.names import Family

SIDECAR: Final = 'job=~"$job", instance=~"$instance"'


def of(family: Family, *matchers: str) -> str:
    """Return a selector of a family, narrowed by the choice of job and sidecar."""
    return f"{family.name}{{{', '.join([SIDECAR, *matchers])}}}"


SEEN: Final = f"last_over_time({of(names.BUILD_INFO)}[1d])"
KNOWN: Final = f"count({SEEN})"
"""Something where a chosen sidecar was seen within a day: without one, nothing is known."""


def counted(family: Family, *matchers: str) -> str:
    """Return how many were counted in the chosen time; 0 only where a sidecar was seen."""
    gained = queries.gained(of(family, *matchers))
    return f"(sum({gained}) or vector(0)) and on () {KNOWN}"
