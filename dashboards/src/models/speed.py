"""How long calls take, and how many fail, by the minute."""

from __future__ import annotations

from typing import Any, Final

from dashboards.src import panels, units
from dashboards.src.page import Line, Section
from dashboards.src.panels import Query

CHOSEN: Final = 'provider=~"$provider", model=~"$model"'
TEXT: Final = " of calls within five minutes, by model. Of all jobs, features and teams."


def section() -> Section:
    """Return the section."""
    duration = "provider_model:cost_provider_api_call_duration_seconds"
    failed = "provider_model:cost_provider_api_call_errors:ratio_rate5m"
    return Section(
        "Speed and failures",
        [
            Line(10, [
                (8, _lines("P50", f"Half were faster:{TEXT}", f"{duration}:p50_rate5m",
                           units.DURATION)),
                (8, _lines("P95", f"95 of 100 were faster:{TEXT}", f"{duration}:p95_rate5m",
                           units.DURATION)),
                (8, _lines("Share of calls that failed", f"The share{TEXT}", failed, units.SHARE)),
            ]),
        ],
    )  # fmt: skip


def _lines(title: str, text: str, rule: str, unit: units.Unit) -> Any:
    return panels.lines(
        title,
        text,
        [Query(f"max by (model) ({rule}{{{CHOSEN}}}) >= 0", "{{model}}")],
        unit,
        nothing="No calls",
    )
