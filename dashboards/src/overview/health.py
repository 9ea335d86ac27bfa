"""Whether the figures can be trusted: one figure of all checks, which leads to their dashboard."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

from dashboards.src import checks, panels, units
from dashboards.src.panels import Levels


def summary() -> Any:
    """Return how many of the checks fail that make amounts late or wrong."""
    short = [check for check in checks.of(checks.ALL) if check.short]
    fail = " + ".join(f"(({check.expr} or vector(0)) > bool {check.limit})" for check in short)
    named = ", ".join(check.title.lower() for check in short)
    link = (
        DashboardLink("What is to be checked")
        .type(DashboardLinkType.LINK)
        .url("/d/costmeter-itself")
        .include_vars(True)
        .keep_time(True)
    )
    return panels.figure(
        "Data health",
        "Whether the figures of the chosen time are whole, whatever labels are chosen: how many of"
        f" these checks of the dashboard 'costmeter / Itself' fail: {named}. While one does, read"
        " every amount as 'at least'.",
        f"({fail}) and on () {checks.ALL.known}",
        units.TO_CHECK,
        levels=Levels(look=1),
        nothing="No sidecar seen",
        words={"0": "Complete"},
    ).links([link])
