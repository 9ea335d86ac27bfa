"""The dashboards as Grafana loads them, and what Grafana does with their queries."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parents[2] / "dashboards"
BOARDS = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}

CHOICES = {
    "job": ".+",
    "provider": ".*",
    "model": ".*",
    "feature": ".*",
    "team": ".*",
    "by": "model",
    "ago": "1w",
    "per": "model",
    "whom": "feature",
    "budget": "all",
    "window": "month",
    "resource": ".*",
    "instance": ".*",
}
"""What the variables stand for in a query when nothing was chosen."""


@dataclass(frozen=True)
class Target:
    """One query of one panel."""

    board: str
    panel: str
    kind: str
    query: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.board}: {self.panel} ({self.query['refId']})"

    def promql(self, span: int, step: int = 300, **choices: str) -> str:
        """Return the query as Grafana sends it.

        Args:
            span: seconds of the dashboard's range.
            step: seconds between the points of a range query.
            choices: values of variables, where something was chosen.
        """
        values = {
            "__range": f"{span}s",
            "__interval": f"{step}s",
            **CHOICES,
            **choices,
        }
        return re.sub(r"\$(\w+)", lambda found: values[found[1]], self.query["expr"])


def panels(board: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield every panel of a dashboard, headings left out, those in folded rows included."""
    for panel in board["panels"]:
        if panel["type"] == "row":
            yield from panel.get("panels", ())
        else:
            yield panel


TARGETS = [
    Target(name, panel["title"], panel["type"], query)
    for name, board in BOARDS.items()
    for panel in panels(board)
    for query in panel["targets"]
]


def target(panel: str, letter: str = "A", board: str = "overview.json") -> Target:
    """Return a panel's query by title and letter."""
    (found,) = (
        target
        for target in TARGETS
        if (target.board, target.panel, target.query["refId"]) == (board, panel, letter)
    )
    return found
