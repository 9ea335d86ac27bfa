"""What more than one dashboard shows of the chosen time and labels: the same figures and charts."""

from __future__ import annotations

from typing import Any, Final

from dashboards.src import colours, panels, queries, units
from dashboards.src.panels import AUTO, Column, Levels, Query
from dashboards.src.queries import CALLS, FAILED, FAILED_SPEND, PAID, gained, gained_ahead, total

NET: Final = "Money spent in the chosen time, less what came back"
UNIT: Final = "compute, storage and network are left out"
FAILS: Final = Levels(look=0.02, act=0.1)
"""From which share of calls that fail on somebody should look, or act."""


def spend(more: str = "") -> Any:
    """Return what was spent; ``more`` follows in the description."""
    return panels.figure("Spend", f"{NET}{more}.", total(queries.spend()), units.USD)


def compared() -> Any:
    """Return by which share it is more or less than before."""
    now, then = queries.spend(), queries.spend(ago="$ago")
    return panels.figure(
        "Compared",
        "Spend of the chosen time against the same hours before, as 'Compare with' has it.",
        queries.where_metered(f"sum({now}) / (sum({then}) > 0) - 1", "$ago"),
        units.CHANGE,
        levels=Levels(look=0.25),
        nothing="Nothing before",
    )


def calls() -> Any:
    """Return how many calls there were."""
    return panels.figure(
        "Calls",
        "Calls of providers' APIs in the chosen time, failed ones included.",
        total(gained(CALLS)),
        units.COUNT,
    )


def failed() -> Any:
    """Return which share of them failed."""
    return panels.figure(
        "Calls failed",
        "Share of the calls of the chosen time that did not end well.",
        f"({total(gained(FAILED))}) / (sum({gained(CALLS)}) > 0)",
        units.SHARE,
        levels=FAILS,
        nothing="No calls",
    )


def on_failed() -> Any:
    """Return what those cost all the same."""
    return panels.figure(
        "Spent on failed calls",
        "What calls of the chosen time cost that did not end well: part of the spend.",
        total(gained(FAILED_SPEND)),
        units.USD,
    )


def cost_of(what: str, counted: str, *, times: str = "", unit: units.Unit, nothing: str) -> Any:
    """Return the cost of so many (``times``, such as ``1e6 *``) of what is counted."""
    cost = f"{times} sum({gained(PAID)}) / (sum({gained(counted)}) > 0)".strip()
    return panels.figure(
        f"Cost of {what}",
        f"Spend of the chosen time by {what}; {UNIT}.",
        cost,
        unit,
        nothing=nothing,
    )


def largest(label: str) -> Any:
    """Return what was spent by a label."""
    return panels.amounts(
        f"Spend by {label}",
        f"{NET}, by {label}: the {queries.TOP} largest.",
        queries.largest(label, queries.spend()),
        queries.CHOICE if label.startswith("$") else label,
        units.USD,
    )


def by_time(label: str) -> list[Query]:
    """Return what was spent in the time of each bar, by a label: the dearest, and all others."""
    dearest, others = queries.largest_over_time(label, queries.spend_ahead(label))
    return [Query(dearest, AUTO), Query(others, queries.REST)]


def over_time(label: str, *, beside: bool = True) -> Any:
    """Return the same as a chart."""
    return panels.bars(
        f"Spend over time by {label}",
        "Money spent in the time that each bar spans, less what came back; the last bar holds what"
        f" has come so far. The {queries.STACKED} dearest of the chosen time, and all others.",
        by_time(label),
        units.USD_AXIS,
        fixed={queries.REST: colours.REST},
        beside=beside,
    )


def cost_over_time(what: str, label: str, counted: str, *, times: str = "", nothing: str) -> Any:
    """Return the cost of so many of what is counted, by a label, as a chart."""
    paid, number = (gained_ahead(each, label=label) for each in (PAID, counted))
    return panels.lines(
        f"Cost of {what} by {label}",
        f"Spend in the time from each point to the next by {what}; {UNIT}. Of the"
        f" {queries.STACKED} that cost most.",
        [Query(queries.ratio_over_time(label, f"{times} {paid}".strip(), number), AUTO)],
        units.USD_AXIS,
        points=panels.MEANS,
        nothing=nothing,
    )


def changes(label: str, most: int) -> Any:
    """Return so many of the largest rises and falls by a label, as a table."""
    return panels.rows(
        f"What changed most by {label}",
        "Spend of the chosen time less spend of the same hours before, as 'Compare with' has it:"
        " the largest rises and falls.",
        [
            Column("Change", queries.change(label, "$ago"), units.USD_CHANGE),
            Column("Before", queries.by(label, queries.spend(ago="$ago")), units.USD),
        ],
        most=most,
        nothing="Nothing before",
    )
