"""How spend, tokens, calls and unit costs went on, model by model."""

from __future__ import annotations

from typing import Any

from dashboards.src import colours, panels, queries, units
from dashboards.src.models.compared import PER
from dashboards.src.overview import usage
from dashboards.src.page import Line, Section
from dashboards.src.panels import AUTO, Query
from dashboards.src.queries import FAILED_SPEND, PAID, TOKENS, gained_ahead


def section() -> Section:
    """Return the section."""
    return Section(
        "Over time",
        [
            Line(9, [(12, _spend()), (12, _cost())]),
            Line(8, [(8, usage.tokens()), (8, usage.calls()), (8, _failed())]),
        ],
    )


def _spend() -> Any:
    largest, others = queries.largest_over_time(PER, queries.spend_ahead(PER))
    return panels.bars(
        f"Spend over time by {PER}",
        "Money spent in the time that each bar spans, less what came back; the last bar holds what"
        f" has come so far. The {queries.STACKED} dearest of the chosen time, and all others.",
        [Query(largest, AUTO), Query(others, queries.REST)],
        units.USD_AXIS,
        fixed={queries.REST: colours.REST},
        beside=True,
    )


def _cost() -> Any:
    paid, tokens = (gained_ahead(what, label=PER) for what in (PAID, TOKENS))
    cost = queries.ratio_over_time(PER, f"1e6 * {paid}", tokens)
    return panels.lines(
        f"Cost of 1M tokens by {PER}",
        "Spend in the time from each point to the next by a million tokens of any type in it;"
        f" compute, storage and network are left out. Of the {queries.STACKED} that cost most.",
        [Query(cost, AUTO)],
        units.USD_AXIS,
        points=panels.MEANS,
        nothing="No tokens",
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
