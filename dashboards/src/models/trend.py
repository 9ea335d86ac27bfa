"""How spend, tokens, calls and unit costs went on, model by model."""

from __future__ import annotations

from typing import Any

from dashboards.src import colours, panels, queries, spent, units
from dashboards.src.models.compared import PER
from dashboards.src.overview import usage
from dashboards.src.page import Line, Section
from dashboards.src.panels import Query
from dashboards.src.queries import FAILED_SPEND, TOKENS, gained_ahead


def section() -> Section:
    """Return the section."""
    cost = spent.cost_over_time("1M tokens", PER, TOKENS, times="1e6 *", nothing="No tokens")
    return Section(
        "Over time",
        [
            Line(9, [(12, spent.over_time(PER)), (12, cost)]),
            Line(8, [(8, usage.tokens()), (8, usage.calls()), (8, _failed())]),
        ],
    )


def _failed() -> Any:
    return panels.bars(
        "Spend on failed calls over time",
        "What calls cost that did not end well, in the time that each bar spans: part of the"
        " spend.",
        [Query(queries.total(gained_ahead(FAILED_SPEND)), "failed")],
        units.USD_AXIS,
        fixed={"failed": colours.CALLS["failed"]},
    )
