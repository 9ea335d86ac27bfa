"""Spend of the chosen time and labels: how much, on what, and what changed."""

from __future__ import annotations

from typing import Any, Final

from dashboards.src import panels, queries, spent, units
from dashboards.src.page import Line, Section
from dashboards.src.queries import BY, CALLS, TOKENS

FITTING: Final = 7
"""Rows that the table of changes has room for: the largest fall stands last and must be seen."""


def section() -> Section:
    """Return the section."""
    figures = (
        spent.spend(),
        spent.compared(),
        spent.calls(),
        spent.failed(),
        spent.cost_of("a call", CALLS, unit=units.USD_SMALL, nothing="No calls"),
        spent.cost_of(
            "1k tokens", TOKENS, times="1000 *", unit=units.USD_SMALL, nothing="No tokens"
        ),
    )
    return Section(
        "The chosen time and labels",
        [
            Line(3, [(4, figure) for figure in figures]),
            Line(9, [(16, spent.over_time(BY)), (8, spent.changes(BY, FITTING))]),
            Line(7, [(8, spent.largest(label)) for label in ("model", "feature", "team")]),
            Line(7, [
                *((8, spent.largest(label)) for label in ("provider", "endpoint")),
                (8, _components()),
            ]),
        ],
    )  # fmt: skip


def _components() -> Any:
    return panels.amounts(
        "Spend by component",
        f"{spent.NET}, which is a component of its own here: what it was for.",
        queries.largest("component", queries.spend_by_component()),
        "component",
        units.USD_CHANGE,
    )
