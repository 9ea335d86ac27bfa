"""Whether the figures of all dashboards are whole and in time; each check leads to the runbook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from costmeter import names
from dashboards.src import alerts, panels, units
from dashboards.src.itself.chosen import KNOWN, SEEN, SIDECAR, counted, of
from dashboards.src.page import Line, Section
from dashboards.src.panels import Levels

HEALTH: Final = 'alertname=~"Cost.+", kind="health"'


SOME: Final = Levels(look=0, above=True)


@dataclass(frozen=True)
class Check:
    """Something that makes figures late or short, and the alert that tells of it.

    The limits are those of the alerts in ``prometheus/rules/health.yml``.
    """

    title: str
    text: str
    expr: str
    alert: str
    levels: Levels = SOME
    unit: units.Unit = units.WHOLE
    words: str = "None"


CHECKS: Final = (
    Check(
        "Sidecars down",
        "Sidecars seen within a day that do not answer now: what they count comes later.",
        f"(count(up{{{SIDECAR}}} == 0 and on (job, instance) {SEEN}) or vector(0))"
        f" and on () {KNOWN}",
        "CostExporterDown",
        Levels(act=1),
    ),
    Check(
        "Lag",
        "Age of the oldest event that is not in a ledger yet: spend is shown so much later.",
        f"max({of(names.JOURNAL_LAG_SECONDS)})",
        "CostJournalLagHigh",
        Levels(look=300, above=True),
        units.SECONDS,
        "",
    ),
    Check(
        "Events dropped",
        "Usage events that an application could not write to its journal in the chosen time: lost.",
        counted(names.EVENTS_DROPPED),
        "CostEventsDropped",
        Levels(act=1),
    ),
    Check(
        "Events rejected",
        "Usage events that were refused in the chosen time: they count nowhere.",
        counted(names.EVENTS_REJECTED),
        "CostEventsRejected",
    ),
    Check(
        "Not metered",
        "Times in the chosen time that costmeter failed inside an application, which went on.",
        counted(names.INSTRUMENTATION_ERRORS),
        "CostInstrumentationErrors",
    ),
    Check(
        "Without a price",
        "Usage events of the chosen time that no price was known for: kept, and missing from every"
        " amount until 'costmeter reprice' prices them.",
        counted(names.UNPRICED_EVENTS, 'reason="no_price"'),
        "CostUsageUnpriced",
    ),
    Check(
        "Without usage",
        "Calls of the chosen time that did not tell what they used: their cost is not known.",
        counted(names.UNPRICED_EVENTS, 'reason="no_usage"'),
        "CostUsageUnknown",
    ),
    Check(
        "Age of prices",
        "Since the prices in use were last confirmed: providers may have changed theirs since.",
        f"max(time() - {of(names.CATALOGUE_TIMESTAMP)})",
        "CostPricesStale",
        Levels(look=7 * 86_400, above=True),
        units.SECONDS,
        "",
    ),
    Check(
        "Redated",
        "Usage events of the chosen time that came from the future or from before the retention:"
        " counted in full, at the time of reading.",
        counted(names.EVENTS_REDATED),
        "CostEventsRedated",
    ),
    Check(
        "Over a label's cap",
        "Usage events of the chosen time with a label value over its cap, counted under 'other':"
        " amounts stay whole, the names are lost.",
        counted(names.LABEL_OVERFLOW),
        "CostLabelOverflow",
    ),
    Check(
        "Collectors failing",
        "Parts of sidecars whose last run failed: what they gather stands still.",
        f"(count({of(names.COLLECTOR_SUCCESS)} == 0) or vector(0)) and on () {KNOWN}",
        "CostCollectorFailing",
    ),
    Check(
        "Reloads refused",
        "Sidecars whose changed configuration is not in force, because it was refused.",
        f"(count({of(names.CONFIG_RELOAD_SUCCESS)} == 0) or vector(0)) and on () {KNOWN}",
        "CostConfigReloadFailed",
    ),
)


def section() -> Section:
    """Return the section."""
    figures = [(6, alerts.told_by(check.alert, _figure(check))) for check in CHECKS]
    return Section(
        "Is everything counted?",
        [*(Line(3, figures[at : at + 4]) for at in (0, 4, 8)), Line(6, [(24, _alerts())])],
    )


def _figure(check: Check) -> Any:
    return panels.figure(
        check.title,
        check.text,
        check.expr,
        check.unit,
        levels=check.levels,
        words={"0": check.words} if check.words else None,
        nothing="Not known",
    )


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
