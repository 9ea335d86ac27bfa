"""Spend of the chosen time and labels: how much, on what, and what changed."""

from __future__ import annotations

from typing import Any, Final

from dashboards.src import colours, panels, queries, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import AUTO, Column, Levels, Query
from dashboards.src.queries import BY, CALLS, FAILED, PAID, TOKENS, by, gained, total

NET: Final = "Money spent in the chosen time, less what came back"

FITTING: Final = 7
"""Rows that the table of changes has room for: the largest fall stands last and must be seen."""


def section() -> Section:
    """Return the section."""
    labels = ("model", "feature", "team"), ("provider", "endpoint", "component")
    return Section(
        "The chosen time and labels",
        [
            Line(3, [(4, figure) for figure in _figures()]),
            Line(9, [(16, _over_time()), (8, _changes())]),
            *(Line(7, [(8, _amounts(label)) for label in line]) for line in labels),
        ],
    )


def _figures() -> tuple[Any, ...]:
    calls, failed, tokens, paid = (gained(what) for what in (CALLS, FAILED, TOKENS, PAID))
    compared = f"sum({queries.spend()}) / (sum({queries.spend(ago='$ago')}) > 0) - 1"
    per = "compute, storage and network are left out"
    return (
        panels.figure("Spend", f"{NET}.", total(queries.spend()), units.USD),
        panels.figure(
            "Compared",
            "Spend of the chosen time against the same hours before, as 'Compare with' has it.",
            queries.where_metered(compared, "$ago"),
            units.CHANGE,
            levels=Levels(look=0.25),
            nothing="Nothing before",
        ),
        panels.figure(
            "Calls",
            "Calls of providers' APIs in the chosen time, failed ones included.",
            total(calls),
            units.COUNT,
        ),
        panels.figure(
            "Calls failed",
            "Share of the calls of the chosen time that did not end well.",
            f"({total(failed)}) / (sum({calls}) > 0)",
            units.SHARE,
            levels=Levels(look=0.02, act=0.1),
            nothing="No calls",
        ),
        panels.figure(
            "Cost of a call",
            f"Spend of the chosen time by call; {per}.",
            f"sum({paid}) / (sum({calls}) > 0)",
            units.USD_SMALL,
            nothing="No calls",
        ),
        panels.figure(
            "Cost of 1k tokens",
            f"Spend of the chosen time by 1,000 tokens of any type; {per}.",
            f"1000 * sum({paid}) / (sum({tokens}) > 0)",
            units.USD_SMALL,
            nothing="No tokens",
        ),
    )


def _over_time() -> Any:
    largest, others = queries.largest_over_time(BY, queries.spend_ahead(BY))
    return panels.bars(
        f"Spend over time by {BY}",
        "Money spent in the time that each bar spans, less what came back; the last bar holds what"
        f" has come so far. The {queries.STACKED} dearest of the chosen time, and all others.",
        [Query(largest, AUTO), Query(others, queries.REST)],
        units.USD_AXIS,
        fixed={queries.REST: colours.REST},
        beside=True,
    )


def _changes() -> Any:
    return panels.rows(
        f"What changed most by {BY}",
        "Spend of the chosen time less spend of the same hours before, as 'Compare with' has it:"
        " the largest rises and falls.",
        [
            Column("Change", queries.change(BY, "$ago"), units.USD_CHANGE),
            Column("Before", by(BY, queries.spend(ago="$ago")), units.USD),
        ],
        most=FITTING,
        nothing="Nothing before",
    )


def _amounts(label: str) -> Any:
    spend = queries.spend_by_component() if label == "component" else queries.spend()
    return panels.amounts(
        f"Spend by {label}",
        f"{NET}, by {label}: the {queries.TOP} largest.",
        queries.largest(label, spend),
        label,
        units.USD_CHANGE if label == "component" else units.USD,
    )
