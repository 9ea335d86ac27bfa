"""The state of costmeter itself: whether its figures are whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from costmeter import names
from dashboards.src import panels, queries, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Levels, Query
from dashboards.src.queries import gained, series, unnarrowed

UNPRICED: Final = gained(unnarrowed(names.UNPRICED_EVENTS))
SEEN: Final = f"last_over_time({series(names.BUILD_INFO)}[1d])"
KNOWN: Final = f"count({SEEN})"
"""Something where a sidecar was seen within a day: without one, nothing is known to be right."""


@dataclass(frozen=True)
class Check:
    """Something that makes figures late or short where it is above a limit.

    The limits are those of the alerts in ``prometheus/rules/health.yml``.
    """

    title: str
    text: str
    expr: str
    limit: float = 0
    unit: units.Unit = units.WHOLE


def _counted(family: names.Family) -> str:
    return queries.total(gained(unnarrowed(family)))


CHECKS: Final = (
    Check(
        "Sidecars down",
        "Sidecars seen within a day that do not answer now: their spend comes later.",
        f'count(up{{job=~"$job"}} == 0 and on (job, instance) {SEEN}) or vector(0)',
    ),
    Check(
        "Journal lag",
        "Age of the oldest event that is not in a ledger yet: spend is shown so much later.",
        f"max({series(names.JOURNAL_LAG_SECONDS)}) or vector(0)",
        300,
        units.SECONDS,
    ),
    Check(
        "Unpriced",
        "Usage events of the chosen time without a price: kept, and missing from every amount until"
        " 'costmeter reprice' prices them.",
        _counted(names.UNPRICED_EVENTS),
    ),
    Check(
        "Dropped",
        "Usage events that an application could not write to its journal in the chosen time: lost.",
        _counted(names.EVENTS_DROPPED),
    ),
    Check(
        "Rejected",
        "Usage events that were refused in the chosen time: they count nowhere.",
        _counted(names.EVENTS_REJECTED),
    ),
    Check(
        "Not metered",
        "Times in the chosen time that costmeter failed inside an application, which went on.",
        _counted(names.INSTRUMENTATION_ERRORS),
    ),
    Check(
        "Scraped twice",
        "Ledgers that reach Prometheus under two addresses: amounts count them once within a job,"
        " rates twice.",
        f"count(count by (ledger) ({series(names.LEDGER_INFO)}) > 1) or vector(0)",
    ),
    Check(
        "Age of prices",
        "Since the prices in use were last confirmed: providers may have changed theirs since.",
        f"max(time() - {series(names.CATALOGUE_TIMESTAMP)}) or vector(0)",
        7 * 86_400,
        units.SECONDS,
    ),
)


def section() -> Section:
    """Return the section."""
    figures = [
        panels.figure(
            check.title,
            check.text,
            f"({check.expr}) and on () {KNOWN}",
            check.unit,
            levels=Levels(look=check.limit, above=True),
            nothing="Not known",
        )
        for check in CHECKS
    ]
    return Section(
        "State of costmeter (whatever labels are chosen)",
        [
            Line(3, [(6, figure) for figure in figures[:4]]),
            Line(3, [(6, figure) for figure in figures[4:]]),
            Line(7, [(8, _lag()), (8, _size()), (8, _unpriced())]),
        ],
    )


def summary() -> Any:
    """Return one figure that says whether the others can be trusted."""
    fail = " + ".join(f"(({check.expr}) > bool {check.limit})" for check in CHECKS)
    return panels.figure(
        "Data health",
        "Whether the figures of the chosen time are whole: how many of the checks in the section"
        " 'State of costmeter' fail. While one does, read every amount as 'at least'.",
        f"({fail}) and on () {KNOWN}",
        units.TO_CHECK,
        levels=Levels(look=1),
        nothing="No sidecar seen",
        words={"0": "Complete"},
    )


def _lag() -> Any:
    return panels.lines(
        "Journal lag by sidecar",
        "Age of the oldest event that is not in a ledger yet.",
        [Query(series(names.JOURNAL_LAG_SECONDS), "{{instance}}")],
        units.SECONDS,
    )


def _size() -> Any:
    return panels.lines(
        "Size of the ledger",
        "Bytes on disk, by sidecar.",
        [Query(series(names.LEDGER_SIZE), "{{instance}}")],
        units.BYTES,
    )


def _unpriced() -> Any:
    events = f"sum by (provider, model) ({UNPRICED}) > 0"
    return panels.rows(
        "Models without a price",
        "Usage events of the chosen time that no price was known for. Add one to prices.models of"
        " costmeter.yml and run 'costmeter reprice'.",
        [
            Column(
                "Events",
                queries.otherwise(events, "model", "Every model has a price", KNOWN),
                units.WHOLE,
                words={"0": panels.NONE},
            )
        ],
        named={"provider": "Provider", "model": "Model"},
        nothing="Not known",
    )
