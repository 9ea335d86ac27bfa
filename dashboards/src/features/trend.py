"""How what each is charged went on, and what it was for."""

from __future__ import annotations

from typing import Any, Final

from dashboards.src import colours, panels, queries, spent, units
from dashboards.src.features.charged import WHOM
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Query
from dashboards.src.queries import CALLS, by

FITTING: Final = 8
"""Rows that the table of changes has room for."""


def section() -> Section:
    """Return the section."""
    cost = spent.cost_over_time("a call", WHOM, CALLS, nothing="No calls")
    return Section(
        "Trend, and what it was for",
        [
            Line(9, [(12, spent.over_time(WHOM, beside=False)), (12, _shares())]),
            Line(9, [(8, spent.changes(WHOM, FITTING)), (8, _models()), (8, cost)]),
        ],
    )


def _shares() -> Any:
    return panels.bars(
        f"Share over time by {WHOM}",
        "The same as shares of what each bar's time cost; one that got more back than it spent has"
        " none.",
        [Query(f"clamp_min({each.expr}, 0)", each.legend) for each in spent.by_time(WHOM)],
        units.USD_AXIS,
        fixed={queries.REST: colours.REST},
        shares=True,
    )


def _models() -> Any:
    return panels.rows(
        f"Models used by {WHOM}",
        "What each spent on which model in the chosen time, less what came back.",
        [Column("Cost", by((WHOM, "model"), queries.spend()), units.USD)],
        named={"feature": "Feature", "team": "Team", "model": "Model"},
    )
