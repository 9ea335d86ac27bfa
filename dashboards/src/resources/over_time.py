"""CPU and memory over time: in use, set aside, and what both cost."""

from __future__ import annotations

from typing import Any

from grafana_foundation_sdk.models.dashboard import DynamicConfigValue

from costmeter import names
from dashboards.src import panels, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Query
from dashboards.src.resources.now import COST, IDLE, NO_LIMIT, NOTHING, PRICED, of


def section() -> Section:
    """Return the section."""
    cpu = _against("CPU cores in use", names.CPU_USAGE, names.CPU_LIMIT, units.COUNT)
    memory = _against("Memory in use", names.MEMORY_USAGE, names.MEMORY_LIMIT, units.BYTES)
    return Section(
        "Over time, by resource",
        [
            Line(8, [(12, cpu), (12, memory)]),
            Line(8, [(12, _cost()), (12, _idle())]),
        ],
    )


def _against(title: str, used: names.Family, limit: names.Family, unit: units.Unit) -> Any:
    panel = panels.lines(
        title,
        "By process, process tree or container that costmeter watches: what it uses at each time,"
        " and dashed what is set aside for it.",
        [
            Query(f"sum by (resource) ({of(used)})", "{{resource}}"),
            Query(f"sum by (resource) ({of(limit)})", "{{resource}}, set aside"),
        ],
        unit,
        nothing=NOTHING,
    )
    return panel.override_by_regexp(
        "/, set aside$/",
        [DynamicConfigValue("custom.lineStyle", {"fill": "dash", "dash": [2, 6]})],
    )


def _cost() -> Any:
    return panels.lines(
        "Cost of an hour by resource",
        f"What is used at each time costs so much an hour. {PRICED}",
        [Query(COST, "{{resource}}")],
        units.USD_AXIS,
        nothing=NOTHING,
    )


def _idle() -> Any:
    return panels.lines(
        "Cost of what idles in an hour, by resource",
        "What is set aside and not used at each time costs so much an hour; not there where nothing"
        f" is set aside. {PRICED}",
        [Query(f"sum by (resource) ({IDLE} or {COST} * NaN)", "{{resource}}")],
        units.USD_AXIS,
        nothing=NO_LIMIT,
    )
