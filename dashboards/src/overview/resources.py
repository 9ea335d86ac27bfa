"""CPU and memory of what costmeter watches, and what they cost."""

from __future__ import annotations

from typing import Any, Final

from costmeter import names
from dashboards.src import panels, queries, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Query

NOTHING: Final = "No resource is watched"


def section() -> Section:
    """Return the section."""
    lines = (
        _lines("CPU cores in use", _in_use(names.CPU_USAGE), units.COUNT),
        _lines("Memory in use", _in_use(names.MEMORY_USAGE), units.BYTES),
        _lines("Cost of an hour", "resource:cost_usd_per_hour:sum", units.USD_AXIS),
    )
    return Section(
        "CPU and memory",
        [Line(7, [*((6, line) for line in lines), (6, _spend())])],
    )


def _lines(title: str, expr: str, unit: units.Unit) -> Any:
    return panels.lines(
        title,
        "By process, process tree or container that costmeter watches: what it uses now, and what"
        " that costs at its price by core and GiB.",
        [Query(expr, "{{resource}}")],
        unit,
        nothing=NOTHING,
    )


def _in_use(family: names.Family) -> str:
    return f"sum by (resource) ({queries.series(family)})"


def _spend() -> Any:
    compute = queries.gained(queries.whole(names.SPEND, 'component="compute"'))
    return panels.amounts(
        "Spend on CPU and memory",
        "Money spent on compute in the chosen time, from the ledger.",
        queries.largest("model", compute),
        "model",
        units.USD,
        nothing="None in what is chosen",
    )
