"""The way of usage events from applications to the ledgers: how many, how late, how many not."""

from __future__ import annotations

from typing import Any

from costmeter import names
from dashboards.src import alerts, colours, panels, queries, units
from dashboards.src.itself.chosen import of
from dashboards.src.page import Line, Section
from dashboards.src.panels import AUTO, Query


def section() -> Section:
    """Return the section."""
    return Section(
        "From applications to the ledgers",
        [
            Line(8, [(12, _read()), (12, _lost())]),
            Line(7, [(8, _lag()), (8, _behind()), (8, _writers())]),
        ],
    )


def _read() -> Any:
    return panels.bars(
        "Events read, by source",
        "Usage events taken into the ledgers in the time that each bar spans: from journals, over"
        " HTTP, or of watched resources.",
        [Query(_sums("source", names.EVENTS_READ), AUTO)],
        units.COUNT,
        fixed={"journal": colours.BLUE, "http": colours.SKY, "resources": colours.GREEN},
    )


def _lost() -> Any:
    rejected = queries.gained_ahead(of(names.EVENTS_REJECTED))
    panel = panels.bars(
        "Events that do not count, or count otherwise",
        "In the time that each bar spans: usage events that were refused, by reason, or could not"
        " be written down, and are lost; those that were counted at another time than their own;"
        " and errors inside applications, each a call that may be missing.",
        [
            Query(f"sum by (reason) ({rejected})", "refused: {{reason}}"),
            Query(f"sum({queries.gained_ahead(of(names.EVENTS_DROPPED))})", "dropped"),
            Query(f"sum({queries.gained_ahead(of(names.EVENTS_REDATED))})", "redated"),
            Query(f"sum({queries.gained_ahead(of(names.INSTRUMENTATION_ERRORS))})", "not metered"),
        ],
        units.COUNT,
        fixed={
            "refused: malformed": colours.YELLOW,
            "refused: invalid": colours.GREEN,
            "refused: too_large": colours.BLUE,
            "refused: rate_limited": colours.SKY,
            "dropped": colours.VERMILION,
            "redated": colours.GREY,
            "not metered": colours.PURPLE,
        },
    )
    return alerts.told_by("CostEventsRejected", panel)


def _sums(label: str, family: names.Family) -> str:
    return f"sum by ({label}) ({queries.gained_ahead(of(family))})"


def _lag() -> Any:
    panel = panels.lines(
        "Lag by sidecar",
        "Age of the oldest event that is not in the ledger yet: spend is shown so much later.",
        [Query(of(names.JOURNAL_LAG_SECONDS), "{{instance}}")],
        units.DURATION,
    )
    return alerts.told_by("CostJournalLagHigh", panel)


def _behind() -> Any:
    panel = panels.lines(
        "Bytes still to be read, by sidecar",
        "What stands in the journal and not yet in the ledger. Falling after an outage: it is"
        " catching up.",
        [Query(of(names.JOURNAL_LAG_BYTES), "{{instance}}")],
        units.BYTES,
    )
    return alerts.told_by("CostJournalLagHigh", panel)


def _writers() -> Any:
    return panels.lines(
        "Processes that write, by sidecar",
        "Processes of applications that hold a journal open: those that are metered now, without"
        " what comes over HTTP.",
        [Query(of(names.JOURNAL_WRITERS), "{{instance}}")],
        units.WHOLE,
    )
