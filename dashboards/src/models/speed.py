"""How long calls take, how long streams keep one waiting, and how many fail, by the minute."""

from __future__ import annotations

from typing import Any, Final

from costmeter import names
from dashboards.src import panels, queries, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Query

CHOSEN: Final = 'provider=~"$provider", model=~"$model"'
TEXT: Final = (
    f" within five minutes, by model: the {queries.STACKED} called most. Of all jobs, features"
    " and teams."
)
WAITING: Final = (
    "of streamed calls, from the start of the call to the first chunk of its answer, that came"
)
ERRORS: Final = "provider_model:cost_provider_api_call_errors:ratio_rate5m"


def section() -> Section:
    """Return the section."""
    duration, first = names.API_CALL_DURATION.name, names.TIME_TO_FIRST_TOKEN.name
    return Section(
        "Speed and failures",
        [
            Line(8, [
                (12, _lines("P50 of a call", "Half were faster, of calls that ended" + TEXT,
                            _quantile(duration, 50), units.DURATION)),
                (12, _lines("P95 of a call", "95 of 100 were faster, of calls that ended" + TEXT,
                            _quantile(duration, 95), units.DURATION)),
            ]),
            Line(8, [
                (12, _lines("P50 to the first token", f"Half were faster, {WAITING}{TEXT}",
                            _quantile(first, 50), units.DURATION, nothing="No streams")),
                (12, _lines("P95 to the first token", f"95 of 100 were faster, {WAITING}{TEXT}",
                            _quantile(first, 95), units.DURATION, nothing="No streams")),
            ]),
            Line(8, [
                (24, _lines("Share of calls that failed", "The share of calls" + TEXT, ERRORS,
                            units.SHARE)),
            ]),
        ],
    )  # fmt: skip


def _quantile(family: str, percent: int) -> str:
    return f"provider_model:{family}:p{percent}_rate5m"


def _lines(title: str, text: str, rule: str, unit: units.Unit, *, nothing: str = "No calls") -> Any:
    of = f"max by (model) ({rule}{{{CHOSEN}}}) >= 0"
    return panels.lines(
        title,
        text,
        [Query(f"{of} and on (model) {queries.busiest('model')}", "{{model}}")],
        unit,
        nothing=nothing,
    )
