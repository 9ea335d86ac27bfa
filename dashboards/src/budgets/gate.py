"""What the gate did for a budget: calls let through, warned of and refused, and money set aside."""

from __future__ import annotations

from typing import Any, Final

from costmeter import names
from dashboards.src import colours, panels, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Levels, Query

NOTHING: Final = "The gate was not asked"
OUTCOMES: Final = {
    "allowed": colours.SKY,
    "warned": colours.YELLOW,
    "critical": colours.PURPLE,
    "refused": colours.VERMILION,
    "unavailable": colours.GREY,
}


def section() -> Section:
    """Return the section."""
    return Section(
        "The gate of $budget: what was let through, and what was refused",
        [Line(7, [(4, _refused()), (4, _reserved()), (4, _emergency()), (12, _checks())])],
    )


def _of(family: names.Family, *matchers: str) -> str:
    matched = ", ".join(('job=~"$job"', 'budget="$budget"', *matchers))
    return f"{family.name}{{{matched}}}"


def _refused() -> Any:
    refused = _of(names.GATE_CHECKS, 'outcome="refused"')
    return panels.figure(
        "Refused",
        "Calls that the gate refused in the chosen time for the sake of this budget: nothing was"
        " spent on them. About: what came just before a restart of a sidecar may be missing.",
        f"round(sum(increase({refused}[$__range])))",
        units.COUNT,
        levels=Levels(look=1),
        words={"0": "None"},
        nothing=NOTHING,
    )


def _reserved() -> Any:
    return panels.figure(
        "Set aside now",
        "Estimated cost of calls in flight that the gate has let through: it counts against the"
        " limits until it is known what they cost.",
        f"sum({_of(names.GATE_RESERVED)})",
        units.USD,
        nothing=NOTHING,
    )


def _emergency() -> Any:
    return panels.figure(
        "Emergency",
        "Whether this budget is in emergency: only what is critical passes, or what costs nothing.",
        f"max({_of(names.BUDGET_EMERGENCY)})",
        units.WHOLE,
        levels=Levels(act=1),
        words={"0": "No", "1": "Yes"},
        nothing="Not known",
    )


def _checks() -> Any:
    checks = f"increase({_of(names.GATE_CHECKS)}[$__interval] offset -$__interval)"
    return panels.bars(
        "Checks over time by outcome",
        "How often the gate was asked in the time that each bar spans, and what it answered. Warned"
        " is let through over a soft limit, critical over a hard one; unavailable could not be"
        " decided.",
        [Query(f"sum by (outcome) ({checks})", panels.AUTO)],
        units.COUNT,
        fixed=OUTCOMES,
    )
