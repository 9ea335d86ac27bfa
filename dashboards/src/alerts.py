"""Alerts that fire, as a table, and the way from a panel to what the runbook says of it."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from grafana_foundation_sdk.builders.common import TableSortByFieldState
from grafana_foundation_sdk.builders.dashboard import DashboardLink
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import TableSortByFieldState as TableSortBy
from grafana_foundation_sdk.models.dashboard import DashboardLinkType

from costmeter import names
from dashboards.src import panels, queries, units
from dashboards.src.panels import Column, Levels

P = TypeVar("P")
"""Any kind of panel."""

RUNBOOK: Final = "https://github.com/costmeter/costmeter/blob/main/docs/runbook.md"
RULES: Final = f'count(budget:cost_period_end:timestamp_seconds{{budget="{names.ALL_SPEND}"}})'
"""Something where the rules are loaded and have seen a sidecar: else no alert could fire."""

LONGEST: Final = 220
"""Pixels that the longest name of an alert takes."""

SEVERITIES: Final = {"1": "info", "2": "warning", "3": "critical"}
"""What an alert may be, as numbers: so that Grafana sorts by them."""


def told_by(alert: str, panel: P) -> P:
    """Return a panel with a link to what the runbook says of an alert."""
    link = (
        DashboardLink(f"Runbook: {alert}")
        .type(DashboardLinkType.LINK)
        .url(f"{RUNBOOK}#{alert.lower()}")
        .target_blank(True)
    )
    builder: Any = panel
    builder.links([link])
    return panel


def number(title: str, about: str, matchers: str) -> Any:
    """Return how many alerts fire; nothing where nobody could know."""
    fire = f'count(ALERTS{{{matchers}, alertstate="firing"}})'
    return panels.figure(
        title,
        f"Alerts {about} that fire now; they are listed below.",
        f"{fire} or (vector(0) and on () {RULES})",
        units.WHOLE,
        levels=Levels(look=1),
        words={"0": "None"},
        nothing="No rules",
    )


def table(
    title: str,
    text: str,
    matchers: str,
    about: dict[str, str],
    since: str = "time() - ALERTS_FOR_STATE{{{}}}",
) -> Any:
    """Return a table of alerts that fire or are about to, and for how long; critical ones first.

    Args:
        title: what it is.
        text: the description.
        matchers: which alerts.
        about: labels that say what an alert is about, with the titles of their columns.
        since: how long each of them fires, with those labels.
    """
    labels = ", ".join(("severity", "alertname", *about))
    found = f"max by ({labels}) ({since.format(matchers)})"
    numbers = " or ".join(
        f'label_replace(vector({number}), "severity", "{severity}", "", "")'
        for number, severity in SEVERITIES.items()
    )
    severities = f"{found} * 0 + on (severity) group_left () ({numbers})"
    gravity, lasting = (
        queries.otherwise(each, "alertname", "No alert is firing", RULES)
        for each in (severities, found)
    )
    none = {"0": panels.NONE}
    grave = Levels(look=2, act=3)
    columns = [
        Column("Severity", gravity, units.WHOLE, words=none | SEVERITIES, levels=grave),
        Column("For", lasting, units.SECONDS, words=none),
    ]
    panel = panels.rows(
        title,
        text,
        columns,
        named={"alertname": "Alert", **about},
        hidden=("severity",),
        leading=1,
        nothing="Not known: are the rules loaded?",
    )
    sorting: list[Builder[TableSortBy]] = [
        TableSortByFieldState().display_name(column.title).desc(True) for column in columns
    ]
    return panels.widths(panel, Alert=LONGEST, Severity=panels.SHORT).sort_by(sorting)
