"""What the money was used for: calls, tokens, failures, and what a unit costs."""

from __future__ import annotations

from typing import Any, Final

from costmeter import names
from dashboards.src import colours, panels, queries, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Column, Query
from dashboards.src.queries import BY, CALLS, FAILED, PAID, TOKENS, by, gained, gained_ahead, total

ANSWERED: Final = queries.series(names.API_CALLS, 'status="ok"')
TOKEN_TYPES: Final = {
    "input": "input",
    "cache read": "cache_read",
    "cache write": "cache_write",
    "output": "output",
    "reasoning": "reasoning",
    "audio and images": "(input|output)_(audio|image)",
}
"""How :data:`names.TOKEN_TYPES` are shown."""


def section() -> Section:
    """Return the section."""
    return Section(
        "What it was used for",
        [
            Line(10, [(24, _table())]),
            Line(8, [(6, calls()), (6, tokens()), (6, _unit_costs()), (6, _requests())]),
        ],
    )


def _table() -> Any:
    spend, calls, tokens, paid = queries.spend(), gained(CALLS), gained(TOKENS), gained(PAID)
    return panels.rows(
        f"By {BY}",
        "All that was spent and used in the chosen time; the column Cost adds up to the figure"
        " 'Spend'. Cost of a call and of 1,000 tokens leave compute, storage and network out.",
        [
            Column("Cost", by(BY, spend), units.USD),
            Column("Share", by(BY, f"{spend} / scalar(sum({spend}) > 0)"), units.SHARE, bar=True),
            Column("Calls", by(BY, calls), units.COUNT),
            Column("Failed", queries.ratio(BY, gained(FAILED), calls), units.SHARE),
            Column("Tokens", by(BY, tokens), units.COUNT),
            Column("Cost of a call", queries.ratio(BY, paid, calls), units.USD_SMALL),
            Column(
                "Cost of 1k tokens",
                queries.ratio(BY, f"1000 * {paid}", tokens),
                units.USD_SMALL,
            ),
        ],
        whole=True,
    )


def calls() -> Any:
    """Return calls over time, by how they ended."""
    return panels.bars(
        "Calls over time",
        "Calls of providers' APIs in the time that each bar spans. What failed calls cost is in the"
        " spend: providers charge for some of them.",
        [
            Query(total(gained_ahead(ANSWERED)), "answered"),
            Query(total(gained_ahead(FAILED)), "failed"),
        ],
        units.COUNT,
        fixed=colours.CALLS,
    )


def tokens() -> Any:
    """Return tokens over time by type."""
    return panels.bars(
        "Tokens over time by type",
        "Tokens in the time that each bar spans. Types do not overlap: input is without what was"
        " read from or written to a cache, output without reasoning.",
        [
            Query(total(gained_ahead(queries.series(names.TOKENS, f'type=~"{types}"'))), name)
            for name, types in TOKEN_TYPES.items()
        ],
        units.COUNT,
        fixed=colours.TOKENS,
    )


def _unit_costs() -> Any:
    calls, tokens, paid = (gained_ahead(what) for what in (CALLS, TOKENS, PAID))
    return panels.lines(
        "Cost of a call and of 1k tokens",
        "Spend in the time from each point to the next, by the calls and the tokens in it; compute,"
        " storage and network are left out.",
        [
            Query(f"sum({paid}) / (sum({calls}) > 0)", "a call"),
            Query(f"1000 * sum({paid}) / (sum({tokens}) > 0)", "1k tokens"),
        ],
        units.USD_AXIS,
        fixed=colours.UNIT_COSTS,
        points=panels.MEANS,
    )


def _requests() -> Any:
    request = names.REQUEST_COST
    cost = gained(queries.series(request, name=f"{request.name}_sum"))
    count = gained(queries.series(request, name=f"{request.name}_count"))
    dearest = f"topk({queries.TOP}, {queries.ratio('endpoint', cost, count)})"
    return panels.amounts(
        "Mean cost of a request by endpoint",
        "Of the requests of the chosen time, as the application counts requests. Not narrowed by"
        " model, feature or team.",
        dearest,
        "endpoint",
        units.USD_SMALL,
    )
