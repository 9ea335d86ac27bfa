"""Alerts that fire, as a table, and the way from a panel to what the runbook says of it."""

from __future__ import annotations

from typing import Any, Final, TypeVar

from grafana_foundation_sdk.builders.dashboard import DashboardLink
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
    """Return a table of alerts that fire or are about to, and for how long.

    Args:
        title: what it is.
        text: the description.
        matchers: which alerts.
        about: labels that say what an alert is about, with the titles of their columns.
        since: how long each of them fires, with those labels.
    """
    labels = ", ".join(("severity", "alertname", *about))
    found = f"max by ({labels}) ({since.format(matchers)})"
    panel = panels.rows(
        title,
        text,
        [
            Column(
                "For",
                queries.otherwise(found, "alertname", "No alert is firing", RULES),
                units.SECONDS,
                words={"0": panels.NONE},
            )
        ],
        named={"severity": "Severity", "alertname": "Alert", **about},
        nothing="Not known: are the rules loaded?",
    )
    return panels.widths(panel, Alert=LONGEST)
