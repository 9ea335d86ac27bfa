"""A dashboard as a whole: what all have in common, and panels in lines under headings."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from grafana_foundation_sdk.builders.dashboard import Dashboard, DashboardLink, Row
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.common import TimeZoneBrowser
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    GridPos,
)

from dashboards.src import marks

if TYPE_CHECKING:
    from collections.abc import Sequence

TAG: Final = "costmeter"
"""The tag of all dashboards of costmeter, by which they link to each other."""

COLUMNS: Final = 24
"""Columns of Grafana's grid."""


@dataclass(frozen=True)
class Line:
    """Panels side by side: their height, and each with its width, in cells of Grafana's grid."""

    height: int
    panels: Sequence[tuple[int, Any]]


@dataclass(frozen=True)
class Section:
    """A heading and the lines of panels under it; a folded one opens at a click."""

    title: str
    lines: Sequence[Line]
    folded: bool = False


def page(
    name: str, title: str, text: str, variables: Sequence[Any], sections: Sequence[Section]
) -> str:
    """Return a dashboard's JSON, the same bytes each time.

    Args:
        name: its uid is ``costmeter-<name>``.
        title: as it stands in lists of dashboards.
        text: what it answers.
        variables: the choices at its top, in order.
        sections: what it shows, in order.
    """
    links = (
        DashboardLink("costmeter")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(False)
        .include_vars(True)
        .keep_time(True)
        .icon("external link")
        .tooltip("The other dashboards of costmeter, for the same time and choices")
    )
    board = (
        Dashboard(title)
        .uid(f"{TAG}-{name}")
        .description(text)
        .tags([TAG])
        .timezone(TimeZoneBrowser)
        .time("now-24h", "now")
        .refresh("1m")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .editable()
        .link(links)
    )
    for variable in variables:
        board.with_variable(variable)
    top, number = 0, 1
    for section in sections:
        row = Row(section.title).id(number).collapsed(section.folded)
        row.grid_pos(GridPos(x=0, y=top, w=COLUMNS, h=1))
        top, number = top + 1, number + 1
        placed = []
        for line in section.lines:
            left = 0
            for width, panel in line.panels:
                panel.id(number).grid_pos(GridPos(x=left, y=top, w=width, h=line.height))
                placed.append(panel)
                left, number = left + width, number + 1
            top += line.height
        if section.folded:
            for panel in placed:
                row.with_panel(panel)
        board.with_row(row)
        if not section.folded:
            for panel in placed:
                board.with_panel(panel)
    made = json.loads(JSONEncoder().encode(board.build()))
    made["annotations"] = {"list": marks.everywhere()}
    return json.dumps(made, sort_keys=True, indent=2) + "\n"
