"""What CPU and memory have cost, to the cent: the ledgers' component "compute"."""

from __future__ import annotations

from typing import Any, Final

from costmeter import names
from dashboards.src import panels, queries, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import AUTO, Query

COMPUTE: Final = queries.whole(names.SPEND, 'component="compute"')
NOTHING: Final = "None in what is chosen"
EXACT: Final = (
    "Money spent on CPU and memory in the chosen time, to the cent, from the ledgers. They know"
    " whom it was for: narrowed by provider, model, feature and team, not by resource"
)


def section() -> Section:
    """Return the section."""
    return Section(
        "What was spent on them (by provider, model, feature and team)",
        [
            Line(8, [(6, _figure()), (18, _over_time())]),
            Line(6, [(8, _amounts(label)) for label in ("model", "team", "feature")]),
        ],
    )


def _figure() -> Any:
    return panels.figure(
        "Spend on CPU and memory",
        f"{EXACT}.",
        queries.total(queries.gained(COMPUTE)),
        units.USD,
        nothing=NOTHING,
    )


def _over_time() -> Any:
    return panels.bars(
        "Spend over time on CPU and memory",
        "Money spent in the time that each bar spans; the last bar holds what has come so far."
        " Narrowed by provider, model, feature and team.",
        [Query(queries.by("model", queries.gained_ahead(COMPUTE, label="model")), AUTO)],
        units.USD_AXIS,
    )


def _amounts(label: str) -> Any:
    return panels.amounts(
        f"Spend on CPU and memory by {label}",
        f"{EXACT}.",
        queries.largest(label, queries.gained(COMPUTE)),
        label,
        units.USD,
        nothing=NOTHING,
    )
