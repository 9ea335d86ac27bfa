"""Each sidecar: what runs there, how much it holds, and how long its parts take."""

from __future__ import annotations

from typing import Any

from costmeter import names
from dashboards.src import alerts, panels, units
from dashboards.src.itself.chosen import CHOSEN, of
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Query


def section() -> Section:
    """Return the section."""
    return Section(
        "Sidecars",
        [
            Line(6, [(24, _table())]),
            Line(7, [(6, _scrape()), (6, _size()), (6, _collectors()), (6, _success())]),
        ],
    )


def _table() -> Any:
    return alerts.told_by(
        "CostExporterDown",
        panels.rows(
            "Each sidecar",
            "Sidecars seen within a day: whether they answer, what they run, the ledger that they"
            " keep and the prices that they use, and since when their configuration is in force.",
            [
                Column(
                    "Answers",
                    _answering(),
                    units.WHOLE,
                    words={"1": "yes", "0": "no"},
                ),
                Column("Lag", _each(of(names.JOURNAL_LAG_SECONDS)), units.SECONDS),
                Column("Writers", _each(of(names.JOURNAL_WRITERS)), units.WHOLE),
                Column("Ledger's size", _each(of(names.LEDGER_SIZE)), units.BYTES),
                Column(
                    "Configured for",
                    _each(f"time() - {of(names.CONFIG_RELOAD_TIMESTAMP)}"),
                    units.SECONDS,
                ),
                Column(
                    "Last reload",
                    _each(of(names.CONFIG_RELOAD_SUCCESS)),
                    units.WHOLE,
                    words={"1": "in force", "0": "refused"},
                ),
            ],
            named={
                "job": "Job",
                "instance": "Sidecar",
                "version": "Version",
                "catalogue": "Prices",
                "origin": "From",
                "ledger": "Ledger",
            },
            nothing="No sidecar seen",
        ),
    )


def _each(vector: str) -> str:
    return f"max by (job, instance) ({vector})"


def _answering() -> str:
    """Return whether each sidecar answers, with what is known of it as labels."""
    up = _each(f"up{{{CHOSEN.matchers}}} and on (job, instance) {CHOSEN.seen}")
    catalogue = 'label_replace({}, "catalogue", "${{1}}", "version", "(.+)")'
    joined = up
    for family, labels, form in (
        (names.BUILD_INFO, "version", "{}"),
        (names.LEDGER_INFO, "ledger", "{}"),
        (names.CATALOGUE_INFO, "catalogue, origin", catalogue),
    ):
        known = form.format(_known(family))
        joined += f" * on (job, instance) group_left ({labels}) {known}"
    return f"{joined} or on (job, instance) {up}"


def _known(family: names.Family) -> str:
    """Return one series of a family for each sidecar, of one that is down the last."""
    selector = of(family)
    return (
        f"topk by (job, instance) (1, {selector}"
        f" or on (job, instance) last_over_time({selector}[1d]))"
    )


def _scrape() -> Any:
    return panels.lines(
        "Time to draw /metrics, by sidecar",
        "How long it took to draw the page that Prometheus reads.",
        [Query(of(names.SCRAPE_DURATION), "{{instance}}")],
        units.DURATION,
    )


def _size() -> Any:
    return panels.lines(
        "Size of the ledger, by sidecar",
        "Bytes that each ledger takes on disk.",
        [Query(of(names.LEDGER_SIZE), "{{instance}}")],
        units.BYTES,
    )


def _collectors() -> Any:
    slowest = f"max by (collector) ({of(names.COLLECTOR_DURATION)})"
    return panels.lines(
        "Time that collectors take",
        "How long each part of a sidecar took last; the slowest sidecar.",
        [Query(slowest, panels.AUTO)],
        units.DURATION,
    )


def _success() -> Any:
    panel = panels.rows(
        "Collectors",
        "Whether the last run of each part of each sidecar succeeded, and the share of runs in the"
        " chosen time that did.",
        [
            Column(
                "Succeeded",
                f"min by (collector) (avg_over_time({of(names.COLLECTOR_SUCCESS)}[$__range]))",
                units.SHARE,
            ),
            Column(
                "Now",
                f"min by (collector) ({of(names.COLLECTOR_SUCCESS)})",
                units.WHOLE,
                words={"1": "works", "0": "fails"},
            ),
        ],
        named={"collector": "Collector"},
        nothing="No sidecar seen",
    )
    return alerts.told_by("CostCollectorFailing", panel)
