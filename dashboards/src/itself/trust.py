"""Whether the figures of all dashboards are whole and in time; each check leads to the runbook."""

from __future__ import annotations

from typing import Any, Final

from dashboards.src import alerts, checks, panels, units
from dashboards.src.itself.chosen import CHOSEN
from dashboards.src.page import Line, Section

HEALTH: Final = 'alertname=~"Cost.+", kind="health"'


def section() -> Section:
    """Return the section."""
    figures = [
        *((6, alerts.told_by(check.alert, _figure(check))) for check in checks.of(CHOSEN)),
        (6, _firing()),
    ]
    return Section(
        "Is everything counted?",
        [
            *(Line(3, figures[at : at + 4]) for at in range(0, len(figures), 4)),
            Line(6, [(24, _alerts())]),
        ],
    )


def _figure(check: checks.Check) -> Any:
    return panels.figure(
        check.title,
        check.text,
        check.expr,
        check.unit,
        levels=check.levels,
        words={"0": "None"} if check.unit is units.WHOLE else None,
        nothing="Not known",
    )


def _firing() -> Any:
    return alerts.number("Alerts firing", "about costmeter itself", HEALTH)


def _alerts() -> Any:
    return alerts.table(
        "Alerts about costmeter",
        "Alerts that tell of costmeter itself and fire or are about to, and for how long. What each"
        " means, how to see why and what to do stands in the runbook, under its name.",
        HEALTH,
        {
            "instance": "Sidecar",
            "provider": "Provider",
            "model": "Model",
            "reason": "Reason",
            "label": "Label",
            "collector": "Collector",
            "resource": "Resource",
        },
    )
