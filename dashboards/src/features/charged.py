"""Who is charged how much for the chosen time, to the cent."""

from __future__ import annotations

from typing import Any, Final

from dashboards.src import panels, queries, spent, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Levels
from dashboards.src.queries import CALLS, FAILED, PAID, TOKENS, by, gained, total

WHOM: Final = "$whom"
"""The label whose values are charged."""
BOTH: Final = ("team", "feature")
"""The labels of a line of the bill."""


def section() -> Section:
    """Return the section."""
    return Section(
        "The bill of the chosen time",
        [
            *(Line(3, [(8, figure) for figure in _figures()[at : at + 3]]) for at in (0, 3)),
            Line(11, [(16, _bill()), (8, spent.largest(WHOM))]),
        ],
    )


def _figures() -> tuple[Any, ...]:
    return (
        spent.spend(": what the bill adds up to"),
        spent.compared(),
        _unattributed(),
        spent.calls(),
        spent.cost_of("a call", CALLS, unit=units.USD_SMALL, nothing="No calls"),
        spent.on_failed(),
    )


def _unattributed() -> Any:
    spend = queries.spend()
    return panels.figure(
        f"Charged to no {WHOM}",
        "Share of the spend of the chosen time that carries no such label: nobody is charged"
        " for it. Set it with attribute() or @track.",
        f"({total(_without(spend))}) / scalar(sum({spend}) > 0)",
        units.SHARE,
        levels=Levels(look=0.1),
        nothing="Nothing spent",
    )


def _bill() -> Any:
    spend, calls, paid = queries.spend(), gained(CALLS), gained(PAID)
    return panels.rows(
        "Bill by team and feature",
        "All that was spent in the chosen time; the column Cost adds up to the figure 'Spend', here"
        " and on the Overview. Before is what the same hours cost, as 'Compare with' has it; cost"
        " of a call leaves compute, storage and network out.",
        [
            Column("Cost", by(BOTH, spend), units.USD),
            Column("Share", by(BOTH, f"{spend} / scalar(sum({spend}) > 0)"), units.SHARE, bar=True),
            Column("Before", by(BOTH, queries.spend(ago="$ago")), units.USD),
            Column("Calls", by(BOTH, calls), units.COUNT),
            Column("Cost of a call", queries.ratio(BOTH, paid, calls), units.USD_SMALL),
            Column("Failed", queries.ratio(BOTH, gained(FAILED), calls), units.SHARE),
            Column("Tokens", by(BOTH, gained(TOKENS)), units.COUNT),
        ],
        named={"team": "Team", "feature": "Feature"},
    )


def _without(vector: str) -> str:
    """Return what of a vector lacks the label: a vector without labels matches nothing else."""
    return f"sum by ({WHOM}) ({vector}) and on ({WHOM}) vector(0)"
