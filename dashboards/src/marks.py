"""What happened meanwhile, marked in every chart: alerts that fired, and new versions."""

from __future__ import annotations

from typing import Any, Final

from dashboards.src import colours
from dashboards.src.variables import DATASOURCE

ALERTS: Final = 'ALERTS{alertname=~"Cost.+", alertstate="firing"}'
VERSIONS: Final = '{__name__="$deploys", version!=""}'
NEW: Final = "5m"
"""For so long a version is new."""


def everywhere() -> list[dict[str, Any]]:
    """Return the annotations that every dashboard has, as Grafana's JSON has them."""
    before = f"count by (job, version) ({VERSIONS} offset {NEW})"
    deployed = f"count by (job, version) ({VERSIONS}) unless {before} and on (job) {before}"
    return [
        {
            "builtIn": 1,
            "datasource": {"type": "grafana", "uid": "-- Grafana --"},
            "enable": True,
            "hide": True,
            "iconColor": colours.SKY,
            "name": "Annotations & Alerts",
            "type": "dashboard",
        },
        _marked("Alerts", ALERTS, colours.LOOK, "{{alertname}}", "{{budget}} {{model}}"),
        _marked("Deploys", deployed, colours.SKY, "{{job}}: {{version}}", "New version"),
    ]


def _marked(name: str, expr: str, colour: str, title: str, text: str) -> dict[str, Any]:
    return {
        "datasource": {"type": DATASOURCE.type_val, "uid": DATASOURCE.uid},
        "enable": True,
        "expr": expr,
        "iconColor": colour,
        "name": name,
        "step": "60s",
        "textFormat": text,
        "titleFormat": title,
        "type": "prometheus",
    }
