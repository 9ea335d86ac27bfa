"""How what each is charged went on, and what it was for."""

from __future__ import annotations

from typing import Any

from dashboards.src import colours, panels, queries, units
from dashboards.src.features.charged import WHOM
from dashboards.src.page import Line, Section
from dashboards.src.panels import AUTO, Column, Query
from dashboards.src.queries import CALLS, PAID, by, gained_ahead

FITTING = 8
"""Rows that the table of changes has room for."""


def section() -> Section:
    """Return the section."""
    return Section(
        "Trend, and what it was for",
        [
            Line(9, [(12, _spend()), (12, _shares())]),
            Line(9, [(8, _changes()), (8, _models()), (8, _cost())]),
        ],
    )


def _queries() -> list[Query]:
    largest, others = queries.largest_over_time(WHOM, queries.spend_ahead(WHOM))
    return [Query(largest, AUTO), Query(others, queries.REST)]


def _spend() -> Any:
    return panels.bars(
        f"Spend over time by {WHOM}",
        "Money spent in the time that each bar spans, less what came back; the last bar holds what"
        f" has come so far. The {queries.STACKED} dearest of the chosen time, and all others.",
        _queries(),
        units.USD_AXIS,
        fixed={queries.REST: colours.REST},
    )


def _shares() -> Any:
    return panels.bars(
        f"Share over time by {WHOM}",
        "The same as shares of what each bar's time cost; one that got more back than it spent has"
        " none.",
        [Query(f"clamp_min({each.expr}, 0)", each.legend) for each in _queries()],
        units.USD_AXIS,
        fixed={queries.REST: colours.REST},
        shares=True,
    )


def _changes() -> Any:
    return panels.rows(
        f"What changed most by {WHOM}",
        "Spend of the chosen time less spend of the same hours before, as 'Compare with' has it:"
        " the largest rises and falls.",
        [
            Column("Change", queries.change(WHOM, "$ago"), units.USD_CHANGE),
            Column("Before", by(WHOM, queries.spend(ago="$ago")), units.USD),
        ],
        most=FITTING,
        nothing="Nothing before",
    )


def _models() -> Any:
    return panels.rows(
        f"Models used by {WHOM}",
        "What each spent on which model in the chosen time, less what came back.",
        [Column("Cost", by((WHOM, "model"), queries.spend()), units.USD)],
        named={"feature": "Feature", "team": "Team", "model": "Model"},
    )


def _cost() -> Any:
    paid, calls = (gained_ahead(what, label=WHOM) for what in (PAID, CALLS))
    cost = queries.ratio_over_time(WHOM, paid, calls)
    return panels.lines(
        f"Cost of a call by {WHOM}",
        "Spend in the time from each point to the next by call; compute, storage and network are"
        f" left out. Of the {queries.STACKED} that cost most.",
        [Query(cost, AUTO)],
        units.USD_AXIS,
        points=panels.MEANS,
        nothing="No calls",
    )
